"""What a page does with what it is given, and what it says of exports that are not whole."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import wgrad as wg
from wgrad import nn, optim
from wgrad.export.pages import single
from wgrad.kernel.validation.chromium import opened, program

from .browser import PageError

LOAD = 'const { load } = await import(given.url + "wgrad.js"); const m = await load(given.url);'
REFUSED = """
const { load, WgradError } = await import(given.url + "wgrad.js");
try { await load(given.url, given.options ?? {}); return "loaded"; }
catch (error) { return error instanceof WgradError ? error.message : "not ours: " + error; }
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Export of small programs: what is tried with them needs no matrix products."""
    folder = tmp_path_factory.mktemp("small") / "page"
    with wg.device("numpy"):
        wg.manual_seed(3)
        w = wg.parameter(np.linspace(-1, 1, 6, dtype="f4"))
        seen = wg.tensor([True, False])
        optimizer = optim.SGD([w], lr=0.5)
        schedule = optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)

        def train(x, scale):
            optimizer.zero_grad()
            loss = ((w - x) * scale).square().sum()
            loss.backward()
            optimizer.step()
            schedule.step()
            return loss

        plain = {"note": "#12", "large": 2**60 + 1, "one": 1.0, "idle": wg.Generator(2**64 - 5)}

        def draws():
            return {"u": wg.rand(5), "n": wg.randn(3)}

        def looks(i):
            picked = w[i]
            return picked, picked > 0, i + 1

        def computed(x):
            return w[(x * 2).astype("int32")]

        wg.export.web(
            {
                "train": train, "draws": draws, "looks": looks, "computed": computed,
                "kinds": lambda i, b, s: {"sums": i + b, "scaled": s * i},
            },
            {
                "train": {"x": np.zeros(6, "f4"), "scale": 1.0},
                "draws": {},
                "looks": {"i": np.array([0, 5], "i4")},
                "computed": {"x": np.array([0.0, 2.0], "f4")},
                "kinds": {"i": np.array([1, 2], "i4"), "b": np.array([True, False]), "s": 1.0},
            },
            folder,
            state={"w": w, "seen": seen, "optimizer": optimizer, "schedule": schedule,
                   "rng": wg.get_rng_state(), "plain": plain},
            outputs={"train": "loss", "looks": ["picked", "positive", "next"]},
            schedule=6,
        )  # fmt: skip
    return folder


@pytest.fixture
def url(chromium, small):
    return chromium.serve(small, "small")


def test_values_names_and_kinds(chromium, url):
    found = chromium.run(
        f"""{LOAD}
        const before = await m.read("w");
        const looks = await m.run("looks", {{i: [1, 4]}});
        const told = m.programs.looks;
        m.step("train", {{x: new Float32Array(6), scale: 2}});
        m.step("train", {{x: new Float32Array(6), scale: 2}});
        const losses = [await m.read("loss"), await m.read("train.loss")];
        return [before, looks, told, losses, await m.read("w"), await m.selftest(),
          await m.read("w"), m.title];""",
        url=url,
    )
    before, looks, told, losses, after, test, still, title = found
    np.testing.assert_array_equal(before, np.linspace(-1, 1, 6, dtype="f4"))
    np.testing.assert_array_equal(looks["picked"], before[[1, 4]])
    assert looks["positive"] == b"\0\1" and list(looks["next"]) == [2, 5]
    assert told["inputs"] == [{"name": "i", "dtype": "int32", "shape": [2]}]
    assert [x["dtype"] for x in told["outputs"]] == ["float32", "bool", "int32"]
    w = before.copy()
    for _ in range(2):
        loss = np.sum(np.square(w * np.float32(2)))
        w = w - np.float32(0.5) * 2 * 4 * w
    np.testing.assert_allclose(losses, [[loss], [loss]], rtol=1e-6)
    np.testing.assert_allclose(after, w, rtol=1e-6)
    assert test["ok"] and len(test["rows"]) == 3 * 9  # outputs of five programs
    np.testing.assert_array_equal(after, still)  # the self-test has left all as it was
    assert title == "train"


def test_random_numbers_are_pythons(chromium, url, tmp_path):
    seed = 2**64 - 3
    u, n, v, state, third, again = chromium.run(
        f"""{LOAD} m.seed({seed}n); const a = await m.run("draws"), b = await m.run("draws");
        const state = await m.state(), c = await m.run("draws");
        await m.restore(state); const d = await m.run("draws");
        return [a.u, a.n, b.u, state, c.n, d.n];""",
        url=url,
    )
    wg.manual_seed(seed)
    with wg.device("numpy"):
        np.testing.assert_array_equal(u, wg.rand(5).numpy())
        np.testing.assert_array_equal(n, wg.randn(3).numpy())
        np.testing.assert_array_equal(v, wg.rand(5).numpy())
        np.testing.assert_array_equal(third, again)
    (tmp_path / "state.safetensors").write_bytes(state)
    saved = wg.load(tmp_path / "state.safetensors", "numpy")
    assert saved["rng"] == (seed, 16) and saved["seen"].tolist() == [True, False]
    plain = {"note": "#12", "large": 2**60 + 1, "one": 1.0, "idle": (2**64 - 5, 0)}
    assert saved["plain"] == plain and type(saved["plain"]["one"]) is float
    (group,) = saved["optimizer"]["param_groups"]
    assert (group["weight_decay"], type(group["weight_decay"])) == (0, float)


def edited(data: bytes, change) -> bytes:
    """Return a file of safetensors with another header."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def forget_streams(header):
    header["__metadata__"]["streams"] = "[]"


