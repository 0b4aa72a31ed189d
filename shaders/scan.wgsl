// Running totals along an axis: thread (row, block) goes through `run` elements, one after the other.
//
// Bindings: 0 uniform Params, 1 data, 2 the totals of everything before each block but the first
// (not read where there is one block), 3 out. A row is a line of the tensor along the axis.
// Dispatch: ceil(threads / 64) workgroups, folded into x and y; spare threads write nothing.
// Backwards is by negative steps. Extents, offsets and steps count elements of type V.
// Lanes of `dims`: x data, y out, z the totals before.
// Replaced: `kind`, the element type, how two elements become one and the total of nothing;
// `loads`: V is what a thread loads, four neighbours along the axis (as here) or four rows, or one.
// It makes totals of the block, Made, from them, and Written of these and the total before the block.

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
    if block > 0u {
        earlier = before[place.z + (block - 1u) * params.before_step];
    }
    let first = block * params.run;
    let count = min(params.run, params.extent - first);
    var at = params.offset + place.x + first * params.step;
    var to = params.out_offset + place.y + first * params.out_step;
    // The block's own total stays apart, so that each result is rounded against the others once.
    var total = start();
    for (var i = 0u; i < count; i++) {
        let made = advance(total, data[at]);
        total = last(made);
        out[to] = after(earlier, made);
        at += params.step;
        to += params.out_step;
    }
}
