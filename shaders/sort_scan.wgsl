// Radix sort, second of three kernels a pass: counts become places, by sums of all before them.
//
// Bindings: 0 uniform Params, 1 out: rows of `length` counts, replaced by their exclusive prefix
// sums. A workgroup takes a row, and each of its threads a piece of it.
// Dispatch: a workgroup a row, folded into x and y; spare ones write nothing.

struct Params {
    rows: u32,
    length: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

var<workgroup> totals: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = group.y * groups.x + group.x;
    if row >= params.rows {
        return;
    }
    let piece = (params.length + 63u) / 64u;
    let first = row * params.length + min(local.x * piece, params.length);
    let last = row * params.length + min((local.x + 1u) * piece, params.length);
    var total = 0u;
    for (var i = first; i < last; i++) {
        total += out[i];
    }
    totals[local.x] = total;
    workgroupBarrier();
    var before = 0u;
    for (var i = 0u; i < local.x; i++) {
        before += totals[i];
    }
    for (var i = first; i < last; i++) {
        let count = out[i];
        out[i] = before;
        before += count;
    }
}
