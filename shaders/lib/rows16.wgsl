// 16 rows of a lane of matmul_rolled.wgsl: the host puts this file in place of the block `rows`.
const ROWS = 16u;

struct Rows { p: vec4<T>, q: vec4<T>, r: vec4<T>, s: vec4<T> }
struct Places { p: vec4<u32>, q: vec4<u32>, r: vec4<u32>, s: vec4<u32> }

fn find_places(in_a: u32, row: u32) -> Places {
    return Places(find_rows(in_a, row), find_rows(in_a, row + 4u), find_rows(in_a, row + 8u), find_rows(in_a, row + 12u));
}
fn load_rows(at: Places, step: u32) -> Rows {
    return Rows(load_four(at.p, step), load_four(at.q, step), load_four(at.r, step), load_four(at.s, step));
}
fn times(x: Rows, y: T, sum: Rows) -> Rows {
    return Rows(sum.p + x.p * y, sum.q + x.q * y, sum.r + x.r * y, sum.s + x.s * y);
}
fn plus(x: Rows, y: Rows) -> Rows { return Rows(x.p + y.p, x.q + y.q, x.r + y.r, x.s + y.s); }
fn next(x: Rows) -> Rows {
    return Rows(vec4<T>(x.p.yzw, x.q.x), vec4<T>(x.q.yzw, x.r.x), vec4<T>(x.r.yzw, x.s.x), x.s.yzwx);
}
