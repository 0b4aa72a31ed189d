// Gravity: the acceleration that a body at b of some mass gives to one at a. The softening keeps
// bodies that meet from being flung away, and makes that of a body to itself 0.

fn pull(a: vec3f, b: vec3f, mass: f32) -> vec3f {
    let away = b - a;
    let near = 0.04 + dot(away, away);
    return mass * away * inverseSqrt(near * near * near);
}
