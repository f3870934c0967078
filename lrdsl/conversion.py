"""Keras's own schedules, and `ReduceLROnPlateau`, written in the language.

What is given is read by its type's name and its config, so nothing here imports Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from inspect import signature
from math import ceil
from typing import Any

import numpy as np

from lrdsl import limits
from lrdsl.metrics import better_mode
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_file
from lrdsl.vocabulary import RESERVED


def from_keras(schedule: object) -> str:
    """Return the text of one of Keras's own schedules, or of its `ReduceLROnPlateau`.

        lrdsl.compile(lrdsl.from_keras(keras.optimizers.schedules.CosineDecay(0.1, 1000)))

    With t the step from 0, n = decay_steps and r = initial_learning_rate:

        ExponentialDecay        r · decay_rate^(t/n); staircase: r · decay_rate^⌊t/n⌋
        InverseTimeDecay        r / (1 + decay_rate·t/n); staircase: with ⌊t/n⌋
        PolynomialDecay         e + (r − e)·(1 − min(t, n)/n)^power, e = end_learning_rate;
                                cycle: with t and n·max(1, ⌈t/n⌉) for min(t, n) and n
        PiecewiseConstantDecay  values[i], i = how many of the boundaries are below t
        CosineDecay             r·(alpha + (1 − alpha)·(1 + cos(π·min(t, n)/n))/2);
                                with warmup_target w: r + (w − r)·t/warmup_steps before
                                warmup_steps, from there on the cosine from w
        CosineDecayRestarts     r·(alpha + (1 − alpha)·m_mul^i·(1 + cos πp)/2), p the done
                                share of cycle i, which is first_decay_steps·t_mul^i long
        ReduceLROnPlateau       `plateau`, which begins at the optimizer's own rate: that
                                times factor, and at least min_lr, whenever the metric has
                                stalled

    The text counts in steps whatever file it is put into, and each of its numbers is the
    shortest decimal of Keras's; a decay_steps of 10/3 is `10 steps / 3`.  Its times are
    exact: a stair or a restart that is due at a step comes at that step, where Keras's
    rounding sometimes brings it a step later.  With t_mul < 1 all cycles together have an
    end; Keras gives nan from there on, and the text holds its last value.

    Args:
        schedule: the schedule; or what `keras.optimizers.schedules.serialize` makes of it,
            which is also what `optimizer.get_config()["learning_rate"]` holds; or its own
            `get_config()`.  That of ExponentialDecay and of InverseTimeDecay differ in
            `name` only, so if the schedule has been given a name, serialize it.  Or a
            callback `keras.callbacks.ReduceLROnPlateau`, trained with or not.

    Returns:
        A schedule in canonical form, ready for `lrdsl.loads` and `lrdsl.compile`.

    Raises:
        TypeError: it is none of Keras's own schedules, or a parameter is no number.
        ValueError: a config names no such schedule or has other parameters; a rate or
            another number has no meaning there (such as decay_steps=0); the callback's
            mode is "auto", and its metric's name does not say which way it gets better.

    Source: the formulas of Keras 3.15, which the tests compare with Keras itself.
    """
    kind = type(schedule)
    if kind.__name__ == _PLATEAU and _is_from_keras(kind.__module__):
        return _canonical(_reduce_on_plateau(schedule))
    name, config = _recognise(schedule)
    write = _WRITERS[name]
    try:
        signature(write).bind(**config)
    except TypeError as error:
        raise ValueError(
            f"this is no config of `{name}`: {error}; give what "
            "`keras.optimizers.schedules.serialize(schedule)` returns"
        ) from None
    return _canonical(write(**config))


# -- one function a schedule; each takes what Keras takes, with Keras's defaults -----------


def _exponential_decay(
    initial_learning_rate: Any, decay_steps: Any, decay_rate: Any, staircase: Any = False
) -> str:
    rate = _not_negative("initial_learning_rate", initial_learning_rate)
    every = _above_zero("decay_steps", decay_steps)
    factor = _not_negative("decay_rate", decay_rate)
    curve = "step" if staircase else "decay"
    return f"{curve}({_text(factor)}, every={_steps(every)}, from={_text(rate)})"


def _inverse_time_decay(
    initial_learning_rate: Any, decay_steps: Any, decay_rate: Any, staircase: Any = False
) -> str:
    rate = _not_negative("initial_learning_rate", initial_learning_rate)
    every = _above_zero("decay_steps", decay_steps)
    # Below 0 the rate grows to a pole; whether training comes so far, its plan decides.
    slope = _number("decay_rate", decay_rate)
    time = _steps(every)
    curve = f"inverse({_text(slope)}, every={time}, from={_text(rate)})"
    if not staircase:
        return curve
    return f"{curve} by ({time})" if "/" in time else f"{curve} by {time}"


def _polynomial_decay(
    initial_learning_rate: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: Any = False,
) -> str:
    rate = _not_negative("initial_learning_rate", initial_learning_rate)
    length = _above_zero("decay_steps", decay_steps)
    end = _not_negative("end_learning_rate", end_learning_rate)
    exponent = _not_negative("power", power)
    if exponent == 0:
        return _text(rate)  # Keras's 0^0 is 1, so it never arrives; `poly` does
    ends = f"from={_text(rate)}, to={_text(end)}"
    if cycle:
        return f"poly_cycles({_text(exponent)}, {_steps(length)}, {ends})"
    curve = f"linear({ends})" if exponent == 1 else f"poly({_text(exponent)}, {ends})"
    return f"{curve} for {_steps(length)}"


def _piecewise_constant_decay(boundaries: Any, values: Any) -> str:
    times = [_number("boundaries", time) for time in _several("boundaries", boundaries)]
    rates = [_not_negative("values", value) for value in _several("values", values)]
    if len(rates) != len(times) + 1:
        raise ValueError(
            f"{len(times)} `boundaries` need {len(times) + 1} `values`, not {len(rates)}"
        )
    if times != sorted(times):
        raise ValueError(
            f"`boundaries` must increase, not {', '.join(map(_text, times))}: give them and "
            "their `values` in the order of time"
        )
    # Keras changes at the first step above a boundary, which it cuts to a whole step.  Of
    # pieces that end at one step, only the first is ever in force.
    pieces: dict[int, Decimal] = {}
    for time, value in zip(times, rates[:-1], strict=True):
        if int(time) + 1 > 0:
            pieces.setdefault(int(time) + 1, value)
    bounded = [
        f"{_text(value)} until {_steps(Decimal(step))}" for step, value in pieces.items()
    ]
    return " then ".join([*bounded, _text(rates[-1])])


def _cosine_decay(
    initial_learning_rate: Any,
    decay_steps: Any,
    alpha: Any = 0.0,
    warmup_target: Any = None,
    warmup_steps: Any = 0,
) -> str:
    rate = _not_negative("initial_learning_rate", initial_learning_rate)
    length = _above_zero("decay_steps", decay_steps)
    share = _not_negative("alpha", alpha)
    if warmup_target is None:
        return f"{_cosine(rate, share)} for {_steps(length)}"
    peak = _not_negative("warmup_target", warmup_target)
    climb = _not_negative("warmup_steps", warmup_steps)
    if climb == 0:
        return f"{_cosine(peak, share)} for {_steps(length)}"
    start = f", from={_text(rate)}" if rate else ""
    warmup = f"warmup({_steps(climb)}{start})"
    return f"{warmup} then {_cosine(peak, share)} for {_steps(length)}"


def _cosine_decay_restarts(
    initial_learning_rate: Any,
    first_decay_steps: Any,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
) -> str:
    rate = _not_negative("initial_learning_rate", initial_learning_rate)
    every = _above_zero("first_decay_steps", first_decay_steps)
    longer = _above_zero("t_mul", t_mul)
    higher = _not_negative("m_mul", m_mul)
    floor = _EXACT.multiply(rate, _not_negative("alpha", alpha))
    arguments = [
        _steps(every),
        *([f"t_mul={_text(longer)}"] if longer != 1 else []),
        *([f"m_mul={_text(higher)}"] if higher != 1 else []),
        f"from={_text(rate)}",
        *([f"to={_text(floor)}"] if floor else []),
    ]
    return f"warm_restarts({', '.join(arguments)})"


def _reduce_on_plateau(callback: Any) -> str:
    monitor = str(callback.monitor)
    factor = _not_negative("factor", callback.factor)
    # Keras counts up to a patience and down from a cooldown by ones.
    patience = ceil(max(_number("patience", callback.patience), Decimal(0)))
    cooldown = ceil(max(_number("cooldown", callback.cooldown), Decimal(0)))
    # After training Keras holds it with the sign that its comparison adds.
    min_delta = abs(_number("min_delta", callback.min_delta))
    least = max(_number("min_lr", callback.min_lr), Decimal(0))
    mode = _mode(monitor, str(callback.mode))
    arguments = [
        f"monitor={_metric(monitor)}",
        f"factor={_text(factor)}",
        f"patience={patience}",
        *([f"mode={mode}"] if mode != "auto" else []),
        *([f"min_delta={_text(min_delta)}"] if min_delta != Decimal("1e-4") else []),
        *([f"cooldown={cooldown}"] if cooldown else []),
        *([f"min={_text(least)}"] if least else []),
    ]
    return f"plateau({', '.join(arguments)})"


def _mode(monitor: str, mode: str) -> str:
    """Return what is better: Keras asks the metric itself, which only a `fit` has."""
    if mode == "auto" and better_mode(monitor) is None:
        raise ValueError(
            f"`{monitor}` does not say whether more of it is better: give the callback "
            '`mode="max"`, or `mode="min"`'
        )
    return mode


def _metric(name: str) -> str:
    if name.isascii() and name.isidentifier() and name not in RESERVED:
        return name
    if not name.isprintable() or '"' in name:
        raise ValueError(f"`monitor` cannot be written in quotes: {name!r}")
    return f'"{name}"'


_PLATEAU = "ReduceLROnPlateau"

_WRITERS: dict[str, Callable[..., str]] = {
    "ExponentialDecay": _exponential_decay,
    "InverseTimeDecay": _inverse_time_decay,
    "PolynomialDecay": _polynomial_decay,
    "PiecewiseConstantDecay": _piecewise_constant_decay,
    "CosineDecay": _cosine_decay,
    "CosineDecayRestarts": _cosine_decay_restarts,
}
_NAMES = ", ".join(_WRITERS)


def _cosine(peak: Decimal, share: Decimal) -> str:
    foot = _EXACT.multiply(peak, share)
    if share > 1:
        return f"cosine(from={_text(peak)}, to={_text(foot)})"
    least = f", min={_text(foot)}" if foot else ""
    return f"cosine(max={_text(peak)}{least})"


# -- which schedule it is ------------------------------------------------------------------

_SERIALIZED = '`optimizer.get_config()["learning_rate"]`'


def _recognise(schedule: Any) -> tuple[str, dict[str, Any]]:
    """Return the name of Keras's class and its parameters."""
    if isinstance(schedule, Mapping):
        name, config = _recognise_config(schedule)
    else:
        kind = type(schedule)
        # A subclass may compute something else, so it is not taken for its base.
        if not (_is_from_keras(kind.__module__) and kind.__name__ in _WRITERS):
            raise TypeError(_why_not(schedule))
        name, config = kind.__name__, schedule.get_config()
    # `name` names an operation of the graph; the curve does not depend on it.
    return name, {key: value for key, value in config.items() if key != "name"}


