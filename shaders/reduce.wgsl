// Folds axes of a strided view: thread (output, lane) folds every lanes-th element of one output.
//
// Bindings: 0 uniform Params, 1 data, 2 out (contiguous: outputs x lanes).
// Dispatch: ceil(outputs * lanes / 64) workgroups, folded into x and y; spare threads write nothing.
// The host runs it again over the lanes until one is left. Neighbouring lanes read neighbouring
// elements. A thread folds at most about 1000 elements: lavapipe stops loops after 65535 steps, and
// short chains keep float sums exact to a few ULP.
// Axes: those of `dims` up to 4 are kept, the 4 from index 4 on are folded (stride lane x).
// Replaced: `kind`, the types (what is folded, what memory holds of it before and after) and how two
// elements become one.

// include: lib/index.wgsl

struct Params {
    outputs: u32,
    lanes: u32,
    extent: u32,       // elements folded into one output
    rank: u32,         // kept axes
    folded_rank: u32,
    offset: u32,
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: kind
alias T = f32;
alias Source = f32;
alias Out = f32;
fn combine(x: T, y: T) -> T { return x + y; }
fn stored(x: T) -> Out { return x; }
// end: kind

@group(0) @binding(1) var<storage, read> data: array<Source>;
@group(0) @binding(2) var<storage, read_write> out: array<Out>;

fn load(start: u32, k: u32) -> T {
    var rest = k;
    var at = start;
    for (var axis = params.folded_rank; axis > 1u; axis--) {
        let extent = params.dims.extents[1][axis - 1u];
        let quotient = rest / extent;
        at += (rest - quotient * extent) * params.dims.strides[axis + 3u].x;
        rest = quotient;
    }
    return T(data[at + rest * params.dims.strides[4].x]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    let lanes = params.lanes;
    if index >= params.outputs * lanes {
        return;
    }
    let start = params.offset + locate(index / lanes).x;
    var k = index % lanes;
    var total = load(start, k);
    k += lanes;
    for (; k + 3u * lanes < params.extent; k += 4u * lanes) {
        let low = combine(load(start, k), load(start, k + lanes));
        let high = combine(load(start, k + 2u * lanes), load(start, k + 3u * lanes));
        total = combine(total, combine(low, high));
    }
    for (; k < params.extent; k += lanes) {
        total = combine(total, load(start, k));
    }
    out[index] = stored(total);
}
