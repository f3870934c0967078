"""Formatted text means the same and is formatted; the project's own schedules are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from generated_programs import sprinkled, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from lrdsl import formatting, limits
from lrdsl.diagnostics import LrsError
from lrdsl.formatting import format_source
from lrdsl.source import SourceText
from lrdsl.syntax import printer
from lrdsl.syntax.parser import parse

ROOT = Path(__file__).parents[1]
OWN = [*sorted((ROOT / "examples").glob("*.lrs")), ROOT / "grammars" / "prelude.lrs"]
SHOWN = re.findall(
    r"^```lrs\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
)


def formatted(text: str) -> str:
    return format_source(SourceText(text))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_schedules_of_the_project_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize("text", SHOWN)
def test_so_are_those_of_the_readme(text: str) -> None:
    assert formatted(text) == text


@pytest.mark.parametrize("width", [1, 20, 40, printer.WIDTH])
@given(text=st.one_of(texts, sprinkled()))
@settings(max_examples=150, deadline=None)
def test_tree_and_comments_stay_and_nothing_is_left_to_format(width: int, text: str) -> None:
    try:
        tree = parse(SourceText(text))
    except LrsError:  # `let peak = 1` beside a bare schedule, for example
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printer, "WIDTH", width)
        once = formatted(text)  # which checks itself, and here it is checked without that
        again = parse(SourceText(once))
        assert again.statements == tree.statements
        assert [one.text for one in again.comments] == [one.text for one in tree.comments]
        assert formatted(once) == once
    assert not re.search(r"[ \t]$|\n\n\n|\A\n|\r", once, re.MULTILINE)


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_no_line_is_wider_than_the_page(text: str) -> None:
    try:
        lines = formatted(text).splitlines()
    except LrsError:
        return
    assert max(map(len, lines), default=0) <= printer.WIDTH


def test_blank_lines_between_statements_are_kept_once() -> None:
    assert formatted("\n\nlet a = 1\nlet b = 2\n\n\n\nlr = a\n\n") == (
        "let a = 1\nlet b = 2\n\nlr = a\n"
    )


def test_a_text_with_errors_is_refused_with_its_diagnostic() -> None:
    with pytest.raises(LrsError) as caught:
        formatted("cosine(max=0.1")
    assert caught.value.diagnostics[0].code == "LRS106"


def test_what_has_no_meaning_is_formatted_all_the_same() -> None:
    assert formatted("cosin(mxa=.1)*x") == "cosin(mxa=.1) * x\n"


def test_a_text_that_would_be_too_long_is_refused() -> None:
    text = "+".join("1" * (limits.CHARACTERS // 3))  # a line for each
    with pytest.raises(LrsError) as caught:
        formatted(text)
    (problem,) = caught.value.diagnostics
    assert problem.code == "LRS107"
    assert problem.message == f"formatted, the text has {len(text) // 2 * 8 + 2:,} characters"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("0.2\n", "the formatted text would mean something else"),
        ("0.1\n", "the formatted text would have other comments"),
        ("0.1 # why\n", "the formatted text would be formatted again"),
    ],
)
def test_a_printer_that_errs_is_caught(
    wrong: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = formatting.print_file
    printed = iter((wrong,))
    monkeypatch.setattr(
        formatting, "print_file", lambda tree, source: next(printed, true(tree, source))
    )
    with pytest.raises(RuntimeError) as caught:
        formatted("0.1  # why\n")
    assert str(caught.value) == message
