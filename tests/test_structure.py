"""The shape of the package: layers, who touches wgpu, what works without it, docstrings."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

import wgrad as wg
from wgrad.ops import REGISTRY

PACKAGE = Path(wg.__file__).parent

# A module imports from its own layer and from those below, never from above. The longest name
# that is a module or the start of its name counts.
LAYERS = {
    "errors": 0,
    "dtypes": 0,
    "layout": 0,
    "names": 0,
    "origin": 0,
    "environment": 0,
    "forking": 0,
    "interrupts": 0,
    "recent": 0,
    "statistics": 0,
    "version": 0,
    "backends": 1,
    "checks": 2,
    "core": 2,
    "devices": 2,
    "ops": 3,
    "tape": 3,
    "tensor": 4,
    "creation": 4,
    "shaping": 4,
    "indexing": 4,
    "inspection": 4,
    "functional": 4,
    "linalg": 4,
    "fft": 4,
    "random": 4,
    "custom": 4,
    "transforms": 4,
    "gradcheck": 4,
    "program": 5,
    "kernel": 5,
    "nn": 6,
    "optim": 6,
    "data": 6,
    "io": 6,
    "viz": 7,
    "profile": 7,
    "cli": 7,
    "contracts": 7,
    "numerics": 7,
    "__main__": 7,
    "": 8,  # wgrad/__init__.py gathers them all
}

# Imports inside a function that look upward: (module, what it imports) and why it has to.
UPWARD = {
    ("ops.families", "creation"): "an operator's other side may be a list or an array",
    ("statistics", "backends.tracing"): "a trace is to know that it rests on the counters",
}


def modules() -> dict[str, Path]:
    """Return every module by its name below the package; "" is the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def layer(name: str) -> int:
    while name and name not in LAYERS:
        name = name.rpartition(".")[0]
    return LAYERS[name]


def imports(name: str) -> Iterator[tuple[str, str, int]]:
    """Yield (module, "top", "lazy" or "typing", line) for what a module imports of the package."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]

    def walk(node: ast.AST, where: str) -> Iterator[tuple[str, str, int]]:
        for child in ast.iter_child_nodes(node):
            inside = where
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inside = "lazy"
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                inside = "typing"
            elif isinstance(child, ast.ImportFrom):
                home = child.module or ""
                if child.level:
                    base = [p for p in package if p][: len(package) - child.level + 1]
                    home = ".".join([*base, *([child.module] if child.module else [])])
                elif home == "wgrad" or home.startswith("wgrad."):
                    home = home[6:]
                else:
                    continue
                for alias in child.names:
                    target = f"{home}.{alias.name}".lstrip(".")
                    yield (target if target in MODULES else home), where, child.lineno
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    if alias.name.split(".")[0] == "wgrad":
                        yield alias.name[6:], where, child.lineno
            yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), "top")


def test_every_module_has_a_layer():
    for name in MODULES:
        assert name == "" or name.split(".")[0] in LAYERS, f"{name} has no layer"
    assert len(MODULES) > 25


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_imports_go_down(name: str):
    for target, where, line in imports(name):
        assert target, f"wgrad/{name}, line {line} imports the package itself"
        if layer(target) <= layer(name) or where == "typing":
            continue
        assert where == "lazy", f"{name}, line {line} imports {target}, which stands above it"
        assert (name, target) in UPWARD, f"{name}, line {line}: {target} stands above; say why"


def test_upward_looks_that_are_listed_still_exist():
    found = {
        (name, target)
        for name in MODULES
        for target, where, _ in imports(name)
        if name and where == "lazy" and layer(target) > layer(name)
    }
    assert found == set(UPWARD)


def test_imports_at_module_level_have_no_cycles():
    edges = {
        name: {target for target, where, _ in imports(name) if where == "top" and target != name}
        for name in MODULES
        if name
    }
    done: set[str] = set()
    while len(done) < len(edges):
        ready = {
            name
            for name, targets in edges.items()
            if name not in done and all(t in done or t not in edges for t in targets)
        }
        # A package's __init__ imports its parts, and the parts may import their siblings only.
        assert ready, {name: targets - done for name, targets in edges.items() if name not in done}
        done |= ready


def _mentions(path: Path, module: str) -> list[int]:
    """Return the lines that import `module`, by statement or by importlib."""
    lines = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = ast.unparse(node.func)
            names = [node.args[0].value] if called.endswith(("import_module", "__import__")) else []
        else:
            continue
        if any(str(n).split(".")[0] == module for n in names):
            lines.append(node.lineno)
    return lines


def test_one_module_alone_touches_wgpu():
    found = {name for name, path in MODULES.items() if _mentions(path, "wgpu")}
    assert found == {"backends.webgpu.device"}


def test_lowering_knows_no_adapter():
    """Programs are lowered for machines that are not here, so nothing of an open one is at hand."""
    known, pending = set(), ["program.lower.webgpu"]
    while pending:
        name = pending.pop()
        if name not in known:
            known.add(name)
            pending += [target for target, where, _ in imports(name) if where == "top"]
    opened = [
        "adapters",
        "device",
        "eager",
        "gpu",
        "memory",
        "pipelines",
        "replay",
        "runner",
        "tune",
    ]
    assert "backends.webgpu.planner" in known
    assert not known & {f"backends.webgpu.{name}" for name in (*opened, "tune")}


def test_numpy_is_the_only_other_dependency():
    allowed = {"numpy", "wgpu", "wgrad", *sys.stdlib_module_names}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots = {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots = {(node.module or "").split(".")[0]}
            else:
                continue
            assert roots <= allowed, (name, node.lineno, roots - allowed)


# In processes of their own.


def run(script: str, **env: str) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WGRAD_")}
    clean["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), clean.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, **env},
    )


BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "wgpu":
            raise ModuleNotFoundError("No module named 'wgpu'", name="wgpu")

sys.meta_path.insert(0, Blocker())
import wgrad as wg
"""


