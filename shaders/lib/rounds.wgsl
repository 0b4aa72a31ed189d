// Loops of users' texts that may never end: counted, left after a limit, and told of.
//
// Put whole into kernels that have such loops; the device binds `wgrad_notes` to memory of its own.

struct WgradNotes {
    turns: u32,  // that a loop takes which tells whether the device still runs loops,
    expected: u32,  // and again, so that no compiler knows that they are equal
    wrong: atomic<u32>,  // 1 if something went wrong since the host looked,
    site: atomic<u32>,  // and where, of one of the times
}

@group(0) @binding(100) var<storage, read_write> wgrad_notes: WgradNotes;

var<private> wgrad_rounds: u32;  // of the loops of one call, or of one invocation of a user's kernel

fn wgrad_note(site: u32) {
    atomicStore(&wgrad_notes.wrong, 1u);
    atomicStore(&wgrad_notes.site, site);
}

// Some software adapters let the loops of an invocation, and of its neighbours, run so many rounds
// in total and no more: each later loop ends after its first round.
fn wgrad_look(site: u32) {
    var turn = 0u;
    for (let turns = wgrad_notes.turns; turn < turns;) {
        turn += 1u;
    }
    if (turn != wgrad_notes.expected) {
        wgrad_note(site);
    }
}
