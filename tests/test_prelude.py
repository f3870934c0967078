"""What each function of the prelude comes to, by the formula that its comment gives."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from asking import assert_first_problem, plan, rates, times
from numpy.typing import NDArray

import lrdsl
from lrdsl.prelude import entries
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse

Floats = NDArray[np.float64]

EPOCHS, STEPS = 100, 10


def _arc(t: Floats) -> Floats:
    return np.sqrt((100 - t) / 250 * (2 - (100 + t) / 250))


def _triangle(t: Floats, up: float, down: float) -> Floats:
    into = np.mod(t, up + down)
    return np.where(into < up, into / up, 1 - (into - up) / down)


def _rectified(t: Floats, beta: float) -> Floats:
    count = t * STEPS + 1
    longest = 2 / (1 - beta) - 1
    rho = np.maximum(longest - 2 * count * beta**count / (1 - beta**count), 4)
    return np.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))


def _cycle(t: Floats, every: float, factor: float) -> tuple[Floats, Floats]:
    """Return the turn that a time is in, and its progress there."""
    starts = np.cumsum([0, *(every * factor**i for i in range(20))])
    turn = np.searchsorted(starts, t, side="right") - 1
    return turn, (t - starts[turn]) / (every * factor**turn)


def _half(p: Floats) -> Floats:
    return (1 + np.cos(np.pi * p)) / 2


def _ease(p: Floats, a: float, b: float) -> Floats:
    return b + (a - b) * _half(p)


FORMULAS: list[tuple[str, Callable[[Floats, Floats], Floats]]] = [
    # t in epochs, p of the training
    ("step(0.5, every=7, from=2)", lambda t, p: 2 * 0.5 ** np.floor(np.round(t / 7, 9))),
    (
        "multistep(0.1, 60, 30, 30, 500 steps, from=2)",
        lambda t, p: 2 * 0.1 ** (2.0 * (t >= 30) + (t >= 50) + (t >= 60)),
    ),
    (
        "multistep(0.5, 1, 2, 3, 4, 5, 6, 7, 8, from=2)",
        lambda t, p: 2 * 0.5 ** np.minimum(np.floor(t), 8),
    ),
    ("one_minus_sqrt(to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * (1 - np.sqrt(p))),
    (
        "exp_cooldown(0.1, to=0.1, from=2)",
        lambda t, p: 0.1 + 1.9 * (0.1**p - 0.1) / 0.9,
    ),
    ("exp_cooldown(from=2)", lambda t, p: 2 * (2 * 0.5**p - 1)),
    ("rex(to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * (1 - p) / (1 - p / 2)),
    ("rex(0.2, from=2)", lambda t, p: 2 * (1 - p) / (0.2 + 0.8 * (1 - p))),
    ("k_decay(3, to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * (1 - p**3)),
    ("k_decay(3, power=2, from=2)", lambda t, p: 2 * (1 - p**3) ** 2),
    ("cosine_k_decay(1.5, to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * _half(p**1.5)),
    ("cosine_power(2, to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * _half(p) ** 2),
    ("cosine_wave(20, to=0.1, from=2)", lambda t, p: 0.1 + 1.9 * _half(t / 20)),
    (
        "linear_cosine(alpha=0.2, beta=0.01, periods=1.5, from=2)",
        lambda t, p: 2 * ((0.2 + 1 - p) * _half(3 * p) + 0.01),
    ),
    (
        "tanh_decay(lower=-4, upper=2, to=0.1, from=2)",
        lambda t, p: 0.1 + 1.9 / 2 * (1 - np.tanh(-4 * (1 - p) + 2 * p)),
    ),
    (
        "sigmoid_decay(20, middle=0.3, to=0.1, from=2)",
        lambda t, p: 0.1 + 1.9 / (1 + np.exp(20 * (p - 0.3))),
    ),
    ("hyperbolic(250, to=0.1, from=2)", lambda t, p: 2 + 1.9 * (_arc(t) - _arc(0 * t))),
    (
        "exp_hyperbolic(2500 steps, to=0.1, from=2)",
        lambda t, p: 2 * 20 ** (_arc(t) - _arc(0 * t)),
    ),
    ("inverse_sqrt(10, from=2)", lambda t, p: 2 / np.sqrt(1 + t / 10)),
    ("inverse_sqrt(10, to=0.1, from=2)", lambda t, p: 0.1 + 1.9 / np.sqrt(1 + t / 10)),
    ("sigmoid_decay(from=2)", lambda t, p: 2 / (1 + np.exp(10 * (p - 0.5)))),
    (
        "slanted_triangular(2)",
        lambda t, p: np.interp(p, [0, 0.1, 1], [1 / 16, 2, 1 / 16]),
    ),
    (
        "tri_stage(2, warmup=10, hold=0, decay=40)",
        lambda t, p: np.where(
            t < 10, 0.02 + 1.98 * t / 10, 2 * 0.01 ** ((t - 10) / 40).clip(0, 1)
        ),
    ),
    ("multistep(0.1, -5, 1000, from=2)", lambda t, p: 2 + 0 * t),
    ("log_warmup(1 step) then 0.1", lambda t, p: np.where(t == 0, 0, 0.1)),
    ("one_cycle(2, up=0)", lambda t, p: _ease(p, 2, 8e-6)),
    (
        "one_cycle_three_phase(2, up=0, down=50)",
        lambda t, p: np.where(p < 0.5, _ease(2 * p, 2, 0.08), _ease(2 * p - 1, 0.08, 8e-6)),
    ),
    ("flat_cosine(2, start=0)", lambda t, p: _ease(p, 2, 0)),
    ("slanted_triangular(2, cut=0, ratio=20)", lambda t, p: 2 - 1.9 * p),
    ("power_law(0.51, 5, to=1, from=2)", lambda t, p: 1 + (1 + t / 5) ** -0.51),
    (
        "noam(64, 20, factor=3) skip 1 step",
        lambda t, p: 3 / 8 * np.minimum((t * STEPS + 1) ** -0.5, (t * STEPS + 1) * 200.0**-1.5),
    ),
    (
        "log_warmup(20, from=0.1, to=2)",
        lambda t, p: 0.1 + 1.9 * np.minimum(np.log(np.maximum(t * STEPS, 1)) / np.log(200), 1),
    ),
    ("exponential_warmup(5, to=2)", lambda t, p: 2 * -np.expm1(-t / 5)),
    ("radam_warmup(0.99)", lambda t, p: _rectified(t, 0.99)),
    (
        "warm_restarts(10, t_mul=1.5, m_mul=0.8, to=0.1, from=2)",
        lambda t, p: 0.1 + 1.9 * 0.8 ** _cycle(t, 10, 1.5)[0] * _half(_cycle(t, 10, 1.5)[1]),
    ),
    (
        "poly_cycles(2, 30, to=0.1, from=2)",
        lambda t, p: 0.1 + 1.9 * (1 - t / 30 / np.maximum(1, np.ceil(t / 30))) ** 2,
    ),
    ("triangular(0.1, 2, 10, 25)", lambda t, p: 0.1 + 1.9 * _triangle(t, 10, 25)),
    (
        "triangular2(0.1, 2, 10)",
        lambda t, p: 0.1 + 1.9 * _triangle(t, 10, 10) * 0.5 ** (t // 20),
    ),
    (
        "exp_range(0.1, 2, 10, gamma=0.97, every=10 steps)",
        lambda t, p: 0.1 + 1.9 * _triangle(t, 10, 10) * 0.97**t,
    ),
    (
        "one_cycle(2, up=40%, div=10, final_div=100)",
        lambda t, p: np.where(
            p < 0.4, _ease(p / 0.4, 0.2, 2), _ease((p - 0.4) / 0.6, 2, 0.002)
        ),
    ),
    (
        "one_cycle(2, shape=linear(from=0, to=1))",
        lambda t, p: np.interp(p, [0, 0.3, 1], [0.08, 2, 8e-6]),
    ),
    (
        "one_cycle_three_phase(2, up=40%, div=10, final_div=100)",
        lambda t, p: np.select(
            [p < 0.4, p < 0.8],
            [_ease(p / 0.4, 0.2, 2), _ease((p - 0.4) / 0.4, 2, 0.2)],
            _ease((p - 0.8) / 0.2, 0.2, 0.002),
        ),
    ),
    (
        "one_cycle(2, up=40%, div=10, to=0.1)",
        lambda t, p: np.where(p < 0.4, _ease(p / 0.4, 0.2, 2), _ease((p - 0.4) / 0.6, 2, 0.1)),
    ),
    (
        "one_cycle_three_phase(2, up=30, down=85, to=0.1, shape=linear(from=0, to=1))",
        lambda t, p: np.interp(t, [0, 30, 85, 100], [0.08, 2, 0.08, 0.1]),
    ),
    (
        "wsd(2, decay=20, shape=exp(to=0.02))",
        lambda t, p: 2 * 0.01 ** ((t - 80) / 20).clip(0),
    ),
    (
        "slanted_triangular(2, cut=20%, ratio=16)",
        lambda t, p: np.interp(p, [0, 0.2, 1], [2 / 16, 2, 2 / 16]),
    ),
    (
        "flat_cosine(2, start=60%, to=0.1)",
        lambda t, p: np.where(p < 0.6, 2, _ease((p - 0.6) / 0.4, 2, 0.1)),
    ),
    (
        "wsd(2, warmup=5, decay=20%, shape=one_minus_sqrt(to=0.1))",
        lambda t, p: np.where(
            p < 0.8,
            np.minimum(t / 5, 1) * 2,
            0.1 + 1.9 * (1 - np.sqrt(np.maximum(p - 0.8, 0) / 0.2)),
        ),
    ),
    (
        "wsd(2, warmup=5, decay=20, from=0.5)",
        lambda t, p: np.interp(t, [0, 5, 80, 100], [0.5, 2, 2, 0]),
    ),
    (
        "wsd(2, warmup=5, decay=20, rise=cosine(from=0.5, to=2), shape=cosine())",
        lambda t, p: (
            np.where(t < 5, _ease(t / 5, 0.5, 2), 0)
            + np.where(t >= 5, _ease(((t - 80) / 20).clip(0, 1), 2, 0), 0)
        ),
    ),
    (
        "tri_stage(2, warmup=10, hold=30, decay=40, final=0.05)",
        lambda t, p: np.select(
            [t < 10, t < 40], [0.02 + 1.98 * t / 10, 2], 2 * 0.05 ** ((t - 40) / 40).clip(0, 1)
        ),
    ),
]


@pytest.mark.parametrize(("text", "formula"), FORMULAS, ids=[text for text, _ in FORMULAS])
def test_a_function_comes_to_its_formula(
    text: str, formula: Callable[[Floats, Floats], Floats]
) -> None:
    t = times(EPOCHS, STEPS)
    # The formulas here round otherwise, and take differences of what is nearly equal.
    np.testing.assert_allclose(
        rates(text, EPOCHS, STEPS), formula(t, t / EPOCHS), rtol=1e-12, atol=1e-14
    )


def test_every_function_is_compared_with_its_formula() -> None:
    assert {text.split("(")[0] for text, _ in FORMULAS} == set(entries())


@pytest.mark.parametrize("name", entries())
def test_every_function_is_found_and_parsed_by_itself(name: str) -> None:
    entry = entries()[name]
    (definition,) = parse(SourceText(entry.text)).statements
    assert definition.name == name
    assert entry.signature.startswith(f"{name}(")
    assert entry.comment[0].startswith(f"{name}: ")
    assert entry.section


def test_the_prelude_is_itself_a_file_of_the_language() -> None:
    # As one text, its functions under other names, since nobody may redefine them.
    text = "\n".join(entry.text for entry in entries().values())
    for name in entries():
        text = re.sub(rf"\b{name}\(", f"my_{name}(", text)
    lrdsl.loads(f"{text}\nlr = 0.1")


@pytest.mark.parametrize("name", entries())
def test_a_function_of_the_prelude_cannot_be_redefined(name: str) -> None:
    with pytest.raises(lrdsl.LrsError, match="has a meaning of its own"):
        lrdsl.loads(f"def {name}(x) = x\nlr = {name}(0.1)")


def test_a_segment_takes_over_where_a_multistep_ends() -> None:
    made = rates("multistep(0.1, 30, from=2) until 80 then linear(to=0)", 100, 1)
    assert made[80] == pytest.approx(0.2, rel=1e-12)


def test_one_cycle_hands_over_its_exact_ends() -> None:
    made = rates("one_cycle(0.1) for 40 then const() for 10 then one_cycle(0.3)", 100, 10)
    assert made[120] == 0.1
    assert made[450] == pytest.approx(4e-7, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "operator", "start"),
    [
        ("0.1 * «rex()»", "*", "rex"),
        ("«step(0.5)» / 2", "/", "step"),
        ("2 ^ («rex()» for 5)", "^", "rex"),
        ("0.1 * («warm_restarts(10)» skip 3)", "*", "warm_restarts"),
    ],
)
def test_a_factor_says_where_it_starts(text: str, operator: str, start: str) -> None:
    assert_first_problem(
        text,
        {},
        "LRS405",
        f"a curve inside `{operator}` does not say where it starts",
        "would start at a rate",
        f"say where it starts, as in `{start}(…, from=1)`",
    )


def test_a_function_of_ones_own_that_starts_at_the_entry_is_no_factor_either() -> None:
    for text in (
        "def fall(from=entry) = linear(from=from)\nlr = 0.1 * fall()",
        "def fall(*, start=(entry)) = cosine(from=start)\nlr = 0.1 * fall()",
    ):
        with pytest.raises(lrdsl.LrsError, match="as in `fall"):
            lrdsl.loads(text)


def test_a_factor_with_a_start_is_one() -> None:
    assert rates("0.1 * rex(from=1)", 10, 1)[0] == 0.1


def test_curves_of_the_prelude_start_at_what_is_in_force() -> None:
    assert plan("0.1 until 5 then rex()", 10, 1).values()[5] == 0.1
    assert rates("rex()", 10, 1, base=0.3)[0] == 0.3


def test_a_warmup_inside_a_product_climbs_to_what_follows_it_there() -> None:
    made = rates("(warmup(5) then cosine(from=0.2)) * (1 until 50% then 0.5)", 20, 1)
    assert made[0] == 0
    assert made[5] == 0.2
    assert rates("wsd(0.1, warmup=10, decay=20) * 2", 60, 1)[10] == 0.2


@pytest.mark.parametrize("text", ["warmup(5) * 2", "(warmup(5) then linear()) * 2"])
def test_a_warmup_that_climbs_to_the_rate_is_no_factor(text: str) -> None:
    with pytest.raises(lrdsl.LrsError, match="does not say where it starts"):
        lrdsl.loads(text)
