// target[.., indices[j], ..] = values[.., j, ..] along one axis; all element types have 4 bytes.
//
// Where an index repeats, its last value stays: `order` sorts the indices, ties by position, so the
// last of equal ones is known, and it alone is written. Every element has one writer at most.
// Bindings: 0 uniform Params, 1 values, 2 indices (one row), 3 order, 4 target (strided, in place).
// Lanes of a stride: values, target (both 0 along the axis), and 1 along the axis itself.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.

// include: lib/index.wgsl

struct Params {
    size: u32,
    rank: u32,
    count: u32,  // of indices
    steps: vec4<u32>,  // along the axis: of values, indices and target
    offsets: vec4<u32>,  // of values, target and indices
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read> order: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<u32>;

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
    let j = order[at.z];
    let place = indices[params.offsets.z + j * params.steps.y];
    if at.z + 1u < params.count {
        let later = order[at.z + 1u];
        if indices[params.offsets.z + later * params.steps.y] == place {
            return;
        }
    }
    let value = values[params.offsets.x + at.x + j * params.steps.x];
    out[params.offsets.y + at.y + place * params.steps.z] = value;
}
