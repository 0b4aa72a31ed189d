// The second half of a matrix product whose k was cut into parts: out = the sum of the parts' results.
//
// Bindings: 0 uniform Params, 1 the parts' results, one behind the other (and 2 too: the output block's bindings begin at 3 in every
// kernel of the family), 3 out or what the output block says. Dispatch: threads = batch * m * n, or a quarter of it where
// EMIT_VECTORS is true, in workgroups of 64 folded into x and y (spare threads write nothing); z is 1.
// lavapipe stops an invocation after 65535 loop iterations, so there are at most 63000 parts.
// include: lib/matmul.wgsl

// The host may replace this line: vec4<T> where EMIT_VECTORS is true.
alias Partial = T;

const RUN = 32u;  // parts that are added up by themselves: short chains of additions keep float sums exact

@group(0) @binding(1) var<storage, read> partials: array<Partial>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + thread;
    let size = params.batch * params.m * params.n / select(1u, 4u, EMIT_VECTORS);
    if i >= size { return; }
    var sum = Partial();
    for (var first = 0u; first < params.parts; first += RUN) {
        var run = Partial();
        for (var part = first; part < min(first + RUN, params.parts); part++) { run += partials[part * size + i]; }
        sum += run;
    }
    if EMIT_VECTORS {
        emit4(4u * i, vec4<T>(sum));
    } else {
        emit(i, vec4<T>(sum).x);
    }
}
