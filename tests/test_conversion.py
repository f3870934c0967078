"""Keras's schedules as text, by their configs: their words, and those of every error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrdsl

DECAY = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
COSINE = {"initial_learning_rate": 0.1, "decay_steps": 1000}
RESTARTS = {"initial_learning_rate": 0.1, "first_decay_steps": 10}
POLYNOMIAL = {"initial_learning_rate": 0.1, "decay_steps": 40}


def serialized(
    class_name: str, base: dict[str, Any] | None = None, /, **changes: Any
) -> dict[str, Any]:
    """Return what `keras.optimizers.schedules.serialize` makes of a schedule."""
    return {
        "module": "keras.optimizers.schedules",
        "class_name": class_name,
        "config": {**(base or {}), **changes},
        "registered_name": None,
    }


def text_of(class_name: str, base: dict[str, Any] | None = None, /, **changes: Any) -> str:
    return lrdsl.from_keras(serialized(class_name, base, **changes))


@pytest.mark.parametrize(
    ("name", "config", "text"),
    [
        ("ExponentialDecay", DECAY, "decay(0.5, every=10 steps, from=0.1)"),
        (
            "ExponentialDecay",
            {**DECAY, "decay_steps": 2.5, "decay_rate": 1.05, "staircase": True},
            "step(1.05, every=2.5 steps, from=0.1)",
        ),
        ("InverseTimeDecay", DECAY, "inverse(0.5, every=10 steps, from=0.1)"),
        (
            "InverseTimeDecay",
            {**DECAY, "decay_steps": 1, "staircase": True},
            "inverse(0.5, every=1 step, from=0.1) by 1 step",
        ),
        ("PolynomialDecay", POLYNOMIAL, "linear(from=0.1, to=0.0001) for 40 steps"),
        (
            "PolynomialDecay",
            {**POLYNOMIAL, "end_learning_rate": 0.01, "power": 2.0},
            "poly(2, from=0.1, to=0.01) for 40 steps",
        ),
        (
            "PolynomialDecay",
            {**POLYNOMIAL, "end_learning_rate": 0.0, "cycle": True},
            "poly_cycles(1, 40 steps, from=0.1, to=0)",
        ),
        ("PolynomialDecay", {**POLYNOMIAL, "power": 0}, "0.1"),
        (
            "PiecewiseConstantDecay",
            {"boundaries": [100000, 110000], "values": [1.0, 0.5, 0.1]},
            "1 until 100001 steps then 0.5 until 110001 steps then 0.1",
        ),
        (
            "PiecewiseConstantDecay",
            {"boundaries": (0, 10.2, 10.7), "values": (3e-5, 2e-5, 0.5, 0)},
            "3e-5 until 1 step then 2e-5 until 11 steps then 0",
        ),
        (
            "PiecewiseConstantDecay",
            {"boundaries": (-3, -0.5, 5), "values": (4, 3, 2, 1)},
            "3 until 1 step then 2 until 6 steps then 1",
        ),
        ("CosineDecay", COSINE, "cosine(max=0.1) for 1000 steps"),
        (
            "CosineDecay",
            {**COSINE, "warmup_target": 0.4},
            "cosine(max=0.4) for 1000 steps",
        ),
        (
            "CosineDecay",
            {**COSINE, "alpha": 0.3, "warmup_target": None, "warmup_steps": 50},
            "cosine(max=0.1, min=0.03) for 1000 steps",
        ),
        ("CosineDecay", {**COSINE, "alpha": 2}, "cosine(from=0.1, to=0.2) for 1000 steps"),
        (
            "CosineDecay",
            {
                "initial_learning_rate": 0.0,
                "decay_steps": 1000,
                "alpha": 0.1,
                "warmup_target": 0.1,
                "warmup_steps": 500,
            },
            "warmup(500 steps) then cosine(max=0.1, min=0.01) for 1000 steps",
        ),
        (
            "CosineDecay",
            {**COSINE, "alpha": 0.1, "warmup_target": 0.4, "warmup_steps": 5},
            "warmup(5 steps, from=0.1) then cosine(max=0.4, min=0.04) for 1000 steps",
        ),
        ("CosineDecayRestarts", RESTARTS, "warm_restarts(10 steps, t_mul=2, from=0.1)"),
        (
            "CosineDecayRestarts",
            {**RESTARTS, "t_mul": 1.0, "m_mul": 0.9, "alpha": 0.05},
            "warm_restarts(10 steps, m_mul=0.9, from=0.1, to=0.005)",
        ),
    ],
)
def test_a_schedule_becomes_one_canonical_line(
    name: str, config: dict[str, Any], text: str
) -> None:
    written = text_of(name, config)
    assert written == text + "\n"
    assert lrdsl.loads(written).text == written


def test_many_pieces_stand_on_lines_of_their_own() -> None:
    rates, steps = [0.1, 0.03, 0.01, 0.003, 0], [9999, 19999, 29999, 39999]
    text = text_of("PiecewiseConstantDecay", boundaries=steps, values=rates)
    assert text == (
        "0.1 until 10000 steps\n"
        "    then 0.03 until 20000 steps\n"
        "    then 0.01 until 30000 steps\n"
        "    then 0.003 until 40000 steps\n"
        "    then 0\n"
    )
    assert lrdsl.loads(text).text == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (1, "1"),
        (0.0001, "0.0001"),
        (1e-05, "1e-5"),
        (1e20, "1e20"),
        (-0.0, "0"),
        (1 / 3, "0.3333333333333333"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (np.float32(1 / 3), "0.33333334"),
        (np.int64(3), "3"),
        (np.array(0.1, np.float32), "0.1"),
        # What Keras serializes a tensor and a variable as.
        (
            {"class_name": "__tensor__", "config": {"value": 0.1 + 1e-9, "dtype": "float32"}},
            "0.1",
        ),
    ],
)
def test_a_number_is_its_shortest_decimal(number: Any, text: str) -> None:
    written = text_of("ExponentialDecay", DECAY, initial_learning_rate=number)
    assert written == f"decay(0.5, every=10 steps, from={text})\n"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (10 / 3, "10 steps / 3"),
        (1000 / 7, "1000 steps / 7"),
        (0.1, "0.1 steps"),
        (2.718281828459045, "2.718281828459045 steps"),
        (12345678901234567, "1.2345678901234567e16 steps"),
        (np.float32(10 / 3), "3.3333333 steps"),
    ],
)
def test_a_length_may_be_a_quotient(length: Any, text: str) -> None:
    written = text_of("CosineDecay", COSINE, decay_steps=length)
    assert written == f"cosine(max=0.1) for {text}\n"


def test_stairs_of_a_quotient_are_as_long_as_it() -> None:
    text = text_of("InverseTimeDecay", DECAY, decay_steps=10 / 3, staircase=True)
    assert text == "inverse(0.5, every=10 steps / 3, from=0.1) by (10 steps / 3)\n"
    rates = lrdsl.loads(text).plan(epochs=1, steps_per_epoch=12).values()
    assert rates[[9, 10]].tolist() == [0.1 / 2, 0.1 / 2.5]  # the third stair is at step 10


@pytest.mark.parametrize(
    "values",
    [
        np.array([0.1, 0.2], np.float32),
        {"class_name": "__numpy__", "config": {"value": [0.1, 0.2], "dtype": "float32"}},
    ],
)
def test_boundaries_and_values_may_be_arrays(values: Any) -> None:
    text = text_of("PiecewiseConstantDecay", boundaries=np.array([5]), values=values)
    assert text == "0.1 until 6 steps then 0.2\n"


def test_a_product_of_two_numbers_is_exact() -> None:
    text = text_of("CosineDecay", COSINE, alpha=0.1234567890123456)
    assert text == "cosine(max=0.1, min=0.01234567890123456) for 1000 steps\n"
    third = text_of("CosineDecay", initial_learning_rate=1 / 3, decay_steps=9, alpha=1 / 3)
    assert "min=0.11111111111111108888888888888889)" in third


def test_a_boundary_may_be_beyond_every_training() -> None:
    text = text_of("PiecewiseConstantDecay", boundaries=[1e300], values=[0.1, 0.2])
    assert text == "0.1 until 1e300 steps then 0.2\n"


def test_a_config_may_be_its_parameters_alone() -> None:
    for name in ("ExponentialDecay", "InverseTimeDecay"):  # they differ by name only
        config = {**DECAY, "staircase": False, "name": name}
        assert lrdsl.from_keras(config) == text_of(name, config)
    config = {"boundaries": [1], "values": [1, 2], "name": "mine"}
    assert lrdsl.from_keras(config) == "1 until 2 steps then 2\n"


def test_a_config_may_be_of_keras_2() -> None:
    config = {"class_name": "CosineDecay", "config": COSINE}
    assert lrdsl.from_keras(config) == "cosine(max=0.1) for 1000 steps\n"


def test_the_text_counts_steps_in_every_file() -> None:
    text = text_of("CosineDecay", COSINE, decay_steps=12)
    curve = lrdsl.loads(text).plan(epochs=5, steps_per_epoch=4).values()
    for train in ("train 5 epochs of 4 steps", "train 20 steps"):
        assert lrdsl.loads(f"{train}\nlr = {text}").plan().values().tolist() == curve.tolist()


# -- What is refused -----------------------------------------------------------------------

NAMES = (
    "ExponentialDecay, InverseTimeDecay, PolynomialDecay, PiecewiseConstantDecay, "
    "CosineDecay, CosineDecayRestarts"
)
OR_PLATEAU = "and no `ReduceLROnPlateau`"
SERIALIZE = "give what `keras.optimizers.schedules.serialize(schedule)` returns"
OWN_CODE = (
    "is code of your own, and no formula can be read from it: write the formula, such as "
    "`0.1 * 0.96 ^ (step / 100)`"
)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            0.1,
            "0.1 is a number, not a schedule: write it as it is, `0.1`; if it is the rate of "
            'an optimizer that has a schedule, give `optimizer.get_config()["learning_rate"]`',
        ),
        (lambda step: 0.1, f"`function` {OWN_CODE}"),
        (dict, "`dict` is a class: give a schedule that was made of it"),
        (None, f"`NoneType` is none of Keras's own schedules, which are {NAMES}, {OR_PLATEAU}"),
        ("0.1", f"`str` is none of Keras's own schedules, which are {NAMES}, {OR_PLATEAU}"),
        (
            serialized("CosineDecay", COSINE, initial_learning_rate="0.1"),
            "`initial_learning_rate` must be a number, not '0.1'",
        ),
        (serialized("CosineDecay", COSINE, alpha=None), "`alpha` must be a number, not None"),
        (serialized("CosineDecay", COSINE, alpha=True), "`alpha` must be a number, not True"),
        (serialized("CosineDecay", COSINE, alpha=[0.1]), "`alpha` must be a number, not [0.1]"),
        (
            serialized("PiecewiseConstantDecay", boundaries=5, values=[1, 2]),
            "`boundaries` must be a list of numbers, not 5",
        ),
        (
            serialized("PiecewiseConstantDecay", boundaries=[5], values=["a", 2]),
            "`values` must be a number, not 'a'",
        ),
    ],
)
def test_what_is_no_schedule_or_no_number(schedule: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        lrdsl.from_keras(schedule)
    assert str(caught.value) == message


OPTIMIZER = {"name": "sgd", "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (serialized("Noam"), f"`Noam` is none of Keras's own schedules, which are {NAMES}"),
        (
            {**serialized("CosineDecay", COSINE), "registered_name": "mine>CosineDecay"},
            f"`CosineDecay` {OWN_CODE}",
        ),
        (
            {**serialized("CosineDecay", COSINE), "module": "my.schedules"},
            f"`CosineDecay` {OWN_CODE}",
        ),
        (
            OPTIMIZER,
            'this is the config of an optimizer: give its schedule, `config["learning_rate"]`',
        ),
        (
            serialized("SGD", OPTIMIZER),
            '`SGD` is an optimizer: give its schedule, `config["config"]["learning_rate"]`',
        ),
        (
            {**DECAY, "staircase": False, "name": "mine"},
            "the config does not say which schedule it is of: "
            f"{SERIALIZE}, with its `class_name`",
        ),
        (
            {},
            "the config does not say which schedule it is of: "
            f"{SERIALIZE}, with its `class_name`",
        ),
        (
            {"class_name": "CosineDecay"},
            f"`config` of `CosineDecay` must hold its parameters, not None: {SERIALIZE}",
        ),
        (
            serialized("CosineDecay", initial_learning_rate=0.1),
            "this is no config of `CosineDecay`: missing a required argument: 'decay_steps'; "
            f"{SERIALIZE}",
        ),
        (
            serialized("CosineDecay", COSINE, gamma=1),
            "this is no config of `CosineDecay`: got an unexpected keyword argument 'gamma'; "
            f"{SERIALIZE}",
        ),
    ],
)
def test_configs_of_something_else(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        lrdsl.from_keras(config)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            serialized("CosineDecay", COSINE, initial_learning_rate=-0.1),
            "`initial_learning_rate` must be 0 or more, not -0.1",
        ),
        (
            serialized("CosineDecay", COSINE, initial_learning_rate=float("nan")),
            "`initial_learning_rate` must be a finite number, not nan",
        ),
        (
            serialized("CosineDecay", COSINE, decay_steps=0),
            "`decay_steps` must be above 0, not 0",
        ),
        (serialized("CosineDecay", COSINE, alpha=-0.5), "`alpha` must be 0 or more, not -0.5"),
        (
            serialized("CosineDecay", COSINE, warmup_target=0.2, warmup_steps=-1),
            "`warmup_steps` must be 0 or more, not -1",
        ),
        (
            serialized("ExponentialDecay", DECAY, decay_rate=-0.5),
            "`decay_rate` must be 0 or more, not -0.5",
        ),
        (
            serialized("PolynomialDecay", POLYNOMIAL, end_learning_rate=-1e-5),
            "`end_learning_rate` must be 0 or more, not -1e-5",
        ),
        (
            serialized("PolynomialDecay", POLYNOMIAL, power=-1),
            "`power` must be 0 or more, not -1",
        ),
        (
            serialized("CosineDecayRestarts", RESTARTS, t_mul=0),
            "`t_mul` must be above 0, not 0",
        ),
        (
            serialized("CosineDecayRestarts", RESTARTS, m_mul=-1),
            "`m_mul` must be 0 or more, not -1",
        ),
        (
            serialized("PiecewiseConstantDecay", boundaries=[1], values=[1, -2]),
            "`values` must be 0 or more, not -2",
        ),
        (
            serialized("PiecewiseConstantDecay", boundaries=[20, 10], values=[1, 2, 3]),
            "`boundaries` must increase, not 20, 10: give them and their `values` in the order "
            "of time",
        ),
        (
            serialized("PiecewiseConstantDecay", boundaries=[1], values=[1]),
            "1 `boundaries` need 2 `values`, not 1",
        ),
    ],
)
def test_numbers_without_a_meaning(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        lrdsl.from_keras(config)
    assert str(caught.value) == message


def test_a_pole_is_for_the_plan_to_find() -> None:
    text = text_of("InverseTimeDecay", DECAY, decay_rate=-0.5)
    assert text == "inverse(-0.5, every=10 steps, from=0.1)\n"
    assert lrdsl.loads(text).plan(epochs=1, steps_per_epoch=20).values()[-1] > 1
    with pytest.raises(lrdsl.LrsError, match="not finite at step 20"):
        lrdsl.loads(text).plan(epochs=1, steps_per_epoch=21)
