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

// 2^n for n from -127 (which gives 0) to 128 (which gives infinity).
fn power_of_two(n: i32) -> f32 {
    return bitcast<f32>((n + 127) << 23u);
}

// The first 12 bits of a significand: products of two such numbers are exact. x - upper(x) is what
// is left, exactly, and no compiler can know it.
fn upper(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
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
