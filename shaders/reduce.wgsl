// Folds axes of a strided view: thread (output, lane) folds a part of the elements of one output.
//
// Bindings: 0 uniform Params, 1 data, 2 out (contiguous: a result per thread, in their order).
// Dispatch: ceil(threads / 64) workgroups, folded into x and y; spare threads write nothing.
// The host runs it again over the lanes until one is left. A thread folds at most about 2000
// elements, in spans and these eight by eight in pairs: lavapipe stops loops after 65535 steps, and
// short chains of additions keep float sums exact, also where every rounding goes one way. Offsets, strides and extents count elements of type V.
// Axes: those of `dims` up to 4 are kept, the 4 from index 4 on are folded (stride lane x).
// Replaced: `kind`, the types of elements and of what memory holds of them, and how two become one;
// GRID and SHORT; `loads` and `stores`.
// A thread loads V: four neighbours of a row, or of as many columns, or where they don't lie side by
// side one element. Of four in a row it makes one, R.

// include: lib/index.wgsl

struct Params {
    threads: u32,
    split: u32,        // threads are (output, lane) with so many lanes,
    columns: u32,      // or if this is 1 (lane, output) with so many outputs
    extent: u32,       // elements folded into one output
    run: u32,          // of which a lane takes every step-th in a span of this length
    lane_step: u32,    // that begins so much after the last lane's
    step: u32,
    tail: u32,         // elements of the last, incomplete V of the only row
    rank: u32,         // kept axes
    folded_rank: u32,
    offset: u32,
    zero: u32,         // which no compiler knows
    dims: Dims,
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: kind
alias T = f32;
alias Source = f32;
fn combine(x: T, y: T) -> T { return x + y; }
// end: kind

// replace: loads
alias V = vec4<T>;
alias Held = vec4<Source>;
fn both(x: V, y: V) -> V {
    return V(combine(x.x, y.x), combine(x.y, y.y), combine(x.z, y.z), combine(x.w, y.w));
}
fn loaded(x: Held) -> V { return V(x); }
// end: loads

// replace: stores
alias R = T;
fn finish(x: V, lane: u32) -> R {
    let total = combine(combine(x.x, x.y), combine(x.z, x.w));
    if params.tail == 0u || lane != 0u { return total; }
    let last = loaded(data[params.offset + params.extent]);
    if params.tail == 1u { return combine(total, last.x); }
    if params.tail == 2u { return combine(total, combine(last.x, last.y)); }
    return combine(total, combine(combine(last.x, last.y), last.z));
}
// end: stores

const SPAN = 65u;  // elements folded in one go

// Whether there is more than one folded axis.
const GRID = true;

// Whether there is to be one load by eights in the text, for few elements: each is a loop of its own on lavapipe, and one of a grid
// divides. Compile times there: 0.07 s and 0.11 s of a grid, instead of 0.1 s and 0.24 s; it may take twice the time.
const SHORT = false;

@group(0) @binding(1) var<storage, read> data: array<Held>;
@group(0) @binding(2) var<storage, read_write> out: array<R>;

fn load(start: u32, k: u32) -> V {
    var rest = k;
    var at = start;
    if GRID {
        for (var axis = params.folded_rank; axis > 1u; axis--) {
            let extent = params.dims.extents[1][axis - 1u];
            let quotient = rest / extent;
            at += (rest - quotient * extent) * params.dims.strides[axis + 3u].x;
            rest = quotient;
        }
    }
    return loaded(data[at + rest * params.dims.strides[4].x]);
}

fn load2(start: u32, k: u32) -> V {
    return both(load(start, k), load(start, k + params.step));
}

// Eight elements from k on, folded in pairs.
fn load8(start: u32, k: u32) -> V {
    let step = params.step;
    if SHORT {
        // A loop that compilers do not unroll, and what waits for its like there: one element, two, four.
        var one: V;
        var two: V;
        var four: V;
        for (var i = 0u; i < 8u + params.zero; i++) {
            let x = load(start, k + i * step);
            let pair = both(one, x);
            let quad = both(two, pair);
            if i % 2u == 0u { one = x; }
            if i % 4u == 1u { two = pair; }
            if i == 3u { four = quad; }
            if i == 7u { four = both(four, quad); }
        }
        return four;
    }
    let low = both(load2(start, k), load2(start, k + 2u * step));
    let high = both(load2(start, k + 4u * step), load2(start, k + 6u * step));
    return both(low, high);
}

// Elements from k on, up to `end`, of which there is one at the least: the first, then by eights.
fn fold(start: u32, first: u32, end: u32) -> V {
    let step = params.step;
    var total = load(start, first);
    var k = first + step;
    for (; k + 7u * step < end; k += 8u * step) {
        total = both(total, load8(start, k));
    }
    for (; k < end; k += step) {
        total = both(total, load(start, k));
    }
    return total;
}

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
    let lane = select(minor, major, by_columns);
    let start = params.offset + locate(select(major, minor, by_columns)).x;
    let first = lane * params.lane_step;
    let end = min(params.extent, first + params.run);
    let span = SPAN * params.step;
    var total: V;
    for (var k = first; k < end; k += span) {
        let part = fold(start, k, min(end, k + span));
        if k == first { total = part; } else { total = both(total, part); }
    }
    out[index] = finish(total, lane);
}
