from __future__ import annotations

import re
from collections.abc import Callable

import drawn_plans as plans
import pytest

import lrdsl
from lrdsl.preview import NARROWEST, drawing, preview
from lrdsl.program import make_program
from lrdsl.render import display_width
from lrdsl.source import SourceText

WIDTHS = (40, 80, 200)
ESCAPE_CODE = re.compile(r"\x1b\[[0-9;]*m")


def shown(name: str, width: int = 80, *, unicode: bool = True) -> str:
    return preview(plans.plan(name), width, unicode=unicode, colour=False)


@pytest.mark.parametrize("name", plans.ALL)
def test_preview_is_as_it_was_agreed_to(name: str, golden: Callable[[str, str], None]) -> None:
    plan = plans.plan(name)
    parts = [
        f"=== {width} columns{'' if unicode else ', ASCII'}\n"
        + preview(plan, width, unicode=unicode, colour=False)
        for width, unicode in ((40, True), (80, True), (200, True), (80, False))
    ]
    golden(f"preview/{name}.txt", "\n\n".join(parts) + "\n")


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [1, NARROWEST, 21, 27, *WIDTHS])
@pytest.mark.parametrize("name", plans.ALL)
def test_no_line_is_wider_than_the_terminal(name: str, width: int, unicode: bool) -> None:
    lines = shown(name, width, unicode=unicode).split("\n")
    assert max(map(display_width, lines)) <= max(width, NARROWEST)
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("name", plans.ALL)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    plan = plans.plan(name)
    for unicode in (True, False):
        plain = preview(plan, 80, unicode=unicode, colour=False)
        coloured = preview(plan, 80, unicode=unicode, colour=True)
        assert "\x1b" not in plain
        assert "\x1b[" in coloured
        assert ESCAPE_CODE.sub("", coloured) == plain


@pytest.mark.parametrize("name", plans.ALL)
def test_without_unicode_there_is_only_ascii(name: str) -> None:
    assert shown(name, unicode=False).isascii()


@pytest.mark.parametrize("name", plans.ALL)
def test_a_drawing_is_the_curve_of_the_preview_and_nothing_else(name: str) -> None:
    text = drawing(plans.plan(name), 80, unicode=True, colour=False)
    assert text.startswith("lr")
    before, _, after = shown(name).partition(f"\n\n{text}\n\n")
    assert "\n" not in before
    assert after.startswith(("first  ", "if "))


def test_a_wide_range_is_shown_on_a_log_scale_that_says_so() -> None:
    assert "lr, log scale" in shown("five-decades")
    assert "log scale" not in shown("one-segment")


def test_every_target_has_a_curve_and_a_table_of_its_own() -> None:
    text = shown("two-targets")
    assert "\nlr\n" in text
    assert "\nmomentum\n" in text
    assert text.count("2 segments (epochs)") == 2


def test_first_peak_and_last_are_the_values_of_steps_that_run() -> None:
    plan = plans.plan("three-segments")
    last = float(plan.values()[-1])
    lines = shown("three-segments").split("\n")
    assert "first  0" in lines
    assert "peak   0.1       at epoch 5, step 1,950" in lines
    assert f"last   {last:.3e}".replace("e-0", "e-") in lines


def test_snapshots_are_listed_with_their_epoch_and_rate() -> None:
    plan = plans.plan("snapshots")
    text = shown("snapshots")
    assert "3 snapshots" in text
    for snapshot, epoch in zip(plan.snapshots, (20, 40, 60), strict=True):
        assert re.search(rf"◆ {snapshot.index}  epoch {epoch}  rate [0-9.]+e-", text)


def test_a_snapshot_is_listed_with_the_epochs_done_when_it_is_saved() -> None:
    text = shown("cycles-between-steps")
    assert re.search(
        r"◆ 1  epoch 3\.4  rate .*\n◆ 2  epoch 6\.7  rate .*\n◆ 3  epoch 10 ", text
    )


def test_values_that_lie_close_together_are_told_apart() -> None:
    text = shown("nearly-constant")
    assert re.search(r"first  0\.1\npeak   0\.10001  at .*\nlast   0\.10001\n", text)


def test_a_name_from_outside_cannot_write_escape_codes() -> None:
    plan = make_program(SourceText("0.1", "\x1b[2J.lrs")).plan(epochs=10, steps_per_epoch=2)
    text = preview(plan, 80, unicode=True, colour=False)
    assert text.startswith("\\x1b[2J.lrs")