def _recognise_config(config: Mapping[Any, Any]) -> tuple[str, Mapping[Any, Any]]:
    if "learning_rate" in config:
        raise ValueError(
            'this is the config of an optimizer: give its schedule, `config["learning_rate"]`'
        )
    if "class_name" not in config:
        return _class_of(config), config
    name, inner = config["class_name"], config.get("config")
    if isinstance(inner, Mapping) and "learning_rate" in inner:
        raise ValueError(
            f'`{name}` is an optimizer: give its schedule, `config["config"]["learning_rate"]`'
        )
    module = config.get("module") or "keras"  # Keras 2 wrote none
    # Keras registers no name for what is its own.
    if not _is_from_keras(module) or config.get("registered_name") is not None:
        raise ValueError(_own_code(name))
    if name not in _WRITERS:
        raise ValueError(f"`{name}` is none of Keras's own schedules, which are {_NAMES}")
    if not isinstance(inner, Mapping):
        raise ValueError(
            f"`config` of `{name}` must hold its parameters, not {inner!r}: give what "
            "`keras.optimizers.schedules.serialize(schedule)` returns"
        )
    return name, inner


def _class_of(config: Mapping[Any, Any]) -> str:
    """Return which class a config without a `class_name` is of."""
    given = set(config) - {"name"}
    fitting = [name for name, w in _WRITERS.items() if given == set(signature(w).parameters)]
    if len(fitting) > 1:
        fitting = [name for name in fitting if name == config.get("name")]
    if not fitting:
        raise ValueError(
            "the config does not say which schedule it is of: give what "
            "`keras.optimizers.schedules.serialize(schedule)` returns, with its `class_name`"
        )
    return fitting[0]


