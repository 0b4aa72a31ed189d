// The gradient of a blur by its kernel: a workgroup for each weight adds up, over all pixels, what
// the weight was multiplied with.

const REACH = 3i;
const SIDE = 2 * REACH + 1;
const GROUP = 64u;

@group(0) @binding(0) var<uniform> size: vec2i; // width and height
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> d_blurred: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_weights: array<f32>;

var<workgroup> held: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn blur_backward(
    @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
) {
    let at = i32(group.x);
    let shift = vec2i(at % SIDE, at / SIDE) - REACH;
    var sum = 0.0;
    for (var i = i32(lane); i < size.x * size.y; i += i32(GROUP)) {
        let there = clamp(vec2i(i % size.x, i / size.x) + shift, vec2i(0), size - 1);
        sum += d_blurred[i] * image[there.y * size.x + there.x];
    }
    held[lane] = sum;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            held[lane] += held[lane + half];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        d_weights[group.x] = held[0];
    }
}
