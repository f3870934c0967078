"""The length of a training, from the file and from the caller."""

from __future__ import annotations

from fractions import Fraction

import pytest
from asking import problems

import lrdsl
from lrdsl.planning.horizon import describe


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (Fraction(1), "epochs", "1 epoch"),
        (Fraction(5, 2), "epochs", "2.5 epochs"),
        (Fraction(1, 3), "epochs", "0.333333 epochs"),
        (Fraction(12345), "steps", "12,345 steps"),
        (Fraction(10**18), "steps", "1e+18 steps"),
        (Fraction(10**400), "steps", "over 1e308 steps"),
    ],
)
def test_a_time_in_words(amount: Fraction, unit: str, words: str) -> None:
    assert describe(amount, unit) == words


@pytest.mark.parametrize(
    ("train", "given", "expected"),
    [
        ("", {"epochs": 5}, ("epochs", 5, None, None)),
        ("", {"epochs": 5, "steps_per_epoch": 3}, ("epochs", 5, 3, 15)),
        ("", {"steps": 15}, ("steps", None, None, 15)),
        ("", {"steps": 15, "steps_per_epoch": 3}, ("epochs", 5, 3, 15)),
        ("", {"steps": 16, "steps_per_epoch": 3}, ("epochs", None, 3, 16)),
        ("", {"steps": 15, "epochs": 5}, ("epochs", 5, 3, 15)),
        ("train 5 epochs", {}, ("epochs", 5, None, None)),
        ("train 5 epochs", {"steps_per_epoch": 3}, ("epochs", 5, 3, 15)),
        ("train 5 epochs of 3 steps", {}, ("epochs", 5, 3, 15)),
        (
            "train 5 epochs of 3 steps",
            {"epochs": 5, "steps_per_epoch": 3},
            ("epochs", 5, 3, 15),
        ),
        ("train 15 steps", {}, ("steps", None, None, 15)),
        ("train 15 steps", {"steps_per_epoch": 3}, ("steps", 5, 3, 15)),
        ("train 15 steps", {"epochs": 5}, ("steps", 5, 3, 15)),
    ],
)
def test_file_and_caller_are_joined(
    train: str, given: dict[str, int], expected: tuple[object, ...]
) -> None:
    made = lrdsl.loads(f"{train}\n0.1").plan(**given)
    assert (made.unit, made.epochs, made.steps_per_epoch, made.total_steps) == expected


def test_a_training_longer_than_any_is_refused() -> None:
    (found,) = problems("0.1", epochs=10**9, steps_per_epoch=10**9)
    assert (found.code, found.message) == (
        "LRS107",
        "a training of 1,000,000,000,000,000,000 steps is longer than any",
    )
