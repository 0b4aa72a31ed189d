// Strided indexing: where element `index` of a shape lies in up to four buffers at once.
//
// Included by kernels whose `params` hold `rank: u32` and `dims: Dims`. Lane i of a stride is the
// step in buffer i that one step along the axis takes; strides wrap around, so negative ones work.

struct Dims {
    extents: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 8>,
}

// The offsets of row-major element `index`, to be added to where each buffer's view begins.
fn locate(index: u32) -> vec4<u32> {
    var rest = index;
    var at = vec4<u32>();
    for (var axis = params.rank; axis > 1u; axis--) {
        let extent = params.dims.extents[(axis - 1u) / 4u][(axis - 1u) % 4u];
        let quotient = rest / extent;
        at += (rest - quotient * extent) * params.dims.strides[axis - 1u];
        rest = quotient;
    }
    return at + rest * params.dims.strides[0];
}
