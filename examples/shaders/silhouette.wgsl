// A scene of signed distances, in the plane: three discs and a turned box that melt into each other.
//
// A distance is negative inside. `coverage` is how much of a pixel the scene covers, between 0 and
// 1 over an edge of some softness: a step would have no slope to learn from.

struct Scene {
    discs: array<vec3f, 3>, // centre and radius
    box: vec4f,             // centre, and half of each side
    angle: f32,
    melt: f32,              // the logarithm of how far corners are filled
}

fn disc(p: vec2f, it: vec3f) -> f32 {
    return length(p - it.xy) - it.z;
}

fn box(p: vec2f, it: vec4f, angle: f32) -> f32 {
    let c = cos(angle);
    let s = sin(angle);
    let away = abs(mat2x2f(c, -s, s, c) * (p - it.xy)) - it.zw;
    return length(max(away, vec2f(0.0))) + min(max(away.x, away.y), 0.0);
}

// The union of two shapes, whose corner is filled over a width.
fn melted(a: f32, b: f32, width: f32) -> f32 {
    let near = max(width - abs(a - b), 0.0) / width;
    return min(a, b) - 0.25 * width * near * near;
}

fn distance_to(p: vec2f, scene: Scene) -> f32 {
    var d = box(p, scene.box, scene.angle);
    for (var i = 0; i < 3; i++) {
        d = melted(d, disc(p, scene.discs[i]), exp(scene.melt));
    }
    return d;
}

fn coverage(
    p: vec2f, a: vec3f, b: vec3f, c: vec3f, box: vec4f, angle: f32, melt: f32, soft: f32
) -> f32 {
    let scene = Scene(array<vec3f, 3>(a, b, c), box, angle, melt);
    return 1.0 / (1.0 + exp(distance_to(p, scene) / soft));
}
