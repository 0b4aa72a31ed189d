// Adds values at indices along one axis, like scatter_add, where the indices are one row for all
// and `order` sorts them: an output element finds its indices by bisection, not by looking at all.
//
// Bindings: 0 uniform Params, 1 values, 2 indices, 3 order, 4 out (contiguous). Lanes of a stride:
// values (0 along the axis), unused, 1 along the axis itself. Values of one element are added in
// the order of their positions, for the order is stable.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing. A run
// covers places `first` to `last` of the order; the first starts from 0, the others add on.

// include: lib/index.wgsl
// include: lib/long_sum.wgsl

struct Params {
    size: u32,
    rank: u32,
    first: u32,
    last: u32,
    value_step: u32,  // strides along the axis
    index_step: u32,
    offsets: vec4<u32>,  // of values and indices
    dims: Dims,
}

// replace: type
alias T = f32;
// end: type

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<T>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<T>;

fn sorted(place: u32) -> u32 {
    return indices[params.offsets.y + order[place] * params.index_step];
}

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
    let at = locate(index);
    var low = params.first;
    var high = params.last;
    while low < high {
        let middle = (low + high) / 2u;
        if sorted(middle) < at.z {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    var sum = LongSum();
    for (; low < params.last; low++) {
        if sorted(low) != at.z {
            break;
        }
        add_term(&sum, values[params.offsets.x + at.x + order[low] * params.value_step]);
    }
    if params.first > 0u {
        out[index] += total_of(sum);
    } else {
        out[index] = total_of(sum);
    }
}
