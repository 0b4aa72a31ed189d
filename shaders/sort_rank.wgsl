// The rank of every index among all, ties in order of position: where a stable sort would put it.
//
// Bindings: 0 uniform Params, 1 indices, 2 ranks (contiguous). Every thread compares one index with
// those from `first` to `last` (lavapipe stops loops after 65535 steps); the first run starts from
// 0, the others add to what is there. Quadratic, but in plain loads and without a second buffer.
// Dispatch: ceil(size / 64) workgroups, folded into x and y; spare threads write nothing.

struct Params {
    size: u32,
    first: u32,
    last: u32,
    offset: u32,
    step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let j = (group.y * groups.x + group.x) * 64u + local.x;
    if j >= params.size {
        return;
    }
    let mine = indices[params.offset + j * params.step];
    var rank = 0u;
    if params.first > 0u {
        rank = out[j];
    }
    for (var i = params.first; i < params.last; i++) {
        let other = indices[params.offset + i * params.step];
        rank += u32(other < mine || (other == mine && i < j));
    }
    out[j] = rank;
}
