// Matrix multiplication for software adapters whose lanes cannot exchange values, as SwiftShader, which browsers have: tiles held in
// registers, and a loop that takes one step at a time. out[batch] = a[batch] @ b[batch], to the same bits as matmul.wgsl and
// matmul_small.wgsl: each output is the same sum in the same order.
//
// Bindings: 0 uniform Params, 1 a, 2 b, 3 out or what the output block says. Dispatch: x = ceil(n / 32), y = ceil(m / ROWS) and
// z = parts * batch workgroups, each at most 65535. A part has at most 50000 steps: lavapipe stops all loops of an invocation after
// 65535 iterations, one takes one step, and another is taken for each four.
//
// Shape: one workgroup is 4 lanes side by side along n, the SIMD width of SwiftShader; each lane has ROWS x 8 outputs. What costs is
// loads, each a loop over lanes, and what costs compiling is how many of them the text has once all is unrolled: here ROWS + 8, in a
// rolled loop, for ROWS * 8 multiply-adds. One text serves all strides. On SwiftShader, in ms on 2 cores, at 64 x 784 x 128 and for the
// windows of a 3 x 3 convolution of 16 channels (compiling in brackets): 16 rows 6.8 and 11.8 (105 and 160), 8 rows 8.0 and 13.5 (67
// and 86), matmul_small.wgsl 25 and 84 (57 and 70), matmul.wgsl 7 and 13 (202 and 276; seconds, with an output block of some length).
// include: lib/operands.wgsl
// include: lib/matmul.wgsl

const LANES = 4u;
const COLS = 8u;

// The rows of a lane, in one column. The host may replace this block, by lib/rows16.wgsl.
// replace: rows
const ROWS = 8u;

struct Rows { p: vec4<T>, q: vec4<T> }
struct Places { p: vec4<u32>, q: vec4<u32> }

// Where the rows begin in a, from this one on.
fn find_places(in_a: u32, row: u32) -> Places { return Places(find_rows(in_a, row), find_rows(in_a, row + 4u)); }
fn load_rows(at: Places, step: u32) -> Rows { return Rows(load_four(at.p, step), load_four(at.q, step)); }
fn times(x: Rows, y: T, sum: Rows) -> Rows { return Rows(sum.p + x.p * y, sum.q + x.q * y); }
fn plus(x: Rows, y: Rows) -> Rows { return Rows(x.p + y.p, x.q + y.q); }
// All rows but the first, each one place further to the front.
fn next(x: Rows) -> Rows { return Rows(vec4<T>(x.p.yzw, x.q.x), x.q.yzwx); }
// end: rows

fn load_four(at: vec4<u32>, step: u32) -> vec4<T> {
    return vec4<T>(a_at(at.x + step), a_at(at.y + step), a_at(at.z + step), a_at(at.w + step));
}

// Quotient of what is below 2^16.
fn quotient(x: u32, by: u32) -> u32 { return u32((f32(x) + 0.5) / f32(by)); }

// Where the column begins in b that lies so many runs of LANES further.
fn find_column(in_b: u32, col: u32, runs: u32) -> u32 { return in_b + column_of_b(min(col + runs * LANES, params.n - 1u)); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let part = quotient(group.z, params.batch);
    let batch = group.z - part * params.batch;
    let rest = quotient(batch, params.extents.y);
    let first = quotient(rest, params.extents.x);
    let place = vec3<u32>(first, rest - first * params.extents.x, batch - rest * params.extents.y);
    let in_a = params.a_offset + dot(place, params.a_batch.xyz);
    let in_b = params.b_offset + dot(place, params.b_batch.xyz);
    let row = group.y * ROWS;
    let col = group.x * LANES * COLS + local.x;
    let last = min((part + 1u) * params.part, params.k);

    // Neighbouring lanes have neighbouring columns; the next column of a lane lies LANES further.
    let rows = find_places(in_a, row);
    let c0 = find_column(in_b, col, 0u); let c1 = find_column(in_b, col, 1u);
    let c2 = find_column(in_b, col, 2u); let c3 = find_column(in_b, col, 3u);
    let c4 = find_column(in_b, col, 4u); let c5 = find_column(in_b, col, 5u);
    let c6 = find_column(in_b, col, 6u); let c7 = find_column(in_b, col, 7u);
    var s0 = Rows(); var s1 = Rows(); var s2 = Rows(); var s3 = Rows();
    var s4 = Rows(); var s5 = Rows(); var s6 = Rows(); var s7 = Rows();
    for (var k = part * params.part; k < last; k += 4u) {
        let steps = find_steps(k);
        // Four steps are added up first, as in `step` of lib/operands.wgsl.
        var p0 = Rows(); var p1 = Rows(); var p2 = Rows(); var p3 = Rows();
        var p4 = Rows(); var p5 = Rows(); var p6 = Rows(); var p7 = Rows();
        for (var i = 0u; i < min(last - k, 4u); i++) {
            let x = load_rows(rows, steps.a[i]);
            let in_column = steps.b[i];
            p0 = times(x, b_at(c0 + in_column), p0);
            p1 = times(x, b_at(c1 + in_column), p1);
            p2 = times(x, b_at(c2 + in_column), p2);
            p3 = times(x, b_at(c3 + in_column), p3);
            p4 = times(x, b_at(c4 + in_column), p4);
            p5 = times(x, b_at(c5 + in_column), p5);
            p6 = times(x, b_at(c6 + in_column), p6);
            p7 = times(x, b_at(c7 + in_column), p7);
        }
        s0 = plus(s0, p0); s1 = plus(s1, p1); s2 = plus(s2, p2); s3 = plus(s3, p3);
        s4 = plus(s4, p4); s5 = plus(s5, p5); s6 = plus(s6, p6); s7 = plus(s7, p7);
    }

    // Rows move through the first place and columns through the first lane of a vector, so that there is one store to compile.
    let end = min(row + ROWS, params.m);
    var in_row = (group.z * params.m * params.n) + row * params.out_row;
    for (var r = row; r < end; r++) {
        var low = vec4<T>(s0.p.x, s1.p.x, s2.p.x, s3.p.x);
        var high = vec4<T>(s4.p.x, s5.p.x, s6.p.x, s7.p.x);
        for (var c = col; c < params.n && c < col + LANES * COLS; c += LANES) {
            emit(in_row + c * params.out_col, low.x);
            low = vec4<T>(low.yzw, high.x);
            high = high.yzwx;
        }
        s0 = next(s0); s1 = next(s1); s2 = next(s2); s3 = next(s3);
        s4 = next(s4); s5 = next(s5); s6 = next(s6); s7 = next(s7);
        in_row += params.out_row;
    }
}
