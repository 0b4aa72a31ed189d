// Matrix multiplication for software adapters: out[batch] = a[batch] @ b[batch], tiles held in registers.
//
// Bindings: 0 uniform Params, 1 a (m x k), 2 b (k x n), 3 out (m x n; out_row, out_col are n, 1, or 1, m to store it transposed).
// Dispatch: tiles = batch * ceil(m / ROWS) * ceil(n / 64) workgroups, folded into x and y so that x * y >= tiles (spare workgroups
// write nothing); z is 1.
// k is at most 262000: lavapipe stops all loops of an invocation after 65535 iterations, and one iteration takes 4 steps of k.
// Strides count elements and wrap around; 0 and "negative" ones are fine.
//
// Shape: one workgroup is 8 lanes side by side along n, the SIMD width of lavapipe; each lane has 16 x 8 outputs. There a load
// costs about 20 cycles (lane by lane, even of one address) and a multiply-add 1, so loads are what counts: the lanes load
// different rows of a and share them by shuffles, and b comes as vec4s. GFLOP/s at 512 x 512 x 512 on 2 cores: one output a thread
// 1.05; with shuffles and vec4 loads of a and b 37, of b only 35, of neither 25; without shuffles 21, 14, 11; ROWS = 4 at best 14.
// Tiles of 32 x 8 and 32 x 4 gain nothing and compile slower.
struct Params {
    m: u32, n: u32, k: u32, batch: u32,
    a_offset: u32, a_batch: u32, a_row: u32, a_col: u32,
    b_offset: u32, b_batch: u32, b_row: u32, b_col: u32,
    out_row: u32, out_col: u32, unused_0: u32, unused_1: u32,
}

// The host may replace each of these lines.
// Element type of the three arrays, and the type that sums are kept in.
alias T = f32;
alias Acc = f32;
// vec4<T> where a_col is 1, and k and the other strides and the offset of a are multiples of 4.
alias AElement = T;
// vec4<T> where B_UNIT names a stride that is 1, the other strides and the offset of b are multiples of 4, and so is k for UNIT_K;
// for UNIT_N, n may be anything if the array holds the last row up to a multiple of 4.
alias BElement = T;
const A_VECTORS = false;
const B_UNIT = UNIT_ANY;
// 16, or 4 where m is at most 4.
const ROWS = 16u;
// Row `row + i` of a at step k. `mine` is row `row + lane` (or `row + 8 + lane`) of it. With subgroups of 8 lanes or more:
// fn share_a(mine: vec4<Acc>, batch: u32, row: u32, i: u32, k: u32) -> vec4<Acc> { return subgroupShuffle(mine, i % LANES); }
fn share_a(mine: vec4<Acc>, batch: u32, row: u32, i: u32, k: u32) -> vec4<Acc> { return load_a(batch, row + i, k); }

const UNIT_ANY = 0u;
const UNIT_N = 1u;
const UNIT_K = 2u;
const LANES = 8u;
const COLS = 8u;    // columns of out a lane computes: two runs of 4, each next to that of the next lane

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<AElement>;
@group(0) @binding(2) var<storage, read> b: array<BElement>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

// One element, or four: both are valid whatever an index of the array holds, so that every path compiles.
fn a_at(i: u32) -> Acc { return vec4<Acc>(vec4<T>(a[i])).x; }
fn a_vector(i: u32) -> vec4<Acc> { return vec4<Acc>(vec4<T>(a[i / 4u])); }
fn b_at(i: u32) -> Acc { return vec4<Acc>(vec4<T>(b[i])).x; }
fn b_vector(i: u32) -> vec4<Acc> { return vec4<Acc>(vec4<T>(b[i / 4u])); }

// Steps k to k + 3 of a row of a. Rows past the end are read somewhere valid (what they lead to is never stored), as are
// columns of b; steps past the end count 0.
fn load_a(batch: u32, row: u32, k: u32) -> vec4<Acc> {
    let at = params.a_offset + batch * params.a_batch + min(row, params.m - 1u) * params.a_row;
    if A_VECTORS { return a_vector(at + k); }
    let steps = vec4<u32>(k, k + 1u, k + 2u, k + 3u);
    let i = vec4<u32>(at) + min(steps, vec4<u32>(params.k - 1u)) * params.a_col;
    return select(vec4<Acc>(), vec4<Acc>(a_at(i.x), a_at(i.y), a_at(i.z), a_at(i.w)), steps < vec4<u32>(params.k));
}

