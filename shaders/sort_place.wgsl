// Turns ranks into an order: out[ranks[j]] = j, the inverse of a permutation.
//
// Bindings: 0 uniform Params, 1 ranks, 2 out. Dispatch: ceil(size / 64) workgroups, folded into x
// and y; spare threads write nothing.

struct Params {
    size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ranks: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let j = (group.y * groups.x + group.x) * 64u + local.x;
    if j < params.size {
        out[ranks[j]] = j;
    }
}
