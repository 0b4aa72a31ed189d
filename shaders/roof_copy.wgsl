// Copies as fast as an adapter can: what `wg.profile.roof` measures its memory by.
//
// Bindings: 1 source, 2 out, of equal size. Dispatch: one thread for each vec4 of them, folded into
// x and y; spare threads write nothing.

@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index < arrayLength(&out) {
        out[index] = source[index];
    }
}
