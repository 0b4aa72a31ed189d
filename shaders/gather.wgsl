// out[.., j, ..] = source[.., indices[.., j, ..], ..]; elements are only moved.
//
// Where rows run on by fours, T is vec4<u32>: size, extents and what is of the source count fours.
// Bindings: 0 uniform Params, 1 source, 2 indices (the output's shape), 3 out (contiguous).
// Lanes of a stride: source (0 along the gathered axis), indices. Indices were checked by the host.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.

// include: lib/index.wgsl

// The host may replace this line, by a type of 2 bytes or by fours.
alias T = u32;

struct Params {
    size: u32,
    rank: u32,
    axis_stride: u32,  // of the source, along the gathered axis
    offsets: vec4<u32>,
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<T>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index < params.size {
        let at = params.offsets + locate(index);
        out[index] = source[at.x + indices[at.y] * params.axis_stride];
    }
}
