// Sorts short rows at once: every element counts what comes before it, and so knows its place.
//
// Bindings: 0 uniform Params, 1 keys (rows of `n`, one after the other), 2 out (positions, sorted).
// Ties are in order of position. Quadratic in `n`, but in plain loads and one dispatch.
// Dispatch: ceil(rows * n / 64) workgroups, folded into x and y; spare threads write nothing.

struct Params {
    size: u32,  // rows * n
    n: u32,
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index >= params.size {
        return;
    }
    let place = index % params.n;
    let row = index - place;
    let mine = keys[params.offset + index];
    var rank = 0u;
    for (var i = 0u; i < params.n; i++) {
        let other = keys[params.offset + row + i];
        rank += u32(other < mine || (other == mine && i < place));
    }
    out[row + rank] = place;
}