// Steps k to k + 3 of columns col to col + 3 of b.
struct Block { k0: vec4<Acc>, k1: vec4<Acc>, k2: vec4<Acc>, k3: vec4<Acc> }

fn load_b(batch: u32, k: u32, col: u32) -> Block {
    let at = params.b_offset + batch * params.b_batch;
    if B_UNIT == UNIT_K {
        let x = b_vector(at + k + min(col, params.n - 1u) * params.b_col);
        let y = b_vector(at + k + min(col + 1u, params.n - 1u) * params.b_col);
        let z = b_vector(at + k + min(col + 2u, params.n - 1u) * params.b_col);
        let w = b_vector(at + k + min(col + 3u, params.n - 1u) * params.b_col);
        return Block(
            vec4<Acc>(x.x, y.x, z.x, w.x), vec4<Acc>(x.y, y.y, z.y, w.y),
            vec4<Acc>(x.z, y.z, z.z, w.z), vec4<Acc>(x.w, y.w, z.w, w.w),
        );
    }
    return Block(load_b_row(at, k, col), load_b_row(at, k + 1u, col), load_b_row(at, k + 2u, col), load_b_row(at, k + 3u, col));
}

fn load_b_row(start: u32, k: u32, col: u32) -> vec4<Acc> {
    let at = start + min(k, params.k - 1u) * params.b_row;
    var x: vec4<Acc>;
    if B_UNIT == UNIT_N {
        x = b_vector(at + min(col, (params.n - 1u) / 4u * 4u));
    } else {
        let i = vec4<u32>(at) + min(vec4<u32>(col, col + 1u, col + 2u, col + 3u), vec4<u32>(params.n - 1u)) * params.b_col;
        x = vec4<Acc>(b_at(i.x), b_at(i.y), b_at(i.z), b_at(i.w));
    }
    return select(vec4<Acc>(), x, k < params.k);
}

fn step(sum: vec4<Acc>, x: vec4<Acc>, y: Block) -> vec4<Acc> {
    return sum + x.x * y.k0 + x.y * y.k1 + x.z * y.k2 + x.w * y.k3;
}

