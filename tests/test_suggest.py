from __future__ import annotations

import pytest

from lrdsl.prelude import entries
from lrdsl.suggest import LONGEST_WORD, MOST_CANDIDATES, suggest
from lrdsl.vocabulary import CLOCKS, FOREIGN, FUNCTIONS, REFERENCES
from lrdsl.vocabulary import CURVES as PRIMITIVES

CURVES = ["const", "cosine", "cos", "decay", "exp", "inverse", "linear", "min", "max", "poly"]
ALIASES = {"exponential": "exp", "polynomial": "poly", "steplr": "step"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("exponential", "exp", id="foreign name"),
        pytest.param("Exponential", "exp", id="foreign name in other case"),
        pytest.param("StepLR", None, id="foreign name of what does not exist here"),
        pytest.param("cosin", "cosine", id="beginning of one name only"),
        pytest.param("inv", "inverse", id="abbreviation"),
        pytest.param("constant", "const", id="a name and more"),
        pytest.param("cosine_decay", "cosine", id="a name and another word"),
        pytest.param("max2", "max", id="a name and a number"),
        pytest.param("expected", None, id="another word that begins alike"),
        pytest.param("Linear", "linear", id="case"),
        pytest.param("lienar", "linear", id="neighbours swapped"),
        pytest.param("linaer", "linear", id="neighbours swapped further on"),
        pytest.param("deccay", "decay", id="letter doubled"),
        pytest.param("mx", "max", id="letter missing from a short name"),
        pytest.param("c", None, id="one letter says nothing"),
        pytest.param("sqrt", None, id="nothing near"),
        pytest.param("", None, id="nothing at all"),
    ],
)
def test_suggests_what_was_meant_or_nothing(word: str, expected: str | None) -> None:
    assert suggest(word, CURVES, ALIASES) == expected


def test_the_only_name_there_is_is_not_near_for_that() -> None:
    assert suggest("b", ["a"]) is None
    assert suggest("peak", ["low"]) is None


def test_nearest_wins_and_then_the_same_first_letter() -> None:
    assert suggest("untill", ["untie", "until"]) == "until"
    assert suggest("bate", ["rate", "base"]) == "base"


def test_result_does_not_depend_on_the_order_of_candidates() -> None:
    assert suggest("sinx_", ["sinxa", "sinxb"]) == suggest("sinx_", ["sinxb", "sinxa"])


def test_a_word_or_a_list_over_the_limit_costs_nothing() -> None:
    assert suggest("a" * (LONGEST_WORD + 1), ["a" * LONGEST_WORD]) is None
    names = (f"name{number}" for number in range(10**12))
    assert suggest("zzzzz", names) is None
    assert next(names) == f"name{MOST_CANDIDATES}"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("inver", "inverse", id="beginning of a family: its plainest"),
        pytest.param("inverse_sqrt_decay", "inverse_sqrt", id="a family and more: the longest"),
        pytest.param("inverse_time", "inverse", id="only one of the family and more"),
        pytest.param("in", None, id="beginning of two families"),
    ],
)
def test_names_that_begin_alike_are_told_apart(word: str, expected: str | None) -> None:
    assert suggest(word, ["inverse_sqrt", "inverse", "inner"]) == expected


def test_foreign_names_are_not_ours_and_stand_for_what_is() -> None:
    ours = {*PRIMITIVES, "stalled", *FUNCTIONS, *CLOCKS, *REFERENCES, *entries()}
    parameters = {p.name for curve in PRIMITIVES.values() for p in curve}
    assert set(FOREIGN.values()) <= ours | parameters
    assert not ours & set(FOREIGN)
    assert all(name == name.casefold() for name in FOREIGN)
