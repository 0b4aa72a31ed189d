// Radix sort, first of three kernels a pass: how often each digit comes in each chunk of a row.
//
// Bindings: 0 uniform Params, 1 keys (rows of `n`, one after the other), 2 out: the counts of a row,
// by digit and then by chunk. A thread walks a chunk of `chunk` keys alone and in order, so nothing
// is atomic, the sort is stable, and no thread waits for another.
// Dispatch: ceil(rows * chunks / 64) workgroups, folded into x and y; spare threads write nothing.

struct Params {
    threads: u32,  // rows * chunks
    n: u32,
    chunks: u32,
    chunk: u32,
    shift: u32,  // of the digit of this pass
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

var<workgroup> tallies: array<u32, 1024>;  // by digit, then by thread, which alone touches its own

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
        tallies[digit * 64u + local.x] = 0u;
    }
    let last = min((mine + 1u) * params.chunk, params.n);
    for (var i = mine * params.chunk; i < last; i++) {
        let digit = (keys[params.offset + row * params.n + i] >> params.shift) & 15u;
        tallies[digit * 64u + local.x] += 1u;
    }
    for (var digit = 0u; digit < 16u; digit++) {
        out[(row * 16u + digit) * params.chunks + mine] = tallies[digit * 64u + local.x];
    }
}
