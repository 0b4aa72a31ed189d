// Copies a strided view into a strided view of another buffer; all element types have 4 bytes.
//
// Where both run on by fours, T is vec4<u32>, and sizes, strides and offsets count fours.
// Bindings: 0 uniform Params, 1 source, 2 target. Lanes of a stride: source, target.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.

// include: lib/index.wgsl

struct Params {
    size: u32,
    rank: u32,
    offsets: vec4<u32>,
    dims: Dims,
}

// replace: type
alias T = u32;
// end: type

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<T>;
@group(0) @binding(2) var<storage, read_write> out: array<T>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index < params.size {
        let at = params.offsets + locate(index);
        out[at.y] = source[at.x];
    }
}
