// Threefry-2x32 with 20 rounds: words `skip`, skip + 1, ... of the blocks from (low, high) on.
//
// Bindings: 0 uniform Params, then the normal table (for normals alone), then out (contiguous).
// Dispatch: ceil(blocks / 64) workgroups, folded into x and y; a thread makes the two words of one
// block. Only integer arithmetic and exact conversions: every device computes the same bits.
// Source: Salmon, Moraes, Dror and Shaw, SC11. Replaced: `kind`, what a word becomes.

struct Params {
    key: vec2<u32>,
    low: u32,
    high: u32,
    skip: u32,  // 1 when the first block's first word was used before
    size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;

// replace: kind
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
fn convert(word: u32) -> u32 { return word; }
// end: kind

fn rounds(x: vec2<u32>, turns: vec4<u32>) -> vec2<u32> {
    var y = x;
    for (var i = 0u; i < 4u; i++) {
        y.x += y.y;
        y.y = ((y.y << turns[i]) | (y.y >> (32u - turns[i]))) ^ y.x;
    }
    return y;
}

fn threefry(key: vec2<u32>, counter: vec2<u32>) -> vec2<u32> {
    let third = key.x ^ key.y ^ 0x1bd11bdau;
    let even = vec4<u32>(13u, 15u, 26u, 6u);
    let odd = vec4<u32>(17u, 29u, 16u, 24u);
    var x = counter + key;
    x = rounds(x, even) + vec2<u32>(key.y, third + 1u);
    x = rounds(x, odd) + vec2<u32>(third, key.x + 2u);
    x = rounds(x, even) + vec2<u32>(key.x, key.y + 3u);
    x = rounds(x, odd) + vec2<u32>(key.y, third + 4u);
    return rounds(x, even) + vec2<u32>(third, key.x + 5u);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let block = (group.y * groups.x + group.x) * 64u + local.x;
    let low = params.low + block;
    let words = threefry(params.key, vec2<u32>(low, params.high + u32(low < block)));
    let at = 2u * block - params.skip;  // wraps around for a first word that is skipped
    if at < params.size { out[at] = convert(words.x); }
    if at + 1u < params.size { out[at + 1u] = convert(words.y); }
}
