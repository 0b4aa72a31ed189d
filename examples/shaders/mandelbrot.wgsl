// The Mandelbrot set: how soon the orbit of 0 under z -> z * z + c leaves, as a colour.
//
// Python calls `mandelbrot` for an array of points. A browser draws the file as it is: three
// vertices without buffers, one uniform with the view.

struct View {
    centre: vec2f,
    height: f32,
    limit: i32,
    size: vec2f,
}

@group(0) @binding(0) var<uniform> view: View;

// Points of the main heart and of the largest disc never leave.
fn stays(c: vec2f) -> bool {
    let x = c.x - 0.25;
    let q = x * x + c.y * c.y;
    let beside = c.x + 1.0;
    return q * (q + x) < 0.25 * c.y * c.y || beside * beside + c.y * c.y < 0.0625;
}

fn palette(t: f32) -> vec3f {
    let wave = 0.5 + 0.5 * cos(6.2831853 * (t + vec3f(0.0, 0.08, 0.2)));
    return wave;
}

fn mandelbrot(c: vec2f, limit: i32) -> vec3f {
    if (stays(c)) {
        return vec3f(0.0);
    }
    var z = vec2f(0.0);
    for (var i = 0; i < limit; i++) {
        z = vec2f(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
        let away = dot(z, z);
        if (away > 1e4) {
            let smoothed = f32(i) + 2.0 - log2(0.5 * log2(away));
            return palette(0.11 * sqrt(smoothed) - 0.1);
        }
    }
    return vec3f(0.0);
}

@vertex
fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn pixel(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let p = (at.xy - 0.5 * view.size) / view.size.y;
    return vec4f(mandelbrot(view.centre + view.height * p, view.limit), 1.0);
}
