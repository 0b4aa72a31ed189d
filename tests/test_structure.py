"""The shape of the package: layers, who touches wgpu, what works without it, docstrings."""

from __future__ import annotations

import ast
import functools
import graphlib
import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import wgrad as wg
from wgrad.ops import REGISTRY

PACKAGE = Path(wg.__file__).parent


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return what a module says; several tests ask for all of them."""
    return ast.parse(path.read_text(encoding="utf-8"))


# What wgrad is made of, from the bottom up: modules and packages by their names. Each imports from
# the lines before its own, never from its own line or a later one. A room of a package that others
# below the package use has a place of its own.
LAYERS = (
    ("errors", "forking", "interrupts", "origin", "recent", "repeated", "statistics", "version"),
    ("checks", "dtypes", "environment", "extras", "kernel.language", "layout", "names"),
    ("backends",),
    ("core", "devices"),
    ("tape",),
    ("creation",),
    ("inspection", "ops"),
    ("contracts", "random", "shaping"),
    ("indexing",),
    ("functional",),
    ("einops_backend", "fft", "linalg", "tensor"),
    ("autograd", "numerics", "profile", "program", "transforms"),
    ("data", "nn"),
    ("optim",),
    ("amp", "anomaly", "custom", "distributions", "gradcheck", "io"),
    ("export", "kernel", "testing", "train"),
    ("doctor", "viz"),
    ("cli",),
    ("__main__",),
    ("",),  # wgrad/__init__.py gathers them all
)

# What is imported inside a function: modules that are of use only where wgpu is installed.
LATE = ("backends.webgpu", "program.lower.webgpu", "program.run.webgpu")


def modules() -> dict[str, Path]:
    """Return every module by its name below the package; "" is the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def room(name: str) -> str:
    """Return the name in LAYERS that a module belongs to, the longest where there are several."""
    parts = name.split(".")
    names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next(x for x in names if any(x in line for line in LAYERS))


def layer(name: str) -> int:
    """Return the line of LAYERS that a module belongs to."""
    (found,) = [i for i, names in enumerate(LAYERS) if room(name) in names]
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements right inside a node, and what holds statements: no expressions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            yield child


def all_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a module at every depth; a third of the time of ast.walk."""
    for child in statements(node):
        yield child
        yield from all_statements(child)


@functools.cache
def imports(name: str) -> list[tuple[str, str, int]]:
    """Return (module, "top", "lazy" or "typing", line) for what a module imports of the package."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]

    def walk(node: ast.AST, where: str) -> Iterator[tuple[str, str, int]]:
        for child in statements(node):
            inside = where
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
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

    return list(walk(tree_of(path), "top"))


def test_every_module_has_a_layer():
    assert len(MODULES) > 25
    assert {room(name) for name in MODULES} == {x for names in LAYERS for x in names}


def test_imports_go_down():
    for name in filter(None, MODULES):
        for target, where, line in imports(name):
            at = f"wgrad/{name}, line {line}"
            assert target, f"{at} imports the package itself"
            if room(target) == room(name):
                continue  # a package's modules among themselves: they have no cycle, as all others
            if (name, target, where) == ("core.op", "tensor", "typing"):
                continue  # what users are given: a value with the methods of all that stands above
            assert layer(target) < layer(name), f"{at} imports {target}, which stands above it"


def test_imports_inside_functions_are_of_what_needs_wgpu():
    late = [(name, *found) for name in MODULES for found in imports(name) if found[1] == "lazy"]
    assert [x for x in late if not x[1].startswith(LATE)] == []


def test_no_modules_import_each_other():
    """At no depth, wherever in a file the import stands, but for what only type checkers read."""
    needs: dict[str, set[str]] = {}
    for name in MODULES:
        found = {target for target, where, _ in imports(name) if where != "typing"}
        for target in list(found):  # the package of what is imported runs first
            parents = target.split(".")[:-1]
            found |= {".".join(parents[: i + 1]) for i in range(len(parents))}
        # A package that a module is part of is running already.
        needs[name] = {x for x in found if x != name and not name.startswith(x + ".")}
    graphlib.TopologicalSorter(needs).prepare()  # raises CycleError, which names them


def _gives(node: ast.ImportFrom, name: str) -> bool:
    return any(alias.name == name for alias in node.names)


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_the_type_of_all_tensors_makes_none():
    """`core.Tensor` is for annotations and isinstance(); what makes tensors is `core.wrap`."""
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if "Tensor(" not in text:
            continue
        nodes = list(ast.walk(tree_of(path)))
        homes = [n.module for n in nodes if isinstance(n, ast.ImportFrom) and _gives(n, "Tensor")]
        made = [n.lineno for n in nodes if isinstance(n, ast.Call) and _is(n.func, "Tensor")]
        assert not made or homes == ["tensor"] or name == "tensor", f"wgrad/{name}, lines {made}"


def test_one_module_alone_says_what_a_write_does_to_versions_and_histories():
    found = {
        (name, target.attr)
        for name, path in MODULES.items()
        if not name.startswith("train.")  # whose histories are of losses
        for node in all_statements(tree_of(path))
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and target.attr in ("version", "history")
    }
    begun = {("backends.array", "version"), ("backends.array", "history"), ("core.op", "version")}
    begun |= {("core.batched", "version")}  # which hands it on
    assert found == begun | {("tape.identity", "version"), ("tape.identity", "history")}


def _mentions(path: Path, module: str) -> list[int]:
    """Return the lines that import `module`, by statement or by importlib."""
    text, lines = path.read_text(encoding="utf-8"), []
    for node in ast.walk(tree_of(path)) if module in text else ():
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
    for package in ("wgpu", "wgpudawn"):
        found = {name for name, path in MODULES.items() if _mentions(path, package)}
        assert found <= {"backends.webgpu.implementation"}, package


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
        "implementation",
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
        for node in all_statements(tree_of(path)):
            if isinstance(node, ast.Import):
                roots = {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots = {(node.module or "").split(".")[0]}
            else:
                continue
            if name == "einops_backend":
                roots -= {"einops"}  # which is being imported when that runs
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


def test_import_does_not_import_wgpu_nor_warn_nor_print():
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
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["[2.0, 4.0]", "[]"]


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


def test_asking_for_webgpu_without_wgpu_says_what_to_install():
    done = run(
        BLOCKER
        + textwrap.dedent(
            """
            for name in ("webgpu", "webgpu:anything"):
                try:
                    wg.device(name)
                except wg.errors.MissingDependencyError as error:
                    assert isinstance(error, ImportError)
                    print(error)
            """
        )
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all("wgpu" in x and "pip install" in x for x in lines)


def test_environment_that_names_no_device_says_so():
    names = ["cuda", "webgpu:", "webgpu: "]
    done = run(
        f"""
        import os
        import wgrad as wg
        for name in {names}:
            os.environ["WGRAD_DEVICE"] = name
            try:
                wg.zeros(1)
            except wg.errors.DeviceError as error:
                print(error)
        """,
        WGRAD_DEVICE=names[0],
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"WGRAD_DEVICE={name}: device '{name}' is unknown: ")
        assert "numpy" in line


# What a reader finds.


def public_objects() -> Iterator[tuple[str, object]]:
    """Yield the names that users see, with the methods of the classes among them."""
    for home in wg._NAMESPACES.values():
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
            assert ast.get_docstring(tree_of(path)), f"wgrad/{name} has no docstring"


def test_every_op_says_what_it_is():
    for name, op in REGISTRY.items():
        assert op.name == name
        assert op.__doc__ and op.__doc__.partition("\n\n")[0].endswith("."), name


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
