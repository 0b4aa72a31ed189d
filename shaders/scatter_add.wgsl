// Adds values at indices along one axis: the transpose of gather, in index order, without atomics.
//
// Every output element looks through the indices that could point at it, so the result has the
// same bits in every run. Bindings: 0 uniform Params, 1 values, 2 indices, 3 out (contiguous).
// Lanes of a stride: values, indices (both 0 along the axis), and 1 along the axis itself.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing. A run
// covers indices `first` to `last` (lavapipe stops loops after 65535 steps); the first run starts
// from 0, the others add to what is there.

// include: lib/index.wgsl
// include: lib/long_sum.wgsl

struct Params {
    size: u32,
    rank: u32,
    first: u32,
    last: u32,
    value_step: u32,  // strides along the axis
    index_step: u32,
    offsets: vec4<u32>,
    dims: Dims,
}

// replace: type
alias T = f32;
// end: type

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<T>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

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
    let place = locate(index);
    let at = params.offsets + place;
    var sum = LongSum();
    for (var j = params.first; j < params.last; j++) {
        if indices[at.y + j * params.index_step] == place.z {
            add_term(&sum, values[at.x + j * params.value_step]);
        }
    }
    if params.first > 0u {
        out[index] += total_of(sum);
    } else {
        out[index] = total_of(sum);
    }
}
