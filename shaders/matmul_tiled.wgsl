// Matrix multiplication for real GPUs: out[batch] = a[batch] @ b[batch], tiles of a and b shared in workgroup memory.
//
// Bindings: 0 uniform Params, 1 a, 2 b, 3 out or what the output block says. Dispatch: tiles = parts * batch * ceil(m / HEIGHT) *
// ceil(n / WIDTH) workgroups, folded into x and y so that x * y >= tiles (spare workgroups write nothing); z is 1.
// A part may be of any length on a GPU; on lavapipe, which stops an invocation after 65535 loop iterations, 45000 steps at most.
//
// Shape: 256 threads with 8 x 8 outputs each (4 x 8, 8 x 4, 4 x 4 for the smaller tiles): at each step four vec4 reads of workgroup
// memory feed 64 multiply-adds. A tile is 16 steps deep, which makes two of them 16 KiB, all that is portable, and one block of
// 4 x 4 for every thread to load: half of the threads fetch a, half b, as four vec4s, while the tile before is being used.
// Thread (x, y) has columns 4x to 4x + 3 and rows 4y to 4y + 3, and those 64 further; 32 neighbouring threads are 8 wide and 4 high,
// so that they read no more than 12 different quads at a time. Not measured on a GPU; on lavapipe it is a quarter as fast
// as matmul.wgsl.
// include: lib/operands.wgsl
// include: lib/matmul.wgsl

// The host may replace these lines: 128, or 64 where that would leave too few tiles.
const HEIGHT = 128u;
const WIDTH = 128u;

const DEPTH = 16u;      // steps of k in workgroup memory
const QUADS = 16u;      // rows (or columns) / 4 of half a tile
const THREADS = 256u;

// Rows (or columns) 4 * quad to 4 * quad + 3 at step k, and those 64 further: the two vec4s that a thread needs share one index,
// for every index costs a bounds check.
var<workgroup> tile_a: array<array<vec4<T>, 2>, DEPTH * QUADS>;
var<workgroup> tile_b: array<array<vec4<T>, 2>, DEPTH * QUADS>;

// Threads that load along k write places whole steps apart, which share a bank: the mixing spreads them.
fn place(k: u32, quad: u32) -> u32 { return k * QUADS + (quad ^ (k / 4u)); }

fn load_a_block(rows: vec4<u32>, k: u32) -> Block {
    let steps = find_steps(k);
    if A_UNIT == UNIT_M {
        return Block(
            load_a_column(rows.x, steps.a.x, k), load_a_column(rows.x, steps.a.y, k + 1u),
            load_a_column(rows.x, steps.a.z, k + 2u), load_a_column(rows.x, steps.a.w, k + 3u),
        );
    }
    return transposed(Block(
        load_a(rows.x, steps, k), load_a(rows.y, steps, k), load_a(rows.z, steps, k), load_a(rows.w, steps, k),
    ));
}

// Steps k to k + 3 of four rows of a or columns of b. The last ones that are asked for lie past the end of the part, and are never used.
fn load(edges: vec4<u32>, of_a: bool, k: u32) -> Block {
    if of_a { return load_a_block(edges, k); }
    return load_b(edges, find_steps(k), k);
}

