"""A schedule of Keras and the text that `from_keras` makes of it give the same curve."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.optimizers import schedules
from numpy.typing import NDArray

import lrdsl

from .weights import fit, make_model

Floats = NDArray[np.float64]
Parameters = dict[str, Any]

EPOCHS, EACH = 4, 16
STEPS = np.arange(EPOCHS * EACH)


# -- Random parameters ---------------------------------------------------------------------


def _decimal(digits: int, places: int) -> float:
    return float(f"{digits}e-{places}")


rates = st.builds(_decimal, st.integers(1, 999), st.integers(2, 6))
any_rates = st.one_of(st.just(0.0), rates)
lengths = st.one_of(
    st.integers(1, 80),
    st.integers(10, 800).map(lambda n: n / 10),
    st.integers(7, 500).map(lambda n: n / 7),
)
# Many short lengths on, Keras's own float32 is further than 2e-6 from its float64.
long_lengths = lengths.filter(lambda length: length >= 5)
shares = st.one_of(st.just(0.0), st.integers(1, 130).map(lambda n: n / 100))
factors = st.integers(1, 120).map(lambda n: n / 100)


@st.composite
def _pieces(draw: st.DrawFn) -> Parameters:
    times = st.one_of(st.integers(-5, 80), st.integers(-9, 160).map(lambda n: n / 2))
    boundaries = sorted(draw(st.lists(times, min_size=1, max_size=6, unique=True)))
    values = draw(st.lists(any_rates, min_size=len(boundaries) + 1, max_size=7))
    return {"boundaries": boundaries, "values": values[: len(boundaries) + 1]}


def _parameters(**parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[Parameters]:
    return st.fixed_dictionaries(parameters)


PARAMETERS = {
    "ExponentialDecay": _parameters(
        initial_learning_rate=any_rates,
        decay_steps=long_lengths,
        decay_rate=factors,
        staircase=st.booleans(),
    ),
    "InverseTimeDecay": _parameters(
        initial_learning_rate=any_rates,
        decay_steps=lengths,
        decay_rate=shares,
        staircase=st.booleans(),
    ),
    "PolynomialDecay": _parameters(
        initial_learning_rate=any_rates,
        decay_steps=lengths,
        end_learning_rate=any_rates,
        power=st.sampled_from((0.5, 1.0, 1.5, 2, 3.0)),
        cycle=st.booleans(),
    ),
    "PiecewiseConstantDecay": _pieces(),
    "CosineDecay": st.one_of(
        _parameters(initial_learning_rate=any_rates, decay_steps=lengths, alpha=shares),
        _parameters(
            initial_learning_rate=any_rates,
            decay_steps=long_lengths,
            alpha=shares,
            warmup_target=rates,
            warmup_steps=st.one_of(st.just(0), lengths),
        ),
    ),
    "CosineDecayRestarts": _parameters(
        initial_learning_rate=any_rates,
        first_decay_steps=long_lengths,
        t_mul=st.sampled_from((1.0, 1.1, 1.25, 1.5, 2.0, 3)),
        m_mul=st.sampled_from((1.0, 0.5, 0.9, 1.1)),
        alpha=st.integers(0, 100).map(lambda n: n / 100),
    ),
}


# -- The two curves ------------------------------------------------------------------------


def keras_curve(schedule: Any) -> Floats:
    """Return what Keras computes at `STEPS`."""
    if getattr(schedule, "warmup_target", None) is None:
        return np.asarray(schedule(STEPS), dtype=np.float64)
    return np.array([float(schedule(step)) for step in STEPS])  # it takes no array


def in_float64(parameters: Parameters) -> Parameters:
    """Return parameters with which Keras computes in float64.

    All of them must be NumPy's: a Python float is rounded to float32 on its way.
    """

    def convert(value: Any) -> Any:
        if isinstance(value, list):
            return [convert(v) for v in value]
        return np.float64(value) if isinstance(value, float) else value

    return {name: convert(value) for name, value in parameters.items()}


def our_curve(text: str) -> Floats:
    """Return the plan of a text at `STEPS`, in a training that counts epochs."""
    return lrdsl.loads(text).plan(epochs=EPOCHS, steps_per_epoch=EACH).values()


def edges(parameters: Parameters) -> set[int]:
    """Return the steps at which a stair or a restart is due exactly.

    There Keras's own rounding decides whether it comes at that step or at the next.
    """
    if parameters.get("staircase") or parameters.get("cycle"):
        length, factor = parameters["decay_steps"], 1
    elif "first_decay_steps" in parameters:
        length, factor = parameters["first_decay_steps"], parameters["t_mul"]
    else:
        return set()
    length, factor = Fraction(length).limit_denominator(70), Fraction(str(factor))
    time = Fraction(0)
    found = set()
    while time < len(STEPS):
        time += length
        length *= factor
        if time.denominator == 1:
            found.add(int(time))
    return found


def differing(ours: Floats, theirs: Floats, relative: float, of_largest: float) -> set[int]:
    """Return the steps at which two curves differ by more than both tolerances."""
    apart = np.abs(ours - theirs)
    allowed = np.maximum(relative * np.abs(theirs), of_largest * np.max(theirs))
    return set(np.flatnonzero(apart > allowed).tolist())


@pytest.mark.parametrize("name", PARAMETERS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_text_gives_the_curve_of_keras(name: str, data: st.DataObject) -> None:
    parameters = data.draw(PARAMETERS[name])
    schedule = getattr(schedules, name)(**parameters)
    text = lrdsl.from_keras(schedule)
    assert lrdsl.loads(text).text == text
    assert lrdsl.from_keras(schedules.serialize(schedule)) == text
    assert lrdsl.from_keras(schedule.get_config()) == text
    ours = our_curve(text)
    precise = keras_curve(getattr(schedules, name)(**in_float64(parameters)))
    assert differing(ours, precise, 1e-9, 1e-12) <= edges(parameters)
    assert differing(ours, keras_curve(schedule), 0, 2e-6) <= edges(parameters)


@pytest.mark.parametrize("cycle", [False, True])
def test_a_power_of_0_never_falls(cycle: bool) -> None:
    schedule = schedules.PolynomialDecay(0.1, 10, power=0.0, cycle=cycle)
    ours, theirs = our_curve(lrdsl.from_keras(schedule)), keras_curve(schedule)
    assert differing(ours, theirs, 0, 2e-6) == set()


def test_a_restart_comes_at_its_step_where_keras_misses_it() -> None:
    schedule = schedules.CosineDecayRestarts(0.1, first_decay_steps=10, t_mul=1.1)
    ours, theirs = our_curve(lrdsl.from_keras(schedule)), keras_curve(schedule)
    assert differing(ours, theirs, 0, 2e-6) == {21}  # 10 + 11
    assert (ours[21], theirs[21]) == (0.1, 0)


def test_ever_shorter_cycles_hold_their_last_value_where_keras_has_none() -> None:
    parameters = {"initial_learning_rate": 0.1, "first_decay_steps": 30, "t_mul": 0.5}
    schedule = schedules.CosineDecayRestarts(**in_float64({**parameters, "alpha": 0.1}))
    ours, theirs = our_curve(lrdsl.from_keras(schedule)), keras_curve(schedule)
    assert differing(ours[:60], theirs[:60], 1e-9, 1e-12) == set()
    assert np.isnan(theirs[61:]).all()
    assert (ours[60:] == 0.01).all()


def test_fit_applies_what_keras_would() -> None:
    schedule = schedules.CosineDecay(0.01, 7, alpha=0.1, warmup_target=0.1, warmup_steps=3)
    callback = lrdsl.compile(lrdsl.from_keras(schedule))
    fit(make_model(6), callback, 6, epochs=2)
    theirs = [float(schedule(step)) for step in range(12)]
    assert callback.applied.tolist() == pytest.approx(theirs, rel=1e-6)


# -- What is handed in ---------------------------------------------------------------------


@pytest.mark.parametrize("convert", [keras.Variable, keras.ops.convert_to_tensor, np.float32])
def test_a_tensor_counts_as_its_shortest_decimal(convert: Any) -> None:
    schedule = schedules.ExponentialDecay(convert(0.1), convert(10.0), convert(0.96))
    assert lrdsl.from_keras(schedule) == "decay(0.96, every=10 steps, from=0.1)\n"


def test_so_does_a_serialized_tensor() -> None:
    schedule = schedules.PiecewiseConstantDecay([3], keras.ops.convert_to_tensor([0.1, 0.02]))
    assert lrdsl.from_keras(schedule) == "0.1 until 4 steps then 0.02\n"
    assert lrdsl.from_keras(schedules.serialize(schedule)) == "0.1 until 4 steps then 0.02\n"


def test_the_schedule_of_an_optimizer_is_in_its_config() -> None:
    optimizer = keras.optimizers.Adam(schedules.CosineDecay(0.1, 9))
    config = optimizer.get_config()["learning_rate"]
    assert lrdsl.from_keras(config) == "cosine(max=0.1) for 9 steps\n"


class CosineDecay(schedules.CosineDecay):  # type: ignore[misc]
    """A schedule of somebody's own, which may compute anything."""


