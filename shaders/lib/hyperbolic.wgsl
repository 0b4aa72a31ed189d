// Hyperbolic functions and their inverses, sigmoid and erf: to 4 ULP (erf 8) over all of f32.

// A polynomial near 0, where e^x and e^-x would cancel; else their difference, each divided by two
// before it can overflow.
fn real_sinh(x: f32) -> f32 {
    let z = x * x;
    let near = x + x * z * (0.166667163 + z * (0.00833028369 + z * 2.03721953e-4));
    let half = scaled_exp(abs(x), -1);
    let far = select(half - 0.25 / half, make_inf(1.0), abs(x) > 89.415986);
    return select(select(far, -far, x < 0.0), near, abs(x) < 1.0 || is_nan(x));
}

fn real_cosh(x: f32) -> f32 {
    let half = scaled_exp(abs(x), -1);
    let value = select(half + 0.25 / half, make_inf(1.0), abs(x) > 89.415986);
    return select(value, x, is_nan(x));
}

// A polynomial near 0, where 1 - 2 / (e^2x + 1) would cancel; from 10 on the result is 1. The
// builtin overflows to NaN on some drivers.
fn real_tanh(x: f32) -> f32 {
    let z = x * x;
    let near = x + x * z * (-0.333332807 + z * (0.133314416 + z * (-0.0537397116
        + z * (0.0206390787 - z * 0.00570497848))));
    let far = 1.0 - 2.0 / (scaled_exp(2.0 * min(abs(x), 10.0), 0) + 1.0);
    let value = select(select(far, -far, x < 0.0), near, abs(x) < 0.625);
    return select(value, x, abs(x) < 1e-4 || is_nan(x));
}

// log(a + sqrt(a^2 + 1)) as a logarithm of 1 and something that loses nothing near 0; log 2a where
// a^2 might overflow.
fn real_asinh(x: f32) -> f32 {
    let a = abs(x);
    let large = a > 268435456.0;
    let b = min(a, 268435456.0);
    let rest = b * b / (1.0 + sqrt(b * b + 1.0));
    let value = real_log1p(select(a + rest, a, large)) + select(0.0, 0.693147182, large);
    return select(select(value, -value, x < 0.0), x, a < 1e-4 || is_nan(x));
}

fn real_acosh(x: f32) -> f32 {
    let large = x > 268435456.0;
    let t = x - 1.0;
    let b = min(t, 268435456.0);
    let value = real_log1p(select(b + sqrt(b * (b + 2.0)), t, large));
    return select(value + select(0.0, 0.693147182, large), make_nan(x), x < 1.0 || is_nan(x));
}

fn real_atanh(x: f32) -> f32 {
    let a = abs(x);
    let value = 0.5 * real_log1p(2.0 * a / (1.0 - min(a, 0.99999994)));
    let edge = select(select(value, make_inf(1.0), a == 1.0), make_nan(x), a > 1.0);
    return select(select(edge, -edge, x < 0.0), x, a < 1e-4 || is_nan(x));
}

// exp of a number that is never positive cannot overflow.
fn real_sigmoid(x: f32) -> f32 {
    let small = scaled_exp(-abs(x), 0);
    return select(select(small, 1.0, x >= 0.0) / (1.0 + small), x, is_nan(x));
}

// x sigmoid(y). The exponential is multiplied in two halves: x may be as large as it is small.
fn gated(x: f32, y: f32) -> f32 {
    let half = scaled_exp(-0.5 * abs(y), 0);
    let small = half * half;
    let below = (x * half) * (half / (1.0 + small));
    return select(select(below, x / (1.0 + small), y >= 0.0), y, is_nan(y));
}

// sigmoid(x) sigmoid(-x), the slope of both.
fn sigmoid_slope(x: f32) -> f32 {
    let small = scaled_exp(-abs(x), 0);
    let whole = 1.0 + small;
    return select(small / (whole * whole), x, is_nan(x));
}

// A polynomial in x near 0; further out 1 - erfc |x|, and erfc |x| = e^-E with E a polynomial in
// |x|. From 4 on the result is 1.
fn real_erf(x: f32) -> f32 {
    let z = x * x;
    let inner = x + x * (0.128379107 + z * (-0.37612325 + z * (0.112801798 + z * (-0.0267113112
        + z * (0.00491755083 - z * 5.6314189e-4)))));
    let a = min(abs(x), 4.0);
    let e = 3.53708921e-4 + a * (1.12704003 + a * (0.638225615 + a * (0.103037439
        + a * (-0.0218053516 + a * (0.00293961586 - a * 1.855749e-4)))));
    let outer = 1.0 - scaled_exp(-e, 0);
    let value = select(select(outer, -outer, x < 0.0), inner, abs(x) < 1.0 || is_nan(x));
    return select(value, x * 1.12837917, abs(x) < 1e-30);  // where x 0.128 may be subnormal
}
