"""`wgrad run`, `check`, `bench` and `watch`, as they are used on files of WGSL."""

import json
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from wgrad.cli import main, watch

BAD = "fn f() { x = 1; }\n"
SWISH = "fn swish(x: f32, beta: f32) -> f32 { return x / (1.0 + exp(-beta * x)); }\n"
SCALE = """
struct Params { factor: f32 }
override shift: f32 = 0.0;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn scale(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < arrayLength(&y)) { y[id.x] += params.factor * x[id.x] + shift; }
}
"""
COLOR = "fn color(uv: vec2f, t: f32) -> vec3f { return vec3f(uv, t); }\n"
PAINT = """
@group(0) @binding(0) var<storage, read_write> image: array<u32>;
@compute @workgroup_size(8, 8) fn paint(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < 6u && id.y < 4u) { image[id.y * 6u + id.x] = id.x + 256u * id.y + 0xff000000u; }
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "swish": SWISH,
        "scale": SCALE,
        "color": COLOR,
        "paint": PAINT,
        "bad": "fn f() { x = 1; }\n",
    }
    for name, text in files.items():
        Path(f"{name}.wgsl").write_text(text)
    np.save("a.npy", np.linspace(-1, 1, 5))
    np.save("long.npy", np.ones(100, np.float32))
    np.save("b.npy", np.full(5, 1.5, np.float32))
    return tmp_path


def said(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


def refused(capsys, *words):
    """Return the one sentence that a wrong use ends with."""
    with pytest.raises(SystemExit) as end:
        main(words)
    out, err = said(capsys)
    assert end.value.code == 2 and not out
    return err.strip().splitlines()[-1]


def pixels(path):
    """Return the pixels of a PNG of ours, read as the format says."""
    data = Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert (
            zlib.crc32(name + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]
        )
        chunks[name], at = body, at + 12 + size
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, {0: 1, 2: 3, 6: 4}[kind])


# As a user runs them.


def wgrad(*words, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "wgrad", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, **options)


def test_run_writes_what_a_function_gives(folder, webgpu):
    words = ("--input", "a.npy", "--set", "beta=1.5", "--output", "y.npy")
    ran = wgrad("run", "swish.wgsl", *words, "--device", "webgpu")
    assert ran.returncode == 0 and not ran.stderr
    assert ran.stdout.startswith("swish: float32 (5,), from -0.182") and "y.npy" in ran.stdout
    x = np.load("a.npy")
    np.testing.assert_allclose(np.load("y.npy"), x / (1 + np.exp(-1.5 * x)), rtol=1e-5)


def test_check_says_where_a_file_is_wrong_with_status_1(folder, webgpu):
    ran = wgrad("check", "bad.wgsl")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert "bad.wgsl:1:10: error:" in ran.stdout and "wgrad: REFUSES" in ran.stdout


def test_bench_measures(folder, webgpu):
    ran = wgrad("bench", "swish.wgsl", "--shape", "1000", "--rounds", "3", "--json")
    assert ran.returncode == 0
    (row,) = json.loads(ran.stdout)["rows"]
    assert row["variant"] == "swish" and row["shape"] == [1000] and row["median_ns"] > 0


def test_bench_measures_compute_shaders(folder, capsys):
    words = ["bench", "scale.wgsl", "--set", "factor=2", "--rounds", "3", "--json"]
    words += ["--device", "numpy"]
    for more, shape in ((["--shape", "20x50"], [20, 50]), (["--input", "a.npy"], [5])):
        assert main([*words, *more]) == 0
        (row,) = json.loads(said(capsys)[0])["rows"]
        assert (row["variant"], row["shape"]) == ("scale", shape) and row["median_ns"] > 0


def test_watch_draws_anew_until_it_is_ended(folder):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "wgrad", "watch", "color.wgsl", "--set", "t=0"]
    command += ["--size", "2x1", "--html", "page.html", "--out", "p.png", "--device", "numpy"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=env) as ran:
        try:
            assert ran.stdout.readline() == "p.png and page.html: 2 x 1\n"
            assert pixels("p.png").tolist() == [[[64, 128, 0], [191, 128, 0]]]
            Path("color.wgsl").write_text("fn color(uv: vec2f, t: f32) -> f32 { return tt; }")
            assert "color.wgsl:1:45: unknown name 'tt'" in ran.stderr.readline()
            while "unknown name" not in Path("page.html").read_text():
                time.sleep(0.01)
            assert pixels("p.png").shape == (1, 2, 3)  # the last good one stays
            Path("color.wgsl").write_text("fn color(uv: vec2f, t: f32) -> f32 { return 1.0 - t; }")
            assert ran.stdout.readline() == "p.png and page.html: 2 x 1\n"
            assert pixels("p.png").tolist() == [[[255], [255]]]
        finally:
            ran.send_signal(2)
        assert ran.wait() == 0
    assert "data:image/png;base64," in Path("page.html").read_text()


# In this process.


def test_run_takes_inputs_by_name_and_prints_json(folder, capsys):
    words = ["--input", "beta=b.npy", "--input", "a.npy", "--json", "--device", "numpy"]
    assert main(["run", "swish.wgsl", *words]) == 0
    found = json.loads(said(capsys)[0])
    assert found["ok"] and found["device"] == "numpy"
    (row,) = found["outputs"]
    assert (row["name"], row["dtype"], row["shape"]) == ("swish", "float32", [5])
    assert row["min"] < row["mean"] < row["max"]


@pytest.mark.parametrize("device_name", ["numpy", "webgpu"])
def test_run_runs_a_compute_shader(folder, capsys, device_name, request):
    request.getfixturevalue("webgpu" if device_name == "webgpu" else "folder")
    words = ["run", "scale.wgsl", "--device", device_name, "--set", "factor=2"]
    assert main([*words, "--input", "a.npy", "--output", "y.npy"]) == 0  # y is made anew
    np.testing.assert_allclose(np.load("y.npy"), [-2, -1, 0, 1, 2], rtol=1e-6)
    given = ["--input", "a.npy", "--input", "b.npy", "--set", "shift=1"]
    assert main([*words, *given, "--output", "y=z.npy"]) == 0
    np.testing.assert_allclose(np.load("z.npy"), [0.5, 1.5, 2.5, 3.5, 4.5], rtol=1e-6)
    wide = ["--input", "a.npy", "--shape", "3", "--threads", "2"]
    assert main([*words, *wide, "--output", "w.npy"]) == 0
    assert np.load("w.npy").shape == (3,)
    many = ["--input", "long.npy", "--groups", "1", "--output", "g.npy"]  # 64 of 100 elements
    assert main([*words, *many]) == 0
    assert np.count_nonzero(np.load("g.npy")) == 64
    assert re.fullmatch(r"(y: float32 .*\n){4}", said(capsys)[0])


def test_run_counts_what_is_not_finite(folder, capsys):
    Path("log.wgsl").write_text("fn f(x: f32) -> f32 { return log(x); }")
    assert main(["run", "log.wgsl", "--input", "a.npy", "--device", "numpy"]) == 0
    assert "3 NaN or infinite" in said(capsys)[0]


def test_what_is_wrong_in_a_shader_is_status_1(folder, capsys):
    assert main(["run", "bad.wgsl"]) == 1
    out, err = said(capsys)
    assert not out and err.startswith("bad.wgsl:1:10: ")
    assert main(["run", "bad.wgsl", "--json"]) == 1
    found = json.loads(said(capsys)[0])
    assert not found["ok"] and (found["file"], found["line"], found["column"]) == (
        "bad.wgsl",
        1,
        10,
    )


def test_wrong_words_are_status_2(folder, capsys):
    Path("two.wgsl").write_text(
        "fn a(x: f32) -> f32 { return x; } fn b(x: f32) -> f32 { return x; }"
    )
    Path("text.npy").write_text("1, 2")
    run = ("run", "swish.wgsl", "--device", "numpy")
    assert "there is no file 'gone.wgsl'" in refused(capsys, "run", "gone.wgsl")
    assert "--entry is needed, for it has a, b" in refused(capsys, "run", "two.wgsl")
    assert "no 'swash' that can be run; it has swish" in refused(capsys, *run, "--entry", "swash")
    assert "'beta' came; NAME=VALUE" in refused(capsys, *run, "--set", "beta")
    assert "'one' came for beta; a number" in refused(capsys, *run, "--set", "beta=one")
    twice = ("--set", "beta=1", "--set", "beta=2")
    assert "--set beta came twice" in refused(capsys, *run, *twice)
    assert "text.npy is no .npy file" in refused(capsys, *run, "--input", "text.npy")
    assert "missing a required argument" in refused(capsys, *run, "--input", "a.npy")
    full = (*run, "--input", "a.npy", "--input", "b.npy")
    assert "there are the outputs swish" in refused(capsys, *full, "--output", "z=z.npy")
    assert "swish is a function" in refused(capsys, *full, "--threads", "5")
    kernel = ("run", "scale.wgsl", "--input", "a.npy", "--device", "numpy")
    assert "the uniform params.factor is missing" in refused(capsys, *kernel)
    three = ("--input", "a.npy", "--input", "b.npy")
    assert "3 arrays came in order, and it takes x, y" in refused(capsys, *kernel, *three)
    assert "as in 512x512" in refused(capsys, "bench", "swish.wgsl", "--shape", "0")
    given = ("bench", "swish.wgsl", "--input", "a.npy")
    assert "--shape is for random inputs" in refused(capsys, *given, "--shape", "8")
    assert "takes its arrays in order" in refused(capsys, *given)
    assert "--groups is for compute" in refused(capsys, "bench", "swish.wgsl", "--groups", "2")
    once = ("watch", "color.wgsl", "--once", "--size", "2x2", "--device", "numpy")
    assert "missing a required argument: 't'" in refused(capsys, *once)
    place = refused(capsys, "watch", "swish.wgsl", *once[2:])
    assert "its first parameter has to be the place: uv: vec2f" in place
    assert main([*full, "--input", "a.npy", "--json", "--input", "a.npy"]) == 2
    assert not json.loads(said(capsys)[0])["ok"]


def test_check_tells_what_can_be_called_and_checks_gradients(folder, webgpu, capsys):
    assert main(["check", "scale.wgsl"]) == 0
    assert said(capsys)[0].splitlines()[-1] == "  kernel scale(x, y) -> y"
    words = ["check", "swish.wgsl", "--input", "a.npy", "--set", "beta=2"]
    assert main(words) == 0
    out = said(capsys)[0]
    assert "function swish(x: f32, beta: f32) -> f32" in out and "swish: all is well" in out
    assert main([*words, "--json"]) == 0
    found = json.loads(said(capsys)[0])
    assert found["ok"] and found["reports"]["swish"]["ok"] and found["reports"]["text"]["ok"]


def test_check_fails_where_values_differ(folder, webgpu, capsys):
    Path("log.wgsl").write_text("fn f(x: f32) -> f32 { return log(x); }")
    assert main(["check", "log.wgsl", "--input", "a.npy"]) == 1
    assert "FAILED" in said(capsys)[0]


@pytest.mark.parametrize("device_name", ["numpy", "webgpu"])
def test_watch_draws_functions_and_compute_shaders(folder, capsys, device_name, request):
    request.getfixturevalue("webgpu" if device_name == "webgpu" else "folder")
    words = ["--once", "--device", device_name]
    assert main(["watch", "color.wgsl", *words, "--size", "4x2", "--set", "t=2"]) == 0
    found = pixels("color.png")
    assert found.shape == (2, 4, 3) and found[1, 0].tolist() == [32, 191, 255]
    assert main(["watch", "paint.wgsl", *words, "--size", "6x4", "--json"]) == 0
    found = pixels("paint.png")
    assert found.shape == (4, 6, 4) and found[3, 5].tolist() == [5, 3, 0, 255]
    out = said(capsys)[0].splitlines()
    assert out[0] == "color.png: 4 x 2"
    assert json.loads(out[1]) == {"ok": True, "files": ["paint.png"], "size": [6, 4]}


def test_watch_fails_once_where_a_file_is_wrong(folder, capsys):
    assert main(["watch", "bad.wgsl", "--once", "--html", "page.html"]) == 1
    assert said(capsys)[1].startswith("bad.wgsl:1:10: ")
    assert "bad.wgsl:1:10" in Path("page.html").read_text()


def test_watch_goes_on_after_an_edit_that_does_not_fit(folder, capsys, monkeypatch):
    edits = ["fn color(uv: vec2f, k: f32) -> f32 { return k; }", COLOR]

    def sleep(seconds):
        if not edits:
            raise KeyboardInterrupt
        Path("color.wgsl").write_text(edits.pop(0))

    monkeypatch.setattr(watch.time, "sleep", sleep)
    words = ["--size", "2x2", "--set", "t=1", "--device", "numpy"]
    assert main(["watch", "color.wgsl", *words]) == 0
    out, err = said(capsys)
    assert out == "color.png: 2 x 2\n" * 2 and "'k'" in err and "Traceback" not in err
