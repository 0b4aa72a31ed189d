// Softmax over the rows of a matrix: a workgroup for each row. The largest of a row and the sum of
// its powers are found in workgroup memory, by halves.

const GROUP = 64u;

@group(0) @binding(0) var<uniform> columns: u32;
@group(0) @binding(1) var<storage, read> x: array<f32>; // rows, one after the other
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> held: array<f32, GROUP>;

fn largest_of_all(mine: f32, lane: u32) -> f32 {
    held[lane] = mine;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            held[lane] = max(held[lane], held[lane + half]);
        }
        workgroupBarrier();
    }
    let found = held[0];
    workgroupBarrier();
    return found;
}

fn sum_of_all(mine: f32, lane: u32) -> f32 {
    held[lane] = mine;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            held[lane] += held[lane + half];
        }
        workgroupBarrier();
    }
    return held[0];
}

@compute @workgroup_size(GROUP)
fn softmax(
    @builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32
) {
    let first = group.x * columns;
    var most = -3.4e38;
    for (var i = lane; i < columns; i += GROUP) {
        most = max(most, x[first + i]);
    }
    most = largest_of_all(most, lane);
    var total = 0.0;
    for (var i = lane; i < columns; i += GROUP) {
        total += exp(x[first + i] - most);
    }
    total = sum_of_all(total, lane);
    for (var i = lane; i < columns; i += GROUP) {
        y[first + i] = exp(x[first + i] - most) / total;
    }
}
