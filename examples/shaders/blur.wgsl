// A blur: each pixel becomes a sum of those around it, by the weights of a kernel of 7 x 7.
// Outside of the picture its border goes on.

const REACH = 3i;
const SIDE = 2 * REACH + 1;

@group(0) @binding(0) var<uniform> size: vec2i; // width and height
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> blurred: array<f32>;

@compute @workgroup_size(16, 8)
fn blur(@builtin(global_invocation_id) id: vec3u) {
    let here = vec2i(id.xy);
    if (any(here >= size)) {
        return;
    }
    var sum = 0.0;
    for (var j = 0; j < SIDE; j++) {
        for (var i = 0; i < SIDE; i++) {
            let there = clamp(here + vec2i(i, j) - REACH, vec2i(0), size - 1);
            sum += weights[j * SIDE + i] * image[there.y * size.x + there.x];
        }
    }
    blurred[here.y * size.x + here.x] = sum;
}
