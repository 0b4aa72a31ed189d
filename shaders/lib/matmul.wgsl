// What the kernels of a matrix product share: parameters, the tile that a workgroup computes, and what becomes of results.
//
// The product is out[batch] = a[batch] @ b[batch]. Strides count elements and wrap around: 0 and "negative" ones are fine. A long k
// is cut into `parts` of `part` steps, a multiple of 16; each part makes a whole result of its own, one behind the other, and
// matmul_sum.wgsl adds them up.
struct Params {
    m: u32, n: u32, k: u32, batch: u32,
    a_offset: u32, a_row: u32, a_col: u32, parts: u32,
    b_offset: u32, b_row: u32, b_col: u32, part: u32,
    extents: vec2<u32>,                 // of the last two of three batch axes
    out_row: u32, out_col: u32,         // n and 1; 1 and m where the transposed product, b^T a^T, is what is computed
    a_batch: vec4<u32>,                 // steps along the three batch axes
    b_batch: vec4<u32>,
    scalars: array<vec4<u32>, 4>,       // what the output block may read
    // What lib/walk.wgsl reads: inner extents of the axes of steps and of rows; and strides of the axes of steps, rows and columns,
    // with the inner extents of those of columns beside them.
    walk_steps: vec4<u32>,
    walk_a_step: vec4<u32>,
    walk_b_step: vec4<u32>,
    walk_a_row: vec4<u32>,
    walk_b_col: vec4<u32>,
}

@group(0) @binding(0) var<uniform> params: Params;

// The host may replace this line: the type of elements and sums.
alias T = f32;

struct Tile {
    batch: u32, row: u32, col: u32,     // which matrices, and the first row and column of out
    first: u32, last: u32,              // steps of k
    at: u32, rows: u32,                 // where this result begins, and how many rows of out there are (none in a spare workgroup)
}

fn find_tile(index: u32, height: u32, width: u32) -> Tile {
    let across = (params.n + width - 1u) / width;
    let tiles = across * ((params.m + height - 1u) / height);
    let results = params.batch * params.parts;
    let result = min(index / tiles, results - 1u);
    let place = index % tiles;
    let first = result / params.batch * params.part;
    return Tile(
        result % params.batch, place / across * height, place % across * width,
        first, min(first + params.part, params.k),
        result * params.m * params.n, select(0u, params.m, index / tiles < results),
    );
}

// Four neighbouring columns of a row of out, from col; `at` is where the row begins.
fn store(at: u32, col: u32, value: vec4<T>) {
    let i = at + col * params.out_col;
    if EMIT_VECTORS {
        if col < params.n { emit4(i, value); }
        return;
    }
    if col < params.n { emit(i, value.x); }
    if col + 1u < params.n { emit(i + params.out_col, value.y); }
    if col + 2u < params.n { emit(i + 2u * params.out_col, value.z); }
    if col + 3u < params.n { emit(i + 3u * params.out_col, value.w); }
}

// The host may replace this block, which takes results at their row-major index in (batch, m, n): one, or the four from index where
// EMIT_VECTORS is true (out_col is 1 then, and n a multiple of 4). Its bindings begin at 3.
// replace: output
const EMIT_VECTORS = false;
@group(0) @binding(3) var<storage, read_write> out: array<T>;
fn emit(index: u32, value: T) { out[index] = value; }
fn emit4(index: u32, value: vec4<T>) {}
// end: output
