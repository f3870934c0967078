"""Every schedule that another library offers can be written here."""

from __future__ import annotations

import numpy as np
import pytest

from peers.reproducing import Text, differing, records, texts

ALL = texts()
WRITTEN = [name for name, text in ALL.items() if not text.unmatched]
UNMATCHED = [name for name, text in ALL.items() if text.unmatched]


def _differing(name: str, text: Text) -> list[int]:
    record = records()[name]
    return differing(text.values(record), record.values, record, text)


def test_every_record_has_a_text_or_a_reason() -> None:
    assert list(ALL) == list(records())
    assert all(text.text for text in ALL.values())
    assert all(text.because for text in ALL.values() if text.unmatched or text.lead)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_text_gives_the_curve_that_the_peer_printed(name: str) -> None:
    text = ALL[name]
    wrong = [step for step in _differing(name, text) if step not in text.excused]
    assert wrong == []


@pytest.mark.parametrize("name", [name for name in WRITTEN if records()[name].others])
def test_the_text_gives_what_the_peer_schedules_beside_the_rate(name: str) -> None:
    record = records()[name]
    plan = ALL[name].plan()
    for other, theirs in record.others.items():
        if other == "trainer_lr":
            # What Composer's trainer applies is the schedule of the step before.
            ours = np.concatenate([plan.values()[:1], plan.values()[:-1]])
        else:
            ours = plan.values(target={"beta1": "beta_1"}.get(other, other))
        assert differing(ours, theirs, record, ALL[name]) == []


@pytest.mark.parametrize("name", [name for name, text in ALL.items() if text.excused])
def test_a_step_is_excused_only_where_it_differs(name: str) -> None:
    text = ALL[name]
    assert text.because
    assert set(text.excused) <= set(_differing(name, text))


ROUNDED = [
    name
    for name, text in ALL.items()
    if text.excused and (text.single or records()[name].dtype == "float32")
]


@pytest.mark.parametrize("name", ROUNDED)
def test_what_is_excused_for_rounding_is_no_further_than_that(name: str) -> None:
    record, text = records()[name], ALL[name]
    apart = np.abs(text.plan().values() - record.values) / record.values.max()
    # One step of fastai's restarts comes late, by the rounding of its edge.
    assert np.count_nonzero(apart[list(text.excused)] > 1e-6) <= (name == "fastai/fit_sgdr/1")


@pytest.mark.parametrize("name", [name for name, text in ALL.items() if text.single])
def test_a_looser_bound_is_given_only_where_it_is_needed(name: str) -> None:
    text, record = ALL[name], records()[name]
    assert text.because
    assert record.dtype == "float64"
    assert differing(text.plan().values(), record.values, record, text, single=False)


@pytest.mark.parametrize("name", UNMATCHED)
def test_what_cannot_be_matched_still_differs(name: str) -> None:
    assert _differing(name, ALL[name])


@pytest.mark.parametrize("name", [name for name in WRITTEN if records()[name].metrics])
def test_a_rate_depends_on_the_metrics_of_the_steps_before_alone(name: str) -> None:
    record, text = records()[name], ALL[name]
    whole = text.values(record)
    for known in range(0, len(record.metrics), 7):
        part = text.plan(record.metrics[:known])
        settled = part.settled_steps
        assert settled == min(part.total_steps or 0, known + 1)
        np.testing.assert_array_equal(
            part.values(range(text.lead, settled)), whole[: max(settled - text.lead, 0)]
        )
