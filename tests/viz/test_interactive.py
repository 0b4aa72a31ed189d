"""wg.viz.interactive: the page's numbers are wgrad's, and it does what a person asks of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wgrad as wg
from wgrad.core import REGISTRY, apply
from wgrad.errors import ArgumentError, DTypeError, ShapeError, WgradError
from wgrad.kernel.validation.chromium import program
from wgrad.viz.interactive import page, rows
from wgrad.viz.interactive.scalars import taken_apart
from wgrad.viz.recorder import leading, record

pytest.importorskip("grandalf")

BROWSER = program()
chromium = pytest.mark.skipif(BROWSER is None, reason="no Chromium is on the PATH")


def shown(html: str, folder: Path, fragment: str = "") -> str:
    """Return the document that a browser has when the page's scripts have run."""
    path = folder / "page.html"
    path.write_text(html, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    done = subprocess.run(
        [str(BROWSER), *flags, f"--user-data-dir={folder / 'browser'}", "--dump-dom",
         "--allow-file-access-from-files", f"{path.as_uri()}{fragment}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def element(document: str, name: str) -> str:
    """Return the text of the element with an id."""
    found = re.search(rf'id="{name}"[^>]*>(.*?)</(?:text|pre|output|div)>', document, re.S)
    assert found is not None, name
    return unescape(re.sub(r"<[^>]*>", " ", found[1]))


# What the script computes, without the page: what stands in page.js before it draws anything.
PURE = (page.HERE / "page.js").read_text(encoding="utf-8").partition("// The page.")[0]


def computed(f: Callable, inputs: dict[str, Any], cases: list[dict[str, float]], name: str) -> str:
    """Return a script that writes down values and both kinds of derivatives for given inputs."""
    given = {k: page._input(k, x) for k, x in inputs.items()}
    with wg.device("numpy"):
        recorder, out = record(f, (), given, "test")
    scalars = taken_apart(recorder, leading(recorder, out), given, out, "test")
    return f"""<script type="module">
{page._rows(scalars, [])}
{PURE}
const found = [];
for (const named of {json.dumps(cases)}) {{
  const given = {{}};
  for (const [k, v] of Object.entries(named)) given[NODES.findIndex((n) => n.label === k)] = v;
  const values = evaluate(given);
  const back = gradients(values);
  found.push([values[ROOT], inputs.map((i) => back[i]),
    inputs.map((i) => tangents(values, i)[ROOT])]);
}}
document.getElementById("{name}").textContent = JSON.stringify(found,
  (k, v) => typeof v === "number" && !Number.isFinite(v) ? String(v) : v);
</script>"""


# Operations by what they are given: u lies between -0.9 and 0.9, p between 1.1 and 3, x anywhere.
SPECIAL = {
    "acosh": "p", "log": "p", "log2": "p", "log10": "p", "sqrt": "p", "log1p": "p",
    "asin": "u", "acos": "u", "atanh": "u", "reciprocal": "p",
    "pow": "px", "divide": "xp", "logaddexp": "xy", "atan2": "xy", "hypot": "xy", "gated": "xy",
    "weighted": "xy", "value_of": "xy", "lerp": "xyu", "clamp": "x", "hardtanh": "x",
    "softplus": "x", "leaky_relu": "x", "elu": "x",
}  # fmt: skip
NUMBERS = {
    "clamp": (-1.0, 1.5), "hardtanh": (-1.0, 1.5), "softplus": (2.0, 20.0), "leaky_relu": (0.1,),
    "elu": (1.5, 1.0, 0.5),
}  # fmt: skip
LOGIC = {
    "where", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and",
    "logical_or", "logical_xor", "logical_not", "isnan", "isinf", "isfinite", "detach",
}  # fmt: skip


def one(name: str, given: dict[str, Any]) -> Any:
    """Return an operation of those inputs that fit it."""
    op = REGISTRY[name]
    letters = SPECIAL.get(name, "xy"[: op.arity])
    return apply(op, *(given[x] for x in letters), *NUMBERS.get(name, ()))


def several(names: list[str]) -> Callable:
    """Return the sum of operations, each times an input of its own."""

    def f(**given: Any) -> Any:
        return sum((one(name, given) * given[f"w{i}"] for i, name in enumerate(names)), start=0.0)

    return f


def mixed(x: Any, y: Any, m: Any) -> Any:
    """Everything that is no elementwise operation, on small vectors."""
    a = wg.concat([x, wg.reshape(m, (4,))[1:3]]) @ wg.stack([y, y * 2, y + 1, -y])
    b = (m @ m.T).max(axis=1) + wg.min(m, axis=0) + wg.prod(x) - wg.mean(m, 0, keepdims=True)
    c = wg.where(x > 0, x**2, wg.exp(x)) * wg.softmax(y) + (x != y).sum()
    c = c * y.detach().exp()  # whose values follow, and whose gradient does not
    return a.sum() + (b * wg.pad(c, 0)).sum() + wg.norm(m) + wg.log_softmax(x)[0] + 2.0 ** x[1]


@chromium
def test_every_row_computes_what_the_registry_does(tmp_path, rng):
    """Values, gradients and tangents, on random inputs; a slope is that of one operation alone."""
    names = [name for name in rows.ROWS if name not in LOGIC]
    scripts, expected = [], {}
    for start in range(0, len(names), 15):
        part = names[start : start + 15]
        f, cases = several(part), []
        for _ in range(3):
            x, y = rng.normal(size=2) * 2
            base = {"x": x, "y": y, "u": rng.uniform(-0.9, 0.9), "p": rng.uniform(1.1, 3)}
            cases += [
                {**base, **{f"w{i}": float(i == j) for i in range(len(part))}}
                for j in range(len(part))
            ]
        scripts.append(computed(f, cases[0], cases, f"s{start}"))
        expected[f"s{start}"] = [wgrads(f, case) for case in cases]
    first = {"x": [0.5, -1.25], "y": [1.5, 0.75], "m": [[1.0, 2.0], [-0.5, 0.25]]}
    draws = [{k: rng.normal(size=np.shape(x)) for k, x in first.items()} for _ in range(6)]
    flat = [{f"{k}[{', '.join(map(str, at))}]": x[at] for k, x in case.items()
             for at in np.ndindex(x.shape)} for case in draws]  # fmt: skip
    scripts.append(computed(mixed, first, flat, "mixed"))
    expected["mixed"] = [wgrads(mixed, case) for case in draws]
    places = "".join(f'<pre id="{name}"></pre>' for name in expected)
    document = shown(f"<!doctype html>{places}{''.join(scripts)}", tmp_path)
    for name, cases in expected.items():
        for (value, back, along), (wanted, slopes) in zip(
            json.loads(element(document, name)), cases, strict=True
        ):
            np.testing.assert_allclose(float(value), wanted, rtol=1e-12, atol=1e-12)
            for derivatives in (back, along):
                numbers = [float(x) for x in derivatives]
                np.testing.assert_allclose(numbers, slopes, rtol=1e-12, atol=1e-12)


def wgrads(f: Callable, given: dict[str, Any]) -> tuple[float, np.ndarray]:
    """Return what wgrad says of a function: its value, and its gradients one after the other."""
    kind = {"dtype": "float64", "device": "numpy"}
    leaves = {k: wg.tensor(x, requires_grad=True, **kind) for k, x in given.items()}
    with wg.device("numpy"):
        out = f(**leaves)
        out.backward()
    grads = [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in leaves.values()]
    return out.item(), np.concatenate([g.reshape(-1) for g in grads])


def neuron(x1, x2, w1, w2, b):
    n = wg.label(x1 * w1 + x2 * w2 + b, "n")
    return wg.label(n.tanh(), "o")


GIVEN = {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
DRIVE = """<pre id="told-by-test"></pre><script type="module">
const at = (id) => document.getElementById(id), said = {};
const now = () => Object.fromEntries([...document.querySelectorAll("svg text")]
  .filter((x) => x.id).map((x) => [x.id, x.textContent]));
said.first = now();
at("slider-0").value = 0.5;
at("slider-0").dispatchEvent(new Event("input"));
at("field-4").value = "1.25";
at("field-4").dispatchEvent(new Event("input"));
said.moved = now();
said.exact = [window.wgrad.labels, window.wgrad.values(), window.wgrad.gradients()];
at("grads").click();
said.hidden = getComputedStyle(document.querySelector("svg .grad")).visibility;
at("mode-forward").click();
at("seed").value = at("seed").options[2].value;
at("seed").dispatchEvent(new Event("change"));
said.steps = [at("at").textContent];
for (let i = 0; i < 5; i++) { at("next").click(); said.steps.push(at("told").textContent); }
said.last = [at("next").disabled, at("at").textContent, now()];
at("previous").click();
said.before = [at("at").textContent, document.querySelectorAll("svg .op.now").length];
at("mode-reverse").click();
at("next").click();
said.reverse = [at("told").textContent, now()];
said.color = getComputedStyle(document.body).backgroundColor;
at("told-by-test").textContent = JSON.stringify(said);
</script>"""


@chromium
def test_a_person_moves_inputs_and_steps_through_both_modes(tmp_path):
    made = wg.viz.interactive(neuron, **GIVEN)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", made.html)  # it asks nobody
    html = made.html.replace("</body>", f"{DRIVE}</body>")
    said = json.loads(element(shown(html, tmp_path, "#set=x2:0.25;x1:2"), "told-by-test"))
    assert said["first"]["v0-data"] == "data 2.0000"  # a link sets inputs
    assert said["first"]["v1-data"] == "data 0.2500"
    moved = {**GIVEN, "x1": 0.5, "x2": 0.25, "b": 1.25}
    value, slopes = wgrads(neuron, moved)
    labels, values, grads = said["exact"]
    np.testing.assert_allclose(values[labels.index("o")], value, rtol=1e-12)
    np.testing.assert_allclose(grads[:5], slopes, rtol=1e-12)
    for i, slope in enumerate(slopes):
        assert said["moved"][f"v{i}-grad"] == f"grad {slope:.4f}"
    assert said["moved"][f"v{labels.index('o')}-data"] == f"data {value:.4f}"
    assert said["hidden"] == "hidden" and said["steps"][0] == "step 0 of 5"
    assert "tangent 0.5000" in said["steps"][1] and "1 - out * out" in said["steps"][5]
    ended, at, texts = said["last"]
    assert ended and at == "step 5 of 5"
    assert texts[f"v{labels.index('o')}-grad"] == f"tangent {slopes[2]:.4f}"
    assert said["before"] == ["step 4 of 5", 1]
    told, texts = said["reverse"]
    assert "1 - out * out" in told and texts["v0-grad"] == ""
    assert texts[f"v{labels.index('n')}-grad"] == f"grad {1 - value**2:.4f}"


def test_the_page_is_saved_and_shown(tmp_path):
    made, again = (wg.viz.interactive(lambda a: (a * a).sum(), a=[1.0, 2.0]) for _ in range(2))
    assert made.save(tmp_path / "a.html").read_text(encoding="utf-8") == made.html == again.html
    assert made._repr_html_().startswith("<iframe srcdoc=") and "a[1]" in made.html
    assert (
        "</script><b>"
        not in wg.viz.interactive(lambda a: wg.label(a * 2, "</script><b>"), a=1.0).html
    )
    with pytest.raises(ArgumentError, match=r"\.html"):
        made.save("a.svg")


def test_inputs_may_have_any_name():
    assert '"label": "f"' in wg.viz.interactive(lambda f, dim: f * dim, f=1.0, dim=2.0).html


def test_gradients_are_not_touched():
    w = wg.parameter(2.0, device="numpy", dtype="float64")
    html = wg.viz.interactive(lambda a: wg.label(w, "w") * a, a=3.0).html
    assert w.grad is None and '"label": "w", "kind": "constant"' in html


def test_bad_input_is_told_in_one_sentence(tmp_path):
    big = np.ones(300)
    for kind, call, word in (
        (DTypeError, lambda: wg.viz.interactive(lambda a: None, a=1.0), "returned None"),
        (DTypeError, lambda: wg.viz.interactive(lambda a: a, a="text"), "a='text'"),
        (ShapeError, lambda: wg.viz.interactive(lambda a: a * 2, a=[1.0, 2.0]), "one number"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: wg.lgamma(a), a=1.0), "lgamma"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: a.cumsum(0).sum(), a=[1.0]), "cumul"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: a, a=1.0), "computes nothing"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: a.sum(), a=big), "300 elements"),
        (ArgumentError, lambda: wg.viz.interactive(lambda: wg.ones(1)), "no input"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: (a @ a.T).tanh().sum(),
                                                   a=np.ones((14, 3))), "at most 200"),
        (ArgumentError, lambda: wg.viz.interactive(3, a=1.0), "a function is needed"),
        (ArgumentError, lambda: wg.viz.interactive(lambda a: a * 2, a=np.inf), "finite numbers"),
    ):  # fmt: skip
        with pytest.raises(kind, match=word) as caught:
            call()
        assert isinstance(caught.value, WgradError) and "\n" not in str(caught.value)