def test_import_does_not_import_wgpu():
    done = run(
        """
        import sys
        import wgrad as wg
        with wg.device("numpy"):
            x = wg.tensor([1.0, 2.0], requires_grad=True)
            wg.sum(x * x).backward()
            wg.manual_seed(0)
            wg.randn(3)
        print(x.grad.tolist())
        print(sorted(m for m in sys.modules if m.split(".")[0] == "wgpu"))
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[2.0, 4.0]", "[]"]


def test_numpy_device_works_without_wgpu():
    done = run(
        BLOCKER
        + textwrap.dedent(
            """
            x = wg.tensor([1.0, 2.0], requires_grad=True)  # "auto" is NumPy here
            wg.sum(wg.tanh(x) @ wg.eye(2)).backward()
            assert x.device.name == "numpy" and x.grad is not None
            assert [d.name for d in wg.devices()] == ["numpy"]
            assert wg.device("auto").name == "numpy"
            print("fine")
            """
        )
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"


@pytest.mark.parametrize("name", ["webgpu", "webgpu:anything"])
def test_asking_for_webgpu_without_wgpu_says_what_to_install(name: str):
    done = run(
        BLOCKER
        + textwrap.dedent(
            f"""
            try:
                wg.device({name!r})
            except wg.errors.MissingDependencyError as error:
                assert isinstance(error, ImportError)
                print(error)
            """
        )
    )
    assert done.returncode == 0, done.stderr
    assert "wgpu" in done.stdout and "pip install" in done.stdout


@pytest.mark.parametrize("name", ["cuda", "webgpu:", "webgpu: "])
def test_environment_that_names_no_device_says_so(name: str):
    done = run(
        """
        import wgrad as wg
        try:
            wg.zeros(1)
        except wg.errors.DeviceError as error:
            print(error)
        """,
        WGRAD_DEVICE=name,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"WGRAD_DEVICE={name}: device '{name}' is unknown: ")
    assert "numpy" in done.stdout


def test_warnings_and_prints_are_none_on_import():
    done = run("import wgrad")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# What a reader finds.


def public_objects() -> Iterator[tuple[str, object]]:
    """Yield the names that users see, with the methods of the classes among them."""
    for home in (wg, wg.linalg, wg.fft, wg.nn, wg.optim, wg.data, wg.errors):
        for name, value in vars(home).items():
            module = str(getattr(value, "__module__", ""))
            if name.startswith("_") or inspect.ismodule(value) or "wgrad" not in module:
                continue
            if not callable(value):
                continue
            yield f"{home.__name__}.{name}", value
            if inspect.isclass(value):
                for attribute, member in vars(value).items():
                    if not attribute.startswith("_") and callable(member):
                        yield f"{home.__name__}.{name}.{attribute}", member


def test_every_public_function_class_and_method_has_a_docstring():
    found = dict(public_objects())
    assert len(found) > 180
    missing = [name for name, value in found.items() if not (inspect.getdoc(value) or "").strip()]
    assert missing == []


def test_every_module_says_its_role():
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), f"wgrad/{name} has no docstring"


def test_every_op_says_what_it_is():
    for name, op in REGISTRY.items():
        assert op.name == name
        assert op.__doc__ and op.__doc__.endswith("."), name


def test_signatures_of_ops_have_the_names_of_the_standard():
    shown = {wg.add: "(x1, x2, /)", wg.where: "(condition, x1, x2, /)", wg.exp: "(x, /)"}
    shown[wg.any] = "(x: 'Any', axis: 'Any' = None, keepdims: 'bool' = False)"
    for op, text in shown.items():
        assert str(inspect.signature(op)) == text
    assert "x1 is" not in (wg.exp.__doc__ or "") and "b is x2" in (wg.add.__doc__ or "")
    triple = wg.custom_op(lambda x, times=3: x * times, backward=lambda ct, out, x: ct, name="t")
    assert str(inspect.signature(triple)) == "(x, times=3)"


def test_public_names_do_not_hide_what_is_promised():
    promised = (
        "tensor parameter zeros ones full arange linspace eye zeros_like ones_like full_like "
        "rand randn uniform normal randint manual_seed Tensor devices device set_default_device "
        "stats no_grad enable_grad grad value_and_grad vjp jvp jacobian hessian hvp gradcheck "
        "custom_op permute_dims take take_along_axis clip matmul softmax log_softmax logsumexp "
        "cross_entropy mse_loss stack concat pad where float32 float64 int32 uint32 bool errors "
        "nn optim sum mean max min prod argmax argmin any all"
    )
    for name in promised.split():
        assert hasattr(wg, name), name
    for name in ("WgradError", "ShapeError", "AxisError", "DeviceError", "GradientError"):
        assert issubclass(getattr(wg.errors, name), Exception)
