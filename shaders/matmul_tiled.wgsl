// Matrix multiplication for real GPUs: out[batch] = a[batch] @ b[batch], tiles of a and b shared in workgroup memory.
//
// Bindings: 0 uniform Params, 1 a (m x k), 2 b (k x n), 3 out (m x n). Dispatch: tiles = batch * ceil(m / 64) * ceil(n / 64)
// workgroups, folded into x and y so that x * y >= tiles (spare workgroups write nothing); z is 1.
// k has no limit on a GPU; on lavapipe, which stops an invocation after 65535 loop iterations, it is at most 58000.
//
// Shape: 64 x 64 outputs by 128 threads, 8 x 4 outputs each: three vec4 reads of workgroup memory feed 32 multiply-adds, 8.5 KiB
// of workgroup memory and about 64 registers leave room for several workgroups a core. The 4 components of a vec4 are rows
// (or columns) 16 apart, so that neighbouring threads read and write neighbouring elements in each load and store. Not measured
// on a GPU; on lavapipe 7 GFLOP/s at 512 x 512 x 512, where matmul.wgsl has 35.
struct Params {
    m: u32, n: u32, k: u32, batch: u32,
    a_offset: u32, a_batch: u32, a_row: u32, a_col: u32,
    b_offset: u32, b_batch: u32, b_row: u32, b_col: u32,
    out_row: u32, out_col: u32, unused_0: u32, unused_1: u32,
}

// Element type of the three arrays, and the type that sums are kept in.
alias T = f32;
alias Acc = f32;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<T>;
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

const TILE = 64u;       // rows and columns of out a workgroup computes
const DEPTH = 16u;      // steps of k held in workgroup memory
const QUADS = 16u;      // TILE / 4: vec4s in one step of k
const PITCH = 17u;      // QUADS + 1: the padding spreads a column of quads over all banks
const THREADS = 128u;

var<workgroup> tile_a: array<vec4<T>, DEPTH * PITCH>;
var<workgroup> tile_b: array<vec4<T>, DEPTH * PITCH>;

// Elements (quad + 16 * j, k) for j in 0..4, with 0 past the end of k. Places past the end of m are read somewhere valid; what
// they lead to is never stored.
fn load_a(base: u32, row: u32, k: u32) -> vec4<T> {
    let rows = min(vec4<u32>(row, row + QUADS, row + 2u * QUADS, row + 3u * QUADS), vec4<u32>(params.m - 1u));
    let i = vec4<u32>(base + min(k, params.k - 1u) * params.a_col) + rows * params.a_row;
    return select(vec4<T>(), vec4<T>(a[i.x], a[i.y], a[i.z], a[i.w]), k < params.k);
}

fn load_b(base: u32, k: u32, col: u32) -> vec4<T> {
    let cols = min(vec4<u32>(col, col + QUADS, col + 2u * QUADS, col + 3u * QUADS), vec4<u32>(params.n - 1u));
    let i = vec4<u32>(base + min(k, params.k - 1u) * params.b_row) + cols * params.b_col;
    return select(vec4<T>(), vec4<T>(b[i.x], b[i.y], b[i.z], b[i.w]), k < params.k);
}

fn store(at: u32, row: u32, col: u32, last: u32, value: vec4<Acc>) {
    if row < last {
        let i = at + row * params.out_row + col * params.out_col;
        let next = QUADS * params.out_col;
        if col < params.n { out[i] = T(value.x); }
        if col + QUADS < params.n { out[i + next] = T(value.y); }
        if col + 2u * QUADS < params.n { out[i + 2u * next] = T(value.z); }
        if col + 3u * QUADS < params.n { out[i + 3u * next] = T(value.w); }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let tiles_n = (params.n + TILE - 1u) / TILE;
    let tiles = tiles_n * ((params.m + TILE - 1u) / TILE);
    let tile = group.y * groups.x + group.x;
    let batch = min(tile / tiles, params.batch - 1u);
    let row = (tile % tiles) / tiles_n * TILE;
    let col = (tile % tiles) % tiles_n * TILE;
    let base_a = params.a_offset + batch * params.a_batch;
    let base_b = params.b_offset + batch * params.b_batch;

    // Each thread loads quads (fast, slow) and (fast, slow + 8) of both tiles. `fast` runs over neighbouring threads: it is the
    // step of k where that is the unit stride, and the quad elsewhere.
    let fast = thread % 16u;
    let slow = thread / 16u;
    let a_by_k = params.a_col == 1u;
    let b_by_k = params.b_row == 1u && params.b_col != 1u;
    let a0 = select(vec2<u32>(fast, slow), vec2<u32>(slow, fast), a_by_k);          // (quad, step of k)
    let a1 = select(vec2<u32>(fast, slow + 8u), vec2<u32>(slow + 8u, fast), a_by_k);
    let b0 = select(vec2<u32>(fast, slow), vec2<u32>(slow, fast), b_by_k);
    let b1 = select(vec2<u32>(fast, slow + 8u), vec2<u32>(slow + 8u, fast), b_by_k);

    // The thread computes columns fast + 16 * j, and rows slow + 16 * j (p) and slow + 8 + 16 * j (q).
    var p0 = vec4<Acc>(); var p1 = vec4<Acc>(); var p2 = vec4<Acc>(); var p3 = vec4<Acc>();
    var q0 = vec4<Acc>(); var q1 = vec4<Acc>(); var q2 = vec4<Acc>(); var q3 = vec4<Acc>();

    // The next tile is on its way from memory while this one is used.
    var next_a0 = load_a(base_a, row + a0.x, a0.y);
    var next_a1 = load_a(base_a, row + a1.x, a1.y);
    var next_b0 = load_b(base_b, b0.y, col + b0.x);
    var next_b1 = load_b(base_b, b1.y, col + b1.x);
    for (var k = 0u; k < params.k; k += DEPTH) {
        tile_a[a0.y * PITCH + a0.x] = next_a0;
        tile_a[a1.y * PITCH + a1.x] = next_a1;
        tile_b[b0.y * PITCH + b0.x] = next_b0;
        tile_b[b1.y * PITCH + b1.x] = next_b1;
        workgroupBarrier();
        next_a0 = load_a(base_a, row + a0.x, k + DEPTH + a0.y);
        next_a1 = load_a(base_a, row + a1.x, k + DEPTH + a1.y);
        next_b0 = load_b(base_b, k + DEPTH + b0.y, col + b0.x);
        next_b1 = load_b(base_b, k + DEPTH + b1.y, col + b1.x);
        for (var i = 0u; i < DEPTH * PITCH; i += PITCH) {
            let p = vec4<Acc>(tile_a[i + slow]);
            let q = vec4<Acc>(tile_a[i + slow + 8u]);
            let x = vec4<Acc>(tile_b[i + fast]);
            p0 += p.x * x; p1 += p.y * x; p2 += p.z * x; p3 += p.w * x;
            q0 += q.x * x; q1 += q.y * x; q2 += q.z * x; q3 += q.w * x;
        }
        workgroupBarrier();
    }

    let last = select(0u, params.m, tile / tiles < params.batch);
    let at = batch * params.m * params.n;
    let r = row + slow;
    let c = col + fast;
    store(at, r, c, last, p0);
    store(at, r + 8u, c, last, q0);
    store(at, r + 16u, c, last, p1);
    store(at, r + 24u, c, last, q1);
    store(at, r + 32u, c, last, p2);
    store(at, r + 40u, c, last, q2);
    store(at, r + 48u, c, last, p3);
    store(at, r + 56u, c, last, q3);
}
