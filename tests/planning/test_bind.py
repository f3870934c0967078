"""What a segment sees: `entry`, `next`, `base`, its clocks, other targets."""

from __future__ import annotations

import numpy as np
import pytest
from asking import plan, problems, rates, times

import lrdsl


def at(text: str, epochs: list[float], total: int = 60, **more: object) -> list[float]:
    each = 10
    steps = [round(e * each) for e in epochs]
    return [float(v) for v in plan(text, total, each, **more).values(steps)]


# -- entry -----------------------------------------------------------------------------------


def test_entry_is_the_limit_of_the_formula_and_not_its_last_sample() -> None:
    # The last sample before epoch 5 is 0.098.
    assert at("linear(from=0, to=0.1) until 5 then const()", [5, 59]) == [0.1, 0.1]
    assert at("epoch until 5 then entry", [5]) == [5.0]


def test_entry_of_the_first_segment_is_base() -> None:
    assert at("entry until 5 then base / 2", [0, 5], base=0.3) == [0.3, 0.15]


def test_entry_of_a_cut_segment_is_where_it_was_cut() -> None:
    assert at("(linear(from=0, to=1) until 40) until 10 then const()", [10]) == [0.25]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param("cosine(from=1, to=0.25, cycles=2)", 0.25, id="last cycle"),
        pytest.param("linear(from=1, to=0.5) for 5 repeat", 0.5, id="last turn"),
        pytest.param("linear(from=1, to=0.5) for 5 repeat scale 0.5", 0.25, id="its height"),
        pytest.param("linear(from=1, to=0) by 4", 0.2, id="last interval"),
        pytest.param("(linear(from=1, to=0) by epoch)", 0.1, id="last epoch"),
        pytest.param("(cycle + 1) for 5 repeat", 2, id="a value of the turn"),
        pytest.param("1 for 3 repeat stretch 2", 1, id="a turn that is cut"),
        pytest.param("mod(epoch, 10)", 0, id="a formula at its end"),
        pytest.param("linear(from=1, to=0) skip 10", 0, id="skipped"),
    ],
)
def test_entry_stays_in_the_last_turn_or_interval(before: str, expected: float) -> None:
    assert at(f"{before} until 10 then entry", [10]) == pytest.approx([expected], rel=1e-15)


def test_every_turn_has_the_entry_of_the_repeat() -> None:
    text = "0.5 until 10 then (linear(to=0.1) until 5 then 0.2 until 10) repeat"
    values = at(text, [10, 20, 30, 50])
    assert values == [0.5] * 4


def test_entry_inside_a_turn_may_depend_on_the_turn() -> None:
    text = "(1 + cycle until 2 then linear(to=0) until 6) repeat"
    assert at(text, [2, 4, 8, 10, 14, 16]) == [1, 0.5, 2, 1, 3, 1.5]


def test_entry_handed_from_turn_dependent_segments_twice() -> None:
    text = (
        "(2 ^ -cycle until 1 then linear(to=entry / 2) until 2 then linear(to=0) for 2) repeat"
    )
    assert at(text, [2, 3, 6, 7, 10]) == [0.5, 0.25, 0.25, 0.125, 0.125]


def test_entry_in_nested_repeats_is_that_of_its_own_level() -> None:
    text = "((cycle + 1 until 1 then linear(to=0) for 2 repeat 2) until 6) repeat 2"
    # Inner turns start from what the outer turn had in force before them.
    assert at(text, [0, 1, 2, 3, 6, 7, 8, 9]) == [1, 1, 0.5, 1, 2, 2, 1, 2]


def test_cycle_counts_the_enclosing_repeat() -> None:
    assert at("cycle", [50]) == [0]
    text = "((10 * cycle for 1 repeat 2) then cycle for 1) repeat 3"
    assert at(text, [0, 1, 2, 3, 4, 5, 8]) == [0, 10, 0, 0, 10, 1, 2]


def test_a_value_held_after_a_turn_is_the_same_number_as_its_entry() -> None:
    text = "(exp(0.3, from=1) for 5) until 10 then entry"
    values = at(text, [5, 9, 10])
    assert len(set(values)) == 1


# -- next ------------------------------------------------------------------------------------


def test_warmup_climbs_to_where_the_next_segment_starts() -> None:
    assert at("warmup(5) then cosine(max=0.1)", [2.5, 5]) == pytest.approx([0.05, 0.1])
    # The cosine's own start is then what was in force before the warmup.
    assert at("warmup(5) then cosine()", [2.5, 5], base=0.3) == pytest.approx([0.15, 0.3])
    assert at("0.2 until 10 then warmup(5) then cosine()", [12.5, 15]) == pytest.approx(
        [0.1, 0.2]
    )


def test_next_looks_out_through_the_end_of_a_block() -> None:
    text = "(0.5 until 5 then linear(to=next)) until 10 then 0.1"
    assert at(text, [7.5, 10]) == pytest.approx([0.3, 0.1])
    deep = "((0.5 until 5 then (linear(to=next)))) until 10 then (0.1 until 5 then 0.2)"
    assert at(deep, [7.5, 10]) == pytest.approx([0.3, 0.1])