def _is_from_keras(module: str) -> bool:
    return module.partition(".")[0] == "keras"


def _why_not(schedule: Any) -> str:
    kind = type(schedule)
    bases = {base.__name__ for base in kind.__mro__ if _is_from_keras(base.__module__)}
    if "BaseOptimizer" in bases:
        return f"`{kind.__name__}` is an optimizer: give its schedule, {_SERIALIZED}"
    if _PLATEAU in bases and not isinstance(schedule, type):
        return (
            f"`{kind.__name__}` is code of your own, and what it adds to `{_PLATEAU}` cannot "
            "be read from it: write `plateau(…)` with the same parameters, `min_lr` as `min`"
        )
    if isinstance(schedule, type):
        return f"`{schedule.__name__}` is a class: give a schedule that was made of it"
    if callable(schedule):
        return _own_code(kind.__name__)
    try:
        rate = _text(_number("learning_rate", schedule))
    except (TypeError, ValueError):
        return (
            f"`{kind.__name__}` is none of Keras's own schedules, which are {_NAMES}, and no "
            f"`{_PLATEAU}`"
        )
    return (
        f"{rate} is a number, not a schedule: write it as it is, `{rate}`; if it is the rate "
        f"of an optimizer that has a schedule, give {_SERIALIZED}"
    )


