// An elementwise op over operands of any strides: one element a thread, or four neighbours as a vec4
// where every operand has four side by side or repeats one.
//
// Bindings: 0 uniform Params, then one per tensor operand (at most 4), then out (contiguous from 0).
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.
// Replaced: `operands`, the bindings of the operands and the body. With vec4s everything is counted
// in them, except in operands that repeat one element.

// include: lib/index.wgsl

struct Params {
    size: u32,
    rank: u32,
    offsets: vec4<u32>,
    scalars: array<vec4<u32>, 4>,  // the bits of operands that are numbers
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: operands
@group(0) @binding(1) var<storage, read> a_data: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn body(a: f32, b: f32) -> f32 { return a + b; }
fn compute(at: vec4<u32>) -> f32 {
    let a = a_data[at.x];
    let b = bitcast<f32>(params.scalars[0].y);
    return body(a, b);
}
// end: operands

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index < params.size {
        out[index] = compute(params.offsets + locate(index));
    }
}