def test_next_sees_through_what_stands_around_the_following_curve() -> None:
    text = "linear(from=0, to=next) until 10 then (((exp(0.1, from=0.4) by 5) for 20) snapshot)"
    assert at(text, [5]) == pytest.approx([0.2])
    assert at("linear(from=0, to=next) until 10 then 2 * elapsed + 1", [5]) == [0.5]
    skipped = "linear(from=0, to=next) until 10 then linear(from=1, to=0) for 20 skip 10"
    assert at(skipped, [5]) == [0.25]


def test_next_of_next_is_followed() -> None:
    text = "linear(from=0, to=next) until 5 then linear(from=next, to=1) until 10 then 0.5"
    assert at(text, [2.5, 5]) == [0.25, 0.5]


def test_next_at_the_end_of_a_turn_is_the_next_turn() -> None:
    text = "linear(from=1 + cycle, to=next) for 5 repeat"
    t = times(20, 10)
    np.testing.assert_allclose(rates(text, 20, 10), 1 + t / 5, rtol=1e-12)


def test_next_after_the_last_turn_is_what_follows() -> None:
    text = "(1 until 2 then linear(to=next) until 4) repeat 2 then 5"
    assert at(text, [3, 4, 7, 8]) == [1, 1, 3, 5]


def test_next_turn_is_seen_at_its_own_height_and_time() -> None:
    assert at("linear(from=1, to=next) for 4 repeat scale 0.5", [2, 4, 6]) == [0.75, 0.5, 0.375]
    text = "((1 + epoch) until 2 then linear(to=next) until 5) repeat"
    assert at(text, [2, 3.5, 5, 8.5]) == [3, 4.5, 6, 9.5]
    last = "linear(from=4, to=next) for 4 repeat 2 scale 0.5 then 1"
    assert at(last, [0, 2, 4, 6, 8]) == [4, 3, 2, 1.5, 1]


@pytest.mark.parametrize(
    "text",
    [
        "warmup(5)",
        "0.1 until 5 then linear(to=next)",
        "(0.1 until 5 then linear(to=next)) for 20",
        "linear(from=1, to=next) for 5 repeat 3",
    ],
)
def test_next_where_nothing_follows_is_a_problem(text: str) -> None:
    assert [d.code for d in problems(text, epochs=60)] == ["LRS406"]


# -- base and other targets --------------------------------------------------------------------


def test_base_is_asked_for_only_if_it_is_used() -> None:
    needs = {
        "cosine(max=0.1)": False,
        "cosine()": True,
        "base * 2": True,
        "warmup(5) then 0.1": False,
        "warmup(5) then cosine()": True,
        "0.1 until 5 then cosine()": False,
        "cosine(max=0.1) for 5 repeat": False,
        "linear(from=1, to=next) for 5 repeat 3 then 0.1": False,
        "linear(to=0) for 5 repeat": True,
        "train 100 steps\nlr = linear(to=0)": True,
    }
    assert {text: lrdsl.loads(text).needs_base for text in needs} == needs


def test_base_of_a_part_is_its_own_and_that_of_all_others_in_common() -> None:
    made = lrdsl.loads("lr = base / 2\nslow.lr = base").plan(
        epochs=1, steps_per_epoch=1, base=9, bases={"slow": 0.1, "fast": 0.4, "last": 0.4}
    )
    assert [float(made.values(0, name)) for name in made.targets] == [0.2, 0.1]


def test_base_of_a_part_that_nobody_tells_is_that_of_all() -> None:
    made = lrdsl.loads("slow.lr = base").plan(epochs=1, steps_per_epoch=1, base=0.3)
    assert made.values(0, "slow.lr") == 0.3


def test_base_of_parts_that_differ_is_a_problem_at_its_place() -> None:
    program = lrdsl.loads("lr = 2 * base\nslow.lr = 0.1")
    with pytest.raises(lrdsl.LrsError) as caught:
        program.plan(epochs=1, bases={"slow": 0.1, "fast": 0.4, "last": 0.5})
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "LRS407",
        "the parts of the optimizer differ in their own rates: 0.4 (`fast`), 0.5 (`last`)",
    )
    assert found.primary is not None
    assert program.source.slice(found.primary.span) == "base"


def test_a_rate_that_all_parts_override_may_be_made_of_what_they_have_in_common() -> None:
    program = lrdsl.loads("lr = base\nslow.lr = lr / 2\nfast.lr = lr")
    made = program.plan(epochs=1, steps_per_epoch=1, bases={"slow": 0.4, "fast": 0.4})
    assert made.values(0, "slow.lr") == 0.2


def test_base_of_another_target_is_the_optimizers_own_value_of_it() -> None:
    text = "momentum = 0.5 * base until 5 then linear(from=base, to=0)\nlr = base"
    made = lrdsl.loads(text).plan(
        epochs=10, steps_per_epoch=1, base=0.3, own={"momentum": 0.9, "slow.beta": 3}
    )
    assert made.values([0, 5], "momentum").tolist() == [0.45, 0.9]
    assert made.values(0) == 0.3


