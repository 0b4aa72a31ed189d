// The gamma function's logarithm and its derivatives, inverse error functions, Bessel's I, and sinc: to
// 8 ULP where they are not near a zero between two poles. All polynomials are near-minimax fits.

// erfc x = 2 P(X < -sqrt(2) x) for a normal X; x is cut in two, so that what is squared is exact.
fn real_erfc(x: f32) -> f32 {
    let a = clamp(x, 0.5, 12.0);
    let shift = select(0, 64, a > 1.0);  // for all digits of a small result
    let head = upper(a);
    let power = scaled_exp_sum(-head * head, -(a - head) * (a + head), shift);
    let tail = (2.0 * normal_share(a * 1.41421354)) * power * power_of_two(-shift);
    return select(select(1.0 - real_erf(x), tail, x >= 0.5), x, is_nan(x));
}

// x times a polynomial in w = -log(1 - x^2), or where that is large in its root.
fn real_erfinv(x: f32) -> f32 {
    let a = abs(x);
    let w = -real_log((1.0 - a) * (1.0 + a));
    let s = w - 2.5;
    let near = 1.50140941 + s * (0.24664028 + s * (-0.00417739293 + s * (-0.00125272642
        + s * (2.18349393e-4 + s * (-4.9724199e-6 + s * (-3.46398519e-6 + s * (4.68131361e-7
        + s * (2.33359678e-8 - s * 8.93192631e-9))))))));
    let t = sqrt(max(w, 0.0)) - 3.0;
    let far = 2.83297682 + t * (1.00167501 + t * (0.00944574364 + t * (-0.00763913896
        + t * (0.00568267843 + t * (-0.00358781568 + t * (0.00149722246 + t * (-7.60479015e-5
        + t * (-3.19926679e-4 + t * 1.29241758e-4))))))));
    let value = x * select(near, far, w > 5.0);
    let edge = select(value, make_inf(x), a == 1.0);
    return select(edge, make_nan(x), a > 1.0 || is_nan(x));
}

// sin(pi r) / (pi r) for |r| <= 1/2 and z = r^2.
fn sine_share(z: f32) -> f32 {
    return 1.0 + z * (-1.64493406 + z * (0.811742187 + z * (-0.190747902 + z * (0.0261174385
        - z * 0.00223717862))));
}

// cos(pi r) for |r| <= 1/2: the sine of what is left of a quarter turn.
fn cosine_of_turn(r: f32) -> f32 {
    let h = 0.5 - abs(r);
    return 3.14159274 * h * sine_share(h * h);
}

// sin(pi x) / (pi x): the sine of what x has beyond an integer, which is exact.
fn real_sinc(x: f32) -> f32 {
    let n = round(x);
    let r = x - n;
    let odd = n * 0.5 != trunc(n * 0.5);
    let share = sine_share(r * r) * select(r / x, 1.0, abs(x) <= 0.5);
    let value = select(share, -share, odd);
    return select(select(value, 0.0, abs(x) >= 8388608.0 || (r == 0.0 && n != 0.0)), x, is_nan(x));
}

// j_k(z) / z^k with z = pi x and the spherical Bessel function j_k; k = 0 is sinc. A series near 0;
// elsewhere each from the two before, j_-1 z being the cosine.
fn sinc_ratio(x: f32, k: f32) -> f32 {
    let z = 3.14159274 * x;
    let square = z * z;
    let last = i32(k);
    var term = 1.0;
    for (var i = 1; i <= last; i++) { term /= f32(2 * i + 1); }
    var series = term;
    for (var i = 1; i <= 16; i++) {
        term *= -0.5 * square / (f32(i) * f32(2 * last + 2 * i + 1));
        series += term;
    }
    let r = x - round(x);
    let turned = cosine_of_turn(r);
    let odd = round(x) * 0.5 != trunc(round(x) * 0.5);
    var before = select(turned, -turned, odd);
    var found = real_sinc(x);
    for (var i = 0; i < last; i++) {
        let next = (f32(2 * i + 1) * found - before) / square;
        before = found;
        found = next;
    }
    let value = select(found, series, square < f32(4 * last + 6));
    return select(select(value, 0.0, abs(x) > 1e18), x, is_nan(x));
}

// I_0(x): its series in (x / 4)^2, or e^|x| / sqrt |x| times a polynomial in 1 / |x|, with the
// exponential in two factors, for it may be too large.
fn real_i0(x: f32) -> f32 {
    let a = abs(x);
    let near = min(a, 7.75);
    let z = near * near * 0.0625;
    let series = 1.0 + z * (4.0 + z * (4.0 + z * (1.77777779 + z * (0.444444507 + z * (0.0711110085
        + z * (0.00790135656 + z * (6.44904037e-4 + z * (4.03623526e-5 + z * (1.97275699e-6
        + z * (8.39614387e-8 + z * (1.97082461e-9 + z * 1.29393399e-10)))))))))));
    let far = max(a, 7.75);
    let u = 1.0 / far;
    let slow = 0.398942292 + u * (0.0498659573 + u * (0.0281757172 + u * (0.0251846462
        + u * (0.111708738 + u * (-0.472915232 + u * 2.23690391)))));
    let half = real_exp(0.5 * min(far, 100.0));
    let value = select((half * (slow / sqrt(far))) * half, series, a < 7.75);
    return select(select(value, make_inf(1.0), a > 92.0), x, is_nan(x));
}

// I_k(x) / x^k: I_0 times the ratios of neighbours, from a continued fraction of positive terms.
fn i0_ratio(x: f32, k: f32) -> f32 {
    let a = min(abs(x), 95.0);
    let last = i32(k);
    let z = a * a;
    var ratio = 0.0;
    var product = 1.0;
    for (var i = last + 24 + i32(a); i >= 1; i--) {
        ratio = 1.0 / (f32(2 * i) + z * ratio);
        product = select(product, product * ratio, i <= last);
    }
    return select(real_i0(x) * product, x, is_nan(x));
}
