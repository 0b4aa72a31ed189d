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

// Steps k to k + 3 of a row of a. Rows past the end are read somewhere valid (what they lead to is never stored), as are columns
// of b; steps past the end count 0.
fn load_a(start: u32, row: u32, k: u32) -> vec4<T> {
    let at = start + min(row, params.m - 1u) * params.a_row;
    let steps = vec4<u32>(k, k + 1u, k + 2u, k + 3u);
    var x: vec4<T>;
    if A_UNIT == UNIT_K {
        x = a_vector(at + min(k, params.k - 4u));
    } else {
        let i = vec4<u32>(at) + min(steps, vec4<u32>(params.k - 1u)) * params.a_col;
        x = vec4<T>(a_at(i.x), a_at(i.y), a_at(i.z), a_at(i.w));
    }
    return select(vec4<T>(), x, steps < vec4<u32>(params.k));
}

// Rows row to row + 3 of a at step k.
fn load_a_column(start: u32, row: u32, k: u32) -> vec4<T> {
    let x = a_vector(start + min(row, params.m - 4u) + min(k, params.k - 1u) * params.a_col);
    return select(vec4<T>(), x, k < params.k);
}

fn load_b(start: u32, k: u32, col: u32) -> Block {
    if B_UNIT == UNIT_K {
        return transposed(Block(
            load_b_column(start, k, col), load_b_column(start, k, col + 1u),
            load_b_column(start, k, col + 2u), load_b_column(start, k, col + 3u),
        ));
    }
    return Block(
        load_b_row(start, k, col), load_b_row(start, k + 1u, col),
        load_b_row(start, k + 2u, col), load_b_row(start, k + 3u, col),
    );
}

fn load_b_column(start: u32, k: u32, col: u32) -> vec4<T> {
    let x = b_vector(start + min(k, params.k - 4u) + min(col, params.n - 1u) * params.b_col);
    return select(vec4<T>(), x, k < params.k);
}

fn load_b_row(start: u32, k: u32, col: u32) -> vec4<T> {
    let at = start + min(k, params.k - 1u) * params.b_row;
    var x: vec4<T>;
    if B_UNIT == UNIT_N {
        x = b_vector(at + min(col, params.n - 4u));
    } else {
        let i = vec4<u32>(at) + min(vec4<u32>(col, col + 1u, col + 2u, col + 3u), vec4<u32>(params.n - 1u)) * params.b_col;
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

// A row of a times four columns of b, over four steps.
fn step(sum: vec4<T>, x: vec4<T>, y: Block) -> vec4<T> {
    return sum + x.x * y.k0 + x.y * y.k1 + x.z * y.k2 + x.w * y.k3;
}
