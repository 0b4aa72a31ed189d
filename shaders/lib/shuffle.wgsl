// How the lanes of matmul.wgsl share rows of a by shuffles, where subgroups have 8 lanes or more: the host puts this file in place
// of the block `share`.

// What a lane loads of rows row to row + 7 at steps k to k + 3: a row, or four rows at one step where they lie side by side.
fn load_mine(start: u32, row: u32, lane: u32, k: u32) -> vec4<T> {
    if A_UNIT == UNIT_M { return load_a_column(start, row + lane / 4u * 4u, k + lane % 4u); }
    return load_a(start, row + lane, k);
}

// Row `row + i` at those steps, from what the lanes loaded.
fn share_a(mine: vec4<T>, start: u32, row: u32, i: u32, k: u32) -> vec4<T> {
    if A_UNIT == UNIT_M {
        let x = mine[i % 4u];
        let lane = i / 4u * 4u;
        return vec4<T>(
            subgroupShuffle(x, lane), subgroupShuffle(x, lane + 1u), subgroupShuffle(x, lane + 2u), subgroupShuffle(x, lane + 3u),
        );
    }
    return subgroupShuffle(mine, i);
}
