// The logarithm of the gamma function and its derivatives: to 8 ULP for positive numbers, and for
// negative ones where they are not near a zero.

// log gamma(1 + t) for -1/4 <= t <= 1/2, and log gamma(2 + t) for -1/2 <= t <= 1.
fn lgamma_one(t: f32) -> f32 {
    return t * (-0.577215672 + t * (0.822467029 + t * (-0.400685787 + t * (0.270583868
        + t * (-0.207378536 + t * (0.16940622 + t * (-0.143969476 + t * (0.128169492
        + t * (-0.117512882 + t * (0.0901405886 - t * 0.0363141522))))))))));
}

fn lgamma_two(t: f32) -> f32 {
    return t * (0.422784328 + t * (0.322467029 + t * (-0.067352511 + t * (0.0205807555
        + t * (-0.0073820753 + t * (0.00288787996 + t * (-0.00121009583 + t * (5.35863161e-4
        + t * (-2.07585254e-4 + t * 4.35766233e-5)))))))));
}

// Stirling's series from 8 on; below, the recurrence leads to numbers from 3/4 to 3.
fn positive_lgamma(x: f32) -> f32 {
    let far = max(x, 8.0);
    let u = 1.0 / far;
    let z = u * u;
    let stirling = (far - 0.5) * (real_log(far) - 1.0)
        + (0.418938533 + u * (0.0833333333 - z * (0.00277777778 - z * 7.93650794e-4)));
    var y = min(x, 8.0);
    var product = 1.0;
    for (var i = 0; i < 6; i++) {
        let large = y >= 3.0;
        y = select(y, y - 1.0, large);
        product = select(product, product * y, large);
    }
    let small = x < 0.75;  // then gamma(1 + x) / x
    let t = select(y - 1.0, y, small);
    let near = select(lgamma_two(select(y - 2.0, y - 1.0, small)), lgamma_one(t), t < 0.5);
    let rest = real_log(select(product, x, small));
    return select(near + select(rest, -rest, small), stirling, x >= 8.0);
}

// Of a negative x: gamma(x) gamma(1 - x) = pi / sin(pi x); of integers it is infinite.
fn real_lgamma(x: f32) -> f32 {
    let below = x < 0.0;
    let r = x - round(x);
    let g = positive_lgamma(select(x, 1.0 - x, below));
    let reflected = -real_log(abs(r) * sine_share(r * r)) - g;
    let value = select(g, select(reflected, make_inf(1.0), r == 0.0 || is_inf(x)), below);
    return select(value, x, is_nan(x));
}

// The logarithm and its series from 6 on; below, the recurrence leads to numbers from 1 to 2, where
// the zero of the function, in two parts, is a factor.
fn positive_digamma(x: f32) -> f32 {
    let far = max(x, 6.0);
    let u = 1.0 / far;
    let z = u * u;
    let series = (real_log(far) - 0.5 * u)
        - z * (0.0833333333 - z * (0.00833333333 - z * 0.00396825397));
    let small = x < 1.0;
    var y = select(min(x, 6.0), x + 1.0, small);
    var sum = select(0.0, -1.0 / x, small);
    for (var i = 0; i < 5; i++) {
        let large = y >= 2.0;
        y = select(y, y - 1.0, large);
        sum = select(sum, sum + 1.0 / y, large);
    }
    let t = y - 1.5;
    let slope = 0.951055884 + t * (-0.423627496 + t * (0.240542531 + t * (-0.148398861
        + t * (0.0949846879 + t * (-0.0620559789 + t * (0.0408500284 + t * (-0.0257868841
        + t * (0.0171149895 + t * (-0.0163736194 + t * 0.0109025883)))))))));
    // Both parts of the zero apart, for a compiler may add up constants.
    return select((y - 1.46163213) * slope + (sum - 1.24381501e-8 * slope), series, x >= 6.0);
}

fn real_digamma(x: f32) -> f32 {
    let below = x < 0.0;
    let r = x - round(x);
    let g = positive_digamma(select(x, 1.0 - x, below));
    let cotangent = cosine_of_turn(r) / (r * sine_share(r * r));  // times pi
    let value = select(g, g - cotangent, below);
    let pole = select(value, copy_sign(make_inf(1.0), -x), x == 0.0);
    return select(pole, make_nan(x), (below && (r == 0.0 || is_inf(x))) || is_nan(x));
}

// The sum of ((q + i) / c)^-s over i >= 0 for q >= 0 and a power of two c: by Euler and Maclaurin
// from 10 on.
fn positive_zeta(s: f32, q: f32, c: f32) -> f32 {
    var sum = 0.0;
    var y = q;
    for (var i = 0; i < 10; i++) {
        let small = y < 10.0;
        sum = select(sum, sum + real_pow(y / c, -s), small);
        y = select(y, y + 1.0, small);
    }
    let u = 1.0 / y;
    let z = u * u;
    let t = z * (s + 1.0) * (s + 2.0);
    let v = z * (s + 3.0) * (s + 4.0);
    let rest = s * u * (0.0833333333 - t * (0.00138888889 - v * (3.30687831e-5
        - z * (s + 5.0) * (s + 6.0) * 8.26719577e-7)));
    return sum + c * real_pow(y / c, 1.0 - s) * (1.0 / (s - 1.0) + u * (0.5 + rest));
}

// The sum of ((m + d) / c)^-s - ((m - d) / c)^-s over m = 1/2, 3/2, ..., for |d| <= 1/4, where the
// two would cancel: each difference is a power times what the other is of it, less 1. From 10.5 on
// by derivatives of the sum, of which two have all digits beside what is before.
fn zeta_difference(s: f32, d: f32, c: f32) -> f32 {
    var sum = 0.0;
    for (var i = 0; i < 10; i++) {
        let m = f32(i) + 0.5;
        sum += real_pow((m - d) / c, -s) * real_expm1(s * real_log1p(-2.0 * d / (m + d)));
    }
    let third = (d * d) * ((s + 1.0) / c) * ((s + 2.0) / c) / 6.0;
    let rest = positive_zeta(s + 1.0, 10.5, c) + third * positive_zeta(s + 3.0, 10.5, c);
    return sum - 2.0 * d * (s / c) * rest;
}

// The n-th derivative of digamma, n! (-1)^(n + 1) zeta(n + 1, x). Of a negative x the sum runs to
// both sides of its fraction, less what is below. All powers are taken in a unit near n / e, where
// the factorial is of ordinary size.
fn real_polygamma(x: f32, n: f32) -> f32 {
    let s = n + 1.0;
    let below = x < 0.0;
    let fraction = x - floor(x);
    let odd = n * 0.5 == trunc(n * 0.5);  // s, not n
    let c = exp2(max(round(log2(n * 0.37)), 0.0));
    var value = positive_zeta(s, select(x, fraction, below), c);
    if below {
        let other = positive_zeta(s, ceil(x) - x, c) - positive_zeta(s, 1.0 - x, c);
        value += select(other, -other, odd);
        let d = x - (floor(x) + 0.5);  // exact, where the fraction of a small x is rounded
        if odd && abs(d) <= 0.25 {
            value = zeta_difference(s, d, c) + positive_zeta(s, 1.0 - x, c);
        }
    }
    for (var i = 1; i <= i32(n); i++) { value *= f32(i) / c; }
    let signed = select(value, -value, odd) / c;
    return select(select(signed, 0.0, x > 1e38), x, is_nan(x));
}
