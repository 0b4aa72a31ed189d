"""wg.kernel.validate asks every judge at hand, and maps what each says to the person's file."""

from __future__ import annotations

import json

import pytest

import wgrad as wg
from wgrad.kernel.language import Source
from wgrad.kernel.validation import browser, chromium, dawn, naga

RIGHT = "fn f(x: f32) -> f32 { return x; }"
WRONG = "fn f(x: f32) -> f32 {\n /* é𝒳 */ return x + y; }"
UNEVEN = """@group(0) @binding(0) var<storage, read_write> a: array<f32>;
@compute @workgroup_size(2)
fn main(@builtin(local_invocation_id) id: vec3u) {
    if (id.x > 0u) { workgroupBarrier(); }
    a[0] = 1.0;
}"""


def test_right_text_is_accepted(webgpu):
    report = wg.kernel.validate(RIGHT, ["wgrad", "naga"])
    assert report.ok and [x.judge for x in report.judgements] == ["wgrad", "naga"]
    assert "naga: accepts" in str(report)
    assert wg.kernel.elementwise(RIGHT)(wg.ones(2)).tolist() == [1.0, 1.0]
    assert json.loads(report.to_json())["judgements"][1]["ok"] is True


def test_both_of_ours_name_the_place(webgpu):
    report = wg.kernel.validate(WRONG, ("wgrad", "naga"))
    assert not report.ok
    for judge in ("wgrad", "naga"):
        (message,) = report[judge].messages
        assert (message.line, message.column) == (2, 22)
        assert message.source_line == " /* é𝒳 */ return x + y; }"
        assert "y" in message.text
    caret = str(report).splitlines()[4]
    assert caret.strip() == "^"


def test_places_are_those_of_the_file_that_was_included(tmp_path, webgpu):
    (tmp_path / "part.wgsl").write_text("fn g() -> f32 {\n    return missing;\n}\n")
    (tmp_path / "whole.wgsl").write_text('#include "part.wgsl"\nfn f() -> f32 { return g(); }\n')
    report = wg.kernel.validate(tmp_path / "whole.wgsl", ["wgrad", "naga"])
    for message in report.messages:
        assert message.file.endswith("part.wgsl") and (message.line, message.column) == (2, 12)
    assert len(report.messages) == 2


def test_what_cannot_be_parsed_is_not_shown_to_compilers(webgpu):
    report = wg.kernel.validate(f"fn f() -> i32 {{ return {'(' * 3000}1{')' * 3000}; }}")
    assert not report.ok
    assert [x.absent for x in report.judgements[1:]] == ["the text cannot be parsed"] * 3


def test_directive_of_subgroups_is_hidden_from_naga(webgpu):
    text = "enable subgroups; fn f(x: f32) -> f32 { return subgroupAdd(x); }"
    assert wg.kernel.validate(text, ["wgrad", "naga"]).ok


@pytest.mark.parametrize("judge", [browser.judge, dawn.judge])
def test_tint_sees_what_naga_does_not(judge):
    found = judge(Source(UNEVEN))
    if found.absent:
        pytest.skip(found.absent)
    message = found.messages[0]
    assert not found.ok and (message.line, message.column) == (4, 22)
    assert "uniform control flow" in message.text
    assert all(x.severity == "info" and x.line for x in found.messages[1:])
    if judge is dawn.judge:
        assert judge(Source(RIGHT)).ok
        (message,) = judge(Source(WRONG)).messages
        assert (message.line, message.column) == (2, 22)


def test_columns_of_browsers_count_units_of_two_bytes(monkeypatch):
    said = {"text": "unresolved value", "severity": "error", "line": 2, "column": 23}
    answer = {"agent": "Mozilla/5.0 Chrome/156.0", "messages": [said]}
    monkeypatch.setattr(browser, "_asked", lambda program, text: answer)
    monkeypatch.setattr(chromium.shutil, "which", lambda name: f"/bin/{name}")
    (message,) = browser.judge(Source(WRONG)).messages
    assert message.column == 22
    said["text"] = "extension 'f16' is not allowed in the current environment"
    assert browser.judge(Source(WRONG)).absent.startswith("/bin/chromium: extension 'f16'")


def test_judges_that_are_not_there_say_what_is_needed(monkeypatch):
    monkeypatch.setattr(chromium.shutil, "which", lambda name: None)
    monkeypatch.setattr(dawn.importlib.util, "find_spec", lambda name: None)

    def none(name):
        raise wg.errors.DeviceError("no adapter was found")

    monkeypatch.setattr(naga, "device_of", none)
    report = wg.kernel.validate(RIGHT)
    assert report.ok
    words = [x.absent for x in report.judgements]
    assert words[1] == "no adapter was found" and "on the PATH" in words[2]
    assert "install wgpudawn" in words[3] and "tint: not asked: none of" in str(report)


def test_bad_arguments_are_errors_of_ours(tmp_path):
    with pytest.raises(wg.errors.ArgumentError, match="no judge 'gcc'; there are wgrad, naga"):
        wg.kernel.validate(RIGHT, ["gcc"])
    with pytest.raises(wg.errors.WgradError, match=r"nowhere\.wgsl"):
        wg.kernel.validate(tmp_path / "nowhere.wgsl")
    with pytest.raises(wg.errors.WgradError):
        wg.kernel.validate(3)