def come_later(header):
    text = header["__metadata__"]["wgrad"]
    assert '"last_epoch": 0' in text
    header["__metadata__"]["wgrad"] = text.replace('"last_epoch": 0', '"last_epoch": 50')


def lose_lr(header):
    text = header["__metadata__"]["wgrad"]
    assert '"momentum": 0.0' in text
    header["__metadata__"]["wgrad"] = text.replace('"momentum": 0.0', '"momentum": "none"')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (forget_streams, None),  # a page without random numbers has none
        (come_later, "50 came for last_epoch, which no step here leads to"),
        (lose_lr, "none came for momentum"),
        (lambda x: x["w"].update(data_offsets=[0, 4]), "w came as F32 [6] of 4 bytes, and F32 [6]"),
        (lambda x: x["w"].pop("data_offsets"), "the file of safetensors is cut off, or is none"),
        (lambda x: x["__metadata__"].update(wgrad="{"), "is cut off, or is none"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)  # fmt: skip
def test_a_file_is_taken_over_as_a_whole_or_not_at_all(chromium, url, small, change, said):
    files = [edited((small / "state.safetensors").read_bytes(), x) for x in (dict, change)]
    told, u, v = chromium.run(
        f"""{LOAD} let told = null; m.seed(5);
        m.step("train", {{x: new Float32Array(6).fill(9), scale: 1}});
        const before = await m.state();
        try {{ await m.restore(given.file); }} catch (e) {{ told = `${{e.name}}: ${{e.message}}`; }}
        if (told && String(await m.state()) !== String(before)) told += " (all has changed)";
        const u = (await m.run("draws")).u;
        await m.restore(given.good); m.seed(5);
        return [told, u, (await m.run("draws")).u];""",
        url=url, good=files[0], file=files[1],
    )  # fmt: skip
    if said is None:
        assert told is None
    else:
        assert told.startswith("WgradError: ") and said in told and "has changed" not in told
        np.testing.assert_array_equal(u, v)


def test_self_tests_and_runs_do_not_disturb_each_other(chromium, url):
    one, two, losses, after = chromium.run(
        f"""{LOAD} const batch = {{x: new Float32Array(6), scale: 0.5}}, tests = [m.selftest()];
        const losses = [(await m.run("train", batch)).loss[0]];
        tests.push(m.selftest());
        losses.push((await m.run("train", batch)).loss[0]);
        return [(await tests[0]).ok, (await tests[1]).ok, losses, await m.read("w")];""",
        url=url,
    )
    w = np.linspace(-1, 1, 6) * 0.75
    assert one and two
    np.testing.assert_allclose(losses, np.square(w).sum() / [2.25, 4], rtol=1e-5)
    np.testing.assert_allclose(after, w * 0.75, rtol=1e-5)


