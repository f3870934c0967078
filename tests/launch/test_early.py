from __future__ import annotations

import pytest

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.records import replace
from lrdsl.training.early import Early, Horizon, check_horizon, plan_early
from lrdsl.training.telling import forgotten


@pytest.mark.parametrize(
    ("text", "horizon"),
    [
        ("train 60 epochs of 45 steps\ncosine(max=0.1)", Horizon()),
        ("train 60 epochs\ncosine(max=0.1)", Horizon()),
        ("train 60 epochs\ncosine(max=0.1)", Horizon(steps_per_epoch=45)),
        ("train 1000 steps\ncosine(max=0.1)", Horizon()),
        ("cosine(max=0.1)", Horizon(epochs=60)),
        ("cosine()", Horizon(epochs=60, base=0.1)),
        ("0.1 until val_loss < 0.1 then 0.01", Horizon(epochs=60)),
        ("0.1 until 10 then stop", Horizon(epochs=60)),
    ],
)
def test_known_length_gives_a_plan(text: str, horizon: Horizon) -> None:
    early = plan_early(lrdsl.loads(text), horizon)
    assert early.plan is not None
    assert not early.in_units_of_base


@pytest.mark.parametrize(
    ("horizon", "message", "label", "repair"),
    [
        (
            Horizon(epochs=7),
            "`--epochs 7` and the `train` line disagree",
            "says 5 epochs",
            "leave `--epochs` out, or write `train 7 epochs`",
        ),
        (
            Horizon(epochs=5, steps_per_epoch=9),
            "`--steps-per-epoch 9` and the `train` line disagree",
            "says 10 steps",
            "leave `--steps-per-epoch` out, or write `of 9 steps`",
        ),
    ],
)
def test_option_that_contradicts_the_train_line_is_named(
    horizon: Horizon, message: str, label: str, repair: str
) -> None:
    with pytest.raises(LrsError) as caught:
        plan_early(lrdsl.loads("train 5 epochs of 10 steps\n0.1"), horizon)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message, found.help) == ("LRS309", message, repair)
    assert found.primary is not None
    assert found.primary.text == label


@pytest.mark.parametrize(
    ("text", "horizon", "missing"),
    [
        ("cosine(max=0.1)", Horizon(), "the length of the training"),
        ("0.1", Horizon(), "the length of the training"),
        ("cosine()", Horizon(), "the length of the training"),
        ("cosine(max=0.1)", Horizon(steps_per_epoch=9), "the length of the training"),
        ("lr = 0.1\nmomentum = base", Horizon(epochs=9), "the optimizer's own `momentum`"),
        (
            "0.1 until 500 steps then 0.01",
            Horizon(epochs=60),
            "the number of steps in an epoch",
        ),
    ],
)
def test_what_only_fit_knows_is_waited_for(text: str, horizon: Horizon, missing: str) -> None:
    early = plan_early(lrdsl.loads(text), horizon)
    assert early.plan is None
    assert early.why_not == missing


@pytest.mark.parametrize(
    ("curve", "is_multiple"),
    [
        ("plateau()", True),
        ("plateau(min=base * 1e-3)", True),
        ("plateau(min=1e-3)", False),  # where the metric stalls, though not where it does not
        ("const() until stalled(loss) then cosine()", True),
        ("const() until stalled(loss) then 1e-3", False),
        ("cosine()", True),
        ("base * 0.5", True),
        ("warmup(5) then cosine()", True),
        ("linear(to=1e-5)", False),
        ("base ^ 2", False),
        ("max(base, 0.5)", False),
        ("base - 0.5 * base", True),
        ("2 - base", False),  # below 0 for some bases
        ("base - 1.5", False),
    ],
)
def test_unknown_base_is_the_unit_of_a_curve_that_is_its_multiple(
    curve: str, is_multiple: bool
) -> None:
    early = plan_early(lrdsl.loads(f"train 60 epochs\n{curve}"), Horizon())
    assert early.in_units_of_base == is_multiple
    assert (early.plan is not None) == is_multiple
    if not is_multiple:
        assert early.why_not == "the optimizer's own rate (or `--base`)"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("train 90 epochs\ncosine(max=0.1)", "LRS309"),
        ("train 90 epochs\ncosine()", "LRS309"),
        ("0.1 - 0.01 * epoch", "LRS404"),
    ],
)
def test_what_no_fit_can_mend_is_an_error_at_once(text: str, code: str) -> None:
    with pytest.raises(LrsError) as caught:
        plan_early(lrdsl.loads(text), Horizon(epochs=60))
    assert caught.value.diagnostics[0].code == code


def test_shown_plan_is_kept_by_a_fit_that_only_adds_what_was_unknown() -> None:
    program = lrdsl.loads("cosine()")
    early = plan_early(program, Horizon(epochs=60))
    assert early.in_units_of_base
    real = program.plan(epochs=60, steps_per_epoch=45, base=0.1)
    assert early.is_kept_by(real)
    assert not early.is_kept_by(program.plan(epochs=61, steps_per_epoch=45, base=0.1))
    assert not Early(why_not="x").is_kept_by(real)
    exact = plan_early(program, Horizon(epochs=60, base=0.1))
    assert exact.is_kept_by(real)
    assert not exact.is_kept_by(program.plan(epochs=60, steps_per_epoch=45, base=0.2))


def test_plan_is_shown_again_where_a_fit_has_something_to_warn_of() -> None:
    program = lrdsl.loads("plateau(from=0.1)")
    early = plan_early(program, Horizon(epochs=60))
    real = program.plan(epochs=60, steps_per_epoch=45)
    assert early.is_kept_by(real)
    assert not early.is_kept_by(replace(real, warnings=(forgotten(20, program),)))


def test_plan_shown_in_units_of_base_is_not_kept_where_the_real_base_breaks_the_rule() -> None:
    program = lrdsl.loads("min(base, 1e6) * (linear(from=1, to=0))")
    early = plan_early(program, Horizon(epochs=60))
    assert early.in_units_of_base
    assert early.is_kept_by(program.plan(epochs=60, steps_per_epoch=45, base=0.1))
    assert not early.is_kept_by(program.plan(epochs=60, steps_per_epoch=45, base=2e6))


def test_fit_is_held_against_the_command_line_with_both_numbers() -> None:
    plan = lrdsl.loads("0.1").plan(epochs=60, steps_per_epoch=45)
    check_horizon(Horizon(60, 45), plan)
    check_horizon(Horizon(), plan)
    with pytest.raises(LrsError) as caught:
        check_horizon(Horizon(steps_per_epoch=40), plan)
    problem = caught.value.diagnostics[0]
    assert problem.code == "LRS309"
    assert "`--steps-per-epoch 40` and this `fit`, which has 45, disagree" in problem.message
