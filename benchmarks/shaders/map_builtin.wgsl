// A builtin of WGSL over vectors, by wgrad's own plan for contiguous operands (map_flat.wgsl): two quads a thread. What the functions
// of the numerics contract are compared with.
//
// Replaced: the call in `builtin`; for a function of one argument, b is bound to anything.
@group(0) @binding(0) var<uniform> quads: u32;
@group(0) @binding(1) var<storage, read> a_data: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b_data: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;

fn builtin(a: f32, b: f32) -> f32 { return pow(a, b); }

fn compute(quad: u32) -> vec4<f32> {
    let a = a_data[quad];
    let b = b_data[quad];
    return vec4<f32>(builtin(a.x, b.x), builtin(a.y, b.y), builtin(a.z, b.z), builtin(a.w, b.w));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let quad = 2u * ((group.y * groups.x + group.x) * 256u + local.x);
    if quad < quads {
        out[quad] = compute(quad);
    }
    if quad + 1u < quads {
        out[quad + 1u] = compute(quad + 1u);
    }
}
