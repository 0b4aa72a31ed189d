// a^b, to 8 ULP over all of f32.

// log2 x = k + log2(1 + f) as (a number of 12 bits, the rest), to 2^-28 of itself. The logarithm is
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
    let series = (head + tail) * z * (0.961798251 + z * (0.576753974 + z * 0.430959612));
    let exact = head * 2.88574219;
    let rest = (tail * 2.88539 - head * 3.52105722e-4) + series;
    let high = upper((s.x + exact) + rest);
    return vec2<f32>(high, ((s.x - high) + exact) + rest);
}

// 2^(b log2 |a|), with the product in two parts of which the first is exact, so that what is exact
// in f32, such as powers of small integers, comes out exact. What is computed of a huge product is
// garbage that is not chosen. A b so large that only |a| = 1 has a finite power is clamped, for
// infinity times 0 would be NaN.
fn real_pow(a: f32, b: f32) -> f32 {
    let size = abs(a);
    let l = split_log2(size);
    let y = clamp(b, -3e10, 3e10);
    let head = upper(y);
    let rest = (y - head) * l.x + y * l.y;
    // Powers of 0 and infinity are 0 or infinity too, as are those near 2^-200 and 2^200.
    let endless = is_inf(a);
    let limit = select(-200.0, 200.0, (size == 0.0) == (b < 0.0));
    let exact = select(head * l.x, limit, size == 0.0 || endless);
    // The nearest integer, out of the last bits of a sum: a conversion would have to saturate.
    let n = bitcast<i32>(exact + 12582912.0) - 0x4b400000;
    let p = exp2_near(exact - f32(n), rest);
    let half = n >> 1u;
    let finite = bitcast<f32>(bitcast<i32>(p) + (half << 23u)) * power_of_two(n - half);
    let magnitude = select(select(finite, 0.0, exact < -151.0), make_inf(1.0), exact > 128.2);
    // The half of an odd number is not whole; from 2^24 on every float is even, infinity too.
    let whole = b == trunc(b);
    let odd = whole && b * 0.5 != trunc(b * 0.5);
    let sign = bitcast<u32>(a) & select(0u, 0x80000000u, odd);
    let signed = bitcast<f32>(bitcast<u32>(magnitude) | sign);
    let invalid = (a < 0.0 && !(whole || endless)) || is_nan(a) || is_nan(b);
    return select(select(signed, make_nan(a), invalid), 1.0, b == 0.0 || a == 1.0);
}
