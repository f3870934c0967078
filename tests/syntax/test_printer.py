"""Tree to text: canonical, keeping the tree and every comment."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated_programs import commented, texts
from hypothesis import given, settings

from lrdsl.diagnostics import LrsError
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import WIDTH, print_file

IDENTITY = Path(__file__).parents[1] / "cases" / "identity.lrs"


def printed(text: str) -> str:
    source = SourceText(text)
    return print_file(parse(source), source)


@pytest.mark.parametrize("line", IDENTITY.read_text(encoding="utf-8").splitlines())
def test_canonical_text_prints_as_itself(line: str) -> None:
    # A line longer than the width is broken before each `then`, and reads the same.
    assert printed(line).replace("\n    then", " then") == line + "\n"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("cosine( max = 0.1 ,cycles=3)snapshot", "cosine(max=0.1, cycles=3) snapshot\n"),
        ("0.1 until 1 epochs then 2", "0.1 until 1 epoch then 2\n"),
        ("0.1 until 2steps then 2", "0.1 until 2 steps then 2\n"),
        ("0.1 until 30 % then 2", "0.1 until 30% then 2\n"),
        ("2*-3+4", "2 * -3 + 4\n"),
        ("0.1 snapshot()", "0.1 snapshot\n"),
        ("train 5 epochs of 3 steps lr=0.1", "train 5 epochs of 3 steps\nlr = 0.1\n"),
        ("slow.lr=1 fast.lr=slow.lr/2", "slow.lr = 1\nfast.lr = slow.lr / 2\n"),
        ("let a=1\n\n\n\nlr=a", "let a = 1\n\nlr = a\n"),
        ("def f(a,b = 1)=a", "def f(a, b=1) = a\n"),
        ("def f(a,*,b=1, c)=a", "def f(a, *, b=1, c) = a\n"),
        ("def f( * , b ) = b", "def f(*, b) = b\n"),
        ("# why\n0.1#how", "# why\n0.1  # how\n".replace("# how", "#how")),
        ("lr = 0.1 until 5 # first\nthen 2", "lr = 0.1 until 5  # first\n    then 2\n"),
        ("", ""),
        ("# only this", "# only this\n"),
    ],
)
def test_text_is_printed_in_one_style(text: str, canonical: str) -> None:
    assert printed(text) == canonical


def test_a_long_sequence_breaks_before_each_then() -> None:
    text = (
        "lr = " + " then ".join(f"linear(to=0.{i}) until {i}0" for i in range(1, 9)) + " then 1"
    )
    assert len(text) > WIDTH
    lines = printed(text).splitlines()
    assert len(lines) == 9
    assert all(line.startswith("    then ") for line in lines[1:])


@given(texts)
@settings(max_examples=300, deadline=None)
def test_printing_keeps_the_tree_and_is_idempotent(text: str) -> None:
    _keeps(text)


@given(commented())
@settings(max_examples=300, deadline=None)
def test_printing_keeps_comments_wherever_they_stand(text: str) -> None:
    _keeps(text)


def _keeps(text: str) -> None:
    try:
        tree = parse(SourceText(text))
    except LrsError:  # `let peak = 1` beside a bare schedule, for example
        return
    once = printed(text)
    again = parse(SourceText(once))
    assert again.statements == tree.statements
    assert [c.text for c in again.comments] == [c.text for c in tree.comments]
    assert printed(once) == once


def test_second_comment_after_a_statement_stands_after_it() -> None:
    text = "train  # first\n9 epochs  # second\n0.1\n"
    once = printed(text)
    assert once == "train 9 epochs  # first\n# second\n0.1\n"
    assert printed(once) == once
