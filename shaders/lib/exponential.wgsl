// Exponentials and logarithms, to 4 ULP over all of f32.
//
// Nothing branches, for a SIMD unit would run both sides anyway, and what is not chosen may
// overflow. All polynomials are minimax fits. Products with the first part of a constant are
// exact, so it does not matter whether they are fused with the sum that follows. WGSL lets compilers
// regroup sums and products, as Mesa does with constants: where one might so take a rounding error
// for 0, bits are cleared. What is left to be relied on is that sums of terms of different size, as
// in (x - n a) + n b with a + b for ln 2, are taken in the order that is written.

// e^x 2^shift = 2^n e^r with n the nearest integer to x / ln 2 and |r| <= ln 2 / 2. ln 2 comes in
// two parts, the first with so few bits that n times it is exact, as is its difference from x.
fn scaled_exp(x: f32, shift: i32) -> f32 {
    let near = clamp(x, -120.0, 90.0);
    let n = round(near * 1.44269504);
    return exp_near((near - n * 0.693359375) + n * 2.12194440e-4, i32(n) + shift);
}

// e^(x + y) 2^shift for a small y, which x alone would have lost.
fn scaled_exp_sum(x: f32, y: f32, shift: i32) -> f32 {
    let near = clamp(x, -120.0, 90.0);
    let n = round((near + y) * 1.44269504);
    return exp_near((near - n * 0.693359375) + (n * 2.12194440e-4 + y), i32(n) + shift);
}

// e^r 2^n, with 2^n in two factors: it may be too large or too small for one.
fn exp_near(r: f32, n: i32) -> f32 {
    let p = 1.0 + (r + r * r * (0.49999994 + r * (0.166665211 + r * (0.041668389
        + r * (0.00836873055 + r * 0.00138145685)))));
    let half = n >> 1u;
    return p * power_of_two(half) * power_of_two(n - half);
}

// The builtin is off by up to 63 ULP on lavapipe.
fn real_exp(x: f32) -> f32 {
    return select(select(scaled_exp(x, 0), make_inf(1.0), x >= 88.72284), x, is_nan(x));
}

// 2^x = 2^n 2^r with the nearest integer n: exact for integers.
fn real_exp2(x: f32) -> f32 {
    let near = clamp(x, -151.0, 129.0);
    let n = round(near);
    let half = i32(n) >> 1u;
    let p = exp2_near(near - n, 0.0) * power_of_two(half) * power_of_two(i32(n) - half);
    return select(select(p, make_inf(1.0), x >= 128.0), x, is_nan(x));
}

// 2^(r + s) for |r| <= 1/2 and a small s, to half an ULP: the upper half of 1 + r ln 2 is exact,
// and the rest is small.
fn exp2_near(r: f32, s: f32) -> f32 {
    let h = upper(r);
    let exact = h * 0.693359375;
    let head = upper(1.0 + exact);
    let slope = ((r - h) + s) * 0.693147182 - h * 2.12194440e-4;
    let t = r + s;
    let curve = t * t * (0.240226507 + t * (0.055503577 + t * (0.0096180141
        + t * (0.00133927399 + t * 1.54745998e-4))));
    return head + (((1.0 - head) + exact) + (slope + curve));
}

// e^x - 1 = 2^n (e^r - 1) + (2^n - 1), with the series of e^r - 1, which loses nothing near 0.
fn real_expm1(x: f32) -> f32 {
    let near = clamp(x, -18.0, 89.0);  // below, e^x is nothing beside 1
    let n = round(near * 1.44269504);
    let r = (near - n * 0.693359375) + n * 2.12194440e-4;
    let p = r + r * r * (0.5 + r * (0.166666657 + r * (0.0416663624 + r * (0.00833338965
        + r * (0.00139406475 + r * 1.98458787e-4)))));
    let half = power_of_two(i32(n) - 1);  // 2^n may be too large
    let value = 2.0 * (p * half + (half - 0.5));
    let large = select(value, make_inf(1.0), x >= 88.72284);
    return select(large, x, abs(x) < 1e-8 || is_nan(x));
}

// x > 0 as 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2): (k, f). Subnormals are scaled into
// range first.
fn split_log(x: f32) -> vec2<f32> {
    let tiny = x < 1.17549435e-38;
    let bits = bitcast<i32>(select(x, x * 8388608.0, tiny));
    let k = (bits - 0x3f3504f3) >> 23u;
    return vec2<f32>(f32(k - select(0, 23, tiny)), bitcast<f32>(bits - (k << 23u)) - 1.0);
}

// log(1 + f) - f for an f of split_log.
fn log_rest(f: f32) -> f32 {
    let z = f * f;
    return z * f * (0.333333313 + f * (-0.250008225 + f * (0.200012267 + f * (-0.166233569
        + f * (0.142017618 + f * (-0.131601945 + f * (0.127615497 - f * 0.0763442963)))))))
        - 0.5 * z;
}

// A logarithm of x where it is none of a positive number: -inf of 0, NaN of less, inf of inf.
fn log_edges(x: f32, value: f32) -> f32 {
    let low = select(value, make_inf(-1.0), x == 0.0);
    let invalid = select(low, make_nan(x), x < 0.0 || is_nan(x));
    return select(invalid, x, bitcast<u32>(x) == 0x7f800000u);
}

// k ln 2 + log(1 + f), with ln 2 in two parts of which the first is exact times k. The builtin may
// have no correct digit near 1.
fn real_log(x: f32) -> f32 {
    let s = split_log(x);
    let value = s.x * 0.693359375 + (s.y + (log_rest(s.y) - s.x * 2.12194440e-4));
    return log_edges(x, value);
}

// The rounding of log2 e would be one more ULP; k is exact.
fn real_log2(x: f32) -> f32 {
    let s = split_log(x);
    let f = s.y + log_rest(s.y);
    return log_edges(x, s.x + (f * 1.44269502 + f * 1.92596299e-8));
}

fn real_log10(x: f32) -> f32 {
    let s = split_log(x);
    let f = s.y + log_rest(s.y);
    return log_edges(x, s.x * 0.30078125 + (f * 0.434294492 + (s.x * 2.48745664e-4 - f * 1.01030501e-8)));
}

// log(1 + x), through u = 1 + x and what u has lost of x. The last bits of u are cleared, so that
// no compiler takes u - 1 for x; what is lost then counts too.
fn real_log1p(x: f32) -> f32 {
    let u = cleared(1.0 + x);
    let s = split_log(u);
    let lost = (x - (u - 1.0)) * power_of_two(-i32(s.x));
    let near = abs(x) < 0.25;
    let f = select(s.y + select(lost, 0.0, x > 16777216.0), x, near);
    let k = select(s.x, 0.0, near);
    let value = log_edges(1.0 + x, k * 0.693359375 + (f + (log_rest(f) - k * 2.12194440e-4)));
    return select(value, x, abs(x) < 1e-8);
}

// log(e^x + e^y) = x + log(1 + e^(y - x)) for the larger x; the difference of two equal infinities
// would be NaN.
fn real_logaddexp(x: f32, y: f32) -> f32 {
    let top = nan_max(x, y);
    let value = top + real_log1p(real_exp(min(x, y) - top));
    return select(value, top, is_inf(top) || is_nan(top));
}
