"""Elementary functions: the same bits for a value wherever it stands; noise; constants."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from lrdsl.numeric import functions
from lrdsl.numeric.constants import apply_constant, as_float, as_fraction, is_chain
from lrdsl.numeric.curves import CURVES
from lrdsl.numeric.exact import Exact
from lrdsl.numeric.noise import uniform

ONE = ("exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid")


@pytest.mark.parametrize("name", ONE)
def test_a_value_has_the_same_bits_alone_strided_or_in_any_slice(name: str) -> None:
    function = getattr(functions, name)
    x = np.random.default_rng(1).uniform(0.001, 30, 1000)
    every = function(x)
    assert np.array_equal(function(x[::3]), every[::3])
    assert np.array_equal(function(x[7:90]), every[7:90])
    assert np.array_equal(np.concatenate([function(v) for v in x[:50]]), every[:50])


def test_powers_too() -> None:
    rng = np.random.default_rng(2)
    base, exponent = rng.uniform(0, 2, 1000), rng.uniform(-5, 5, 1000)
    every = functions.power(base, exponent)
    assert np.array_equal(functions.power(base[::3], exponent[::3]), every[::3])
    assert np.array_equal(functions.power(base[5:70], exponent[5:70]), every[5:70])
    assert np.array_equal(functions.power(base, 2.0)[:3], functions.power(base[:3], 2.0))


@pytest.mark.parametrize(
    ("x", "expected"),
    [(0.0, 0.5), (1000.0, 1.0), (-1000.0, 0.0), (2.0, 1 / (1 + math.exp(-2)))],
)
def test_sigmoid_overflows_at_neither_end(x: float, expected: float) -> None:
    assert float(functions.sigmoid(x)[0]) == pytest.approx(expected, rel=1e-15)
    assert apply_constant("sigmoid", [x]) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        ("+", [Fraction(1, 3), Fraction(1, 6)], Fraction(1, 2)),
        ("/", [Fraction(1), Fraction(3)], Fraction(1, 3)),
        ("^", [Fraction(2), Fraction(-3)], Fraction(1, 8)),
        ("mod", [Fraction(-1), Fraction(3, 2)], Fraction(1, 2)),
        ("round", [Fraction(5, 2)], Fraction(2)),
        ("floor", [Fraction(-5, 2)], Fraction(-3)),
        ("clip", [Fraction(5), Fraction(0), Fraction(1)], Fraction(1)),
        ("*/*", [Fraction(2), Fraction(3), Fraction(4), Fraction(6)], Fraction(9)),
        ("//", [Fraction(1), Fraction(2), Fraction(3)], Fraction(1, 6)),
        ("+", [0.1, 0.2, 0.3, -0.6], ((0.1 + 0.2) + 0.3) + -0.6),
        ("/", [1.0, 0.0], math.inf),
        ("/", [Fraction(-1), Fraction(0)], -math.inf),
        ("^", [Fraction(10), Fraction(400)], math.inf),
        ("log", [Fraction(0)], -math.inf),
    ],
)
def test_constants_are_exact_as_long_as_they_can_be(
    function: str, values: list[Fraction | float], expected: Fraction | float
) -> None:
    result = apply_constant(function, values)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("function", "values"),
    [
        ("/", [0.0, 0.0]),
        ("^", [Fraction(-8), Fraction(1, 2)]),
        ("sqrt", [-1.0]),
        ("log", [-1.0]),
        ("mod", [1.0, 0.0]),
        ("min", [0.1, math.nan]),
        ("max", [math.nan, 0.1]),
        ("clip", [0.1, math.nan, 1.0]),
        ("+", [math.inf, -math.inf]),
    ],
)
def test_what_has_no_value_is_not_a_number(function: str, values: list[float]) -> None:
    assert math.isnan(apply_constant(function, values))


def test_rationals_that_grow_too_long_become_floats() -> None:
    value: Fraction | float = Fraction(1, 3)
    for _ in range(6):
        value = apply_constant("^", [value, Fraction(10)])
    assert isinstance(value, float)


def test_numbers_change_kind_without_an_accident() -> None:
    assert as_float(Fraction(10**400)) == math.inf
    assert as_float(Fraction(-(10**400))) == -math.inf
    assert as_fraction(0.5) == Fraction(1, 2)
    with pytest.raises(ValueError, match="not finite"):
        as_fraction(math.nan)
    assert [is_chain(f) for f in ("*", "/", "*/", "+", "min", "^")] == [0, 0, 1, 0, 0, 0]


def test_noise_is_splitmix64() -> None:
    mask = 2**64 - 1

    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) & mask
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
        return x ^ (x >> 31)

    for seed in (0, 1, 2**64 + 5):
        for index in (0, 1, -1, 2**63, 10**30):
            expected = (mix((mix(seed & mask) + index) & mask) >> 11) * 2.0**-52 - 1
            kind = object if abs(index) >= 2**63 else np.int64
            assert float(uniform(seed, np.array([index], dtype=kind))[0]) == expected


def test_noise_is_uniform() -> None:
    values = uniform(3, np.arange(100_000))
    assert -1 <= values.min() < -0.999
    assert 0.999 < values.max() < 1
    # Three standard errors of the mean of that many.
    assert abs(values.mean()) < 3 * math.sqrt(1 / 3 / 100_000)


def clock(x: float) -> Exact:
    """Return a clock that shows one number."""
    return Exact(np.zeros(1, dtype=np.int64), Fraction(1), Fraction(x))


@pytest.mark.parametrize(
    ("kind", "x", "parameters", "expected"),
    [
        ("linear", 0.25, (1.0, 3.0), 1.5),
        ("cosine", 0.25, (1.0, 3.0), 3 - (1 + math.cos(math.pi / 4))),
        ("poly", 0.25, (2.0, 1.0, 3.0), 3 - 2 * 0.75**2),
        ("geometric", 0.25, (1.0, 3.0), 3**0.25),
        ("exponential", 2.5, (0.1, 3.0), 3 * math.exp(-0.25)),
        ("decay", 2.5, (0.5, 3.0), 3 * 0.5**2.5),
        ("inverse", 2.5, (0.1, 2.0, 3.0), 3 / 1.25**2),
    ],
)
def test_a_curve_is_its_formula(
    kind: str, x: float, parameters: tuple[float, ...], expected: float
) -> None:
    arrays = [np.array([p]) for p in parameters]
    for given in (arrays, parameters):
        value = float(CURVES[kind](clock(x), *given)[0])
        assert value == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("kind", ["linear", "cosine", "geometric"])
def test_a_curve_ends_exactly_where_it_is_told(kind: str) -> None:
    start, end = np.array([0.3]), np.array([0.1])
    assert float(CURVES[kind](clock(1), start, end)[0]) == 0.1
    assert float(CURVES[kind](clock(0), start, end)[0]) == 0.3
