// Activation functions of networks whose plain formulas overflow, or lose digits where the result
// is small. They keep NaN, and their limits at both infinities.

// The product with its rounding error: halves of 12 bits have exact products.
// Source: Dekker, "A floating-point technique for extending the available precision" (1971).
fn exact_product(x: f32, y: f32) -> vec2<f32> {
    let xh = upper(x);
    let yh = upper(y);
    let xl = x - xh;
    let yl = y - yh;
    let p = x * y;
    return vec2<f32>(p, ((xh * yh - p) + xh * yl + xl * yh) + xl * yl);
}

// By how many powers of 2 a power of e is too large until all else is done, where it may be too
// small a number for all its digits. Not for small x, which a compiler may multiply by the factor
// first.
fn extra(x: f32) -> i32 {
    return select(0, 64, x < -1.0);
}

// P(X < -t) 2^shift for a normal X and t >= 0, as two factors: e^(-t^2 / 2), and a slow function,
// which is a polynomial in (t - 3) / (t + 3) over t + 3; t is cut in two, so that what is squared
// is exact.
fn normal_tail(t: f32, shift: i32) -> vec2<f32> {
    let head = upper(t);
    let rest = -0.5 * (t - head) * (t + head);
    return vec2<f32>(scaled_exp_sum(-0.5 * head * head, rest, shift), normal_share(t));
}

// P(X < -t) e^(t^2 / 2).
fn normal_share(t: f32) -> f32 {
    let u = 1.0 / (t + 3.0);
    let v = (t - 3.0) * u;
    return u * (0.729083657 + v * (-0.509332299 + v * (0.230019405 + v * (-0.0472552851
        + v * (-0.0104800938 + v * (0.00692000752 + v * (0.00107473345 + v * (-8.97755614e-4
        - v * 2.62990681e-4))))))));
}

// x P(X < x); from 15 on the tail is 0.
fn real_gelu(x: f32) -> f32 {
    let t = min(abs(x), 15.0);
    let tail = normal_tail(t, extra(x));
    let p = tail.x * tail.y;
    return select(select(x * (1.0 - p), -(t * p) * power_of_two(-extra(x)), x < 0.0), x, is_nan(x));
}

// P(X < x) + x e^(-x^2 / 2) / sqrt(2 pi), the derivative of gelu.
fn gelu_slope(x: f32) -> f32 {
    let near = clamp(x, -15.0, 15.0);
    let tail = normal_tail(abs(near), 0);
    let p = tail.x * tail.y;
    let value = select(1.0 - p, p, x < 0.0) + near * 0.398942280 * real_exp(-0.5 * near * near);
    return select(value, x, is_nan(x));
}

// x sigmoid(y) with y = 2 sqrt(2 / pi) (x + 0.044715 x^3). Below 0 that is all but e^y, so the
// rounding errors of y are carried along.
fn real_gelu_tanh(x: f32) -> f32 {
    let near = clamp(x, -12.0, 12.0);
    let square = exact_product(near, near);
    let cubic = exact_product(square.x, 0.0713548139);
    // Without its last bits, so that no compiler takes sum - 1.59576917 for cubic.x.
    let sum = cleared(1.59576917 + cubic.x);
    let lost = select(cubic.x - (sum - 1.59576917), 1.59576917 - (sum - cubic.x), cubic.x > 1.6);
    let small = lost + cubic.y + 0.0713548139 * square.y
        + (2.39883247e-9 * square.x - 4.53406805e-8);  // what the constants have lost
    let y = exact_product(abs(near), sum);
    return sigmoid_product(x, scaled_exp_sum(-y.x, -(y.y + abs(near) * small), extra(x)));
}

// x / (1 + e), or x e / (1 + e) below 0, for a given e 2^extra.
fn sigmoid_product(x: f32, large: f32) -> f32 {
    let back = power_of_two(-extra(x));
    let e = large * back;
    let below = (max(x, -300.0) * large) / (1.0 + e) * back;
    return select(select(x / (1.0 + e), below, x < 0.0), x, is_nan(x));
}

fn real_silu(x: f32) -> f32 {
    return sigmoid_product(x, scaled_exp(-abs(x), extra(x)));
}

// tanh(log(1 + n)) is (n^2 + 2n) / (n^2 + 2n + 2); above 0 both are divided by n^2.
fn real_mish(x: f32) -> f32 {
    let large = scaled_exp(-abs(x), extra(x));
    let back = power_of_two(-extra(x));
    let e = large * back;
    let below = (max(x, -300.0) * large) * ((e + 2.0) / (e * (e + 2.0) + 2.0)) * back;
    let above = x * ((1.0 + 2.0 * e) / (1.0 + 2.0 * e * (1.0 + e)));
    return select(select(above, below, x < 0.0), x, is_nan(x));
}

// log(1 + e^(b x)) / b, and x where b x is above the threshold c.
fn real_softplus(x: f32, b: f32, c: f32) -> f32 {
    let t = x * b;
    let value = (max(t, 0.0) + real_log1p(real_exp(-abs(t)))) / b;
    return select(value, x, t > c || is_nan(x));
}

fn real_logsigmoid(x: f32) -> f32 {
    return select(min(x, 0.0) - real_log1p(real_exp(-abs(x))), x, is_nan(x));
}
