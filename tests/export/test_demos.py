"""The demos of examples/web: each script makes its folder, and the page does what it says."""

from __future__ import annotations

import http.server
import importlib.util
import re
import runpy
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg

from .browser import PageError

WEB = Path(__file__).parents[2] / "examples" / "web"
NAMES = ("digits", "graph", "splat", "writer")

# What all scripts share: the page in a frame, and what a person does there.
HANDS = """
const frame = document.createElement("iframe");
Object.assign(frame.style, { width: "900px", height: "900px" });
frame.src = given.url;
document.body.append(frame);
await new Promise((done) => { frame.onload = done; });
const w = frame.contentWindow, d = w.document;
const at = (id) => d.getElementById(id), text = (id) => at(id).textContent;
const a_moment = () => new Promise((done) => setTimeout(done, 20));
const until = async (holds) => { while (!holds()) await a_moment(); };
const left = () => { const e = text("error"); frame.remove(); return e; };
const put = (id, bytes, name) => {
  const files = new w.DataTransfer();
  files.items.add(new w.File([bytes], name));
  at(id).files = files.files;
  at(id).dispatchEvent(new w.Event("change"));
};
await until(() => w.model || text("error"));
if (text("error")) throw new Error(text("error") + (frame.remove() ?? ""));
"""


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """The scripts import what they share from their own folder."""
    monkeypatch.syspath_prepend(str(WEB))
    yield
    sys.modules.pop("demo", None)


@pytest.fixture
def page(chromium, monkeypatch, tmp_path, capsys):
    """Build a demo as its command line does; return a function that runs a script in its page."""
    pytest.importorskip("sklearn")
    pytest.importorskip("safetensors")

    def build(name: str, *arguments: str):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--out", str(tmp_path / name), *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(WEB / f"{name}.py"), run_name="__main__")
        assert ended.value.code == 0, capsys.readouterr().err
        url = chromium.serve(tmp_path / name, f"demo-{name}")
        return lambda script, **given: chromium.run(HANDS + script, url=url, **given)

    return build


def test_the_scripts_are_short_and_the_pages_fetch_nothing_from_elsewhere():
    for name in NAMES:
        assert len((WEB / f"{name}.py").read_text("utf-8").splitlines()) <= 100
    for path in (WEB / "pages").iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|<script(?! type=\"module\" src=)", text), path
        for image in re.findall(r"<canvas[^>]*>", text):
            assert "aria-label=" in image and "role=" in image, image


def test_a_digit_is_read_and_other_strokes_are_learnt(page, tmp_path):
    run = page("digits", "--steps", "500")
    script = """
const pad = at("pad"), box = pad.getBoundingClientRect();
pad.setPointerCapture = () => {};
const fire = (kind, x, y, more) => {
  const place = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
  const hand = { buttons: 1, pointerId: 1, isPrimary: true, bubbles: true };
  pad.dispatchEvent(new w.PointerEvent(kind, { ...place, ...hand, ...more }));
};
const ring = () => {
  for (let i = 0; i <= 40; i++) {
    const a = i / 40 * 2 * Math.PI;
    fire(i ? "pointermove" : "pointerdown", 0.5 + 0.2 * Math.sin(a), 0.5 - 0.35 * Math.cos(a));
  }
  fire("pointermove", 0.1, 0.1, { isPrimary: false, pointerId: 2 }); // a second finger
};
const shown = [...at("labels").children], told = [];
shown[7].click(); // nothing is drawn
told.push(text("error"));
ring();
await until(() => text("answer") === "0");
for (let i = 0; i < 4; i++) {
  shown[7].click();
  ring();
}
told.push(text("count"));
at("train").click();
at("train").click();
at("train").click(); // one loop runs
await until(() => text("answer") === "7");
at("train").click();
await until(() => text("rate"));
const bytes = await w.model.state();
at("forget").click();
await until(() => text("answer") === "0");
told.push(text("count"), at("strokes").children.length);
put("load", bytes, "mine.safetensors");
await until(() => text("answer") === "7");
put("load", bytes.slice(0, 500), "half.safetensors");
await until(() => text("error"));
told.push(text("error"));
at("clear").click();
at("pad").focus();
const key = () => new w.KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true });
for (let i = 0; i < 9; i++) pad.dispatchEvent(key());
await until(() => text("answer") !== "nothing yet");
told.push(text("answer"));
return [told, Uint8Array.from(bytes), left()];"""
    (nothing, count, forgotten, strokes, half, keys), state, error = run(script)
    assert nothing.startswith("Draw a digit first") and keys.isdigit()
    assert count.startswith("4 of your strokes")
    assert forgotten.startswith("Your strokes are forgotten") and strokes == 0
    assert half.startswith("half.safetensors holds no state of this network") and error == ""
    # What the page saved goes on in Python.
    (tmp_path / "mine.safetensors").write_bytes(state)
    with wg.device("numpy"):
        model = wg.nn.MLP(64, [128, 10], hidden="relu")
        optimizer = wg.optim.Adam(model.parameters())
        wg.load(tmp_path / "mine.safetensors", into={"model": model, "optimizer": optimizer})
        assert max(s["step"] for s in optimizer.state_dict()["state"].values()) > 500


