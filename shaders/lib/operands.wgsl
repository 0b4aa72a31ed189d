// How the kernels of a matrix product read a (m x k) and b (k x n): by scalars through any strides, or by vec4s along a unit stride.

// The host may replace each of these lines. Memory may hold operands in a smaller type than sums are made in. UNIT_M, UNIT_N and
// UNIT_K name the axis whose stride is 1 and whose extent is a multiple of 4, as are the offset and all other strides; the elements
// are vec4<Stored> then.
alias Stored = T;
alias AElement = Stored;
alias BElement = Stored;
const A_UNIT = UNIT_ANY;
const B_UNIT = UNIT_ANY;

const UNIT_ANY = 0u;
const UNIT_M = 1u;
const UNIT_N = 1u;
const UNIT_K = 2u;

@group(0) @binding(1) var<storage, read> a: array<AElement>;
@group(0) @binding(2) var<storage, read> b: array<BElement>;

// Steps k to k + 3 of four neighbouring columns of b (or rows of a).
struct Block { k0: vec4<T>, k1: vec4<T>, k2: vec4<T>, k3: vec4<T> }

// Where the matrices of a batch begin.
fn start_a(batch: u32) -> u32 { return params.a_offset + dot(batch_index(batch), params.a_batch.xyz); }
fn start_b(batch: u32) -> u32 { return params.b_offset + dot(batch_index(batch), params.b_batch.xyz); }

fn batch_index(batch: u32) -> vec3<u32> {
    let rest = batch / params.extents.y;
    return vec3<u32>(rest / params.extents.x, rest % params.extents.x, batch % params.extents.y);
}

// One element, or four: both are valid whatever an index of the array holds, so that every path compiles.
fn a_at(i: u32) -> T { return T(vec4<Stored>(a[i]).x); }
fn a_vector(i: u32) -> vec4<T> { return vec4<T>(vec4<Stored>(a[i / 4u])); }
fn b_at(i: u32) -> T { return T(vec4<Stored>(b[i]).x); }
fn b_vector(i: u32) -> vec4<T> { return vec4<T>(vec4<Stored>(b[i / 4u])); }

// Where steps k to k + 3 lie, counted from where a row of a or a column of b begins. Those past the end lie somewhere.
struct Steps { a: vec4<u32>, b: vec4<u32> }

// The host may replace this block, by lib/walk.wgsl.
// replace: walk
fn row_of_a(row: u32) -> u32 { return row * params.a_row; }
fn column_of_b(col: u32) -> u32 { return col * params.b_col; }
fn find_steps(k: u32) -> Steps {
    let steps = min(vec4<u32>(k, k + 1u, k + 2u, k + 3u), vec4<u32>(params.k - 1u));
    return Steps(steps * params.a_col, steps * params.b_row);
}
// end: walk

// Where a row of a begins, four rows, and four columns of b. Rows and columns past the end are read somewhere valid, for what they lead to is
// never stored; steps past the end count 0.
fn find_row(start: u32, row: u32) -> u32 { return start + row_of_a(min(row, params.m - 1u)); }
fn find_rows(start: u32, row: u32) -> vec4<u32> {
    return vec4<u32>(find_row(start, row), find_row(start, row + 1u), find_row(start, row + 2u), find_row(start, row + 3u));
}
fn find_columns(start: u32, col: u32) -> vec4<u32> {
    let last = params.n - 1u;
    if B_UNIT == UNIT_N { return vec4<u32>(start + column_of_b(min(col, last))); }
    return vec4<u32>(start) + vec4<u32>(
        column_of_b(min(col, last)), column_of_b(min(col + 1u, last)), column_of_b(min(col + 2u, last)), column_of_b(min(col + 3u, last)),
    );
}

// Steps k to k + 3 of a row of a.
fn load_a(row: u32, steps: Steps, k: u32) -> vec4<T> {
    var x: vec4<T>;
    if A_UNIT == UNIT_K {
        x = a_vector(row + steps.a.x);
    } else {
        let i = vec4<u32>(row) + steps.a;
        x = vec4<T>(a_at(i.x), a_at(i.y), a_at(i.z), a_at(i.w));
    }
    return select(vec4<T>(), x, vec4<u32>(k, k + 1u, k + 2u, k + 3u) < vec4<u32>(params.k));
}

// Four rows of a, from where the first begins, at step k.
fn load_a_column(row: u32, step: u32, k: u32) -> vec4<T> {
    return select(vec4<T>(), a_vector(row + step), k < params.k);
}

fn load_b(columns: vec4<u32>, steps: Steps, k: u32) -> Block {
    if B_UNIT == UNIT_K {
        return transposed(Block(
            load_b_column(columns.x, steps, k), load_b_column(columns.y, steps, k),
            load_b_column(columns.z, steps, k), load_b_column(columns.w, steps, k),
        ));
    }
    return Block(
        load_b_row(columns, steps.b.x, k), load_b_row(columns, steps.b.y, k + 1u),
        load_b_row(columns, steps.b.z, k + 2u), load_b_row(columns, steps.b.w, k + 3u),
    );
}

fn load_b_column(column: u32, steps: Steps, k: u32) -> vec4<T> {
    return select(vec4<T>(), b_vector(column + steps.b.x), k < params.k);
}

fn load_b_row(columns: vec4<u32>, step: u32, k: u32) -> vec4<T> {
    var x: vec4<T>;
    if B_UNIT == UNIT_N {
        x = b_vector(columns.x + step);
    } else {
        let i = columns + vec4<u32>(step);
        x = vec4<T>(b_at(i.x), b_at(i.y), b_at(i.z), b_at(i.w));
    }
    return select(vec4<T>(), x, k < params.k);
}

fn transposed(x: Block) -> Block {
    return Block(
        vec4<T>(x.k0.x, x.k1.x, x.k2.x, x.k3.x), vec4<T>(x.k0.y, x.k1.y, x.k2.y, x.k3.y),
        vec4<T>(x.k0.z, x.k1.z, x.k2.z, x.k3.z), vec4<T>(x.k0.w, x.k1.w, x.k2.w, x.k3.w),
    );
}

// A row of a times four columns of b, over four steps, which are added up first: short chains of additions keep float sums exact.
fn step(sum: vec4<T>, x: vec4<T>, y: Block) -> vec4<T> {
    return sum + (x.x * y.k0 + x.y * y.k1 + x.z * y.k2 + x.w * y.k3);
}
