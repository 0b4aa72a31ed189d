// Matrix multiplication of few rows: out[batch] = a[batch] @ b[batch], where a has hardly more than 4 of them.
//
// Bindings: 0 uniform Params, 1 a, 2 b, 3 out or what the output block says. Dispatch: tiles = parts * batch * ceil(m / ROWS) *
// ceil(n / 64) workgroups, folded into x and y so that x * y >= tiles (spare workgroups write nothing); z is 1.
// A part has at most 4 million steps on lavapipe, which stops an invocation after 65535 loop iterations of 64 steps.
//
// Shape: every element of b is used once a row, so what counts is to read it in order and by many threads at a time. One workgroup
// has QUADS quads of columns times SLICES slices of k, 16 of each or, where the columns are few as in a product of two vectors, fewer
// and more; each thread takes 4 x 4 elements of b a step, and the slices are added up in workgroup memory at the end, 16 at a time: short
// chains of additions keep float sums exact. Neighbouring threads are neighbouring quads, or slices where b lies along k.
// include: lib/operands.wgsl
// include: lib/matmul.wgsl

// The host may replace this line: 1, 2 or 4 rows of out a workgroup computes.
const ROWS = 4u;

// And this one: 1, 2, 4, 8 or 16 quads of columns.
const QUADS = 16u;

// And this one, where there is one row and one column: a product of two vectors.
const SINGLE = false;

const THREADS = 256u;
const SLICES = THREADS / QUADS;

// Steps k to k + 3 of a column of b.
fn load_column(column: u32, steps: Steps, k: u32) -> vec4<T> {
    if B_UNIT == UNIT_K { return load_b_column(column, steps, k); }
    let i = vec4<u32>(column) + steps.b;
    let y = vec4<T>(b_at(i.x), b_at(i.y), b_at(i.z), b_at(i.w));
    return select(vec4<T>(), y, vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.k));
}

var<workgroup> sums: array<vec4<T>, ROWS * THREADS>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tile = find_tile(group.y * groups.x + group.x, ROWS, 4u * QUADS);
    let in_a = start_a(tile.batch);
    let along_k = B_UNIT == UNIT_K || (B_UNIT == UNIT_ANY && params.b_row == 1u && params.b_col != 1u);
    let quad = select(thread % QUADS, thread / SLICES, along_k);
    let slice = select(thread / QUADS, thread % SLICES, along_k);
    let columns = find_columns(start_b(tile.batch), tile.col + 4u * quad);
    let rows = find_rows(in_a, tile.row);

    var s0 = vec4<T>(); var s1 = vec4<T>(); var s2 = vec4<T>(); var s3 = vec4<T>();
    for (var k = tile.first + 4u * slice; k < tile.last; k += 4u * SLICES) {
        let steps = find_steps(k);
        if SINGLE {
            s0 += load_a(rows.x, steps, k) * load_column(columns.x, steps, k);
            continue;
        }
        let y = load_b(columns, steps, k);
        s0 = step(s0, load_a(rows.x, steps, k), y);
        if ROWS > 1u { s1 = step(s1, load_a(rows.y, steps, k), y); }
        if ROWS > 2u {
            s2 = step(s2, load_a(rows.z, steps, k), y);
            s3 = step(s3, load_a(rows.w, steps, k), y);
        }
    }
    if SINGLE { s0 = vec4<T>(s0.x + s0.y + s0.z + s0.w); }
    let mine = slice * QUADS + quad;
    sums[mine] = s0;
    if ROWS > 1u { sums[THREADS + mine] = s1; }
    if ROWS > 2u {
        sums[2u * THREADS + mine] = s2;
        sums[3u * THREADS + mine] = s3;
    }
    workgroupBarrier();

    for (var count = THREADS; count > QUADS; count = max(count / 16u, QUADS)) {
        let left = max(count / 16u, QUADS);
        if thread < left {
            for (var at = thread; at < ROWS * THREADS; at += THREADS) {
                for (var i = left; i < count; i += left) { sums[at] += sums[at + i]; }
            }
        }
        workgroupBarrier();
    }
    // Thread (row, quad) has four columns.
    let row = thread / QUADS;
    if row < ROWS && tile.row + row < tile.rows {
        let sum = sums[row * THREADS + thread % QUADS];
        store(tile.at + (tile.row + row) * params.out_row, tile.col + 4u * (thread % QUADS), sum);
    }
}
