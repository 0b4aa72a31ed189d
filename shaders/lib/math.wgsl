// Functions whose WGSL builtin is missing, overflows, or may assume that there is no NaN.

// By its bits: compilers may fold `x != x` to false.
fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_inf(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

// max(NaN, 0) may be 0; these give the NaN back, whichever side it is on.
fn nan_max(x: f32, y: f32) -> f32 {
    return select(select(max(x, y), y, is_nan(y)), x, is_nan(x));
}

fn nan_min(x: f32, y: f32) -> f32 {
    return select(select(min(x, y), y, is_nan(y)), x, is_nan(x));
}

fn real_sign(x: f32) -> f32 {
    return select(sign(x), x, is_nan(x));
}

// A quiet NaN that no compiler can fold, for it depends on x.
fn make_nan(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | 0x7fc00000u);
}

// The largest exponent with every mantissa bit 0; the sign of x.
fn make_inf(x: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | 0x7f800000u);
}

// The nearest number that 16 bits hold (11 bits of mantissa, 5 of exponent), ties to even, by bits:
// WGSL lets a conversion round either way, and what is beyond 65504 become anything.
fn to_half(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let size = bits & 0x7fffffffu;
    var near = (size + 0xfffu + ((size >> 13u) & 1u)) & 0xffffe000u;
    if size < 0x38800000u {  // subnormal there: multiples of 2^-24
        near = bitcast<u32>(round(bitcast<f32>(size) * 0x1p24f) * 0x1p-24f);
    }
    if size >= 0x477ff000u { near = max(0x7f800000u, select(0u, size, size > 0x7f800000u)); }
    return bitcast<f32>(near | (bits & 0x80000000u));
}

// e^x = 2^n e^r with n the nearest integer to x / ln 2 and |r| <= ln 2 / 2. ln 2 comes in two parts,
// the first with so few bits that n times it is exact; 2^n in two factors, for n alone may be too
// large or too small for one. The builtin is off by up to 63 ULP on lavapipe.
fn real_exp(x: f32) -> f32 {
    let near = clamp(x, -104.0, 89.0);
    let n = round(near * 1.44269504);
    let r = (near - n * 0.693359375) + n * 2.12194440e-4;
    let p = 1.0 + (r + r * r * (0.49999994 + r * (0.166665211 + r * (0.041668389
        + r * (0.00836873055 + r * 0.00138145685)))));
    let whole = i32(n);
    let half = whole >> 1u;
    let value = p * power_of_two(half) * power_of_two(whole - half);
    return select(select(value, make_inf(1.0), x > 88.72284), x, is_nan(x));
}

// 2^n for n from -127 (which gives 0) to 128 (which gives infinity).
fn power_of_two(n: i32) -> f32 {
    return bitcast<f32>((n + 127) << 23u);
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
    let large = select(value, make_inf(1.0), x > 88.72284);
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

// log(1 + x), through u = 1 + x and what u has lost of x. The last bits of u are cleared, so that
// no compiler takes u - 1 for x; what is lost then counts too.
fn real_log1p(x: f32) -> f32 {
    let u = bitcast<f32>(bitcast<u32>(1.0 + x) & 0xfffffff0u);
    let s = split_log(u);
    let lost = (x - (u - 1.0)) * power_of_two(-i32(s.x));
    let near = abs(x) < 0.25;
    let f = select(s.y + select(lost, 0.0, x > 16777216.0), x, near);
    let k = select(s.x, 0.0, near);
    let value = log_edges(1.0 + x, k * 0.693359375 + (f + (log_rest(f) - k * 2.12194440e-4)));
    return select(value, x, abs(x) < 1e-8);
}

// |x| in quarter turns, modulo 4, for |x| >= 2^12: (whole quarters, radians past the nearest one).
//
// x is m 2^q with an integer m of 24 bits. Multiplying m by 96 bits of 2/pi, taken from where
// multiples of 4 drop out, leaves 2 bits of quarters and 94 of fraction, exact to 2^-40 of a turn.
// Source: Payne and Hanek, "Radian reduction for trigonometric functions" (SIGNUM 1983).
fn reduce_large(x: f32) -> vec2<f32> {
    var bits = array<u32, 8>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u,
        0x3c439041u, 0xfe5163abu);  // 2/pi, after 32 zeros
    let exponent = i32((bitcast<u32>(x) >> 23u) & 0xffu) - 150;
    let m = (bitcast<u32>(x) & 0x7fffffu) | 0x800000u;
    let first = u32(exponent + 30);  // the bit of 2/pi that is worth 2 after scaling by 2^q
    let word = first / 32u;
    let shift = first % 32u;
    let w0 = (bits[word] << shift) | select(bits[word + 1u] >> (32u - shift), 0u, shift == 0u);
    let w1 = (bits[word + 1u] << shift) | select(bits[word + 2u] >> (32u - shift), 0u, shift == 0u);
    let w2 = (bits[word + 2u] << shift) | select(bits[word + 3u] >> (32u - shift), 0u, shift == 0u);
    let low = high_product(m, w2);
    let middle = m * w1 + low;
    let top = m * w0 + high_product(m, w1) + u32(middle < low);
    // Round to the nearest quarter: what is left is a signed fraction of one.
    let quarters = (top + 0x20000000u) >> 30u;
    let fraction = bitcast<i32>(top << 2u | middle >> 30u);
    let value = f32(fraction) * 0x1p-32f + f32(middle << 2u) * 0x1p-64f;
    return vec2<f32>(f32(quarters), value * 1.57079633);
}