def test_base_of_another_target_is_that_of_the_parts_that_it_is_for() -> None:
    own = {"slow.momentum": 0.5, "fast.momentum": 0.9, "last.momentum": 0.9}
    text = "momentum = base\nslow.momentum = base / 2\nlr = 0.1"
    made = lrdsl.loads(text).plan(epochs=1, steps_per_epoch=1, own=own)
    assert [float(made.values(0, name)) for name in made.targets] == [0.9, 0.25, 0.1]
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.loads("momentum = base\nlr = 0.1").plan(epochs=1, own=own)
    (found,) = caught.value.diagnostics
    assert found.message == (
        "the parts of the optimizer differ in their own `momentum`: 0.5 (`slow`), "
        "0.9 (`fast`), 0.9 (`last`)"
    )
    assert found.help is not None
    assert found.help.startswith("give each its curve, `slow.momentum = …`")


def test_the_rates_base_is_not_asked_for_by_another_target() -> None:
    program = lrdsl.loads("momentum = linear(to=0.5)\nslow.beta = base\nlr = 0.1")
    assert not program.needs_base
    assert program.needs_own == ("momentum", "slow.beta")


def test_a_kept_plan_keeps_the_optimizers_own_values() -> None:
    text = "momentum = 0.5 * base until val_loss < 0.1 then base\nlr = 0.1"
    made = lrdsl.loads(text).plan(epochs=3, steps_per_epoch=1, own={"momentum": 0.9})
    again = made.replay([{"val_loss": 0.05}])
    assert again.values(target="momentum").tolist() == [0.45, 0.9, 0.9]


def test_base_is_the_number_given() -> None:
    assert at("base * 0.96 ^ epoch", [0, 1], base=0.25) == [0.25, 0.24]


def test_a_target_may_use_those_above_it() -> None:
    text = (
        "a = linear(from=0, to=1)\nb = (2 * a for 10 repeat)\nlr = a + b until 50% then entry"
    )
    made = plan(text, 20, 10)
    t = times(20, 10)
    # The target above keeps the training's own clock inside a turn.
    np.testing.assert_allclose(made.values(target="b"), t / 10, rtol=1e-12)
    np.testing.assert_allclose(made.values(), np.minimum(3 * t / 20, 1.5), rtol=1e-12)


def test_a_target_other_than_the_rate_may_be_negative() -> None:
    assert at("beta = 1 - epoch\nlr = 0.1", [59]) == [0.1]
    assert [d.code for d in problems("lr = 1 - epoch", epochs=60)] == ["LRS404"]


# -- clocks ------------------------------------------------------------------------------------


def test_local_clocks_are_the_segments_and_training_clocks_the_trainings() -> None:
    text = "0 until 12.5 then 0.0 + {} until 40 then 1"
    for word, expected in [
        ("elapsed", 7.5),
        ("duration", 27.5),
        ("progress", 7.5 / 27.5),
        ("epoch", 20),
        ("step", 200),
    ]:
        assert at(text.format(word), [20]) == pytest.approx([expected], rel=1e-15)


def test_elapsed_and_duration_count_the_files_unit() -> None:
    made = plan("train 100 steps\n0 until 20 then elapsed until 60 then duration")
    assert list(made.values([50, 60])) == [30, 40]


# -- limits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            " then ".join(f"(next + next) until {i}" for i in range(1, 45)) + " then 1",
            id="next asked for twice each time",
        ),
        pytest.param(
            " then ".join(f"linear(from=next) until {i}" for i in range(1, 80)) + " then 1",
            id="next of next of next",
        ),
        pytest.param(
            "(cycle until 1 then "
            + " then ".join(f"(entry + entry) until {i}" for i in range(2, 45))
            + ") repeat 2",
            id="entry asked for twice each time",
        ),
        pytest.param(
            "(cycle until 1 then "
            + " then ".join(f"linear(to=1) until {i}" for i in range(2, 500))
            + ") repeat 2",
            id="entry of entry of entry",
        ),
        pytest.param(
            "lr = epoch "
            + " ".join(f"t{i} = {f't{i - 1}' if i else 'lr'} * 2" for i in range(200)),
            id="targets of targets",
        ),
        pytest.param(
            "lr = epoch "
            + " ".join(f"t{i} = {f't{i - 1} + t{i - 1}' if i else 'lr'}" for i in range(40)),
            id="targets twice in targets",
        ),
    ],
)
def test_what_refers_too_far_is_over_a_limit(text: str) -> None:
    found = problems(text, epochs=1000, steps_per_epoch=1)
    assert {d.code for d in found} == {"LRS107"}


def test_an_entry_that_is_a_number_may_come_through_any_number_of_segments() -> None:
    text = "1 until 1 then " + " then ".join(
        f"(entry * 0.5 + 1) until {i}" for i in range(2, 900)
    )
    assert at(text, [899.5], total=1000) == [2.0]
