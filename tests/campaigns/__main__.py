"""`python tests/campaigns NAME`: run a campaign, print what goes wrong, count it, say how it ended.

The exit status is 0 where nothing went wrong, and 1 otherwise. A campaign that is interrupted
(Ctrl-C, SIGTERM) says how far it came: `--first` goes on from there.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("WGRAD_CACHE_DIR", os.devnull)  # what was measured before must not show

import wgrad as wg
from campaigns import base


def main() -> int:
    parser = argparse.ArgumentParser(prog="campaigns", description=__doc__)
    parser.add_argument("name", nargs="?", choices=base.names(), help="the campaign; none: a list")
    parser.add_argument("--count", type=int, default=1000, help="programs to try (1000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first program (0)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the programs (0)")
    parser.add_argument("--device", help="a device of wg.device (numpy, or what it is for)")
    parser.add_argument("--only", type=int, help="try the program of this number alone")
    parser.add_argument("--most", type=int, default=20, help="stop after so many differences (20)")
    chosen = parser.parse_args()
    if chosen.name is None:
        for name in base.names():
            print(f"{name:12} {(base.load(name).__doc__ or '').splitlines()[0]}")
        return 0
    campaign = base.load(chosen.name)
    needed = getattr(campaign, "DEVICE", "")
    try:
        device = wg.device(chosen.device or needed or "numpy")
    except wg.errors.WgradError as error:
        parser.error(str(error))
    if not device.name.startswith(needed):
        parser.error(f"{chosen.name} tries nothing on {device.name}: --device {needed} is needed")
    if chosen.count < 1 or chosen.first < 0 or chosen.seed < 0 or chosen.most < 1:
        parser.error("--count and --most must be at least 1, --first and --seed at least 0")
    numbers = range(chosen.first, chosen.first + chosen.count)
    if chosen.only is not None:
        numbers = range(chosen.only, chosen.only + 1)
    shown: Iterable[int] = numbers
    if sys.stderr.isatty():
        shown = track(numbers, description=chosen.name)
    start, wrong, tried = time.monotonic(), 0, 0

    def counted() -> Iterable[int]:
        nonlocal tried
        for number in shown:
            tried += 1
            yield number

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for found in base.differences(campaign, device, seed=chosen.seed, numbers=counted()):
            wrong += 1
            print(found, flush=True)
            if wrong >= chosen.most:
                break
    except KeyboardInterrupt:
        tried -= 1  # the one that it came in is to be tried again
        print(f"interrupted: go on with --first {chosen.first + tried}")
    seconds = time.monotonic() - start
    print(
        f"{chosen.name} on {device.name}: {tried} programs of seed {chosen.seed}, {wrong} wrong, "
        f"{seconds:.0f} s, {wg.stats()['dispatches']} dispatches"
    )
    return 1 if wrong else 0


sys.exit(main())