def test_a_subclass_is_not_taken_for_its_base() -> None:
    with pytest.raises(TypeError, match="`CosineDecay` is code of your own"):
        lrdsl.from_keras(CosineDecay(0.1, 9))
    with pytest.raises(ValueError, match="`CosineDecay` is code of your own"):
        lrdsl.from_keras(schedules.serialize(CosineDecay(0.1, 9)))


def test_the_rate_of_an_optimizer_is_a_number() -> None:
    plain = keras.optimizers.SGD(0.5)
    scheduled = keras.optimizers.SGD(schedules.CosineDecay(0.5, 9))
    for rate in (
        plain.learning_rate,
        plain.get_config()["learning_rate"],
        scheduled.learning_rate,
    ):
        with pytest.raises(TypeError, match=r"^0\.5 is a number, not a schedule"):
            lrdsl.from_keras(rate)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            keras.optimizers.SGD(0.1),
            "`SGD` is an optimizer: give its schedule, "
            '`optimizer.get_config()["learning_rate"]`',
        ),
        (
            keras.callbacks.ReduceLROnPlateau,
            "`ReduceLROnPlateau` is a class: give a schedule that was made of it",
        ),
        (
            schedules.CosineDecay,
            "`CosineDecay` is a class: give a schedule that was made of it",
        ),
    ],
)
def test_other_things_of_keras(other: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        lrdsl.from_keras(other)
    assert str(caught.value) == message
