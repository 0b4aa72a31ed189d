// Reaction and diffusion after Gray and Scott: u is food, v eats it and doubles, and dies. Both
// spread. One step of time; the borders meet, as on a torus.

struct Params {
    feed: f32,
    kill: f32,
    spread: vec2f, // of u and v
    dt: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> size: vec2u; // width and height
@group(0) @binding(2) var<storage, read> before: array<vec2f>; // u and v of each cell, row by row
@group(0) @binding(3) var<storage, read_write> after: array<vec2f>;

fn at(x: u32, y: u32) -> vec2f {
    return before[(y % size.y) * size.x + x % size.x];
}

@compute @workgroup_size(16, 8)
fn react(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= size.x || id.y >= size.y) {
        return;
    }
    let left = id.x + size.x - 1u;
    let right = id.x + 1u;
    let up = id.y + size.y - 1u;
    let down = id.y + 1u;
    let beside = at(left, id.y) + at(right, id.y) + at(id.x, up) + at(id.x, down);
    let across = at(left, up) + at(right, up) + at(left, down) + at(right, down);
    let here = at(id.x, id.y);
    let eaten = here.x * here.y * here.y;
    let made = vec2f(
        params.feed * (1.0 - here.x) - eaten,
        eaten - (params.feed + params.kill) * here.y,
    );
    let flow = params.spread * (0.2 * beside + 0.05 * across - here);
    after[id.y * size.x + id.x] = here + params.dt * (flow + made);
}
