"""What gives way to the schedule where `lrdsl train --take-over` asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import lrdsl
from lrdsl.training.callback import ScheduleCallback

from .test_callback import LOAD_ELSEWHERE, fit_without_us
from .weights import fit, make_model, weights_of

STEPS = 6
schedules = keras.optimizers.schedules


def taking_over(schedule: str = "linear(to=0)", **options: Any) -> ScheduleCallback:
    return ScheduleCallback(lrdsl.loads(schedule), take_over=True, **options)


def float32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def refused(optimizer: Any, callback: Any, **options: Any) -> lrdsl.Diagnostic:
    model = make_model(STEPS, optimizer)
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(model, callback, STEPS, **options)
    assert not weights_of(model).any()
    (found,) = caught.value.diagnostics
    return found


# -- The optimizer -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("rate", "name", "text"),
    [
        (
            lambda: schedules.CosineDecay(0.5, 100, alpha=0.1),
            "CosineDecay",
            "cosine(max=0.5, min=0.05) for 100 steps",
        ),
        (
            lambda: schedules.ExponentialDecay(0.5, 10, 0.9),
            "ExponentialDecay",
            "decay(0.9, every=10 steps, from=0.5)",
        ),
        (lambda: lambda: 0.5, "function", None),
    ],
)
def test_schedule_in_the_optimizer_becomes_the_number_that_it_gives(
    rate: Any, name: str, text: str | None, wrapped: bool
) -> None:
    optimizer = keras.optimizers.SGD(rate())
    if wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = make_model(STEPS, optimizer)
    callback = taking_over()
    history = fit(model, callback, STEPS, epochs=2)
    (found,) = callback.taken_over
    assert (found.name, found.place, found.rate, found.step) == (name, "optimizer", 0.5, 0)
    assert found.text == text
    assert callback.plan.base == 0.5
    planned = float32(callback.plan.values())
    np.testing.assert_array_equal(callback.applied, planned)
    np.testing.assert_array_equal(
        weights_of(model), (-planned[:STEPS] - planned[STEPS:]).astype(np.float32)
    )
    assert history.history["learning_rate"] == [float(planned[5]), float(planned[11])]
    # The same optimizer, which keeps a number: the last rate used.
    assert model.optimizer is optimizer
    assert float(optimizer.learning_rate.numpy()) == planned[-1]
    config = getattr(optimizer, "inner_optimizer", optimizer).get_config()
    assert config["learning_rate"] == planned[-1]


def test_number_is_that_of_the_step_where_the_optimizer_is() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(schedules.PolynomialDecay(1.0, 12, 0.0)))
    fit_without_us(model)  # which also traces the schedule into the model
    model.set_weights([np.zeros((STEPS, 1))])
    callback = taking_over()
    fit(model, callback, STEPS)
    (found,) = callback.taken_over
    assert (found.rate, found.step) == (0.5, STEPS)
    assert callback.plan.base == 0.5
    np.testing.assert_array_equal(weights_of(model), -float32(callback.plan.values()))
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values()))


def test_later_fit_without_us_uses_the_number_and_not_the_schedule_traced_before() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(schedules.PolynomialDecay(1.0, 12, 0.0)))
    fit_without_us(model)
    callback = taking_over("const(0.25)")
    fit(model, callback, STEPS)
    np.testing.assert_array_equal(fit_without_us(model), np.full(STEPS, 0.25))
    model.optimizer.learning_rate = 0.125
    np.testing.assert_array_equal(fit_without_us(model), np.full(STEPS, 0.125))


def test_second_fit_has_nothing_left_to_take_over_and_the_same_base() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(schedules.CosineDecay(0.5, 100)))
    fit(model, taking_over(), STEPS)
    callback = taking_over()
    fit(model, callback, STEPS)
    assert callback.taken_over == []
    assert callback.plan.base == 0.5


@pytest.mark.parametrize("wrapped", [False, True])
def test_slots_and_steps_are_kept_and_saved_files_are_plain(
    wrapped: bool, tmp_path: Path
) -> None:
    def adam(rate: Any) -> Any:
        made = keras.optimizers.Adam(rate)
        return keras.optimizers.LossScaleOptimizer(made) if wrapped else made

    ours = make_model(STEPS, adam(schedules.ExponentialDecay(0.5, 1, 1.0)))
    plain = make_model(STEPS, adam(0.5))
    fit_without_us(ours)
    fit_without_us(plain)
    fit(ours, taking_over("linear(from=0.5, to=0.1)"), STEPS)
    fit(plain, lrdsl.compile("linear(from=0.5, to=0.1)"), STEPS)
    for one, other in zip(ours.optimizer.variables, plain.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    np.testing.assert_array_equal(weights_of(ours), weights_of(plain))
    files = [str(tmp_path / "ours.keras"), str(tmp_path / "plain.keras")]
    for model, file in zip((ours, plain), files, strict=True):
        model.compile(model.optimizer, loss="mse")
        model.save(file)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, *files],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["iterations"] == 2 * STEPS


def test_schedule_that_gives_nothing_now_is_no_base() -> None:
    rate = schedules.CosineDecay(0.0, 10, warmup_target=0.1, warmup_steps=5)
    found = refused(keras.optimizers.SGD(rate), taking_over())
    assert found.code == "LRS601"
    assert found.message == (
        "the schedule begins at `base`, and the optimizer's CosineDecay, which it takes over "
        "from, gives 0 at step 0"
    )
    assert "say where it begins: `--base 0.1`, or `from=0.1`" in (found.help or "")
    for callback in (taking_over("const(0.1)"), taking_over(base=0.1)):
        fit(make_model(STEPS, keras.optimizers.SGD(rate)), callback, STEPS)
        assert callback.applied[0] == np.float32(0.1)


def test_function_that_gives_no_rate_is_refused() -> None:
    found = refused(keras.optimizers.SGD(lambda: float("nan")), taking_over("const(0.1)"))
    assert "the optimizer's function gives nan at step 0, which is no rate" in found.message


def test_plan_that_is_not_agreed_to_leaves_the_optimizer_its_schedule() -> None:
    class No(Exception):
        pass

    def no(plan: Any) -> None:
        raise No

    rate = schedules.CosineDecay(0.5, 100)
    model = make_model(STEPS, keras.optimizers.SGD(rate))
    callback = taking_over(on_plan=no)
    with pytest.raises(No):
        fit(model, callback, STEPS)
    assert [one.name for one in callback.taken_over] == ["CosineDecay"]
    assert model.optimizer._learning_rate is rate


# -- The callbacks -----------------------------------------------------------------------------


class Noting(keras.callbacks.ReduceLROnPlateau):  # type: ignore[misc]
    """A plateau that tells whether it was called."""

    called = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.called = True


def test_callbacks_that_would_set_the_rate_are_left_out_of_that_fit() -> None:
    rival, other = Noting(), lrdsl.compile("const(0.5)")
    seen: list[int] = []
    beside = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    callbacks = [keras.callbacks.LearningRateScheduler(lambda epoch: 0.3), rival, beside, other]
    model, callback = make_model(STEPS), taking_over()
    fit(model, callback, STEPS, epochs=2, callbacks=callbacks)
    assert [(one.name, one.place) for one in callback.taken_over] == [
        ("LearningRateScheduler", "callbacks"),
        ("Noting", "callbacks"),
        ("ScheduleCallback", "callbacks"),
    ]
    assert [one.text for one in callback.taken_over] == [None, None, "const(0.5)"]
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values()))
    assert seen == [0, 1]
    assert not rival.called
    assert len(other.applied) == 0
    assert len(callbacks) == 4


def test_plateau_that_is_left_out_can_be_written_as_ours() -> None:
    callback = taking_over()
    fit(make_model(STEPS), callback, STEPS, callbacks=[keras.callbacks.ReduceLROnPlateau()])
    (found,) = callback.taken_over
    assert found.text == "plateau(monitor=val_loss, factor=0.1, patience=10)"


def test_list_of_ones_own_within_the_callbacks_stays_whole() -> None:
    rival, beside = Noting(), keras.callbacks.TerminateOnNaN()
    nested = keras.callbacks.CallbackList([rival, beside])
    callback = taking_over()
    fit(make_model(STEPS), callback, STEPS, callbacks=[nested])
    assert [one.name for one in callback.taken_over] == ["Noting"]
    assert not rival.called
    assert nested.callbacks == [rival, beside]


def test_rival_in_front_of_ours_is_refused_all_the_same() -> None:
    found = refused(None, Noting(), callbacks=[taking_over()])
    assert found.message == "`Noting` would set the rate too"


# -- Who hears of it ---------------------------------------------------------------------------


def test_option_is_named_only_where_there_is_one() -> None:
    rate = schedules.CosineDecay(0.5, 100)
    for take_over, named in ((None, False), (False, True)):
        for optimizer, others in (
            (keras.optimizers.SGD(rate), []),
            (keras.optimizers.SGD(lambda: 0.1), []),
            (None, [Noting()]),
            (None, [lrdsl.compile("const(0.5)")]),
        ):
            callback = ScheduleCallback(lrdsl.loads("const(0.1)"), take_over=take_over)
            found = refused(optimizer, callback, callbacks=others)
            assert ("; or run `lrdsl train --take-over`" in (found.help or "")) == named


def test_what_a_person_is_told() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(schedules.CosineDecay(0.5, 100)))
    callback = taking_over()
    fit(model, callback, STEPS, callbacks=[Noting()])
    assert [one.sentence() for one in callback.taken_over] == [
        "takes over from `CosineDecay` in the optimizer: replaced by a plain number, 0.5 as it "
        "gives at step 0; the optimizer keeps a number after `fit`",
        "takes over from `Noting`, which is left out of its callbacks",
    ]
    assert callback.taken_over[0].as_json() == {
        "name": "CosineDecay",
        "place": "optimizer",
        "part": None,
        "rate": 0.5,
        "step": 0,
        "schedule": "cosine(max=0.5) for 100 steps",
    }