fn store_row(tile: Tile, row: u32, col: u32, low: vec4<T>, high: vec4<T>) {
    if row < tile.rows {
        let at = tile.at + row * params.out_row;
        store(at, col, low);
        if WIDTH > 64u { store(at, col + 64u, high); }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = find_tile(group.y * groups.x + group.x, HEIGHT, WIDTH);

    // What the thread loads: a block of a in the first half of the threads, of b in the second. Neighbouring threads go along k
    // where that is the unit stride, and along the quads elsewhere.
    let of_a = thread < THREADS / 2u;
    let mine = thread % (THREADS / 2u);
    let quads = select(WIDTH, HEIGHT, of_a) / 4u;
    let loads = mine < quads * (DEPTH / 4u);
    var by_k = B_UNIT == UNIT_K || (B_UNIT == UNIT_ANY && params.b_row == 1u && params.b_col != 1u);
    if of_a { by_k = A_UNIT == UNIT_K || (A_UNIT == UNIT_ANY && params.a_col == 1u); }
    let quad = select(mine % quads, mine / 4u, by_k);
    let depth = select(mine / quads, mine % 4u, by_k) * 4u;

    var edges: vec4<u32>;
    if of_a {
        edges = find_rows(start_a(tile.batch), tile.row + 4u * quad);
    } else {
        edges = find_columns(start_b(tile.batch), tile.col + 4u * quad);
    }

    // What it computes.
    let x = thread % 8u + thread / 32u % 2u * 8u;
    let y = thread / 8u % 4u + thread / 64u * 4u;

    // Rows 4y + 0..4 are the first four variables of each letter, those 64 further the last; l is for columns 4x + 0..4, h for those
    // 64 further.
    var l0 = vec4<T>(); var l1 = vec4<T>(); var l2 = vec4<T>(); var l3 = vec4<T>();
    var l4 = vec4<T>(); var l5 = vec4<T>(); var l6 = vec4<T>(); var l7 = vec4<T>();
    var h0 = vec4<T>(); var h1 = vec4<T>(); var h2 = vec4<T>(); var h3 = vec4<T>();
    var h4 = vec4<T>(); var h5 = vec4<T>(); var h6 = vec4<T>(); var h7 = vec4<T>();

    var next: Block;
    if loads { next = load(edges, of_a, tile.first + depth); }
    for (var k = tile.first; k < tile.last; k += DEPTH) {
        if loads {
            let at = place(depth, quad % QUADS);
            let half = quad / QUADS;
            if of_a {
                tile_a[at][half] = next.k0;
                tile_a[at + QUADS][half] = next.k1;
                tile_a[at + 2u * QUADS][half] = next.k2;
                tile_a[at + 3u * QUADS][half] = next.k3;
            } else {
                tile_b[at][half] = next.k0;
                tile_b[at + QUADS][half] = next.k1;
                tile_b[at + 2u * QUADS][half] = next.k2;
                tile_b[at + 3u * QUADS][half] = next.k3;
            }
        }
        workgroupBarrier();
        if loads { next = load(edges, of_a, k + DEPTH + depth); }
        for (var i = 0u; i < DEPTH; i += 4u) {
            let from_a = place(i, y);
            let from_b = place(i, x);
            for (var j = 0u; j < 4u * QUADS; j += QUADS) {
                let p = tile_a[from_a + j][0];
                let u = tile_b[from_b + j][0];
                l0 += p.x * u; l1 += p.y * u; l2 += p.z * u; l3 += p.w * u;
                if WIDTH > 64u {
                    let v = tile_b[from_b + j][1];
                    h0 += p.x * v; h1 += p.y * v; h2 += p.z * v; h3 += p.w * v;
                }
                if HEIGHT > 64u {
                    let q = tile_a[from_a + j][1];
                    l4 += q.x * u; l5 += q.y * u; l6 += q.z * u; l7 += q.w * u;
                    if WIDTH > 64u {
                        let v = tile_b[from_b + j][1];
                        h4 += q.x * v; h5 += q.y * v; h6 += q.z * v; h7 += q.w * v;
                    }
                }
            }
        }
        workgroupBarrier();
    }

    let row = tile.row + 4u * y;
    let col = tile.col + 4u * x;
    store_row(tile, row, col, l0, h0);
    store_row(tile, row + 1u, col, l1, h1);
    store_row(tile, row + 2u, col, l2, h2);
    store_row(tile, row + 3u, col, l3, h3);
    if HEIGHT > 64u {
        store_row(tile, row + 64u, col, l4, h4);
        store_row(tile, row + 65u, col, l5, h5);
        store_row(tile, row + 66u, col, l6, h6);
        store_row(tile, row + 67u, col, l7, h7);
    }
}
