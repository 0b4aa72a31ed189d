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

// All but the last four bits: x - cleared(x + y) is not -y to any compiler.
fn cleared(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffffff0u);
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

// Rounded down, where `/` rounds towards 0; 0 where b is 0, as in NumPy.
fn int_floor_divide(a: i32, b: i32) -> i32 {
    let divisor = select(b, 1, b == 0);
    let q = a / divisor;
    let rest = a - q * divisor;
    let below = rest != 0 && (rest ^ divisor) < 0;
    return select(q - select(0, 1, below), 0, b == 0);
}

fn uint_floor_divide(a: u32, b: u32) -> u32 {
    return select(a / select(b, 1u, b == 0u), 0u, b == 0u);
}

// a - b * floor(a / b): of b's sign; 0 where b is 0.
fn int_remainder(a: i32, b: i32) -> i32 {
    return select(a - int_floor_divide(a, b) * b, 0, b == 0);
}

fn uint_remainder(a: u32, b: u32) -> u32 {
    return select(a - uint_floor_divide(a, b) * b, 0u, b == 0u);
}

// Shifts by 32 or more, or by negative numbers, push every bit out; WGSL takes them modulo 32.
fn int_shift_left(a: i32, b: i32) -> i32 {
    return select(a << (u32(b) & 31u), 0, u32(b) > 31u);
}

fn uint_shift_left(a: u32, b: u32) -> u32 {
    return select(a << (b & 31u), 0u, b > 31u);
}

fn int_shift_right(a: i32, b: i32) -> i32 {
    return a >> min(u32(b), 31u);
}

fn uint_shift_right(a: u32, b: u32) -> u32 {
    return select(a >> (b & 31u), 0u, b > 31u);
}

fn copy_sign(x: f32, y: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u));
}

// x as an integer that grows with it, by 1 to the next float; both zeros are 0.
fn float_rank(x: f32) -> i32 {
    let bits = bitcast<i32>(x);
    return select(bits, 0 - (bits & 0x7fffffff), bits < 0);
}

// The float beside x on the side of y: by integers, for subnormals may compare as zeros.
fn next_after(x: f32, y: f32) -> f32 {
    let start = float_rank(x);
    let goal = float_rank(y);
    let rank = start + i32(goal > start) - i32(goal < start);
    let below = rank < 0 || (rank == 0 && start < 0);
    let moved = bitcast<f32>(bitcast<u32>(abs(rank)) | select(0u, 0x80000000u, below));
    let value = select(moved, y, goal == start);
    return select(select(value, y, is_nan(y)), x, is_nan(x));
}

// The exponent field and the integer significand of a finite |x|: |x| = y 2^(x - 150).
fn float_parts(x: f32) -> vec2<u32> {
    let bits = bitcast<u32>(x) & 0x7fffffffu;
    let subnormal = bits < 0x800000u;
    return vec2<u32>(
        select(bits >> 23u, 1u, subnormal),
        (bits & 0x7fffffu) | select(0x800000u, 0u, subnormal),
    );
}

// (x - y * trunc(x / y)) 2^shift for finite x and y that is not 0, exact by long division, 8 bits a
// step.
fn float_modulo(x: f32, y: f32, shift: i32) -> f32 {
    let a = float_parts(x);
    let b = float_parts(y);
    if b.y == 0u { return 0.0; }
    var rest = a.y;
    if a.x >= b.x {
        rest %= b.y;
        for (var left = a.x - b.x; left > 0u && rest > 0u;) {
            let step = min(left, 8u);
            rest = (rest << step) % b.y;
            left -= step;
        }
    }
    let exponent = i32(min(a.x, b.x)) - 150 + shift;
    let half = exponent / 2;
    return copy_sign(f32(rest) * power_of_two(half) * power_of_two(exponent - half), x);
}

// (floor(x / y), x - y * floor(x / y)), with NumPy's signs of zeros: the remainder has y's. All is
// scaled where a remainder may be subnormal, for it may then count as 0.
fn float_divmod(x: f32, y: f32) -> vec2<f32> {
    let endless = is_inf(y);
    let tiny = abs(y) < 1e-18;
    let scale = select(1.0, 0x1p64f, tiny);
    let divisor = y * scale;
    let modulo = select(float_modulo(x, y, select(0, 64, tiny)), copy_sign(0.0, x), x == 0.0);
    let left = select(modulo, x, endless);
    let exact = left == 0.0;
    let moved = !exact && (left < 0.0) != (y < 0.0);
    let raised = select(left, left + divisor, moved) * select(1.0, 0x1p-64f, tiny);
    let rest = select(raised, copy_sign(0.0, y), exact);
    // A whole number, but for the rounding of the division; a huge x loses nothing of itself.
    let q = select((x * scale - left) / divisor, x / y, tiny && abs(x) > 1e18);
    let ratio = select(q, 0.0, endless);
    let whole = round(select(ratio, ratio - 1.0, moved));
    let sign_of_ratio = copy_sign(1.0, x) * copy_sign(1.0, y);
    let quotient = copy_sign(whole, select(whole, sign_of_ratio, whole == 0.0));
    let invalid = is_nan(x) || is_nan(y) || is_inf(x) || y == 0.0;
    let over = y == 0.0 && x != 0.0 && !is_nan(x);
    let nan = make_nan(select(x, y, is_nan(y)));
    return vec2<f32>(
        select(select(quotient, nan, invalid), copy_sign(make_inf(1.0), sign_of_ratio), over),
        select(rest, nan, invalid),
    );
}

// A number as a u32 in the order that sorting wants: NaN after all others, and -0 equal to 0.
fn sort_key(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    if (bits << 1u) > 0xff000000u { return 0xffffffffu; }
    if (bits << 1u) == 0u { return 0x80000000u; }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// a + c (b - a). All is scaled where the difference may overflow, or vanish as a subnormal; then
// both ends are exact by themselves.
fn real_lerp(a: f32, b: f32, c: f32) -> f32 {
    let large = max(abs(a), abs(b));
    let tiny = large < 1e-20;
    let huge = large > 1e30;
    let scale = select(select(1.0, 0x1p64f, tiny), 0.25, huge);
    let back = select(select(1.0, 0x1p-64f, tiny), 4.0, huge);
    let start = a * scale;
    let end = b * scale;
    let step = end - start;
    let upper = c >= 0.5 && c <= 2.0;  // where 1 - c is exact
    let value = select(start + c * step, end - (1.0 - c) * step, upper) * back;
    let exact = select(select(value, b, c == 1.0), a, c == 0.0);
    return select(exact, value, is_nan(value));
}
