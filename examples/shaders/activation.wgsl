// An activation that is learned: a gate between two slopes, and a wave on top. Each unit of a layer
// has the four numbers of its own.
//
// As one function it is one kernel, and so is its gradient by all five inputs.

fn bend(x: f32, low: f32, sharp: f32, shift: f32, wave: f32) -> f32 {
    let u = x + shift;
    let gate = 1.0 / (1.0 + exp(-sharp * u));
    return u * mix(low, 1.0, gate) + wave * sin(2.0 * u);
}
