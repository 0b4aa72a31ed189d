// Matrix multiplication for software adapters, of what is not multiplied often: a short text, which drivers compile in a quarter of the
// time that they take for matmul.wgsl. out[batch] = a[batch] @ b[batch], to the same bits as there: each output is the same sum in the
// same order.
//
// Bindings: 0 uniform Params, 1 a, 2 b, 3 out or what the output block says. Dispatch: x = ceil(n / 8), y = ceil(m / 16) and
// z = parts * batch workgroups, each at most 65535. A part has at most 50000 steps: lavapipe stops all loops of an invocation after
// 65535 iterations, one takes one step, and another is taken for each four.
//
// Shape: one workgroup is 8 lanes side by side along n, the SIMD width of lavapipe; each lane has 16 x 1 outputs. What costs an LLVM
// time is the loads and stores, each a loop over lanes, and divisions of integers, each 8 of them: so there are three loads and, in a
// loop over rows, one store, and nothing is divided but by floats. One text serves all strides: there are no loads by vec4s. Compile
// times on lavapipe, of matmul.wgsl in brackets: 0.05 s (0.2 s), and with an output block of some length 0.06 s (0.4 to 1.1 s); GFLOP/s
// at 64 x 784 x 128 on 2 cores: 3 (20). With 8 rows a lane 2.1 and 0.04 s; with 2 columns 6 and 0.065 s.
// include: lib/operands.wgsl
// include: lib/matmul.wgsl

const LANES = 8u;
const ROWS = 16u;

// Without shuffles every lane loads all rows of a itself; with them, lib/shuffle_small.wgsl takes this block's place.
// replace: share
fn load_mine(in_a: u32, row: u32, lane: u32, step: u32) -> T { return T(); }
fn share_a(mine: T, in_a: u32, row: u32, i: u32, step: u32) -> vec4<T> {
    let at = find_rows(in_a, row + i) + vec4<u32>(step);
    return vec4<T>(a_at(at.x), a_at(at.y), a_at(at.z), a_at(at.w));
}
// end: share

// Quotient of what is below 2^16.
fn quotient(x: u32, by: u32) -> u32 { return u32((f32(x) + 0.5) / f32(by)); }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    let part = quotient(group.z, params.batch);
    let batch = group.z - part * params.batch;
    let rest = quotient(batch, params.extents.y);
    let first = quotient(rest, params.extents.x);
    let place = vec3<u32>(first, rest - first * params.extents.x, batch - rest * params.extents.y);
    let in_a = params.a_offset + dot(place, params.a_batch.xyz);
    let in_b = params.b_offset + dot(place, params.b_batch.xyz);
    let row = group.y * ROWS;
    let col = group.x * LANES + lane;
    let column = in_b + column_of_b(min(col, params.n - 1u));
    let last = min((part + 1u) * params.part, params.k);

    // Rows row to row + 15, by fours.
    var s0 = vec4<T>(); var s1 = vec4<T>(); var s2 = vec4<T>(); var s3 = vec4<T>();
    for (var k = part * params.part; k < last; k += 4u) {
        let steps = find_steps(k);
        // Four steps are added up first, as in `step` of lib/operands.wgsl.
        var p0 = vec4<T>(); var p1 = vec4<T>(); var p2 = vec4<T>(); var p3 = vec4<T>();
        for (var i = 0u; i < min(last - k, 4u); i++) {
            let y = b_at(column + steps.b[i]);
            let low = load_mine(in_a, row, lane, steps.a[i]);
            let high = load_mine(in_a, row + LANES, lane, steps.a[i]);
            p0 += share_a(low, in_a, row, 0u, steps.a[i]) * y;
            p1 += share_a(low, in_a, row, 4u, steps.a[i]) * y;
            p2 += share_a(high, in_a, row + LANES, 0u, steps.a[i]) * y;
            p3 += share_a(high, in_a, row + LANES, 4u, steps.a[i]) * y;
        }
        s0 += p0; s1 += p1; s2 += p2; s3 += p3;
    }

    // Rows move through the first variable, so that there is one store to compile.
    let end = min(row + ROWS, params.m);
    var at = (group.z * params.m * params.n) + row * params.out_row + col * params.out_col;
    for (var r = row; r < end && col < params.n; r++) {
        emit(at, s0.x);
        at += params.out_row;
        s0 = vec4<T>(s0.y, s0.z, s0.w, s1.x);
        s1 = vec4<T>(s1.y, s1.z, s1.w, s2.x);
        s2 = vec4<T>(s2.y, s2.z, s2.w, s3.x);
        s3 = vec4<T>(s3.y, s3.z, s3.w, s3.x);
    }
}
