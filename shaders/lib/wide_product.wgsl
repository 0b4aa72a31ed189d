// A product of any number of factors: (high + low) 2^exponent, so that neither the roundings on the way add up nor products
// overflow or vanish whose last is a number again. Needs lib/math.wgsl and lib/activation.wgsl (exact_product).

struct Wide {
    high: f32,      // 1 <= |high| <= 2; or 0, an infinity or NaN, and then all else is 0
    low: f32,       // what high lacks
    exponent: i32,
}

fn is_special(x: f32) -> bool {
    let field = (bitcast<u32>(x) >> 23u) & 255u;
    return field == 0u || field == 255u;
}

fn widened(x: f32) -> Wide {
    let small = abs(x) < 0x1p-126f;
    let y = select(x, x * 0x1p64f, small);  // a subnormal number has no exponent of its own
    let bits = bitcast<u32>(y);
    let exponent = i32((bits >> 23u) & 255u) - select(127, 191, small);
    let significand = bitcast<f32>((bits & 0x807fffffu) | 0x3f800000u);
    let special = is_special(y);
    return Wide(select(significand, y, special), 0.0, select(exponent, 0, special));
}

fn wide_product(x: Wide, y: Wide) -> Wide {
    let p = exact_product(x.high, y.high);
    let rest = p.y + (x.high * y.low + x.low * (y.high + y.low));
    let large = abs(p.x) >= 2.0;
    let half = select(1.0, 0.5, large);
    // Without its last bits, so that no compiler takes what it lacks for `rest`.
    let high = cleared(half * p.x + half * rest);
    let low = (half * p.x - high) + half * rest;
    // Far beyond what f32 holds, and near enough that sums of two are integers.
    let exponent = clamp(x.exponent + y.exponent + i32(large), -0x20000000, 0x20000000);
    let special = is_special(p.x);
    return Wide(select(high, p.x, special), select(low, 0.0, special), select(exponent, 0, special));
}

fn narrowed(x: Wide) -> f32 {
    let n = clamp(x.exponent, -252, 252);
    let half = n >> 1u;
    return (x.high + x.low) * power_of_two(half) * power_of_two(n - half);
}
