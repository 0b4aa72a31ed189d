"""The gallery of shaders does what it promises, with small settings, and its WGSL is WGSL."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import wgrad as wg
from wgrad.kernel.language import check, read_file

GALLERY = Path(__file__).parent.parent / "examples" / "shaders"
SHADERS = sorted(GALLERY.glob("*.wgsl"))
PROGRAMS = sorted(x.stem for x in GALLERY.glob("*.py") if x.stem != "gallery")


@pytest.fixture
def program(monkeypatch):
    """A function that returns a program of the gallery as a module, by its name."""
    monkeypatch.syspath_prepend(GALLERY)
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if name in ("gallery", *PROGRAMS):
            del sys.modules[name]


def pixels(path: Path) -> np.ndarray:
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(path))


# The shaders.


@pytest.mark.parametrize("path", SHADERS, ids=lambda x: x.stem)
def test_a_shader_of_the_gallery_is_accepted_as_it_is(path, webgpu):
    """By our own checks, and by the driver's."""
    check(read_file(path))
    webgpu.gpu.raw.create_shader_module(code=path.read_text())
    assert path.read_text().startswith("// ")


def test_every_program_has_its_shader_its_picture_and_its_place_on_the_page():
    page = (GALLERY / "README.md").read_text()
    assert len(PROGRAMS) == 8
    for name in PROGRAMS:
        assert (GALLERY / f"{name}.wgsl").exists()
        assert f"python examples/shaders/{name}.py" in page
        picture = GALLERY / "pictures" / f"{name}.png"
        assert f"](pictures/{name}.png)" in page and picture.stat().st_size < 60_000
    for path in re.findall(r"\]\(([\w/.]+)\)", page):
        assert (GALLERY / path).exists()


# The programs.


def test_an_activation_of_the_gallery_learns_as_one_of_operations_does(webgpu, program):
    activation = program("activation")
    _, found, _ = activation.train(activation.bend, 20)
    with wg.device("numpy"):
        _, start, _ = activation.train(activation.bend_of_ops, 1)
        _, want, _ = activation.train(activation.bend_of_ops, 20)
    assert found < 0.98 * start and found == pytest.approx(want, rel=1e-3)


def test_a_net_of_learned_activations_tells_spirals_apart(numpy_device, program, tmp_path):
    assert program("activation").run(120, tmp_path) < 0.02
    assert pixels(tmp_path / "activation.png").shape == (200, 200, 3)


# NumPy takes far longer for a shader than a GPU: it takes fewer steps, and comes less far.
def far(numpy: tuple[int, float], webgpu: tuple[int, float]) -> pytest.MarkDecorator:
    """Give a test its device, the steps to take there, and how far they lead."""
    rows = [("numpy", *numpy), ("webgpu", *webgpu)]
    return pytest.mark.parametrize(
        ("wgrad_device", "steps", "end"), rows, indirect=["wgrad_device"], ids=["numpy", "webgpu"]
    )


@far((20, 0.85), (40, 0.9))
def test_softmax_of_the_gallery_learns_digits(device, program, tmp_path, steps, end):
    found = program("softmax").run(steps, tmp_path, size=(20, 300))
    assert found["recognised"] > end and found["value"] < 1e-6 and found["slope"] < 1e-5
    assert pixels(tmp_path / "softmax.png").shape == (17 * 8, 44 * 8, 3)


def test_bodies_find_their_way(device, program, tmp_path):
    before, after = program("nbody").run(15, tmp_path, bodies=24, moments=6)
    assert after < 0.15 * before
    assert pixels(tmp_path / "nbody.png").shape == (240, 484, 3)


@far((10, 0.5), (25, 0.3))
def test_splats_become_the_photograph(device, program, tmp_path, steps, end):
    before, after = program("splats").run(steps, tmp_path, size=(24, 24), splats=30)
    assert after < end * before
    assert len(list(tmp_path.glob("splats-*.png"))) == 3


@far((20, 0.75), (100, 0.9))
def test_a_scene_is_recovered_from_its_silhouette(device, program, tmp_path, steps, end):
    before, after = program("silhouette").run(steps, tmp_path, size=32)
    assert before < 0.5 and after > end
    assert pixels(tmp_path / "silhouette.png").shape == (64, 352, 3)


def test_a_pattern_grows_of_reaction_and_diffusion(device, program, tmp_path):
    v = program("reaction").run(200, tmp_path, height=32, width=48)
    assert v.shape == (32, 48) and 0.02 < (v > 0.15).mean() < 0.9
    want = _reacted(program("reaction").seeded(32, 48), 200)
    np.testing.assert_allclose(v, want[..., 1], atol=1e-3)


def _reacted(state: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        shifts = [(np.roll(state, s, (0, 1)), 0.2 if 0 in s else 0.05) for s in SHIFTS]
        u, v = state[..., 0], state[..., 1]
        eaten = u * v * v
        made = np.stack([0.037 * (1 - u) - eaten, eaten - 0.097 * v], -1)
        flow = sum(x * weight for x, weight in shifts) - state
        state = state + [0.6, 0.3] * flow + made
    return state


SHIFTS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


def test_the_mandelbrot_set_is_drawn_alike(webgpu, program, tmp_path):
    mandelbrot = program("mandelbrot")
    found = mandelbrot.run(120, tmp_path, 24, 36).numpy()
    with wg.device("numpy"):
        want = mandelbrot.run(120, tmp_path, 24, 36).numpy()
    assert np.mean(np.abs(found - want).max(-1) > 0.02) < 0.02  # orbits part where they are wild
    assert pixels(tmp_path / "mandelbrot.png").std() > 30


@far((50, 0.015), (150, 0.01))
def test_a_blur_finds_its_kernel(device, program, tmp_path, steps, end):
    assert program("blur").run(steps, tmp_path, 48, 48) < end
    assert pixels(tmp_path / "blur.png").shape == (96, 408, 3)


# The command line.


def test_a_program_of_the_gallery_takes_options(program, tmp_path, monkeypatch, capsys):
    mandelbrot, gallery = program("mandelbrot"), program("gallery")
    options = ["mandelbrot.py", "--device", "numpy", "--steps", "3", "--out", str(tmp_path / "a")]
    monkeypatch.setattr(sys, "argv", options)
    assert gallery.start(mandelbrot.run, mandelbrot.__doc__, steps=600) == 0
    out = capsys.readouterr().out
    assert "device: numpy (NumPy" in out and "time: " in out
    assert (tmp_path / "a" / "mandelbrot.png").exists()


def test_a_program_of_the_gallery_says_what_is_missing(program, tmp_path, monkeypatch, capsys):
    gallery = program("gallery")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(wg.errors.MissingDependencyError, match=r"pip install 'wgrad\[examples\]'"):
        gallery.save(tmp_path / "x.png", np.zeros((2, 2)))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    for read in (lambda: gallery.photograph("china.jpg", 2, 2), gallery.digits):
        with pytest.raises(wg.errors.MissingDependencyError, match="scikit-learn, which is not"):
            read()
    monkeypatch.setattr(sys, "argv", ["blur.py", "--device", "abacus"])
    assert gallery.start(lambda steps, out: None, None, steps=1) == 2
    assert "device 'abacus' is unknown" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["blur.py", "--steps", "0"])
    with pytest.raises(SystemExit, match="2"):
        gallery.start(lambda steps, out: None, None, steps=1)
    assert "--steps 0 came" in capsys.readouterr().err
