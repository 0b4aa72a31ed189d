// Matrix multiplication for software adapters: out[batch] = a[batch] @ b[batch], tiles held in registers.
//
// Bindings: 0 uniform Params, 1 a, 2 b, 3 out or what the output block says. Dispatch: tiles = parts * batch * ceil(m / ROWS) *
// ceil(n / 64) workgroups, folded into x and y so that x * y >= tiles (spare workgroups write nothing); z is 1.
// A part has at most 262000 steps: lavapipe stops all loops of an invocation after 65535 iterations, and one takes 4 steps.
//
// Shape: one workgroup is 8 lanes side by side along n, the SIMD width of lavapipe; each lane has 16 x 8 outputs. There a load
// costs about 20 cycles (lane by lane, even of one address) and a multiply-add 1, so loads are what counts: the lanes load
// different rows of a and share them by shuffles (lib/shuffle.wgsl), and vec4s are read and written wherever strides allow. GFLOP/s
// at 512 x 512 x 512 on 2 cores: one output a thread 1.05; all of it 41, with scalar loads of a 37, of a and b 25; without shuffles
// 21, 14, 11; ROWS = 4 at best 14. Tiles of 32 x 8 and 32 x 4 gain nothing and compile slower.
// include: lib/operands.wgsl
// include: lib/matmul.wgsl

// The host may replace this line: 16, 8, 4 or 1 rows of out a workgroup computes.
const ROWS = 16u;

const LANES = 8u;
const COLS = 8u;    // columns of out a lane computes: two runs of 4, each next to that of the next lane

// Without shuffles every lane loads all rows of a itself; with them, lib/shuffle.wgsl takes this block's place. A_UNIT may be UNIT_M
// there only.
// replace: share
fn find_mine(start: u32, row: u32, lane: u32) -> u32 { return 0u; }
fn load_mine(mine: u32, lane: u32, steps: Steps, k: u32) -> vec4<T> { return vec4<T>(); }
fn share_a(mine: vec4<T>, start: u32, row: u32, i: u32, steps: Steps, k: u32) -> vec4<T> {
    return load_a(find_row(start, row + i), steps, k);
}
// end: share

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let lane = local.x;
    let tile = find_tile(group.y * groups.x + group.x, ROWS, LANES * COLS);
    let col = tile.col + lane * 4u;
    let in_a = start_a(tile.batch);
    let in_b = start_b(tile.batch);
    let low = find_columns(in_b, col);
    let high = find_columns(in_b, col + LANES * 4u);
    let mine0 = find_mine(in_a, tile.row, lane);
    let mine1 = find_mine(in_a, tile.row + 8u, lane);

    // Row i of the tile: l<i> are the columns from col, h<i> those from col + 32. Named variables: lavapipe keeps arrays in memory,
    // 8 times slower.
    var l0 = vec4<T>(); var h0 = vec4<T>();
    var l1 = vec4<T>(); var h1 = vec4<T>();
    var l2 = vec4<T>(); var h2 = vec4<T>();
    var l3 = vec4<T>(); var h3 = vec4<T>();
    var l4 = vec4<T>(); var h4 = vec4<T>();
    var l5 = vec4<T>(); var h5 = vec4<T>();
    var l6 = vec4<T>(); var h6 = vec4<T>();
    var l7 = vec4<T>(); var h7 = vec4<T>();
    var l8 = vec4<T>(); var h8 = vec4<T>();
    var l9 = vec4<T>(); var h9 = vec4<T>();
    var l10 = vec4<T>(); var h10 = vec4<T>();
    var l11 = vec4<T>(); var h11 = vec4<T>();
    var l12 = vec4<T>(); var h12 = vec4<T>();
    var l13 = vec4<T>(); var h13 = vec4<T>();
    var l14 = vec4<T>(); var h14 = vec4<T>();
    var l15 = vec4<T>(); var h15 = vec4<T>();
    for (var k = tile.first; k < tile.last; k += 4u) {
        let steps = find_steps(k);
        let bl = load_b(low, steps, k);
        let bh = load_b(high, steps, k);
        let a0 = load_mine(mine0, lane, steps, k);
        var x: vec4<T>;
        x = share_a(a0, in_a, tile.row, 0u, steps, k); l0 = step(l0, x, bl); h0 = step(h0, x, bh);
        if ROWS > 1u {
            x = share_a(a0, in_a, tile.row, 1u, steps, k); l1 = step(l1, x, bl); h1 = step(h1, x, bh);
            x = share_a(a0, in_a, tile.row, 2u, steps, k); l2 = step(l2, x, bl); h2 = step(h2, x, bh);
            x = share_a(a0, in_a, tile.row, 3u, steps, k); l3 = step(l3, x, bl); h3 = step(h3, x, bh);
        }
        if ROWS > 4u {
            x = share_a(a0, in_a, tile.row, 4u, steps, k); l4 = step(l4, x, bl); h4 = step(h4, x, bh);
            x = share_a(a0, in_a, tile.row, 5u, steps, k); l5 = step(l5, x, bl); h5 = step(h5, x, bh);
            x = share_a(a0, in_a, tile.row, 6u, steps, k); l6 = step(l6, x, bl); h6 = step(h6, x, bh);
            x = share_a(a0, in_a, tile.row, 7u, steps, k); l7 = step(l7, x, bl); h7 = step(h7, x, bh);
        }
        if ROWS > 8u {
            let a1 = load_mine(mine1, lane, steps, k);
            x = share_a(a1, in_a, tile.row + 8u, 0u, steps, k); l8 = step(l8, x, bl); h8 = step(h8, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 1u, steps, k); l9 = step(l9, x, bl); h9 = step(h9, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 2u, steps, k); l10 = step(l10, x, bl); h10 = step(h10, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 3u, steps, k); l11 = step(l11, x, bl); h11 = step(h11, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 4u, steps, k); l12 = step(l12, x, bl); h12 = step(h12, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 5u, steps, k); l13 = step(l13, x, bl); h13 = step(h13, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 6u, steps, k); l14 = step(l14, x, bl); h14 = step(h14, x, bh);
            x = share_a(a1, in_a, tile.row + 8u, 7u, steps, k); l15 = step(l15, x, bl); h15 = step(h15, x, bh);
        }
    }

    // Rows move through the first 4 variables, so that there is less code to compile.
    let end = min(tile.row + ROWS, tile.rows);
    var at = tile.at + tile.row * params.out_row;
    for (var r = tile.row; r < end; r += 4u) {
        { store(at, col, l0); store(at, col + LANES * 4u, h0); }
        at += params.out_row;
        if r + 1u < end { store(at, col, l1); store(at, col + LANES * 4u, h1); }
        at += params.out_row;
        if r + 2u < end { store(at, col, l2); store(at, col + LANES * 4u, h2); }
        at += params.out_row;
        if r + 3u < end { store(at, col, l3); store(at, col + LANES * 4u, h3); }
        at += params.out_row;
        if ROWS > 4u {
            l0 = l4; h0 = h4; l1 = l5; h1 = h5;
            l2 = l6; h2 = h6; l3 = l7; h3 = h7;
            l4 = l8; h4 = h8; l5 = l9; h5 = h9;
            l6 = l10; h6 = h10; l7 = l11; h7 = h11;
            l8 = l12; h8 = h12; l9 = l13; h9 = h13;
            l10 = l14; h10 = h14; l11 = l15; h11 = h15;
        }
    }
}
