"""What one kernel may hold: bounds that every fusion respects, so that nothing is split again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of one device. The defaults are WebGPU's portable ones, for a software adapter."""

    buffers: int = 8  # storage buffers of a kernel
    statements: int = 64  # longer kernels compile slowly and spill registers
    numbers: int = 15  # operands that are numbers: of 16 in uniforms, a kernel may add one
    # A kernel that needs several passes over a row, or stores its elements, walks each row by one
    # thread (by one workgroup, on a GPU). That pays for rows that are not too long, and not too
    # few, unless there is little to do.
    passes: int = 5
    longest_row: int = 4096
    fewest_rows: int = 64  # where the folded axes come last
    fewest_columns: int = 64  # where they do not, and a row is always one thread's
    small: int = 1 << 16  # elements that count as little
    parts: int = 16  # independent steps of one dispatch
    # A reduction of more elements than `small_row` is shared by lanes, so that `threads` are busy
    # and none folds more than `chain` elements.
    small_row: int = 256
    chain: int = 1024
    threads: int = 256
    # A scatter of one index a row is a comparison at every element, which fuses.
    scatters_compare: bool = True
    # Folds that no float holds on the way (products of many): by kernels that only do that.
    folds_wide: bool = False
    # Placing so few pieces side by side is a choice at every element, which fuses.
    pieces: int = 12
    # Elementwise work on so few elements in a turn of a loop is done for all turns at once, where
    # a call costs more than the memory.
    small_turn: int = 0
    # Whether turns read a carry where the turn before gave it as an output, and factors that are
    # the same in every turn in the order of their elements.
    ties: bool = False
    # A product with one factor for a whole batch, and as many elements as this in the others, is
    # one product with the batch last, and what follows lies in the order of that.
    large_factor: int = 1 << 62