def test_schedules_and_settings(chromium, url):
    losses, settings, refused, ended, after = chromium.run(
        f"""{LOAD} const x = new Float32Array(6), losses = [];
        const run = async () => losses.push((await m.run("train", {{x, scale: 0.5}})).loss[0]);
        for (let i = 0; i < 4; i++) await run();
        const saved = await m.state();
        for (let i = 0; i < 2; i++) await run();
        await m.restore(saved);
        for (let i = 0; i < 2; i++) await run();
        let refused, ended;
        try {{ m.set("optimizer.param_groups.0.lr", 1); }}
        catch (error) {{ refused = error.message; }}
        try {{ for (;;) await run(); }} catch (error) {{ ended = error.message; }}
        return [losses.slice(0, 8), m.settings, refused, ended, losses.length];""",
        url=url,
    )
    w, expected = np.linspace(-1, 1, 6), []
    for step in range(6):
        expected.append(np.sum(np.square(0.5 * w)))
        w = w - 0.5 * 0.5 ** (step // 2) * 2 * 0.25 * w
    np.testing.assert_allclose(losses, [*expected, *expected[4:]], rtol=1e-5)
    assert "optimizer.param_groups.0.lr" not in settings  # the schedule has it
    assert "is no setting" in refused and "numbers were exported for 7 steps" in ended
    assert after == 9  # the seventh step reads the rate of six turns, and there is none after


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('m.run("nothing")', "nothing is no program; there are train,draws,looks,computed,kinds"),
        ("m.run({x: [1]})", "is no program"),
        ('m.run("train", {scale: 1})', "needs x, float32 [6]: 6 numbers, and none came"),
        ('m.run("train", {x: [1, 2], scale: 1})', "6 numbers, and 2 came"),
        ('m.run("train", {x: [1, 2, 3, 4, 5, 6], scale: 1, y: 2})', "train takes no y"),
        ('m.run("looks", {i: [0, 6]})', "looks: i holds 6, and integers from 0 to 5 are needed"),
        ('m.run("looks", {i: new Int32Array([-7, 0])})', "holds -7"),
        ('m.read("nothing")', "nothing is neither an output nor in the state"),
        ('m.run("train", null)', "6 numbers, and none came"),
        ('m.run("kinds", {i: [1, 1.5], b: [1, 0], s: 1})', "i holds 1.5, and int32 is needed"),
        ('m.run("kinds", {i: [1, 2 ** 31], b: [1, 0], s: 1})', "i holds 2147483648, and int32"),
        ('m.run("kinds", {i: new Float32Array([1, NaN]), b: [1, 0], s: 1})', "i holds NaN"),
        ('m.run("kinds", {i: [1, 2], b: [2, 0], s: 1})', "b holds 2, and bool is needed"),
        ('m.run("kinds", {i: [1, 2], b: [1, 0], s: "abc"})', "s holds abc, and float32 is needed"),
        ('m.run("kinds", {i: [1, 2], b: [1, 0], s: [undefined]})', "s holds undefined"),
        ('m.restore()', "the file of safetensors is cut off, or is none"),
        ("m.restore(new Uint8Array(8))", "the file of safetensors is cut off, or is none"),
        ('m.set("optimizer.param_groups.0.momentum", "0.1")', "0.1 came for optimizer."),
        ('m.set("optimizer.param_groups.0.momentum", NaN)', "and a number is needed"),
        ("m.restore(new Uint8Array(3))", "the file of safetensors is cut off"),
        ('m.restore((await m.state()).slice(0, -4))', "the file of safetensors is cut off"),
        ("m.seed(-1)", "-1 is no seed"),
        ('m.set("lr", 1)', "lr is no setting"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(chromium, url, call, said):
    with pytest.raises(PageError, match=re.escape(said)) as caught:
        chromium.run(
            f"""const {{ load }} = await import(given.url + "wgrad.js");
            const m = globalThis.kept ??= await load(given.url);
            return await {call};""",
            url=url,
        )
    assert caught.value.kind == "WgradError"


def test_a_wrong_index_that_was_computed_is_told_at_the_next_read(chromium, url):
    good, told, after = chromium.run(
        f"""{LOAD} const good = await m.run("computed", {{x: [0.5, 2]}});
        m.step("computed", {{x: [3, 40]}});
        let told; try {{ await m.read("w"); }} catch (error) {{ told = error.message; }}
        return [good.out, told, await m.read("w")];""",
        url=url,
    )
    w = np.linspace(-1, 1, 6, dtype="f4")
    np.testing.assert_array_equal(good, w[[1, 4]])
    assert "index 80 is out of range" in told and "a program computed it at" in told
    assert "test_page.py, line" in told
    np.testing.assert_array_equal(after, w)


def changed(folder: Path, to: Path, name: str, change) -> Path:
    shutil.copytree(folder, to)
    data = change((to / name).read_bytes())
    (to / name).unlink() if data is None else (to / name).write_bytes(data)
    return to


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("program.json", lambda x: x[:-40], "program.json is cut off, or no export of wgrad"),
        ("program.json", lambda x: x.replace(b"loss", b"lost"), "is not as it was exported"),
        ("program.json", lambda x: b"<html>", "no export of wgrad"),
        ("state.safetensors", lambda x: x[:-1], "is not as it was exported"),
        ("state.safetensors", lambda x: x[:-1] + b"!", "is not as it was exported"),
        ("constants.safetensors", lambda x: None, "constants.safetensors is missing in the export"),
    ],
)  # fmt: skip
def test_exports_that_are_not_whole_are_refused(chromium, small, tmp_path, name, change, said):
    folder = changed(small, tmp_path / "bad", name, change)
    url = chromium.serve(folder, f"bad-{tmp_path.name}")
    assert said in chromium.run(REFUSED, url=url)