def _own_code(name: str) -> str:
    return (
        f"`{name}` is code of your own, and no formula can be read from it: write the formula, "
        "such as `0.1 * 0.96 ^ (step / 100)`"
    )


# -- numbers -------------------------------------------------------------------------------

_EXACT = Context(prec=limits.DIGITS)
"""Room for the product of two float64, whose shortest decimals have 17 digits at most."""


def _number(name: str, value: Any) -> Decimal:
    """Return the shortest decimal of a number, or of a tensor or variable that holds one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # NumPy's float64 is a float of another repr.
        shortest = repr(float(value) if isinstance(value, float) else value)
    else:
        scalar = _array(name, value)[()]
        if not isinstance(scalar, np.floating | np.integer):
            raise TypeError(f"`{name}` must be a number, not {value!r}")
        shortest = str(scalar)
    number = Decimal(shortest)
    if not number.is_finite():
        raise ValueError(f"`{name}` must be a finite number, not {shortest}")
    return _EXACT.plus(number)  # which has no negative zero


def _not_negative(name: str, value: Any) -> Decimal:
    number = _number(name, value)
    if number < 0:
        raise ValueError(f"`{name}` must be 0 or more, not {_text(number)}")
    return number


def _above_zero(name: str, value: Any) -> Decimal:
    number = _number(name, value)
    if number <= 0:
        raise ValueError(f"`{name}` must be above 0, not {_text(number)}")
    return number


def _several(name: str, values: Any) -> list[Any]:
    """Return the elements of a list, tuple, array or tensor."""
    if isinstance(values, list | tuple):
        return list(values)
    array = _array(name, values)
    if array.ndim != 1:
        raise TypeError(f"`{name}` must be a list of numbers, not {values!r}")
    return list(array)


def _array(name: str, value: Any) -> Any:
    """Return a tensor, a variable or an array as NumPy's, also from its serialized form."""
    dtype = None
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        value, dtype = value["config"]["value"], value["config"]["dtype"]
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError):
        raise TypeError(f"`{name}` must be a number, not {value!r}") from None


# -- text ----------------------------------------------------------------------------------


def _text(number: Decimal) -> str:
    number = _EXACT.normalize(number)
    if -4 <= number.adjusted() < 16:  # where Python writes a float without an exponent
        return f"{number:f}"
    return f"{number:e}".replace("e+", "e")


def _steps(number: Decimal) -> str:
    """Return a time in steps.

    A third of 10 steps has no decimal: 3.3333333333333335 would put the third stair beyond
    step 10.  So a float64 that such a quotient rounds to is taken for the quotient.
    """
    numerator, denominator = Fraction(number).limit_denominator(1000).as_integer_ratio()
    is_long = len(number.as_tuple().digits) > 15
    if is_long and denominator > 1 and numerator / denominator == float(number):
        return f"{numerator} steps / {denominator}"
    return f"{_text(number)} steps"


def _canonical(text: str) -> str:
    return print_file(parse(SourceText(text)))
