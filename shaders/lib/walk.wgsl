// How a product reads operands whose rows, steps or columns lie along several axes each, as the windows of a convolution do: the host
// puts this file in place of the block `walk` of lib/operands.wgsl. Up to three axes each; the first one's extent is never needed.

// Where an index stands along three axes, of which the last two have these extents.
fn place_of(index: u32, inner: vec2<u32>) -> vec3<u32> {
    let rest = index / inner.y;
    return vec3<u32>(rest / inner.x, rest % inner.x, index % inner.y);
}

fn row_of_a(row: u32) -> u32 { return dot(place_of(row, params.walk_steps.zw), params.walk_a_row.xyz); }
fn column_of_b(col: u32) -> u32 {
    return dot(place_of(col, vec2<u32>(params.walk_a_step.w, params.walk_b_step.w)), params.walk_b_col.xyz);
}

// Quotient and remainder of what is below 2^24, by floats: a division of integers goes lane by lane on lavapipe, and this is in the
// innermost loop. The host sees to it that quotients are below 2^22 (MOST_TURNS): the 2.5 ULP that WGSL lets a division be off are
// 0.625 there, so what is truncated is off by 1 at most.
fn divided(k: u32, by: u32) -> vec2<u32> {
    let q = i32(f32(k) / f32(by));
    let r = i32(k) - q * i32(by);
    let off = select(0, 1, r >= i32(by)) - select(0, 1, r < 0);
    return vec2<u32>(u32(q + off), u32(r - off * i32(by)));
}

// One step further.
fn after(place: vec3<u32>, inner: vec2<u32>) -> vec3<u32> {
    let turn = place.z + 1u == inner.y;
    let carry = turn && place.y + 1u == inner.x;
    return vec3<u32>(
        place.x + select(0u, 1u, carry),
        select(place.y + select(0u, 1u, turn), 0u, carry),
        select(place.z + 1u, 0u, turn),
    );
}

fn find_steps(k: u32) -> Steps {
    let inner = params.walk_steps.xy;
    let low = divided(min(k, params.k - 1u), inner.y);
    let high = divided(low.x, inner.x);
    let p0 = vec3<u32>(high.x, high.y, low.y);
    let p1 = after(p0, inner);
    let p2 = after(p1, inner);
    let p3 = after(p2, inner);
    let in_a = params.walk_a_step.xyz;
    let in_b = params.walk_b_step.xyz;
    return Steps(
        vec4<u32>(dot(p0, in_a), dot(p1, in_a), dot(p2, in_a), dot(p3, in_a)),
        vec4<u32>(dot(p0, in_b), dot(p1, in_b), dot(p2, in_b), dot(p3, in_b)),
    );
}
