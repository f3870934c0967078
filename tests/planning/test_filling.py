"""Consecutive steps at once: to the bit the values of the steps one by one."""

from __future__ import annotations

import numpy as np
import pytest
from asking import plan

EPOCHS, EACH = 37, 1000  # several blocks of steps, and none of them full at the end

TEXTS = [
    "warmup(5) then cosine(max=0.1) until 20 then exp(0.05) until 30 then linear(to=0)",
    "cosine(from=0.1, to=0.3) until 7.0004 then linear(from=0.2, to=0.05)",
    "exp(0.3, from=0.1, every=2.5) until 9 then exp(-0.1) until 20 then decay(0.9)",
    "exp(to=1e-6, from=0.1) until 1234 steps then exp(from=1e-3, to=0.1)",
    "(cosine(from=0.1) for 3) until 10 then 0.05",
    "0.1 until 3 then 0.05 until 3.0005 then 0.01",
    "poly(0.5, from=0.1, to=0.01) until 20 then inverse(0.3)",
    "cosine(from=0.1, cycles=7) until 20 then (cosine(from=0.1) for 3.1) repeat scale 0.9",
    "0.5 * cosine(from=0.1) + 0.01 * linear(from=1)",
    "step(0.5, every=3, from=0.1) until 20 then noise(seed=1) * 0.01 + 0.1",
    "cosine(from=0.1) for 80 skip 20",
    "cosine(from=0.1, to=0.01, cycles=37)",
    "0.1 until 3 then cosine(to=0.01, cycles=17) until 20 then cosine(from=0.1, cycles=34)",
    "0.1 until 3 then (warmup(0.1) then cosine(max=0.1) until 2) repeat scale 0.9",
    "0.1 until 3 then (warmup(0.1) then cosine(max=0.1) until 2.0005) repeat",
    "(cosine(from=0.1) by 2 steps for 2 repeat) for 12 repeat",
    "(linear(from=1) for 4 repeat 3 then 0.1 + 0.01 * noise(seed=3)) for 13 repeat scale 0.5",
    "(0.1 * 0.5 ^ cycle * linear(from=1, to=0.5)) for 2 repeat",
    "(linear(from=1) * (elapsed / 37 epochs) for 5) repeat",
    "(cosine(from=0.1) by epoch for 2.5) repeat",
]


@pytest.mark.parametrize("text", TEXTS)
def test_all_a_slice_and_one_by_one_agree_to_the_bit(text: str) -> None:
    made = plan(text, EPOCHS, EACH)
    every = made.values()
    total = EPOCHS * EACH
    shuffled = np.random.default_rng(1).permutation(total)
    np.testing.assert_array_equal(made.values(shuffled), every[shuffled])
    for low, high in ((0, total), (1, 5000), (4095, 8193), (20_001, 20_002), (7, 7)):
        np.testing.assert_array_equal(made.values(range(low, high)), every[low:high])
        np.testing.assert_array_equal(made.values(slice(low, high, 3)), every[low:high:3])
    for step in (0, 1, 4095, 4096, 5000, 20_000, 30_000, total - 1):
        assert float(made.values(step)) == every[step]
    np.testing.assert_array_equal(made.values(range(-5, 0)), every[-5:])


def test_a_target_that_follows_another_agrees_too() -> None:
    made = plan("lr = cosine(from=0.1)\nweight_decay = 5e-4 * lr / 0.1", EPOCHS, EACH)
    every = made.values(target="weight_decay")
    some = np.array([3, 36_999, 5000])
    np.testing.assert_array_equal(made.values(some, "weight_decay"), every[some])


def test_steps_outside_the_training_are_refused() -> None:
    made = plan("0.1", 2, 3)
    for steps in (range(0, 7), range(6, 7), range(-7, -6)):
        with pytest.raises(IndexError, match="steps 0 to 5"):
            made.values(steps)
    assert made.values(range(3, 3)).shape == (0,)
