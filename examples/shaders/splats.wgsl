// A Gaussian splat: what one soft ellipse has to say about a pixel. The colour of the pixel is the
// mean of what all splats say, by their weights: xyz of the sum over w of the sum.
//
// `shape` has the logarithms of the two radii, and the angle of the first; `colour` has the
// logarithm of the weight in w.

fn splat(pixel: vec2f, centre: vec2f, shape: vec3f, colour: vec4f) -> vec4f {
    let away = pixel - centre;
    let along = vec2f(cos(shape.z), sin(shape.z));
    let turned = vec2f(dot(away, along), away.y * along.x - away.x * along.y);
    let near = turned * exp(-shape.xy);
    return vec4f(colour.xyz, 1.0) * exp(colour.w - 0.5 * dot(near, near));
}
