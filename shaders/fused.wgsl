// Several ops of a compiled program as one kernel: elementwise chains, reductions with what feeds and
// follows them, whole rows of softmax or layer norm, and several such parts side by side.
//
// Bindings: 0 uniform Params, then the memory of the part or parts. Shapes and strides are constants.
// Dispatch: as many workgroups as the parts need together, folded into x and y; `run` deals them out,
// and spare threads write nothing. A part's thread has 4 neighbouring outputs where loads of vec4 fit.
// Replaced: `parts`, the bindings and `run`. What stands there is the sum of m0's rows of 128.

struct Params {
    scalars: array<vec4<u32>, 4>,  // the bits of operands that are numbers
}

@group(0) @binding(0) var<uniform> params: Params;

// The host may replace this line, and the block.
const THREADS = 64u;
// replace: parts
@group(0) @binding(1) var<storage, read> m0: array<f32>;
@group(0) @binding(2) var<storage, read_write> m1: array<f32>;
fn run(group: u32, lane: u32) {
    let index = group * THREADS + lane;
    if index >= arrayLength(&m1) { return; }
    var total = 0.0;
    for (var k = 0u; k < 128u; k++) { total += m0[index * 128u + k]; }
    m1[index] = total;
}
// end: parts

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    run(group.y * groups.x + group.x, local.x);
}
