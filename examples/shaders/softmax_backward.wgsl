// The gradient of softmax over rows: d_x = y * (d_y - sum of y * d_y), a workgroup for each row.

const GROUP = 64u;

@group(0) @binding(0) var<uniform> columns: u32;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> d_y: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_x: array<f32>;

var<workgroup> held: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn softmax_backward(
    @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
) {
    let first = group.x * columns;
    var mine = 0.0;
    for (var i = lane; i < columns; i += GROUP) {
        mine += y[first + i] * d_y[first + i];
    }
    held[lane] = mine;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            held[lane] += held[lane + half];
        }
        workgroupBarrier();
    }
    for (var i = lane; i < columns; i += GROUP) {
        d_x[first + i] = y[first + i] * (d_y[first + i] - held[0]);
    }
}
