// Where each value would be put into a sorted row, by bisection: one thread a value.
//
// Bindings: 0 uniform Params, 1 sorted (one row), 2 values (contiguous), 3 out. Replaced: the type,
// and its numbers as keys in the order that sorting has.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.

struct Params {
    size: u32,
    n: u32,  // of the row
    step: u32,
    offset: u32,
    start: u32,  // of the values
    right: u32,  // 1 to go behind equal ones
}

// replace: type
alias T = u32;
fn key(a: T) -> u32 { return a; }
// end: type

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> sorted: array<T>;
@group(0) @binding(2) var<storage, read> values: array<T>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index >= params.size {
        return;
    }
    let value = key(values[params.start + index]);
    var low = 0u;
    var high = params.n;
    while low < high {
        let middle = (low + high) / 2u;
        let other = key(sorted[params.offset + middle * params.step]);
        if other < value || (other == value && params.right == 1u) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    out[index] = low;
}
