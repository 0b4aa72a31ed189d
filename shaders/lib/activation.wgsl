// Activation functions of networks whose plain formulas overflow, or lose digits where the result
// is small. They keep NaN, and their limits at both infinities.

// The product with its rounding error: halves of 12 bits have exact products.
// Source: Dekker, "A floating-point technique for extending the available precision" (1971).
fn exact_product(x: f32, y: f32) -> vec2<f32> {
    let xh = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
    let yh = bitcast<f32>(bitcast<u32>(y) & 0xfffff000u);
    let xl = x - xh;
    let yl = y - yh;
    let p = x * y;
    return vec2<f32>(p, ((xh * yh - p) + xh * yl + xl * yh) + xl * yl);
}

// P(X < -t) for a normal X and t >= 0, as two factors: e^(-t^2 / 2), and a slow function, which is
// a polynomial in (t - 3) / (t + 3) over t + 3; t is cut in two, so that what is squared is exact.
fn normal_tail(t: f32) -> vec2<f32> {
    let u = 1.0 / (t + 3.0);
    let v = (t - 3.0) * u;
    let slow = u * (0.729083657 + v * (-0.509332299 + v * (0.230019405 + v * (-0.0472552851
        + v * (-0.0104800938 + v * (0.00692000752 + v * (0.00107473345 + v * (-8.97755614e-4
        - v * 2.62990681e-4))))))));
    let head = bitcast<f32>(bitcast<u32>(t) & 0xfffff000u);
    let rest = real_exp(-0.5 * (t - head) * (t + head)) * slow;
    return vec2<f32>(real_exp(-0.5 * head * head), rest);
}

// x P(X < x); from 15 on the tail is 0.
fn real_gelu(x: f32) -> f32 {
    let t = min(abs(x), 15.0);
    let tail = normal_tail(t);
    let below = -((t * tail.y) * tail.x);
    return select(select(x * (1.0 - tail.x * tail.y), below, x < 0.0), x, is_nan(x));
}

// P(X < x) + x e^(-x^2 / 2) / sqrt(2 pi), the derivative of gelu.
fn gelu_slope(x: f32) -> f32 {
    let near = clamp(x, -15.0, 15.0);
    let tail = normal_tail(abs(near));
    let p = tail.x * tail.y;
    let value = select(1.0 - p, p, x < 0.0) + near * 0.398942280 * real_exp(-0.5 * near * near);
    return select(value, x, is_nan(x));
}

// Below, e^x is the square of e^(x / 2), multiplied in two steps: it may itself be too small a
// number for all its digits.

// x sigmoid(y) with y = 2 sqrt(2 / pi) (x + 0.044715 x^3). Below 0 that is all but e^y, so the
// rounding errors of y are carried along.
fn real_gelu_tanh(x: f32) -> f32 {
    let near = clamp(x, -12.0, 12.0);
    let square = exact_product(near, near);
    let cubic = exact_product(square.x, 0.0713548139);
    // Without its last bits, so that no compiler takes sum - 1.59576917 for cubic.x.
    let sum = bitcast<f32>(bitcast<u32>(1.59576917 + cubic.x) & 0xfffffff0u);
    let lost = select(cubic.x - (sum - 1.59576917), 1.59576917 - (sum - cubic.x), cubic.x > 1.6);
    let small = lost + cubic.y + 0.0713548139 * square.y
        + (2.39883247e-9 * square.x - 4.53406805e-8);  // what the constants have lost
    let y = exact_product(abs(near), sum);
    let root = real_exp(-0.5 * y.x);
    let e = root * root;
    let below = (near * root) * root * (1.0 - (y.y + abs(near) * small)) / (1.0 + e);
    return select(select(x / (1.0 + e), below, x < 0.0), x, is_nan(x));
}

fn real_silu(x: f32) -> f32 {
    let root = real_exp(-0.5 * abs(x));
    let e = root * root;
    let below = (max(x, -300.0) * root) * root / (1.0 + e);
    return select(select(x / (1.0 + e), below, x < 0.0), x, is_nan(x));
}

// tanh(log(1 + n)) is (n^2 + 2n) / (n^2 + 2n + 2); above 0 both are divided by n^2.
fn real_mish(x: f32) -> f32 {
    let root = real_exp(-0.5 * abs(x));
    let e = root * root;
    let w = e * (e + 2.0);
    let below = (max(x, -300.0) * root) * (root * (e + 2.0)) / (w + 2.0);
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
