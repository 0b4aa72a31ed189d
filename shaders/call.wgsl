// A function of several numbers and several results at every point: one point a thread, or four.
//
// Bindings: 0 uniform Params, then the buffers of the operands, then out (dense, from 0 on).
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.
// Replaced: `call`, with the bindings, the function and `compute`; and the counts of Params.
//
// Where operands are one line, and in vec4s, a thread takes four points, and further ones the rest.
// Operands that are walked alike share one row of strides, four of which are one vec4.

struct Params {
    size: u32,  // points
    rank: u32,  // or the threads that take four points each, where others take one
    point: u32,  // from the results of one point to those of the next,
    result: u32,  // and from one of them to the next
    scalars: array<vec4<u32>, 1>,  // the bits of operands that are numbers
    offsets: array<vec4<u32>, 1>,  // of operands that are memory
    extents: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 8>,  // for each axis, all rows
}

@group(0) @binding(0) var<uniform> params: Params;

fn extent(axis: u32) -> u32 { return params.extents[axis / 4u][axis % 4u]; }

// replace: call
@group(0) @binding(1) var<storage, read> m0: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
fn compute(index: u32) {
    var rest = index;
    var at0 = vec4<u32>();
    for (var axis = params.rank; axis > 1u; axis--) {
        let n = extent(axis - 1u);
        let quotient = rest / n;
        at0 += (rest - quotient * n) * params.strides[axis - 1u];
        rest = quotient;
    }
    at0 += rest * params.strides[0];
    let x = m0[at0.x + params.offsets[0].x];
    out[index * params.point] = x + bitcast<f32>(params.scalars[0].x);
}
// end: call

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index < params.size {
        compute(index);
    }
}
