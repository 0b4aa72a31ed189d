// One output element a thread, both operands row-major: the yardstick of the matrix product.
// Workgroups of 16 x 16 and 64 x 1 threads measure the same.
struct Params { m: u32, n: u32, k: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.n || id.y >= params.m {
        return;
    }
    var total = 0.0;
    for (var k = 0u; k < params.k; k++) {
        total += a[id.y * params.k + k] * b[k * params.n + id.x];
    }
    out[id.y * params.n + id.x] = total;
}
