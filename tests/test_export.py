"""A written module gives the plan's values to the bit, where there is no lrdsl."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from asking import plan

import lrdsl
from lrdsl.export import module_text

ALONE = """
import sys
sys.modules["lrdsl"] = None
import numpy as np, schedule
np.save("out.npy", schedule.rates())
np.save("some.npy", schedule.rates([[5, 3], [7, 7]]))
assert schedule.rates(4).shape == ()
try:
    schedule.rates(10**9)
except IndexError:
    pass
else:
    raise SystemExit("no IndexError")
assert not hasattr(schedule, "owned")
open("text.lrs", "w", encoding="utf-8", newline="").write(schedule.TEXT)
"""

TEXTS = [
    "cosine(max=0.1, cycles=3) snapshot",
    "warmup(5) then (1 + cycle until 2 then linear(to=0.1) until 6) repeat then 0.1",
    "cosine(max=0.1) for 3 repeat stretch 1.5 scale 0.9",
    "0.1 / 3 * epoch / 7 + 0.05 * (1 + noise(seed=4)) + floor(mod(step, 7) / 3)",
    "(exp(0.1, from=1) by epoch) for 7 repeat 2 then poly(2, to=0.01)",
    "linear(from=1 + cycle, to=next) for 5 repeat",
    "inverse(0.1, power=0.5, from=1) until 33.3% then decay(0.9) until 50% then exp(to=1e-9)",
]


def alone(made: lrdsl.Plan, folder: Path) -> None:
    (folder / "schedule.py").write_text(module_text(made), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", TEXTS)
def test_values_are_the_plans_to_the_bit(text: str, tmp_path: Path) -> None:
    made = plan(text.replace("repeat then", "repeat 4 then"), 30, 11)
    alone(made, tmp_path)
    assert np.array_equal(np.load(tmp_path / "out.npy"), made.values())
    assert np.array_equal(np.load(tmp_path / "some.npy"), made.values([[5, 3], [7, 7]]))


@pytest.mark.parametrize(
    "comment",
    [
        '""" + str(globals().__setitem__("owned", 1)) + """',
        "' \" \\ \\n \\\" ''' owned = 1",
        "\U0001f600 \u2028 é \\u0041",
        "{0} %s {owned}",
    ],
)
def test_text_never_becomes_code(comment: str, tmp_path: Path) -> None:
    made = plan(f"0.1 # {comment}\nuntil 5 then 0.2 # owned = 1", 10, 2)
    alone(made, tmp_path)
    assert (tmp_path / "text.lrs").read_text(encoding="utf-8") == made.program.text
    assert comment in made.program.text


def test_a_plan_without_steps_is_refused() -> None:
    with pytest.raises(lrdsl.LrsError, match="steps"):
        module_text(plan("0.1", 10))


def test_a_schedule_that_reacts_to_metrics_is_refused_with_the_way_out() -> None:
    made = plan("0.1 until stalled(loss, patience=2) then 0.01", 10, 2)
    for one in (made, made.replay([{"loss": 1.0}] * 10)):
        with pytest.raises(lrdsl.LrsError) as caught:
            module_text(one)
        (problem,) = caught.value.diagnostics
        assert problem.code == "LRS410"
        assert problem.message == "a module of its own cannot react to metrics"
        assert problem.primary is not None
        assert made.program.source.slice(problem.primary.span) == "stalled(loss, patience=2)"
        assert problem.help is not None
        assert "train by `lrdsl.compile(…)` or `lrdsl train`" in problem.help
