// The yardstick: one output per thread. Same bindings as matmul.wgsl; dispatch (ceil(n / 8), ceil(m / 8), batch), each at most
// 65535; k at most 65000. 8 x 8, 16 x 16 and 64 x 1 threads measure the same.
struct Params {
    m: u32, n: u32, k: u32, batch: u32,
    a_offset: u32, a_batch: u32, a_row: u32, a_col: u32,
    b_offset: u32, b_batch: u32, b_row: u32, b_col: u32,
    out_row: u32, out_col: u32, unused_0: u32, unused_1: u32,
}

alias T = f32;
alias Acc = f32;
const X = 8u;
const Y = 8u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<T>;
@group(0) @binding(2) var<storage, read> b: array<T>;
@group(0) @binding(3) var<storage, read_write> out: array<T>;

@compute @workgroup_size(X, Y)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.n || id.y >= params.m { return; }
    var i = params.a_offset + id.z * params.a_batch + id.y * params.a_row;
    var j = params.b_offset + id.z * params.b_batch + id.x * params.b_col;
    var sum = Acc();
    for (var k = 0u; k < params.k; k++) {
        sum += Acc(a[i]) * Acc(b[j]);
        i += params.a_col;
        j += params.b_row;
    }
    out[id.z * params.m * params.n + id.y * params.out_row + id.x * params.out_col] = T(sum);
}
