"""Records are dataclasses, but for the cost of their import."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from lrdsl import records
from lrdsl.source import Span


@records.dataclass(frozen=True, slots=True)
class Ours:
    """One of ours."""

    name: str
    places: tuple[int, ...] = ()
    note: str = records.field(default="", compare=False, repr=False)
    found: dict[str, int] = records.field(default_factory=dict, compare=False)
    length: int = records.field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.name))


@dataclasses.dataclass(frozen=True, slots=True)
class Theirs:
    """The same by the standard library."""

    name: str
    places: tuple[int, ...] = ()
    note: str = dataclasses.field(default="", compare=False, repr=False)
    found: dict[str, int] = dataclasses.field(default_factory=dict, compare=False)
    length: int = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.name))


@records.dataclass(frozen=True)
class Open:
    """With a `__dict__`, and attributes by name only."""

    value: int = 3


BOTH = pytest.mark.parametrize("kind", [Ours, Theirs])


@BOTH
def test_attributes_are_set_by_position_and_by_name(kind: Any) -> None:
    made = kind("ab", note="n")
    assert (made.name, made.places, made.note, made.found, made.length) == (
        "ab",
        (),
        "n",
        {},
        2,
    )
    assert kind("a").found is not kind("a").found
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        kind()
    with pytest.raises(TypeError, match="unexpected keyword argument 'length'"):
        kind("a", length=3)


@BOTH
def test_nothing_is_set_afterwards(kind: Any) -> None:
    made = kind("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'name'"):
        made.name = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'name'"):
        del made.name
    with pytest.raises((AttributeError, TypeError)):
        made.other = 1


@BOTH
def test_equal_are_those_whose_compared_attributes_are(kind: Any) -> None:
    assert kind("a", note="x") == kind("a", note="y")
    assert hash(kind("a", note="x")) == hash(kind("a", note="y"))
    assert kind("a") != kind("b")
    assert kind("a") != ("a", ())


@BOTH
def test_it_is_shown_copied_and_pickled(kind: Any) -> None:
    made = kind("ab", (1, 2), "n", {"a": 1})
    assert repr(made).endswith("(name='ab', places=(1, 2), found={'a': 1}, length=2)")
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (other, other.note, other.length) == (made, "n", 2)


@BOTH
@pytest.mark.parametrize("replace", [records.replace, dataclasses.replace])
def test_it_is_replaced_in_part(kind: Any, replace: Any) -> None:
    if kind is Theirs and replace is records.replace:
        pytest.skip("of ours only")
    made = replace(kind("ab", note="n"), name="abc")
    assert (made.name, made.note, made.length) == ("abc", "n", 3)


@BOTH
def test_it_is_matched_and_asked_for_its_fields(kind: Any) -> None:
    match kind("ab", (1,)):
        case Ours(name, places) | Theirs(name, places):
            assert (name, places) == ("ab", (1,))
    names = ["name", "places", "note", "found", "length"]
    assert [f.name for f in dataclasses.fields(kind)] == names
    assert dataclasses.is_dataclass(kind)


def test_order_is_that_of_the_attributes() -> None:
    assert sorted([Span(2, 3), Span(1, 9), Span(1, 4)]) == [Span(1, 4), Span(1, 9), Span(2, 3)]
    assert Span(1, 2) <= Span(1, 2) < Span(1, 3)
    with pytest.raises(TypeError):
        assert Span(1, 2) < (1, 3)  # type: ignore[operator]


def test_a_class_without_slots_keeps_its_defaults() -> None:
    assert (Open().value, Open.value, Open(4).value) == (3, 3, 4)
    assert Open(4) == records.replace(Open(), value=4)


def test_a_class_that_inherits_has_the_attributes_of_both() -> None:
    @records.dataclass(frozen=True, slots=True)
    class More(Ours):
        extra: int = 5

    made = More("ab")
    assert (made.name, made.extra, made.length) == ("ab", 5, 2)
    assert Ours("ab") == Ours("ab")
    assert made != Ours("ab")
