"""The page of the benchmarks computes what Python does, by the exported step and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import report
from benchmarks.web import run, steps
from benchmarks.web.run import Outcome, Run

SMALL = (
    steps.mlp((12, 8, 10), 4),
    steps.cnn(batch=2, size=4, channels=4),
    steps.attention(batch=1, length=5, width=8, lr=0.3),
)
BOTH = """
const losses = {};
for (const name of ["wgrad", "byhand"]) {
  const { make } = await import(`${given.page}peers/${name}.js`);
  const made = await make({ folder: given.folder });
  losses[name] = [];
  for (let i = 0; i < 3; i++) {
    await made.step(given.x, given.y);
    losses[name].push(await made.loss());
  }
  made.dispose();
}
return losses;
"""


@pytest.mark.parametrize("step", SMALL, ids=lambda step: step.name)
def test_losses_of_a_step_fall(step):
    losses = step.losses()
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_exported_step_and_the_same_by_hand_train_alike(chromium, tmp_path):
    step = SMALL[0]
    step.export(tmp_path / "mlp")
    page = chromium.serve(run.HERE, "page")
    folder = chromium.serve(tmp_path / "mlp", "peers-mlp")
    losses = chromium.run(BOTH, page=page, folder=folder, x=step.x.ravel(), y=step.y)
    np.testing.assert_allclose(losses["wgrad"], step.losses()[:3], rtol=1e-4)
    assert losses["byhand"] == losses["wgrad"]


def test_table_says_what_was_met_and_who_computes_something_else():
    step = SMALL[0]
    wanted = step.losses()
    about = dict.fromkeys(("exported", "by hand", "a", "b", "c"), "version 1") | {"c": "absent: no"}

    def row(first, time, losses=wanted):
        return {"first": first, "reading": [time, time], "running": [time / 2], "losses": losses}

    rows = {
        "exported": row(30.0, 12.0),
        "by hand": row(30.0, 9.0),
        "a": row(10.0, 18.0),
        "b": row(30.0, 1.0, [x + 0.1 for x in wanted]),
    }
    outcomes = run._outcomes(step, rows, about)
    told = run.lines(Run({}, outcomes))
    assert told[0][2:7] == ("30", "12.00", "", "6.00", "") and told[0][-1] == ""
    assert told[1][4:] == ("0.75", "4.50", "0.75", "at most 1.2 x slower: MISSED")
    assert told[2][-1] == "ahead: met; first step within 1.5: MISSED"
    assert told[3][-1].startswith("absent: it computes something else: losses ")
    assert told[4][-1] == "absent: no"
    about = {"contenders": about, "agent": "Mozilla/5.0 HeadlessChrome/1.0", "adapter": "soft"}
    text = run.markdown(Run(about, [Outcome(step, "exported", absent="x")]))
    assert "HeadlessChrome 1.0, soft; version 1" in text and report.RESULTS.name == "RESULTS.md"
