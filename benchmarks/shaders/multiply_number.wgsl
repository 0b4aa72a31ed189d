// a * number, one element a thread: a step of the small chain.
@group(0) @binding(0) var<uniform> number: f32;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&out) {
        out[id.x] = a[id.x] * number;
    }
}
