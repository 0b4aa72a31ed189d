// Multiplies and adds as fast as an adapter can: what `wg.profile.roof` measures arithmetic by.
//
// Every thread has four chains of vec4s that do not wait for each other, and does 8192 operations:
// 256 turns of 16 multiplications and 16 additions.
// Bindings: 1 out, one vec4 for each thread. Dispatch: one thread for each of them, folded into x
// and y; spare threads write nothing.

@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let index = (group.y * groups.x + group.x) * 64u + local.x;
    if index >= arrayLength(&out) { return; }
    let factor = out[index];  // from memory, so that no compiler knows what comes out
    var a = factor;
    var b = factor + 1.0;
    var c = factor + 2.0;
    var d = factor + 3.0;
    for (var turn = 0u; turn < 256u; turn++) {
        a = fma(a, factor, factor);
        b = fma(b, factor, factor);
        c = fma(c, factor, factor);
        d = fma(d, factor, factor);
    }
    out[index] = a + b + c + d;
}
