"""web and html: functions as a folder, or a file, that a browser runs."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import tape
from ..checks.arguments import checked_flag
from ..errors import ArgumentError, CallError, FileError, MissingFileError, shown
from ..extras import needed
from ..io import safetensors
from ..io.paths import as_path, told, written
from ..nn import Module
from ..optim import Optimizer
from ..program.outlined import declared
from ..random.generator import RngState
from .bundle import DEFAULTS, FORMAT, Bundle, packed
from .entries import Entry, device_of, trace, undo
from .expected import RUNS, check_lasting, run
from .numbers import Counters, check_schedule

HERE = Path(__file__).parent / "page"


def web(
    step_or_model: Callable | Mapping[str, Callable],
    example_inputs: Any,
    path: str | os.PathLike,
    *,
    state: Any = None,
    title: str | None = None,
    outputs: Any = None,
    limits: Any = "portable",
    schedule: int = 10_000,
) -> Path:
    """Write a folder that runs functions in a browser, on WebGPU, and return its path.

    `step_or_model` is a function, a compiled one or a module, or a dict of these by names: programs
    over one state, so that a prediction sees what a step has trained. A module by itself is
    exported as it evaluates; functions as the modules' modes are now. `example_inputs` are what
    each is called with: tensors, arrays and floats, by the names of the parameters or in their
    order (for a dict of programs, a dict of these). They say shapes and dtypes, which stay;
    integers, bools and strings are fixed. `state` is all that functions use and change, as it would
    be given to `wg.save`: modules, optimizers, schedulers, tensors, `wg.get_rng_state()`; modules
    that are exported, and compiled functions with a `state` of their own, need none.

    ```python
    model = nn.Linear(2, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.01)


    def train(x, y):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        return {"loss": loss}


    x, y = wg.ones((4, 2)), wg.zeros((4, 1))
    wg.export.web(
        {"train": train, "predict": model},
        {"train": (x, y), "predict": (x,)},
        "page",
        state={"model": model, "optimizer": optimizer},
        title="A line",
    )
    ```

    In the folder are `index.html`, which compares a run with what NumPy computed; `wgrad.js`, the
    module that runs programs (its `load` in docs/publish.md); `program.json`, the kernels as
    `.wgsl`, and the state as safetensors. Nothing runs here, and nothing changes. An export that
    stands at `path` is replaced when the new one is whole.

    Results are called by their keys in a dict that is returned, "out" where one tensor is, "out0",
    "out1", ... where several are; or as `outputs` says: a name, a list of them, or a dict of these
    by program. `limits` are "portable", what every browser offers, or a dict of WebGPU's limits
    that devices must have. `schedule` is for how many steps numbers are written down that only
    Python computes: rates of schedulers, above all.

    Raises: TraceError, which names the operation and the line, for functions that read values, use
    what is not in `state`, or need NumPy or Python in a run; DTypeError for float16 and float64;
    ArgumentError, CallError; FileError, MissingFileError; MissingDependencyError without the
    package safetensors. Then nothing was written.
    """
    target = as_path(path, "export.web")
    files = _files(step_or_model, example_inputs, state, title, outputs, limits, schedule)
    _write_folder(target, files)
    return target


def html(
    step_or_model: Callable | Mapping[str, Callable],
    example_inputs: Any,
    path: str | os.PathLike,
    *,
    state: Any = None,
    title: str | None = None,
    outputs: Any = None,
    limits: Any = "portable",
    schedule: int = 10_000,
    single_file: bool = True,
) -> Path:
    """Write one HTML file that runs functions in a browser, also from disk, and return its path.

    All that `wg.export.web` puts into a folder is inside, and the arguments are the same; with
    single_file=False it is that folder. In the page `globalThis.wgrad` is what `load` returns.

        wg.export.html(nn.Linear(2, 1), (wg.ones((4, 2)),), "line.html", title="A line")

    Raises: as `wg.export.web`.
    """
    target = as_path(path, "export.html")
    files = _files(step_or_model, example_inputs, state, title, outputs, limits, schedule)
    if not checked_flag(single_file, "export.html", "single_file"):
        _write_folder(target, files)
        return target
    with written(target, "export.html") as part:
        part.write_bytes(single(files))
    return target


def _files(
    functions: Any,
    given: Any,
    state: Any,
    title: str | None,
    outputs: Any,
    limits: Any,
    schedule: int,
) -> dict[str, bytes]:
    """Return all files of an export."""
    library = needed("safetensors.numpy", "io", "export.web")
    several = functions if isinstance(functions, Mapping) else None
    if several is None:
        name = "predict" if isinstance(functions, Module) else "step"
        several, given, outputs = {name: functions}, {name: given}, {name: outputs}
    else:
        outputs = {} if outputs is None else outputs
        if not isinstance(outputs, Mapping) or not set(outputs) <= set(several):
            raise ArgumentError(
                f"export.web: outputs={shown(outputs)} came for {', '.join(several)}, and a dict "
                "with some of these is needed"
            )
        if not isinstance(given, Mapping) or set(given) != set(several):
            raise CallError(
                f"export.web: example inputs of {shown(given)} came, and a dict with one entry for "
                f"each of {', '.join(several)} is needed"
            )
    if not several:
        raise CallError("export.web: an empty dict came, and at least one function is needed")
    if not isinstance(title, (str, type(None))):
        raise ArgumentError(f"export.web: title={shown(title)} came, and a text is needed")
    for name, function in several.items():
        if not callable(function) or not isinstance(name, str) or not name:
            raise CallError(
                f"export.web: {shown(name)}: {shown(function)} came, and names of functions are "
                "needed"
            )
    if state is None:
        state = _state_of(list(several.values()))
    device = device_of(state)
    facts = _facts(limits)
    entries = [Entry(n, f, given[n], outputs.get(n), device) for n, f in several.items()]
    counters = Counters(_optimizers(state), check_schedule(schedule))
    used = _used(state)
    trace(entries, used)
    try:
        for entry in entries:
            check_lasting(entry)
            counters.add(entry.told.outline.callbacks, entry.name, used)
        counters.close()
        bundle = Bundle(entries, state, counters, facts, title or next(iter(several)))
        content = bundle.content()
        expected = tape.recording(False, run, entries, RUNS)
        plain = bundle.walk.plain()
    finally:
        undo(entries)
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "state.safetensors"
        safetensors.write(plain, saved, "export.web")
        state_bytes = saved.read_bytes()
    files = {
        **bundle.texts,
        "state.safetensors": state_bytes,
        "constants.safetensors": library.save(bundle.memory.constants),
        "expected.safetensors": library.save(expected),
        "wgrad.js": (HERE / "wgrad.js").read_bytes(),
        "index.html": (HERE / "index.html").read_bytes(),
    }
    return {"program.json": packed(content, files), **files}


def _facts(limits: Any) -> dict[str, Any]:
    """Return what chips offer at least, and what programs do that stand in for them."""
    from ..backends.webgpu.facts import Facts

    if limits == "portable":
        limits = {}
    if not isinstance(limits, Mapping):
        raise ArgumentError(
            f'export.web: limits={shown(limits)} came, and "portable" or a dict of WebGPU\'s '
            "limits is needed"
        )
    names = {
        "maxStorageBuffersPerShaderStage": "buffers",
        "maxStorageBufferBindingSize": "largest_binding",
        "maxBufferSize": "largest_buffer",
    }
    unknown = [x for x in limits if x not in names]
    if unknown:
        raise ArgumentError(
            f"export.web: limits has {shown(unknown[0])}, and {', '.join(names)} are there"
        )
    for k, n in limits.items():
        if type(n) is not int or n < DEFAULTS[k]:
            raise ArgumentError(
                f"export.web: limits has {k}={shown(n)}, and an integer from {DEFAULTS[k]}, which "
                "every browser offers, is needed"
            )
    given = {names[k]: n for k, n in limits.items()}
    made = {"gpu": Facts(**given), "software": Facts(**given, is_software=True)}
    for one in made.values():
        one.check()
    return made


def _state_of(functions: Sequence[Callable]) -> Any:
    """Return the state that functions bring along: what compiled ones declare, and modules."""
    found = [x for f in functions if (x := f if isinstance(f, Module) else declared(f)) is not None]
    return found[0] if len(found) == 1 else found


def _parts(state: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a state holds, containers left aside, each with its path."""
    if isinstance(state, (Mapping, list, tuple)) and not isinstance(state, RngState):
        pairs = state.items() if isinstance(state, Mapping) else enumerate(state)
        for key, x in pairs:
            yield from _parts(x, f"{path}.{key}" if path else str(key))
    else:
        yield path, state


