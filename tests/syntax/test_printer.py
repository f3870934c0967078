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


LONG = "monitor=val_loss, factor=0.5, patience=3, cooldown=2, min_delta=1e-3"
LONGER = f"{LONG}, window=5, min=1e-6"
SUM = "first_rate_of_all * (1 - progress) + second_rate_of_all * progress"
BROKEN = SUM.replace(" + ", "\n    + ")


@pytest.mark.parametrize(
    "text",
    [
        # A call opens beside its name, its arguments on one line if they fit there.
        f"lr = plateau(\n    from=0.02, {LONG}\n)\n",
        "lr = plateau(\n    " + LONGER.replace(", ", ",\n    ") + "\n)\n",
        f"lr = plateau(\n    from=0.02, {LONG}\n) snapshot(keep=3)\n",
        # A boundary that fits stands behind it; a short curve keeps its line.
        "lr = warmup(3)\n    then plateau(\n        "
        + LONGER.replace(", ", ",\n        ")
        + "\n    ) until val_loss < 0.3\n    then cosine()\n",
        f"warmup(3)\n    then plateau({LONG})\n        until 10\n    then 1\n",
        f"plateau({LONG})\n        until val_loss < 0.3 or 75%\n    then 1\n",
        # A sum goes below, and ends lines before its signs.
        f"lr =\n    {BROKEN}\n    + cosine(max=0.1, cycles=3)\n",
        # Where its last operand is the long one, that opens.
        f"lr = 0.1 + 0.2 * (\n    0.1234567890123456\n    + {BROKEN}\n)\n",
        f"0.1 + 0.2 ^ min(\n    {SUM} * 0.1, 0.5\n)\n",
        # A function's body goes below its head, without a further indent.
        f"def f(a) =\n    {SUM} * a ^ 2 * 0.5\n",
        "def f(a) =\n    warmup(3, from=a / 10)\n    then plateau(" + LONG + ")\n    then a\n",
        "def f(\n    first_parameter=1,\n    second_parameter=2,\n    third_parameter=3,\n"
        "    *,\n    fourth_parameter=4,\n    fifth=5\n) =\n    first_parameter\n",
        # Parentheses stand alone.
        f"(\n    warmup(3)\n    then plateau({LONG})\n) for 30\n",
    ],
)
def test_long_lines_are_broken_where_a_reader_would(text: str) -> None:
    assert printed(text) == text
    assert printed(" ".join(text.split()).replace("( ", "(").replace(" )", ")")) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (
            "cosine(max=0.1, # top\nmin=0.01) # end\n",
            "cosine(\n    max=0.1,  # top\n    min=0.01\n)  # end\n",
        ),
        ("f(# one\n)", "f()  # one\n"),
        ("f(a # one\n # two\n)", "f(\n    a  # one\n    # two\n)\n"),
        (
            "def f(a, # one\nb=1 # two\n) = # three\na",
            "def f(\n    a,  # one\n    b=1  # two\n) =  # three\n    a\n",
        ),
        ("1 # one\n+ 2 # two\n", "1  # one\n    + 2  # two\n"),
        ("a until # one\n 5 then b", "a  # one\n        until 5\n    then b\n"),
        ("a # one\n for 5", "a  # one\n    for 5\n"),
        ("lr = # one\n 0.1", "lr =  # one\n    0.1\n"),
        ("(# one\n 0.1)", "(  # one\n    0.1\n)\n"),
        ("let a = 1 # one\n\n# two\nlr = a", "let a = 1  # one\n\n# two\nlr = a\n"),
    ],
)
def test_a_comment_stays_with_what_it_follows(text: str, canonical: str) -> None:
    assert printed(text) == canonical


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
