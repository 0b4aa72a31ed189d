// How the lanes of matmul_small.wgsl share rows of a by shuffles, where subgroups have 8 lanes or more: the host puts this file in
// place of the block `share`. Each lane loads one of eight rows; four of them are taken from i on.
fn load_mine(in_a: u32, row: u32, lane: u32, step: u32) -> T { return a_at(find_row(in_a, row + lane) + step); }
fn share_a(mine: T, in_a: u32, row: u32, i: u32, step: u32) -> vec4<T> {
    return vec4<T>(
        subgroupShuffle(mine, i), subgroupShuffle(mine, i + 1u), subgroupShuffle(mine, i + 2u), subgroupShuffle(mine, i + 3u),
    );
}