def test_a_transformer_writes_as_it_learns(page):
    run = page("writer", "--layers", "1")
    script = """
const before = text("held"), blank = text("paper");
at("heat").value = 0.5;
at("heat").dispatchEvent(new w.Event("input"));
at("train").click();
await until(() => text("paper").match(/After/g).length > 1);
at("train").click();
const told = [blank, text("degrees"), text("paper"), Number(text("steps"))];
const losses = [before, text("held")].map(Number);
at("again").click();
await until(() => text("steps") === "0" && text("paper").startsWith("After 0"));
return [told, losses, before === text("held"), left()];"""
    (blank, heat, paper, steps), (before, after), same, error = run(script)
    assert blank.startswith("After 0 steps\n") and heat == "0.50" and error == "" and same
    assert steps >= 25 and len(paper) > len(blank) + 100
    assert after < before - 0.5


def test_gaussians_come_to_look_like_a_picture(page):
    run = page("splat", "--splats", "24", "--side", "16")
    script = """
const likeness = () => Number.parseFloat(text("likeness")), first = likeness();
put("file", "no picture", "notes.txt");
await until(() => text("error"));
const refused = text("error");
at("train").click();
await until(() => Number(text("steps")) > 60);
const fitted = likeness();
const c = new w.OffscreenCanvas(30, 20).getContext("2d");
c.fillStyle = "red";
c.fillRect(0, 0, 30, 20);
const dropped = new w.DataTransfer();
dropped.items.add(new w.File([await c.canvas.convertToBlob()], "red.png"));
d.dispatchEvent(new w.DragEvent("drop", { dataTransfer: dropped }));
await until(() => at("target").ariaLabel.endsWith("red.png") && likeness() < fitted);
const [r, g, b] = at("target").getContext("2d").getImageData(8, 8, 1, 1).data;
at("train").textContent === "Pause" && at("train").click();
return [refused, first, fitted, [r, g, b], left()];"""
    refused, first, fitted, colour, error = run(script)
    assert refused == "notes.txt is no picture that this browser reads." and error == ""
    assert fitted > first + 5 and colour == [255, 0, 0]


def test_graphs_show_the_values_and_gradients_of_their_inputs(page, tmp_path):
    run = page("graph")
    script = """
const number = (x, kind) => x.querySelector(kind).textContent.split(" ")[1];
const all = () => Object.fromEntries(Array.from(d.querySelectorAll(".node"), (x) =>
  [x.querySelector(".name").textContent, [number(x, ".value"), number(x, ".grad")]]));
const first = all(), sliders = d.querySelectorAll("#inputs input");
sliders[2].value = 0.5;
sliders[2].dispatchEvent(new w.Event("input"));
await until(() => all().x2[0] === "0.5000");
const moved = all();
at("which").selectedIndex = 1;
at("which").dispatchEvent(new w.Event("change"));
await until(() => text("out").startsWith("(a + b)a"));
const second = all();
at("grads").click();
await until(() => all().a[1] === undefined);
return [first, moved, second, text("out"), left()];"""
    first, moved, second, out, error = run(script)
    x2, b = 0.5, 6 + np.arcsinh(1)
    o = np.tanh(2 * -3 + x2 + b)
    grad = (1 - o * o) * x2
    assert first["o"] == ["0.7071", "1.0000"] and first["x1"] == ["2.0000", "-1.5000"]
    assert moved["o"] == [f"{o:.4f}", "1.0000"] and moved["w2"] == ["1.0000", f"{grad:.4f}"]
    assert second["a"] == ["2.0000", "5.0000"] and second["b"] == ["1.0000", "2.0000"]
    assert out == "(a + b)a = 6.0000" and error == ""
    # A kernel that is not as it was exported is refused, in the page.
    for kernel in (tmp_path / "graph" / "model").glob("*.wgsl"):
        kernel.write_bytes(kernel.read_bytes()[:-1] + b" ")
    with pytest.raises(PageError, match=r"\.wgsl is not as it was exported"):
        run("")


def test_the_server_takes_a_free_port_where_one_is_taken(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("demo", WEB / "demo.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)

    def interrupted(self) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(http.server.ThreadingHTTPServer, "serve_forever", interrupted)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo.serve(tmp_path, port)
    found = re.search(r"open http://127\.0\.0\.1:(\d+)/", capsys.readouterr().out)
    assert found is not None and int(found[1]) != port