// The upper 32 bits of a product of which `a` has at most 24.
fn high_product(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (cross & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u);
}

// x = n pi/2 + r with |r| <= pi/4; for small x, pi/2 comes in three parts of so few bits that the
// products with n are exact and cancel. The Taylor series of sine and cosine of r are exact to a
// tenth of an ULP, and n mod 4 says which of them, and which sign. WGSL allows the builtins an
// absolute error of 2^-11, and large arguments anything.
fn quarter_turns(x: f32, turn: i32) -> f32 {
    if is_nan(x) || is_inf(x) { return make_nan(x); }
    var n = round(x * 0.63661977);
    var r = ((x - n * 1.5703125) - n * 4.83751297e-4) - n * 7.54978995e-8;
    if abs(x) >= 4096.0 {
        let reduced = reduce_large(abs(x));
        n = select(reduced.x, -reduced.x, x < 0.0);
        r = select(reduced.y, -reduced.y, x < 0.0);
    }
    let z = r * r;
    let sine = r + r * z * (-0.16666667 + z * (0.0083333333 + z * (-1.9841270e-4 + z * 2.7557319e-6)));
    let cosine = 1.0 - 0.5 * z
        + z * z * (0.041666668 + z * (-0.0013888889 + z * (2.4801587e-5 - z * 2.7557319e-7)));
    let quarter = i32(n) + turn;
    let value = select(sine, cosine, (quarter & 1) == 1);
    return select(value, -value, (quarter & 2) == 2);
}

fn real_sin(x: f32) -> f32 { return quarter_turns(x, 0); }

fn real_cos(x: f32) -> f32 { return quarter_turns(x, 1); }

// A polynomial in x near 0; further out 1 - erfc |x|, and erfc |x| = e^-E with E a polynomial in
// |x|. From 4 on the result is 1.
fn real_erf(x: f32) -> f32 {
    let z = x * x;
    let inner = x + x * (0.128379107 + z * (-0.37612325 + z * (0.112801798 + z * (-0.0267113112
        + z * (0.00491755083 - z * 5.6314189e-4)))));
    let a = min(abs(x), 4.0);
    let e = -1.88040227e-4 + a * (1.12957847 + a * (0.633219898 + a * (0.108418576
        + a * (-0.0252082571 + a * (0.00420456193 + a * (-4.41336364e-4 + a * 2.16868502e-5))))));
    let outer = 1.0 - real_exp(-e);
    return select(select(outer, -outer, x < 0.0), inner, abs(x) < 1.0 || is_nan(x));
}

