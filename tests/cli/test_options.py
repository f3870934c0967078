from __future__ import annotations

import io
from pathlib import Path

import click
import pytest

from lrdsl.cli.options import (
    UnusableFile,
    can_show,
    has_colour,
    parse_overrides,
    read_source,
    terminal_width,
    write,
)


class Stream(io.StringIO):
    """A text stream that says what it is."""

    def __init__(self, encoding: str = "utf-8", *, is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def test_overrides_are_names_with_text() -> None:
    words = ["peak=0.05", "n = 30%", "a=b=c", "low=-1"]
    assert parse_overrides(words) == {"peak": "0.05", "n": "30%", "a": "b=c", "low": "-1"}


@pytest.mark.parametrize("word", ["peak", "=1", "peak=", "", "="])
def test_another_word_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(click.UsageError, match="expected NAME=VALUE, such as `peak="):
        parse_overrides([word])


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(click.UsageError, match="`a` is given twice"):
        parse_overrides(["a=1", "a=1"])


@pytest.mark.parametrize("name", ["none.lrs", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnusableFile, match="cannot read `") as caught:
        read_source(name)
    assert caught.value.exit_code == 2


def test_colour_needs_a_terminal_and_no_objection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert has_colour(Stream())
    assert not has_colour(Stream(is_terminal=False))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(Stream())


def test_a_terminal_without_colours_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colour(Stream())


def test_an_encoding_decides_what_can_be_shown() -> None:
    assert can_show(Stream("utf-8"), "⣿")
    assert not can_show(Stream("ascii"), "⣿")
    assert not can_show(Stream("latin-1"), "⣿")


def test_what_an_encoding_lacks_is_written_out() -> None:
    stream = Stream("ascii")
    write("é\udce9", stream)
    assert stream.getvalue() == "\\xe9\\udce9\n"


def test_signs_of_our_own_have_a_plain_form_where_an_encoding_lacks_them() -> None:
    stream = Stream("latin-1")
    write("plan ≠ run: 0.1 → 1 (10×) …", stream)
    assert stream.getvalue() == "plan != run: 0.1 -> 1 (10×) ...\n"


def test_columns_decide_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "57")
    assert terminal_width() == 57
    monkeypatch.setenv("COLUMNS", "100000")
    assert terminal_width() <= 400
