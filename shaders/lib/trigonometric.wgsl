// Trigonometric functions and their inverses: to 4 ULP over all of f32, sine, cosine and tangent
// where |x| is below 32768, and to 3e-9 beyond.
//
// Nothing branches, for a SIMD unit would run both sides anyway. All polynomials are minimax fits.

// |x| = q pi/2 + r with |r| <= pi/4: (q modulo 4 as bits, r). pi/2 comes in parts of 9 bits: their
// products with a q of 15 bits are exact, fused or not, and so is all of `near` in the order that is
// written, for nothing in it is finer than 2^-25. r is y + z - w, each smaller than the one before,
// and where y is small y + z is exact, too. The last bits of y are cleared, so that no compiler takes
// its error, which is in z, for 0.
fn quarter_turns(x: f32) -> vec2<f32> {
    let a = abs(x);
    let n = i32(a * 0.636619747 + 0.5);
    let q = f32(n);
    let near = (a - q * 1.5703125) - q * 4.8828125e-4;
    let y = cleared(near + q * 4.44054604e-6);
    let z = ((near - y) + q * 4.44054604e-6) + q * 1.3911631e-8;
    let w = q * 2.61479727e-12 - q * 5.14531146e-14;
    return select(vec2<f32>(bitcast<f32>(n & 3), (y + z) - w), distant_turns(a), a >= 32768.0);
}

// The same for 2^15 or more, to 2^-28 of r. x is m 2^p with an integer m of 24 bits; m times those
// bits of 2/pi that are worth less than 4 quarters, modulo 2^32, has quarters in its first two bits
// and what is left of a quarter in the others.
// Source: Payne and Hanek, "Radian reduction for trigonometric functions" (SIGNUM 1983).
fn distant_turns(x: f32) -> vec2<f32> {
    let bits = bitcast<u32>(x);
    let m = (bits & 0x7fffffu) | 0x800000u;
    let first = ((bits >> 23u) & 0xffu) - 142u;  // of the bits of 2/pi, after 10 zeros
    let later = (first & 64u) != 0u;
    let b = select(vec4<u32>(0x0028be60u, 0xdb939105u, 0x4a7f09d5u, 0xf47d4d37u),
        vec4<u32>(0x4a7f09d5u, 0xf47d4d37u, 0x7036d8a5u, 0x664f10e4u), later);
    let c = select(b.xyz, b.yzw, (first & 32u) != 0u);
    let left = first & 31u;
    let right = 31u - left;
    let w0 = (c.x << left) | ((c.y >> 1u) >> right);
    let w1 = (c.y << left) | ((c.z >> 1u) >> right);
    // The upper half of m w1, to a unit: m = 2^23 (1 + fraction).
    let mantissa = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
    let product = m * w0 + u32(i32(mantissa * 0.5 * f32(i32(w1 >> 8u))));
    let quarters = (product + 0x20000000u) >> 30u;
    return vec2<f32>(bitcast<f32>(quarters), f32(bitcast<i32>(product << 2u)) * 3.6572953e-10);
}

// Sine or cosine of r, whichever is odd or even in the quarter, with the quarter's sign.
fn turned(quarter: u32, r: f32) -> f32 {
    let z = r * r;
    let odd = (quarter & 1u) == 1u;
    let base = select(r, 1.0 - 0.5 * z, odd);
    let value = base + z * select(r, z, odd) * (select(-0.166666552, 0.0416666456, odd)
        + z * (select(0.0083321603, -0.00138873153, odd)
        + z * select(-1.9515217e-4, 2.44330804e-5, odd)));
    return bitcast<f32>(bitcast<u32>(value) ^ ((quarter << 30u) & 0x80000000u));
}

fn real_sin(x: f32) -> f32 {
    let t = quarter_turns(x);
    let value = turned(bitcast<u32>(t.x) + ((bitcast<u32>(x) >> 31u) << 1u), t.y);
    let small = select(value, x, abs(x) < 1e-4);
    return select(small, make_nan(x), is_nan(x) || is_inf(x));
}

fn real_cos(x: f32) -> f32 {
    let t = quarter_turns(x);
    return select(turned(bitcast<u32>(t.x) + 1u, t.y), make_nan(x), is_nan(x) || is_inf(x));
}