def test_the_page_shows_what_is_wrong(chromium, small, tmp_path):
    kernel = next(x.name for x in small.glob("*.wgsl") if "threefry" in x.read_text())
    folder = changed(small, tmp_path / "bad", kernel, lambda x: x.replace(b"u32", b"i32"))
    said = chromium.run(
        """const frame = document.createElement("iframe");
        frame.src = given.url;
        document.body.append(frame);
        for (;;) {
          await new Promise((go) => setTimeout(go, 20));
          const text = frame.contentDocument?.getElementById("error")?.textContent;
          if (text) return text;
        }""",
        url=chromium.serve(folder, "bad-page"),
    )
    assert said == f"{kernel} is not as it was exported"


def test_a_page_whose_script_is_not_whole_says_so(chromium, small, tmp_path):
    lost = changed(small, tmp_path / "lost", "wgrad.js", lambda x: None)
    changed(small, tmp_path / "cut", "wgrad.js", lambda x: x[:5000])
    whole = single({x.name: x.read_bytes() for x in small.iterdir()})
    (lost / "half.html").write_bytes(whole[: len(whole) // 2])
    for page in ("lost/", "lost/half.html", "cut/"):
        said = chromium.run(
            """const frame = document.createElement("iframe");
            const loaded = new Promise((go) => { frame.onload = go; });
            frame.src = given.url;
            document.body.append(frame);
            await loaded;
            return frame.contentDocument.getElementById("status").textContent;""",
            url=chromium.serve(tmp_path, "parts") + page,
        )
        assert "a file of this page is missing or cut off" in said


def test_browsers_without_webgpu_or_with_small_limits_are_told(chromium, url, small, tmp_path):
    none = chromium.run(
        f"""Object.defineProperty(navigator, "gpu", {{value: undefined, configurable: true}});
        try {{ {REFUSED} }} finally {{ delete navigator.gpu; }}""",
        url=url,
    )
    assert "this browser has no WebGPU" in none
    text = (small / "program.json").read_text()
    content = json.loads(text)["content"] | {"limits": {"maxBufferSize": 1 << 40}}
    from wgrad.export.bundle import packed

    files = content.pop("files")
    data = {name: (small / name).read_bytes() for name in files}
    shutil.copytree(small, tmp_path / "large")
    (tmp_path / "large" / "program.json").write_bytes(packed(content, data))
    said = chromium.run(REFUSED, url=chromium.serve(tmp_path / "large", "large"))
    assert re.search(
        r"this GPU offers maxBufferSize \d+, and the programs need 1099511627776", said
    )


def test_one_file_runs_from_disk(chromium, tmp_path):
    """In a browser of its own, whose page tells the shared one's server what it found."""
    with wg.device("numpy"):
        path = wg.export.html(nn.Linear(2, 1), (np.ones((3, 2), "f4"),), tmp_path / "line.html")
    asking = f"""<script type="module">
        const error = () => document.getElementById("error").textContent;
        while (!globalThis.wgrad && !error()) await new Promise((go) => setTimeout(go, 20));
        const value = error() || (await globalThis.wgrad.selftest()).ok;
        const told = {{ method: "POST", mode: "no-cors", body: JSON.stringify({{ value }}) }};
        await fetch("{chromium.url}told", told);
        </script>"""
    path.write_text(path.read_text(encoding="utf-8") + asking, encoding="utf-8")
    with opened(program(), path.as_uri()):
        assert chromium.told(60) is True


def test_one_file_has_it_all(chromium, tmp_path):
    with wg.device("numpy"):
        model = nn.Linear(2, 1)
        path = wg.export.html(
            model, (np.ones((3, 2), "f4"),), tmp_path / "line.html", title="</script><b>A line"
        )
    html = path.read_text(encoding="utf-8")
    assert "</script><b>" not in html and not re.search(r"https?://", html)  # it asks nobody
    out, title, test = chromium.run(
        """const frame = document.createElement("iframe");
        frame.src = given.url + "line.html";
        document.body.append(frame);
        for (;;) {
          await new Promise((go) => setTimeout(go, 20));
          const m = frame.contentWindow.wgrad;
          if (!m) continue;
          const { out } = await m.run({x: [1, 2, 3, 4, 5, 6]});
          return [Array.from(out), frame.contentDocument.title, await m.selftest()];
        }""",
        url=chromium.serve(tmp_path, "line"),
    )
    with wg.device("numpy"):
        expected = model(wg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).numpy().ravel()
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    assert title == "</script><b>A line" and test["ok"]


def test_the_module_is_small():
    script = Path(wg.export.__file__).parent / "page" / "wgrad.js"
    text = script.read_text(encoding="utf-8")
    assert len(text.encode()) < 20_000 and "innerHTML" not in text and "import(" not in text
    assert max(map(len, text.splitlines())) <= 130


def test_nan_and_infinities_are_numpys(chromium, tmp_path):
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, -1e38, 3.0, -2.5], "f4")

    def special(x):
        y = wg.flip(x, 0)
        inf = float("inf")
        return {
            "isnan": wg.isnan(x), "isinf": wg.isinf(x), "same": x == x,
            "larger": wg.maximum(x, y), "smaller": wg.minimum(x, y), "relu": wg.relu(x),
            "log": wg.log(x), "quotient": x / y, "overflow": x * 3e38, "power": x**3.0,
            "infinite": wg.where(x > 0, inf, x), "no": wg.where(x > 0, inf - inf, x),
            "clipped": wg.clip(x, -inf, 2.0), "most": x[1:].max(), "softmax": wg.softmax(x[3:]),
            "constant": wg.full((9,), -inf) + x,
        }  # fmt: skip

    with wg.device("numpy"):
        folder = wg.export.web(special, (values,), tmp_path / "page")
        expected = {k: v.numpy() for k, v in special(wg.tensor(values)).items()}
    url = chromium.serve(folder, "nan")
    out = chromium.run(f"{LOAD} return await m.run({{x: given.x}});", url=url, x=values)
    for name, wanted in expected.items():
        found = out[name]
        if isinstance(found, bytes):
            found = np.frombuffer(found, np.bool_)
        np.testing.assert_allclose(found, wanted.ravel(), rtol=1e-5, err_msg=name)
