// Do the 8 threads of a workgroup exchange values by shuffles?
//
// Bindings: 1 out. Dispatch: 1 workgroup. The first 8 elements of out become 107 if they do.

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) local: vec3<u32>) {
    out[local.x] = subgroupShuffle(100u + local.x, 7u);
}