// tan r, or -1 / tan r after an odd number of quarters.
fn real_tan(x: f32) -> f32 {
    let t = quarter_turns(x);
    let z = t.y * t.y;
    let near = t.y + t.y * z * (0.333333492 + z * (0.13332662 + z * (0.0540600345
        + z * (0.0212815627 + z * (0.0108374748 + z * (8.73799581e-05 + z * 0.00437736232))))));
    let value = select(near, -1.0 / near, (bitcast<u32>(t.x) & 1u) == 1u);
    let signed = select(value, -value, x < 0.0);
    let small = select(signed, x, abs(x) < 1e-4);
    return select(small, make_nan(x), is_nan(x) || is_inf(x));
}

// asin x for |x| <= 1/2, or what it adds to x.
fn arc_rest(x: f32) -> f32 {
    let z = x * x;
    return x * z * (0.166667521 + z * (0.0749529749 + z * (0.0454703756
        + z * (0.0241795257 + z * 0.0421662852))));
}

// Beyond 1/2, asin a = pi/2 - 2 asin sqrt((1 - a) / 2), where 1 - a is exact.
fn real_asin(x: f32) -> f32 {
    let a = abs(x);
    let far = a > 0.5;
    let s = select(a, sqrt(max(0.5 - 0.5 * a, 0.0)), far);
    let p = s + arc_rest(s);
    let value = select(p, 1.57079637 - (2.0 * p + 4.37113883e-8), far);
    let signed = select(value, -value, x < 0.0);
    return select(select(signed, x, a < 1e-4), make_nan(x), a > 1.0 || is_nan(x));
}

fn real_acos(x: f32) -> f32 {
    let a = abs(x);
    let far = a > 0.5;
    let s = select(x, sqrt(max(0.5 - 0.5 * a, 0.0)), far);
    let p = s + arc_rest(s);
    let ends = select(2.0 * p, 3.14159274 - (2.0 * p + 8.74227766e-8), x < 0.0);
    let value = select(1.57079637 - (p + 4.37113883e-8), ends, far);
    return select(value, make_nan(x), a > 1.0 || is_nan(x));
}

// atan t for t from 0 to 1.
fn arc_tangent(t: f32) -> f32 {
    let z = t * t;
    return t + t * z * (-0.333331525 + z * (0.199937731 + z * (-0.142110527 + z * (0.106659934
        + z * (-0.0755218938 + z * (0.0432115644 + z * (-0.0163677428 + z * 0.00292064599)))))));
}

fn real_atan(x: f32) -> f32 {
    let a = abs(x);
    let far = a > 1.0;
    let p = arc_tangent(select(a, 1.0 / max(a, 1.0), far));
    let value = select(p, 1.57079637 - (p + 4.37113883e-8), far);
    return select(select(value, -value, x < 0.0), x, a < 1e-4 || is_nan(x));
}

// The angle of (x, y), through the tangent that is at most 1; both are scaled where a quotient of
// huge or tiny numbers may be inexact. The quotient of two equal infinities is taken for 1, as is
// every direction of a zero for that of its sign.
fn real_atan2(y: f32, x: f32) -> f32 {
    let ax = abs(x);
    let ay = abs(y);
    let steep = ay > ax;
    let large = max(ax, ay);
    let scale = select(select(1.0, 16777216.0, large < 1e-30), 5.9604645e-8, large > 1e30);
    let quotient = (min(ax, ay) * scale) / max(large * scale, 1e-38);
    let tangent = select(quotient, 1.0, is_inf(x) && is_inf(y));
    let p = arc_tangent(select(tangent, 0.0, large == 0.0));
    let turned = select(p, 1.57079637 - (p + 4.37113883e-8), steep);
    let back = (bitcast<u32>(x) >> 31u) == 1u;
    let value = select(turned, 3.14159274 - (turned + 8.74227766e-8), back);
    let signed = bitcast<f32>(bitcast<u32>(value) | (bitcast<u32>(y) & 0x80000000u));
    return select(signed, make_nan(x), is_nan(x) || is_nan(y));
}

// The length of (x, y); squares are scaled where they may overflow or vanish. An infinity wins
// over NaN.
fn real_hypot(x: f32, y: f32) -> f32 {
    let large = max(abs(x), abs(y));
    let huge = large > 1e18;
    let tiny = large < 1e-15;
    let scale = select(select(1.0, 0x1p100f, tiny), 0x1p-70f, huge);
    let back = select(select(1.0, 0x1p-100f, tiny), 0x1p70f, huge);
    let u = x * scale;
    let v = y * scale;
    let value = select(sqrt(u * u + v * v) * back, make_nan(x), is_nan(x) || is_nan(y));
    return select(value, make_inf(1.0), is_inf(x) || is_inf(y));
}
