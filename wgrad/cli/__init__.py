"""The command line: `wgrad run file.wgsl`, or `python -m wgrad` with the same words after it.

Each command is a module of this room, which says what it takes (`configure`) and does it (`run`).
One that runs a script names its own options in OPTIONS: they may stand behind the script, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from .. import environment
from ..errors import WgradError
from ..version import __version__
from . import bench, bisect, check, devices, doctor, numerics, profile, run, watch
from .script import split

COMMANDS: dict[str, ModuleType] = {
    "run": run,
    "check": check,
    "bench": bench,
    "watch": watch,
    "profile": profile,
    "bisect": bisect,
    "numerics": numerics,
    "devices": devices,
    "doctor": doctor,
}


def main(arguments: Sequence[str], program: str = "python -m wgrad") -> int:
    """Run a command and return its exit status."""
    parser = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"wgrad {__version__}")
    names = list(COMMANDS)
    commands = parser.add_subparsers(dest="command", metavar=f"{{{','.join(names)}}}")
    own: dict[str, argparse.ArgumentParser] = {}
    for name, command in COMMANDS.items():
        own[name] = commands.add_parser(name, **command.ABOUT, allow_abbrev=False)
        command.configure(own[name])
        if name in _scripts():
            own[name].usage = f"{own[name].prog} [-h] {command.USAGE} script.py [argument ...]"
            own[
                name
            ].epilog = (
                "What follows -- goes to the script, also what reads as an option of this command."
            )
            own[name].add_argument("script", nargs="?", help=command.SCRIPT)
            own[name].add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the script")
    mine, after = split(arguments, {name: COMMANDS[name].OPTIONS for name in _scripts()})
    options = parser.parse_args(mine)
    if options.command is None:
        parser.error(f"no command came; {', '.join(names[:-1])} or {names[-1]} is needed")
    try:
        environment.check()
    except WgradError as error:
        parser.error(str(error))
    chosen = own[options.command]
    if options.command in _scripts():
        options.rest = [*options.rest, *after]
        if options.script is None:
            chosen.error(f"no script came; {COMMANDS[options.command].NEEDED} is needed")
    elif after:
        chosen.error(f"{' '.join(after)} came after --, and nothing is needed there")
    return COMMANDS[options.command].run(options, chosen)


def _scripts() -> list[str]:
    """Return the commands that run a script."""
    return [name for name, command in COMMANDS.items() if hasattr(command, "OPTIONS")]


def start() -> None:
    """Run the command `wgrad` of a shell, and end the process with its status."""
    sys.exit(main(sys.argv[1:], "wgrad"))
