// a^b, to 8 ULP over all of f32.

// log2 x = k + log2(1 + f) as (a number of 12 bits, the rest), to 2^-30 of itself. The logarithm is
// 2 / ln 2 times the series of artanh s in s = f / (2 + f), and what the rounded quotient lacks of s
// comes from the remainder of the division, whose products are exact.
fn split_log2(x: f32) -> vec2<f32> {
    let s = split_log(x);
    let f = s.y;
    let inverse = 1.0 / (2.0 + f);
    let head = upper(f * inverse);
    let fine = upper(f);
    let tail = (((f - 2.0 * head) - head * fine) - head * (f - fine)) * inverse;
    let z = (head + tail) * (head + tail);
    let series = (head + tail) * z * (0.961796701 + z * (0.577082872 + z * (0.411704838
        + z * 0.340248883)));
    let exact = head * 2.88574219;
    let rest = (tail * 2.88539 - head * 3.52105722e-4) + series;
    let high = upper((s.x + exact) + rest);
    return vec2<f32>(high, ((s.x - high) + exact) + rest);
}

// 2^(b log2 |a|), with the product in two parts of which the first is exact: what is exact in f32,
// such as powers of small integers, comes out exact. A b so large that only a = 1 has a finite
// power is clamped, for infinity times 0 would be NaN.
fn real_pow(a: f32, b: f32) -> f32 {
    let size = abs(a);
    let l = split_log2(size);
    let y = clamp(b, -3e10, 3e10);
    let head = upper(y);
    let exact = head * l.x;
    let rest = (y - head) * l.x + y * l.y;
    let near = clamp(exact, -200.0, 200.0);
    let n = round(near);
    let half = i32(n) >> 1u;
    let finite = exp2_near(near - n, rest) * power_of_two(half) * power_of_two(i32(n) - half);
    let low = select(finite, 0.0, exact < -151.0);
    let value = select(low, make_inf(1.0), exact > 128.2);
    let edge = size == 0.0 || is_inf(a);
    let limit = select(0.0, make_inf(1.0), (size == 0.0) == (b < 0.0));
    let magnitude = select(value, limit, edge);
    // Beyond 2^24 every float is even; below, halving and truncating tells odd from even.
    let whole = b == trunc(b);
    let odd = whole && abs(b) < 16777216.0 && trunc(b * 0.5) * 2.0 != b;
    let signed = select(magnitude, -magnitude, odd && (bitcast<u32>(a) >> 31u) == 1u);
    let invalid = (a < 0.0 && !whole && !is_inf(a) && !is_inf(b)) || is_nan(a) || is_nan(b);
    let defined = select(signed, make_nan(select(b, a, is_nan(a))), invalid);
    return select(defined, 1.0, b == 0.0 || a == 1.0);
}