def _optimizers(state: Any) -> dict[str, Optimizer]:
    return {path: x for path, x in _parts(state) if isinstance(x, Optimizer)}


def _used(state: Any) -> list[Any]:
    """Return what of a state functions may use: all but plain values, which are saved with it."""
    plain = (int, float, str, bool, type(None), np.ndarray, np.generic, RngState)
    return [x for _, x in _parts(state) if not isinstance(x, plain)]


def _write_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder beside its place, and move it there when it is whole."""
    target = Path(os.path.realpath(target))
    if target.exists() and not _is_ours(target):
        raise FileError(f"export.web: {told(target)} is there already, and is no export")
    if not target.parent.is_dir():
        raise MissingFileError(f"export.web: there is no folder {told(target.parent)}")
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.part")
    try:
        part.mkdir()
        for name, data in files.items():
            (part / name).write_bytes(data)
        if target.exists():
            old = part.with_name(f"{part.name}.old")
            os.rename(target, old)
            try:
                os.rename(part, target)
            except BaseException:  # also where someone has had enough
                os.rename(old, target)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.rename(part, target)
    except OSError as error:
        raise FileError(f"export.web: {told(target)} cannot be written ({error})") from error
    finally:
        if part.exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(part)


def _is_ours(folder: Path) -> bool:
    """Whether a folder is an export, or empty."""
    if not folder.is_dir():
        return False
    try:
        with (folder / "program.json").open("rb") as file:
            return f'"format":"{FORMAT}"'.encode() in file.read(200)
    except OSError:
        return not any(folder.iterdir())


def single(files: Mapping[str, bytes]) -> bytes:
    """Return one HTML file that holds all the others."""
    page = files["index.html"].decode()
    inside = {
        name: base64.b64encode(data).decode()
        for name, data in files.items()
        if name not in ("index.html", "wgrad.js")
    }
    script = files["wgrad.js"].decode()
    return (
        page.replace('import { load, WgradError } from "./wgrad.js";', script)
        .replace('const source = ".";', f"const source = {{ files: {json.dumps(inside)} }};")
        .encode()
    )
