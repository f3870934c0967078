"""Several curves in the terminal, where two differ, and a run over its plan."""

from __future__ import annotations

import re
from collections.abc import Callable

import compared_plans as plans
import pytest
from plotting.test_several import replayed
from terminal_sizes import everywhere

from lrdsl.comparison import compare_plans
from lrdsl.render import display_width
from lrdsl.terminal.differences import in_words
from lrdsl.terminal.overlay import several
from lrdsl.terminal.run import run_in_words
from lrdsl.together import Together

ESCAPE_CODE = re.compile(r"\x1b\[[0-9;]*m")
DRAWN: dict[str, Callable[[int, bool, bool], str]] = {
    **{
        f"several-{name}": lambda width, unicode, colour, make=make: several(
            make(), width, unicode=unicode, colour=colour
        )
        for name, make in plans.ALL.items()
    },
    "run-that-differs": lambda width, unicode, colour: run_in_words(
        replayed(), width, unicode=unicode, colour=colour
    ),
    "run-that-agrees": lambda width, unicode, colour: run_in_words(
        replayed(patience=3), width, unicode=unicode, colour=colour
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_curves_are_drawn_as_was_agreed_to(
    name: str, golden: Callable[[str, str], None]
) -> None:
    draw = DRAWN[name]
    golden(f"overlay/{name}.txt", everywhere(lambda w, unicode: draw(w, unicode, False)))


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [20, 27, 40, 80, 200])
@pytest.mark.parametrize("name", DRAWN)
def test_no_line_is_wider_than_the_terminal(name: str, width: int, unicode: bool) -> None:
    text = DRAWN[name](width, unicode, False)
    assert max(map(display_width, text.split("\n"))) <= width
    assert unicode or text.isascii()


@pytest.mark.parametrize("name", DRAWN)
def test_colour_changes_nothing_but_colour(name: str) -> None:
    coloured = DRAWN[name](80, True, True)
    assert "\x1b[" in coloured
    assert ESCAPE_CODE.sub("", coloured) == DRAWN[name](80, True, False)


def test_every_curve_that_can_be_told_apart_has_its_letter_on_it() -> None:
    chart = DRAWN["several-values"](80, True, False).partition("A peak")[0]
    assert all(chart.count(letter) >= 2 for letter in "ABC")


def test_a_curve_that_ends_before_the_others_is_not_drawn_on() -> None:
    chart = DRAWN["several-lengths"](80, True, False).split("└")[0].split("\n")
    rows = [line[8:] for line in chart if "│" in line or "┤" in line]
    # The short one falls to the floor at a third of the time, and the long one at its end.
    floor = rows[-1].ljust(72)
    assert floor[:26].strip()
    assert not floor[28:60].strip()
    assert floor[66:].strip()


def compared(shown: Together, width: int = 80) -> list[str]:
    one, other = zip(shown.names, shown.plans, strict=True)
    return in_words(compare_plans(*shown.plans), one, other, width)


def pair(*texts: str, **horizon: int) -> Together:
    horizon = horizon or {"epochs": 10, "steps_per_epoch": 7}
    made = [plans.plan(text, **horizon) for text in texts]
    return plans.together(["a.lrs", "b.lrs"], made)


def test_a_difference_is_told_from_step_to_step_with_how_much() -> None:
    assert compared(pair("0.1 until 6 then 0.05", "0.1 until 4 then 0.05"), 200) == [
        "lr differs at 14 of 70 steps",
        "  steps 28 to 41 (epochs 4 to 5.857): furthest apart at step 28, 0.1 → 0.05 (-50%)",
    ]
    assert compared(pair("0.1", "0.1 until 1 steps then 0.1"), 200) == [
        "lr is the same at all 70 steps"
    ]
    assert "  step 0 (epoch 0): 0.1 → 2 (+19×)" in compared(
        pair("0.1", "2 until 1 steps then 0.1"), 200
    )


def test_what_rounds_to_the_same_digits_is_told_with_more_of_them() -> None:
    (_, line) = compared(pair("0.1", "0.1000001"), 200)
    assert "0.1 → 0.1000001" in line


def test_lengths_targets_and_snapshots_that_differ_are_told() -> None:
    longer = plans.plan("lr = 0.1  momentum = 0.9", epochs=12, steps_per_epoch=7)
    shorter = plans.plan("lr = cosine(max=0.1) snapshot", epochs=10, steps_per_epoch=7)
    lines = compared(plans.together(["a", "b"], [longer, shorter]), 200)
    assert lines[:3] == [
        "a trains 12 epochs of 7 steps = 84 steps",
        "b trains 10 epochs of 7 steps = 70 steps",
        "only a sets momentum",
    ]
    assert lines[-1] == "the snapshots differ: a has none, b has 1 (after 10)"


def test_many_ranges_are_listed_in_part() -> None:
    text = "0.1 + 0.05 * noise(seed={}, every=1 epoch)"
    lines = compared(pair(text.format(7), "0.1 by 2", epochs=60, steps_per_epoch=1), 200)
    assert len(lines) < 20
    other = "0 until 1" + "".join(f" then {i % 2} until {i + 1}" for i in range(1, 40))
    lines = compared(pair(other, "0", epochs=40, steps_per_epoch=1), 200)
    assert "  and 8 more ranges" in lines
    assert len(lines) == 14


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_words_fit_every_width(width: int) -> None:
    lines = compared(pair("cosine(max=0.1)", "0.1 until 6 then 0.05"), width)
    assert max(map(display_width, lines)) <= width
