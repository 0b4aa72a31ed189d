// How the lanes of matmul.wgsl share rows of a by shuffles, where subgroups have 8 lanes or more: the host puts this file in place
// of the block `share`.

// Where the row begins of which a lane loads steps k to k + 3, or the first of four of which it loads one step, as they lie side by
// side: of rows row to row + 7.
fn find_mine(start: u32, row: u32, lane: u32) -> u32 {
    if A_UNIT == UNIT_M { return find_row(start, row + lane / 4u * 4u); }
    return find_row(start, row + lane);
}
fn load_mine(mine: u32, lane: u32, steps: Steps, k: u32) -> vec4<T> {
    if A_UNIT == UNIT_M { return load_a_column(mine, find_steps(k + lane % 4u).a.x, k + lane % 4u); }
    return load_a(mine, steps, k);
}

// Row `row + i` at those steps, from what the lanes loaded.
fn share_a(mine: vec4<T>, start: u32, row: u32, i: u32, steps: Steps, k: u32) -> vec4<T> {
    if A_UNIT == UNIT_M {
        let x = mine[i % 4u];
        let lane = i / 4u * 4u;
        return vec4<T>(
            subgroupShuffle(x, lane), subgroupShuffle(x, lane + 1u), subgroupShuffle(x, lane + 2u), subgroupShuffle(x, lane + 3u),
        );
    }
    return subgroupShuffle(mine, i);
}
