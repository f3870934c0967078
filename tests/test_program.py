"""Reading a program: scopes, definitions, values from outside."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import plan, problems, rates

import lrdsl
from lrdsl.diagnostics import CODES
from lrdsl.source import SourceText


def same(one: str, two: str, **more: Any) -> None:
    assert np.array_equal(rates(one, 20, 10, **more), rates(two, 20, 10, **more))


# -- files -------------------------------------------------------------------------------------


def test_a_bare_schedule_sets_the_rate() -> None:
    assert lrdsl.loads("0.1").targets == ("lr",)
    assert lrdsl.loads("train 5 epochs\n0.1").targets == ("lr",)
    assert lrdsl.loads("0.1 train 5 epochs").targets == ("lr",)


def test_statements_come_in_any_order_of_kinds() -> None:
    text = "momentum = 0.9\nlet p = 0.1\nlr = f(p)\ntrain 5 epochs"
    program = lrdsl.loads("def f(x) = x\n" + text)
    assert program.targets == ("momentum", "lr")
    assert program.train is not None
    assert (program.train.epochs, program.train.steps_per_epoch) == (5, None)


def test_a_file_is_read_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "decay.lrs"
    path.write_bytes("\ufefflr = 0.1\r\n# done\r\n".encode())
    assert lrdsl.load(path).plan(epochs=1, steps_per_epoch=1).values() == [0.1]
    path.write_text("lr = oops")
    with pytest.raises(lrdsl.LrsError, match=r"decay\.lrs"):
        lrdsl.load(path)


@pytest.mark.parametrize(
    ("read", "given", "words"),
    [
        (
            lrdsl.loads,
            3,
            'the text of a schedule is needed, not 3: a constant rate is written "3"',
        ),
        (
            lrdsl.loads,
            Path("decay.lrs"),
            "the text of a schedule is needed, not a path: `lrdsl.load('decay.lrs')` reads the "
            "file",
        ),
        (lrdsl.loads, None, "the text of a schedule is needed, not None"),
        (lrdsl.loads, ["0.1"] * 99, "the text of a schedule is needed, not a `list`"),
        (
            lrdsl.load,
            0.1,
            "the path of an `.lrs` file is needed, not 0.1; a constant rate is a text, "
            '`lrdsl.loads("0.1")`',
        ),
        (lrdsl.load, True, "the path of an `.lrs` file is needed, not True"),
    ],
)
def test_what_is_no_text_or_path_is_told_what_to_give(
    read: Any, given: Any, words: str
) -> None:
    with pytest.raises(TypeError) as caught:
        read(given)
    assert str(caught.value) == words


def test_a_program_and_a_plan_are_shown_in_one_short_line() -> None:
    program = lrdsl.loads("cosine(max=0.1) for 5 snapshot repeat\ntrain 20 epochs of 3 steps")
    assert repr(program) == "<Program <text>: lr; 20 epochs of 3 steps>"
    assert repr(program.plan()) == (
        "<Plan: 20 epochs of 3 steps = 60 steps; lr, 1 segment, 4 snapshots>"
    )
    reacting = lrdsl.loads("lr = plateau(from=0.1, monitor=loss, patience=1)\nmomentum = 0.9")
    assert repr(reacting) == "<Program <text>: lr, momentum>"
    plan = reacting.plan(epochs=9).replay([{"loss": 1.0}] * 2)
    assert repr(plan) == "<Plan: 9 epochs; lr, momentum, 2 segments, 1 event>"
    many = "\n".join(f"target_{number} = 1" for number in range(99))
    assert repr(lrdsl.loads(many)) == ("<Program <text>: target_0, target_1, target_2, …>")
    assert repr(lrdsl.loads("train 70 steps\n0.1")) == "<Program <text>: lr; 70 steps>"


# -- let ---------------------------------------------------------------------------------------


def test_a_let_is_a_number_or_a_time() -> None:
    same("let a = 2 ^ -3 lr = a", "0.125")
    same("let t = 2 * 3 epochs + 5 steps lr = 1 until t then 2", "1 until 6.5 then 2")
    same("let t = 30% - 1 lr = 1 until t then 2", "1 until 5 then 2")
    same("let n = 3 lr = 1 until n * 1 epoch then 2", "1 until 3 then 2")


SIXTY = range(1, 61)


def test_lets_of_lets_of_lets_cost_nothing() -> None:
    doubled = "let a0 = 1\n" + "".join(
        f"let a{i} = a{i - 1} + a{i - 1}\n" for i in range(1, 61)
    )
    assert float(plan(doubled + "lr = 1 / a60", 1, 1).values(0)) == 2.0**-60
    times = "let t0 = 1e-20%\n" + "".join(
        f"let t{i} = t{i - 1} + t{i - 1}\n" for i in range(1, 61)
    )
    made = plan(times + "lr = 1 until 50% + t60 then 2", 100, 1)
    assert made.segments[1].start == 50 + Fraction(2**60, 10**20)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.05, 0.05),
        (1, 1.0),
        ("1e-2", 0.01),
        ("2 * 0.1", 0.2),
        (Fraction(1, 3), 1 / 3),
        (np.float64(0.05), 0.05),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (1e-7, 1e-7),
    ],
)
def test_a_let_is_set_from_outside(value: Any, expected: float) -> None:
    program = lrdsl.loads("let peak = 0.1\nlr = peak", peak=value)
    assert float(program.plan(epochs=1, steps_per_epoch=1).values(0)) == expected


def test_a_float_from_outside_is_its_shortest_decimal() -> None:
    program = lrdsl.loads("let t = 1\nlr = 1 until t then 2", t=0.1)
    assert program.plan(epochs=1, steps_per_epoch=10).segments[1].start == Fraction(1, 10)
    assert program.lets == {"t": "0.1"}
    assert program.text == "let t = 0.1\nlr = 1 until t then 2\n"


def test_a_time_from_outside_is_text() -> None:
    program = lrdsl.loads("let t = 1 lr = 1 until t then 2", t="5%")
    assert program.plan(epochs=100).segments[1].start == 5


def test_a_value_from_outside_stays_apart_from_what_follows() -> None:
    assert lrdsl.loads("let p = (1)lr = p", p=2).text == "let p = 2\nlr = p\n"


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        ({"pek": 1}, "LRS207", "the file has no `let pek` to set"),
        ({"peak": "1 let b = 2"}, "LRS102", "`peak=` takes one value"),
        ({"peak": "1 2"}, "LRS110", "a schedule without a target beside other statements"),
        ({"peak": ")"}, "LRS106", "`)` closes nothing"),
        ({"peak": "oops"}, "LRS201", "`oops` is not defined"),
        ({"peak": float("nan")}, "LRS201", "`nan` is not defined"),
        ({"peak": "epoch"}, "LRS402", "`peak` is not a number or a time"),
    ],
)
def test_a_value_from_outside_that_is_none(
    values: dict[str, Any], code: str, message: str
) -> None:
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.loads("let peak = 0.1\nlr = peak", **values)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [(code, message)]


# -- def ---------------------------------------------------------------------------------------


def test_arguments_are_substituted_schedules_too() -> None:
    same("def twice(x) = 2 * x\nlr = twice(epoch + 1)", "2 * (epoch + 1)")
    same(
        "def hold(v, d=5) = v for d then 9\nlr = hold(cosine(max=1))",
        "(cosine(max=1) for 5 then 9)",
    )
    same("def f(x) = 1 until 10 then x\nlr = f(elapsed)", "1 until 10 then elapsed")


def test_defaults_see_the_parameters_before_them() -> None:
    same("def f(a, b=2 * a) = a + b\nlr = f(1)", "3")
    found = problems("def f(a=b, b=1) = a + b\nlr = f()")
    assert [d.message for d in found] == ["`b` is not defined"]


def test_parameters_shadow_lets_and_only_inside() -> None:
    same("let a = 1 def f(a) = a lr = f(5) + a", "6")
    same("let a = 1 def f(b) = a + b lr = f(b=a + 1)", "3")


def test_an_argument_keeps_the_meaning_of_its_names_at_the_call() -> None:
    same("let a = 1 def f(b) = b def g(a) = f(a) lr = g(7)", "7")
    same("def g(a) = a def f(a) = g(a + 1) lr = f(1)", "2")


def test_a_definition_sees_only_what_stands_above_it() -> None:
    text = "def f() = g()\ndef g() = 1\nlr = f()"
    assert [d.code for d in problems(text)] == ["LRS202"]
    assert [d.code for d in problems("def f(x) = f(x)\nlr = f(1)")] == ["LRS202"]


def test_a_mistake_in_a_function_that_is_called_often_is_reported_once() -> None:
    assert len(problems("def f(x) = oops + x\nlr = f(1) + f(2) + f(3)")) == 1


def test_a_mistake_that_the_prelude_passes_on_is_reported_once_at_the_argument() -> None:
    text = "lr = step(0.5, every=0, from=1)"
    (found,) = problems(text)
    assert found.primary is not None
    assert (found.primary.span.start, found.primary.span.end) == (21, 22)


def test_a_mistake_inside_the_prelude_is_shown_in_the_users_text() -> None:
    (found,) = problems("lr = step(0.5)", epochs=5)
    assert found.code == "LRS407"
    assert found.primary is not None
    assert (found.primary.span.start, found.primary.span.end) == (5, 14)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "def f0(x) = x + x\n"
            + "\n".join(f"def f{i}(x) = f{i - 1}(f{i - 1}(x))" for i in range(1, 40))
            + "\nlr = f39(1)",
            id="functions that double",
        ),
        pytest.param(
            "def f0(x) = x\n"
            + "\n".join(f"def f{i}(x) = f{i - 1}(x)" for i in range(1, 500))
            + "\nlr = f499(1)",
            id="functions of functions",
        ),
        pytest.param(
            f"def f({', '.join(f'a{i}=1' for i in range(200))}) = a0 lr = 1", id="parameters"
        ),
    ],
)
def test_what_expands_too_far_is_over_a_limit(text: str) -> None:
    assert {d.code for d in problems(text)} == {"LRS107"}


# -- problems ----------------------------------------------------------------------------------


def test_all_problems_of_a_stage_are_reported_in_order() -> None:
    found = problems("let a = oops\nlr = cosin(max=1) then 5 epochs\nepoch = 3")
    assert [d.code for d in found] == ["LRS201", "LRS202", "LRS401", "LRS206"]


def test_not_more_than_a_hundred_are_reported() -> None:
    assert len(problems(" + ".join(f"x{i}" for i in range(5000)))) == 100
    assert len(problems("cosine(" + ", ".join(f"x{i}=1" for i in range(5000)) + ")")) == 100
    lets = "".join(f"let x{i} = 1\n" for i in range(500))
    assert [d.code for d in problems(lets + "lr = 1")] == ["LRS501"] * 100
    assert [d.code for d in problems(lets + "lr = oops") if d.severity == "error"] == ["LRS201"]


def test_diagnose_plans_what_says_how_long_it_trains() -> None:
    def codes(text: str) -> list[str]:
        return [d.code for d in lrdsl.diagnose(SourceText(text))]

    assert codes("0.1 - epoch") == []
    assert codes("train 5 epochs\n0.1 - epoch") == ["LRS404"]
    assert codes("train 5 epochs\ncosine() until 10 steps then 1") == []  # for the fit to know
    assert codes("train 5 epochs\n0.1 until 7 then 0.2") == ["LRS302"]
    assert codes("let a = 1\ntrain 5 epochs\n0.1") == ["LRS110"]
    assert codes("train 9 epochs\ncosine(max=1) for 5 repeat snapshot") == ["LRS502"]
    assert codes(")") == ["LRS106"]


def test_an_error_is_readable_as_text() -> None:
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.loads("lr = oops")
    assert "error[LRS201]: `oops` is not defined" in str(caught.value)
    assert "^^^^" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_reactive_says_where() -> None:
    program = lrdsl.loads("lr = 0.1 until 5 or val_loss < 3 then stop")
    assert program.reactive is not None
    assert program.source.slice(program.reactive) == "val_loss < 3"
    assert lrdsl.loads("0.1 until 5 or 30% then 1").reactive is None


def test_every_code_of_the_core_has_a_case() -> None:
    from analysis import test_problems as names
    from planning import test_problems as times
    from syntax import test_errors as texts

    seen = {case[2] for table in (names.CASES, times.CASES, texts.CASES) for case in table}
    elsewhere = {"LRS207", "LRS112"}  # above; in `test_metric_log.py`
    of_the_fit = {"LRS601", "LRS602", "LRS603", "LRS604", "LRS605", "LRS606"}
    assert set(CODES) - seen == elsewhere | of_the_fit
