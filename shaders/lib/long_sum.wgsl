// A sum of ever more terms, of any length: 16 terms make a block, 16 blocks a block of theirs, and so
// on, so that a term passes through few additions. One number after another would lose 1 % of a
// million terms in float32, and stop growing at 2^24 ones. T is the shader's type.

struct LongSum {
    count: u32,
    ones: T,
    tens: T,
    hundreds: T,
    thousands: T,
}

fn add_term(sum: ptr<function, LongSum>, term: T) {
    (*sum).count += 1u;
    (*sum).ones += term;
    if ((*sum).count & 15u) == 0u {
        (*sum).tens += (*sum).ones;
        (*sum).ones = T();
    }
    if ((*sum).count & 255u) == 0u {
        (*sum).hundreds += (*sum).tens;
        (*sum).tens = T();
    }
    if ((*sum).count & 4095u) == 0u {
        (*sum).thousands += (*sum).hundreds;
        (*sum).hundreds = T();
    }
}

fn total_of(sum: LongSum) -> T {
    return ((sum.ones + sum.tens) + sum.hundreds) + sum.thousands;
}