// The series of x near 0, where 1 - 2 / (e^2x + 1) would cancel; clamped where the result is 1,
// for the builtin overflows to NaN on some drivers.
fn safe_tanh(x: f32) -> f32 {
    if is_nan(x) { return x; }
    let z = x * x;
    let near = x * (1.0 + z * (-0.33333333 + z * (0.13333333 + z * (-0.053968254 + z * 0.021869488))));
    let far = 1.0 - 2.0 / (real_exp(2.0 * min(abs(x), 10.0)) + 1.0);
    return select(select(far, -far, x < 0.0), near, abs(x) < 0.25);
}

// exp of a number that is never positive cannot overflow.
fn safe_sigmoid(x: f32) -> f32 {
    if is_nan(x) { return x; }
    let small = real_exp(-abs(x));
    return select(small, 1.0, x >= 0.0) / (1.0 + small);
}

// Squaring for exponents that are integers, exact where the result is; else 2^(b log2 a).
fn real_pow(a: f32, b: f32) -> f32 {
    if b == 0.0 || a == 1.0 { return 1.0; }
    if is_nan(a) { return a; }
    if is_nan(b) { return b; }
    let whole = b == trunc(b);
    if whole && abs(b) <= 64.0 {
        var result = 1.0;
        var factor = select(a, 1.0 / a, b < 0.0);  // first: a^|b| may overflow where a^b does not
        for (var n = u32(abs(b)); n > 0u; n >>= 1u) {
            if (n & 1u) == 1u { result *= factor; }
            factor *= factor;
        }
        return result;
    }
    if a < 0.0 && !whole && !is_inf(a) && !is_inf(b) { return make_nan(a); }
    if is_inf(b) {
        if abs(a) == 1.0 { return 1.0; }
        return select(0.0, make_inf(1.0), (abs(a) > 1.0) == (b > 0.0));
    }
    // Beyond 2^24 every float is even; below, halving and truncating tells odd from even.
    let odd = whole && abs(b) < 16777216.0 && trunc(b * 0.5) * 2.0 != b;
    var size: f32;
    if a == 0.0 || is_inf(a) {
        size = select(0.0, make_inf(1.0), (a == 0.0) == (b < 0.0));
    } else {
        size = real_exp(b * real_log(abs(a)));
    }
    return select(size, -size, odd && (bitcast<u32>(a) >> 31u) == 1u);
}

// Wraps around on overflow, as integer multiplication does; b is at least 0.
fn int_pow(a: i32, b: i32) -> i32 {
    var result = 1;
    var factor = a;
    for (var n = u32(b); n > 0u; n >>= 1u) {
        if (n & 1u) == 1u { result *= factor; }
        factor *= factor;
    }
    return result;
}

fn uint_pow(a: u32, b: u32) -> u32 {
    var result = 1u;
    var factor = a;
    for (var n = b; n > 0u; n >>= 1u) {
        if (n & 1u) == 1u { result *= factor; }
        factor *= factor;
    }
    return result;
}

// Truncation towards 0 that saturates; NaN becomes 0. The upper bounds are the largest floats
// below 2^31 and 2^32.
fn f32_to_i32(x: f32) -> i32 {
    if is_nan(x) { return 0; }
    return select(i32(clamp(x, -2147483648.0, 2147483520.0)), 2147483647, x >= 2147483648.0);
}

fn f32_to_u32(x: f32) -> u32 {
    if is_nan(x) { return 0u; }
    return select(u32(clamp(x, 0.0, 4294967040.0)), 4294967295u, x >= 4294967296.0);
}

// floor(bits * (last + 1) / 2^32): an integer from 0 to last. The product has 64 bits, so it is
// made of 16-bit halves; with last = 2^32 - 1 it is `bits` itself.
fn scale_bits(bits: u32, last: u32) -> u32 {
    if last == 0xffffffffu { return bits; }
    let span = last + 1u;
    let low = (bits & 0xffffu) * (span & 0xffffu);
    let cross = (bits >> 16u) * (span & 0xffffu) + (low >> 16u);
    let other = (bits & 0xffffu) * (span >> 16u) + (cross & 0xffffu);
    return (bits >> 16u) * (span >> 16u) + (cross >> 16u) + (other >> 16u);
}