fn store(at: u32, col: u32, value: vec4<Acc>) {
    let i = at + col * params.out_col;
    if col < params.n { out[i] = T(value.x); }
    if col + 1u < params.n { out[i + params.out_col] = T(value.y); }
    if col + 2u < params.n { out[i + 2u * params.out_col] = T(value.z); }
    if col + 3u < params.n { out[i + 3u * params.out_col] = T(value.w); }
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let tiles_n = (params.n + LANES * COLS - 1u) / (LANES * COLS);
    let tiles = tiles_n * ((params.m + ROWS - 1u) / ROWS);
    let tile = group.y * groups.x + group.x;
    let batch = min(tile / tiles, params.batch - 1u);
    let row = (tile % tiles) / tiles_n * ROWS;
    let col = (tile % tiles) % tiles_n * (LANES * COLS) + lane * 4u;

    // Row i of the tile: l<i> are the columns from col, h<i> those from col + 32. Named variables: lavapipe keeps arrays in memory,
    // 8 times slower.
    var l0 = vec4<Acc>(); var h0 = vec4<Acc>();
    var l1 = vec4<Acc>(); var h1 = vec4<Acc>();
    var l2 = vec4<Acc>(); var h2 = vec4<Acc>();
    var l3 = vec4<Acc>(); var h3 = vec4<Acc>();
    var l4 = vec4<Acc>(); var h4 = vec4<Acc>();
    var l5 = vec4<Acc>(); var h5 = vec4<Acc>();
    var l6 = vec4<Acc>(); var h6 = vec4<Acc>();
    var l7 = vec4<Acc>(); var h7 = vec4<Acc>();
    var l8 = vec4<Acc>(); var h8 = vec4<Acc>();
    var l9 = vec4<Acc>(); var h9 = vec4<Acc>();
    var l10 = vec4<Acc>(); var h10 = vec4<Acc>();
    var l11 = vec4<Acc>(); var h11 = vec4<Acc>();
    var l12 = vec4<Acc>(); var h12 = vec4<Acc>();
    var l13 = vec4<Acc>(); var h13 = vec4<Acc>();
    var l14 = vec4<Acc>(); var h14 = vec4<Acc>();
    var l15 = vec4<Acc>(); var h15 = vec4<Acc>();
    for (var k = 0u; k < params.k; k += 4u) {
        let bl = load_b(batch, k, col);
        let bh = load_b(batch, k, col + LANES * 4u);
        let a0 = load_a(batch, row + lane, k);
        var x: vec4<Acc>;
        x = share_a(a0, batch, row, 0u, k); l0 = step(l0, x, bl); h0 = step(h0, x, bh);
        x = share_a(a0, batch, row, 1u, k); l1 = step(l1, x, bl); h1 = step(h1, x, bh);
        x = share_a(a0, batch, row, 2u, k); l2 = step(l2, x, bl); h2 = step(h2, x, bh);
        x = share_a(a0, batch, row, 3u, k); l3 = step(l3, x, bl); h3 = step(h3, x, bh);
        if ROWS == 16u {
            let a1 = load_a(batch, row + 8u + lane, k);
            x = share_a(a0, batch, row, 4u, k); l4 = step(l4, x, bl); h4 = step(h4, x, bh);
            x = share_a(a0, batch, row, 5u, k); l5 = step(l5, x, bl); h5 = step(h5, x, bh);
            x = share_a(a0, batch, row, 6u, k); l6 = step(l6, x, bl); h6 = step(h6, x, bh);
            x = share_a(a0, batch, row, 7u, k); l7 = step(l7, x, bl); h7 = step(h7, x, bh);
            x = share_a(a1, batch, row, 8u, k); l8 = step(l8, x, bl); h8 = step(h8, x, bh);
            x = share_a(a1, batch, row, 9u, k); l9 = step(l9, x, bl); h9 = step(h9, x, bh);
            x = share_a(a1, batch, row, 10u, k); l10 = step(l10, x, bl); h10 = step(h10, x, bh);
            x = share_a(a1, batch, row, 11u, k); l11 = step(l11, x, bl); h11 = step(h11, x, bh);
            x = share_a(a1, batch, row, 12u, k); l12 = step(l12, x, bl); h12 = step(h12, x, bh);
            x = share_a(a1, batch, row, 13u, k); l13 = step(l13, x, bl); h13 = step(h13, x, bh);
            x = share_a(a1, batch, row, 14u, k); l14 = step(l14, x, bl); h14 = step(h14, x, bh);
            x = share_a(a1, batch, row, 15u, k); l15 = step(l15, x, bl); h15 = step(h15, x, bh);
        }
    }

    // Rows move through the first 4 variables, so that there is less code to compile.
    let end = min(row + ROWS, select(0u, params.m, tile / tiles < params.batch));
    var at = batch * params.m * params.n + row * params.out_row;
    for (var r = row; r < end; r += 4u) {
        { store(at, col, l0); store(at, col + LANES * 4u, h0); }
        at += params.out_row;
        if r + 1u < end { store(at, col, l1); store(at, col + LANES * 4u, h1); }
        at += params.out_row;
        if r + 2u < end { store(at, col, l2); store(at, col + LANES * 4u, h2); }
        at += params.out_row;
        if r + 3u < end { store(at, col, l3); store(at, col + LANES * 4u, h3); }
        at += params.out_row;
        if ROWS == 16u {
            l0 = l4; h0 = h4; l1 = l5; h1 = h5;
            l2 = l6; h2 = h6; l3 = l7; h3 = h7;
            l4 = l8; h4 = h8; l5 = l9; h5 = h9;
            l6 = l10; h6 = h10; l7 = l11; h7 = h11;
            l8 = l12; h8 = h12; l9 = l13; h9 = h13;
            l10 = l14; h10 = h14; l11 = l15; h11 = h15;
        }
    }
}
