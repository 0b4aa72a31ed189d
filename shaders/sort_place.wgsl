// Radix sort, last of three kernels a pass: every key goes to its place, its position with it.
//
// Bindings: 0 uniform Params, 1 keys and 2 their positions (rows of `n`; in the first pass positions
// are 0, 1, ... and not read), 3 places: where the next key of a digit and chunk goes, 4 and 5 the
// keys and positions in their new order. A thread walks its chunk in order: the sort is stable.
// Dispatch: ceil(rows * chunks / 64) workgroups, folded into x and y; spare threads write nothing.

struct Params {
    threads: u32,  // rows * chunks
    n: u32,
    chunks: u32,
    chunk: u32,
    shift: u32,  // of the digit of this pass
    offset: u32,
    first: u32,  // 1 in the first pass
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> positions: array<u32>;
@group(0) @binding(3) var<storage, read> places: array<u32>;
@group(0) @binding(4) var<storage, read_write> moved_keys: array<u32>;
@group(0) @binding(5) var<storage, read_write> moved_positions: array<u32>;

var<workgroup> next: array<u32, 1024>;  // by digit, then by thread, which alone touches its own

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let thread = (group.y * groups.x + group.x) * 64u + local.x;
    if thread >= params.threads {
        return;
    }
    let row = thread / params.chunks;
    let mine = thread % params.chunks;
    for (var digit = 0u; digit < 16u; digit++) {
        next[digit * 64u + local.x] = places[(row * 16u + digit) * params.chunks + mine];
    }
    let start = row * params.n;
    let last = min((mine + 1u) * params.chunk, params.n);
    for (var i = mine * params.chunk; i < last; i++) {
        let key = keys[params.offset + start + i];
        var position = i;
        if params.first == 0u {
            position = positions[start + i];
        }
        let slot = ((key >> params.shift) & 15u) * 64u + local.x;
        let place = next[slot];
        next[slot] = place + 1u;
        moved_keys[start + place] = key;
        moved_positions[start + place] = position;
    }
}
