// An elementwise op over contiguous operands at offset 0: two quads a thread, by vec4 loads and stores.
//
// Bindings: 0 uniform Params, then one per tensor operand, then out (contiguous from 0).
// Dispatch: ceil(quads / 512) workgroups, folded into x and y; spare threads write nothing.
// Buffers are multiples of 16 bytes, so the last quad may reach into their padding. An offset, even
// of 0, would cost 15 % on lavapipe: views that begin elsewhere take map_strided.
// Replaced: `operands`, the bindings of the operands and the body.

struct Params {
    quads: u32,
    scalars: array<vec4<u32>, 4>,  // the bits of operands that are numbers
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: operands
@group(0) @binding(1) var<storage, read> a_data: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
fn body(a: f32, b: f32) -> f32 { return a + b; }
fn compute(quad: u32) -> vec4<f32> {
    let a = a_data[quad];
    let b = bitcast<f32>(params.scalars[0].y);
    return vec4<f32>(body(a.x, b), body(a.y, b), body(a.z, b), body(a.w, b));
}
// end: operands

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let quad = 2u * ((group.y * groups.x + group.x) * 256u + local.x);
    if quad < params.quads {
        out[quad] = compute(quad);
    }
    if quad + 1u < params.quads {
        out[quad + 1u] = compute(quad + 1u);
    }
}