def test_hundreds_of_segments_are_listed_in_part() -> None:
    text = "0.1 until 1" + "".join(f" then 0.{i % 9 + 1} until {i}" for i in range(2, 301))
    plan = lrdsl.loads(text).plan(epochs=300, steps_per_epoch=2)
    shown = preview(plan, 80, unicode=True, colour=False)
    assert "300 segments" in shown
    assert "… 276 more" in shown
    assert shown.count("\n") < 60


def test_what_may_happen_lies_between_two_curves_that_are_named() -> None:
    text = shown("plateau")
    assert (
        "⠤ if val_loss never stalls   ∙ if val_loss stalls from the start   ░ between" in text
    )
    chart = [line for line in text.split("\n")[3:15] if "┤" in line or "│" in line]
    right = "".join(line.ljust(80)[79] for line in chart)
    assert re.fullmatch("⠉░+∙", right)
    # Nothing has happened in the first epochs, whatever the metrics do.
    assert not any(mark in line[7:11] for line in chart for mark in "░∙")


def test_a_ramp_that_no_metric_can_change_has_nothing_between() -> None:
    program = lrdsl.loads("warmup(2) then plateau(from=0.05, patience=2, factor=0.5)")
    text = preview(program.plan(epochs=12, steps_per_epoch=3), 80, unicode=True, colour=False)
    chart = [line for line in text.split("\n")[3:15] if "┤" in line or "│" in line]
    assert any("░" in line for line in chart)
    assert not any("░" in line[:19] for line in chart)


def test_each_way_that_a_training_may_go_has_its_first_peak_and_last_value() -> None:
    earliest, never = shown("plateau").split("\nif ")[1:]
    assert earliest.startswith("val_loss stalls from the start\nfirst  0.1\n")
    assert f"last   {0.1 * 0.5**19:.3e}".replace("e-0", "e-") in earliest
    assert "19 cuts, at epochs 6, 11, 16, 21, …, 96" in earliest
    assert never.startswith("val_loss never stalls\nfirst  0.1\n")
    assert "last   0.1" in never
    assert "The last moment for a cut is epoch 99." in never


def test_a_training_too_long_to_work_out_says_so() -> None:
    text = shown("too-long")
    assert "What else may happen is not worked\nout for more than 2,000 epochs." in text
    assert "░" not in text


def test_a_training_in_which_no_metric_can_do_anything_says_so() -> None:
    assert "no metric can change anything" in shown("nothing-can-happen")
    assert "no metric" not in shown("plateau")


def test_events_stand_over_the_curve_and_are_told_with_their_cause() -> None:
    lines = shown("replayed-to-a-stop").split("\n")
    assert lines[0].endswith("24 of 60 epochs = 552 steps, then stop")
    assert re.fullmatch(r" +1 +2,3", lines[3])
    at = lines.index("3 events (epoch)")
    assert lines[at + 1] == "1  11  switch  0.001 → 0.001"
    assert re.fullmatch(r"  val_loss no better than 0.44 .* in 5 observations", lines[at + 2])
    assert lines[at + 3] == "2  24  switch  2.725e-4 → 2.725e-4  val_loss 0.04 < 0.05"
    assert lines[at + 4] == "3  24  stop    2.725e-4             line 3: stop"


def test_where_the_log_ends_before_the_training_the_rest_is_shown_as_open() -> None:
    text = shown("replayed-in-part")
    said = "not settled from epoch 25 on: drawn as if nothing happened after the log ends"
    assert said in text
    assert "not settled" not in shown("replayed-plateau")
    last = next(line for line in text.split("\n") if "⠤ ⠤ ⠤" in line or "⣀ ⣀ ⣀" in line)
    assert last.startswith(("  ", "0"))


def test_many_events_are_marked_without_numbers_and_listed_in_part() -> None:
    text = shown("replayed-many")
    assert "▼▼" in text
    assert "▼ event" in text
    assert re.search(r"\n… \d+ more\n", text)


def test_a_way_that_ends_with_an_error_is_told() -> None:
    text = "lr = 0.1 until stalled(loss, patience=2) then 0.1 - 0.02 * elapsed"
    plan = lrdsl.loads(text).plan(epochs=10, steps_per_epoch=2)
    lines = preview(plan, 200, unicode=True, colour=False).split("\n")
    assert lines[-1] == (
        "If loss stalls from the start, training ends with an error: the rate is negative at "
        "step 17 (epoch 8.5)."
    )
