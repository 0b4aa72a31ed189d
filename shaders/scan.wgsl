// Running totals along an axis: thread (row, block) goes through `run` elements, one after the other.
//
// Bindings: 0 uniform Params, 1 data, 2 the totals of everything before each block but the first
// (not read where there is one block), or where the line goes on from another before that, too, 3 out. A row is a line of the tensor along the axis.
// Dispatch: ceil(threads / 64) workgroups, folded into x and y; spare threads write nothing.
// Backwards is by negative steps. Extents, offsets and steps count elements of type V.
// Lanes of `dims`: x data, y out, z the totals before.
// Replaced: `kind`, the element type, how two elements become one and the total of nothing;
// `loads`: V is what a thread loads, four neighbours along the axis (as here) or four rows, or one.
// It makes totals of the block, Made, from them, and Written of these and the total before the block.
// BEGUN: whether the line goes on from another.
// `range`: whether sums of floats are kept in range, where the block's own ones overflow alone.

// include: lib/index.wgsl

struct Params {
    threads: u32,
    split: u32,        // threads are (row, block) with so many blocks,
    columns: u32,      // or if this is 1 (block, row) with so many rows
    extent: u32,       // of the axis
    run: u32,
    rank: u32,         // axes that rows are counted by
    step: u32,         // along the axis, in data,
    out_step: u32,     // in out,
    before_step: u32,  // and from block to block in the totals before
    offset: u32,
    out_offset: u32,
    zero: u32,         // which no compiler knows
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: kind
alias T = f32;
fn nothing() -> T { return T(0); }
fn combine(x: T, y: T) -> T { return x + y; }
// end: kind

// replace: loads
alias V = vec4<T>;
alias Made = V;
alias Written = V;
alias Total = T;
fn start() -> Total { return nothing(); }
fn advance(total: Total, x: V) -> Made {
    let a = combine(total, x.x);
    let b = combine(a, x.y);
    let c = combine(b, x.z);
    return V(a, b, c, combine(c, x.w));
}
fn last(x: Made) -> Total { return x.w; }
fn after(total: Total, x: Made) -> Written {
    return V(combine(total, x.x), combine(total, x.y), combine(total, x.z), combine(total, x.w));
}
// end: loads

// A sum of neighbours is the difference of two running totals. So where none of these overflows, no
// such sum is more than twice as large as a float can be, and a quarter of it is one. The totals
// before are those of 1/64 of everything, for the order within a block of them is another. Compilers
// make (x + y) / 4 of x / 4 + y / 4, which is what must not be: so bits are hidden from them.
// replace: range
const QUARTERS = true;
fn quarter_of(x: V) -> V {
    return bitcast<V>(bitcast<vec4<u32>>(x * 0.25) ^ vec4<u32>(params.zero));
}
fn times_16(x: Total) -> Total { return x * 16.0; }
fn raised(x: Total) -> Total { return x * 4.0; }
fn times_4(x: Written) -> Written { return x * 4.0; }
fn finite_or(x: Written, y: Written) -> Written {
    let exponent = vec4<u32>(0x7f800000u);
    return select(x, y, (bitcast<vec4<u32>>(x) & exponent) == exponent);
}
// end: range

const BEGUN = false;

@group(0) @binding(1) var<storage, read> data: array<V>;
@group(0) @binding(2) var<storage, read> before: array<Total>;
@group(0) @binding(3) var<storage, read_write> out: array<Written>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index >= params.threads {
        return;
    }
    let major = index / params.split;
    let minor = index - major * params.split;
    let by_columns = params.columns == 1u;
    let block = select(minor, major, by_columns);
    let place = locate(select(major, minor, by_columns));
    var earlier = start();
    if BEGUN || block > 0u {
        earlier = before[place.z + (block - u32(!BEGUN)) * params.before_step];
    }
    let first = block * params.run;
    let count = min(params.run, params.extent - first);
    var at = params.offset + place.x + first * params.step;
    var to = params.out_offset + place.y + first * params.out_step;
    var low_earlier = earlier;
    if QUARTERS {
        low_earlier = times_16(earlier);
        earlier = raised(low_earlier);
    }
    // The block's own total stays apart, so that each result is rounded against the others once.
    var total = start();
    var low_total = total;
    for (var i = 0u; i < count; i++) {
        let x = data[at];
        let made = advance(total, x);
        total = last(made);
        var result = after(earlier, made);
        if QUARTERS {
            let low = advance(low_total, quarter_of(x));
            low_total = last(low);
            result = finite_or(result, times_4(after(low_earlier, low)));
        }
        out[to] = result;
        at += params.step;
        to += params.out_step;
    }
}
