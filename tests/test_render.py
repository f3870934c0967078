from __future__ import annotations

import json

import pytest

from lrdsl.diagnostics import Diagnostic, Label, Severity
from lrdsl.render import (
    LONGEST_MESSAGE,
    WIDEST_LINE,
    display_width,
    render_concise,
    render_full,
    render_json,
)
from lrdsl.source import SourceText, Span


def at(text: str, part: str, label: str = "", *, nth: int = 0) -> Label:
    """Return a label on the nth occurrence of `part`."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(part, start + 1)
    return Label(Span(start, start + len(part)), label)


def problem(primary: Label | None, *secondary: Label, help: str | None = None) -> Diagnostic:
    return Diagnostic(
        code="LRS102", message="found it", primary=primary, secondary=secondary, help=help
    )


def rendered(text: str, primary: Label, *secondary: Label, help: str | None = None) -> str:
    return render_full(problem(primary, *secondary, help=help), SourceText(text, "a.lrs"))


def snippet(text: str, primary: Label, *secondary: Label) -> list[str]:
    """Return the lines of the source part of a rendered diagnostic."""
    return rendered(text, primary, *secondary).split("\n")[3:]


def test_one_label() -> None:
    text = "const(1e-3) unti 10 then exp(0.1)"
    diagnostic = Diagnostic(
        code="LRS102",
        message="expected `until`, `then` or the end of the file, found `unti`",
        primary=at(text, "unti", "not a keyword"),
        help="did you mean `until`?",
    )
    assert render_full(diagnostic, SourceText(text, "decay.lrs")) == (
        "error[LRS102]: expected `until`, `then` or the end of the file, found `unti`\n"
        " --> decay.lrs:1:13\n"
        "  |\n"
        "1 | const(1e-3) unti 10 then exp(0.1)\n"
        "  |             ^^^^ not a keyword\n"
        "  |\n"
        "  = help: did you mean `until`?"
    )


def test_other_places_stand_in_the_order_of_the_source() -> None:
    text = "train 9 epochs\nconst(1e-2) until 20\nthen const(1e-3) until 10"
    diagnostic = Diagnostic(
        code="LRS301",
        message="`until 10` is not after `until 20`",
        primary=at(text, "10", "must be greater than 20"),
        secondary=(at(text, "20", "the segment before runs to here"),),
        help="did you mean `until 30`?",
    )
    assert render_full(diagnostic, SourceText(text, "steps.lrs")) == (
        "error[LRS301]: `until 10` is not after `until 20`\n"
        " --> steps.lrs:3:24\n"
        "  |\n"
        "2 | const(1e-2) until 20\n"
        "  |                   -- the segment before runs to here\n"
        "3 | then const(1e-3) until 10\n"
        "  |                        ^^ must be greater than 20\n"
        "  |\n"
        "  = help: did you mean `until 30`?"
    )


def test_labels_on_one_line_share_it() -> None:
    text = "f(a=1, b=2, a=3)"
    assert snippet(text, at(text, "a", "again", nth=1), at(text, "a", "given here")) == [
        "1 | f(a=1, b=2, a=3)",
        "  |   - given here",
        "  |             ^ again",
    ]


def test_the_gutter_fits_the_greatest_line_number_shown() -> None:
    text = "a\n" * 98 + "b\nc\nd"
    assert rendered(text, at(text, "c"), at(text, "b")).split("\n")[1:] == [
        "   --> a.lrs:100:1",
        "    |",
        " 99 | b",
        "    | -",
        "100 | c",
        "    | ^",
    ]


def test_one_line_in_between_is_shown_and_more_are_left_out() -> None:
    text = "a\nb\nc\nd\ne\nf"
    lines = snippet(text, at(text, "a"), at(text, "c"), at(text, "f"))
    assert lines == ["1 | a", "  | ^", "2 | b", "3 | c", "  | -", "...", "6 | f", "  | -"]


def test_a_span_over_several_lines_shows_both_ends() -> None:
    text = "x = f(\n  1,\n\n  2)  # end"
    assert snippet(text, at(text, "f(\n  1,\n\n  2)", "all of this")) == [
        "1 | x = f(",
        "  |     ^^",
        "...",
        "4 |   2)  # end",
        "  |   ^^ all of this",
    ]


def test_a_span_that_takes_in_a_line_end_stays_on_its_line() -> None:
    assert snippet("ab\r\ncd", Label(Span(1, 4), "here")) == ["1 | ab", "  |  ^ here"]


def test_a_warning_says_so() -> None:
    diagnostic = Diagnostic(code="LRS501", message="`p` is not used", severity=Severity.WARNING)
    source = SourceText("let p = 1", "a.lrs")
    assert render_full(diagnostic, source).startswith("warning[LRS501]: `p` is not used\n")


def test_without_a_place_there_is_no_snippet() -> None:
    assert render_full(problem(None, help="do that"), SourceText("a", "a.lrs")) == (
        "error[LRS102]: found it\n --> a.lrs\n  |\n  = help: do that"
    )


def test_help_of_several_lines_is_indented() -> None:
    text = rendered("a", Label(Span(0, 1)), help="write\nthat")
    assert text.endswith("\n  = help: write\n          that")


@pytest.mark.parametrize(
    ("text", "span", "expected"),
    [
        pytest.param("", Span(0, 0), ["1 |", "  | ^ end"], id="empty"),
        pytest.param("ab", Span(2, 2), ["1 | ab", "  |   ^ end"], id="no line end"),
        pytest.param("ab\n", Span(3, 3), ["2 |", "  | ^ end"], id="line end"),
        pytest.param("ab", Span(7, 9), ["1 | ab", "  |   ^ end"], id="past the end"),
    ],
)
def test_a_label_at_the_end_of_the_file(text: str, span: Span, expected: list[str]) -> None:
    assert snippet(text, Label(span, "end")) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("\tx", ["1 |     x", "  |     ^"], id="tab"),
        pytest.param("a\tx", ["1 | a   x", "  |     ^"], id="tab to the next stop"),
        pytest.param("日本 x", ["1 | 日本 x", "  |      ^"], id="wide"),
        pytest.param("e\u0301 x", ["1 | e\u0301 x", "  |   ^"], id="combining"),
        pytest.param("\x1b[31m x", ["1 | \\x1b[31m x", "  |          ^"], id="escape code"),
        pytest.param("\0x", ["1 | \\x00x", "  |     ^"], id="NUL"),
        pytest.param("\ufeffx", ["1 | \\ufeffx", "  |       ^"], id="byte-order mark"),
        pytest.param("\u202ex", ["1 | \\u202ex", "  |       ^"], id="reordering"),
        pytest.param("\rx", ["1 | \\x0dx", "  |     ^"], id="lone carriage return"),
        pytest.param("\ud800x", ["1 | \\ud800x", "  |       ^"], id="half a pair"),
        pytest.param("\udce9x", ["1 | \\xe9x", "  |     ^"], id="byte that is not text"),
    ],
)
def test_carets_stand_under_what_they_mean(text: str, shown: list[str]) -> None:
    assert snippet(text, at(text, "x")) == shown


def test_a_wide_character_has_wide_carets() -> None:
    assert snippet("a日b", at("a日b", "日"))[1] == "  |  ^^"


@pytest.mark.parametrize("letter", ["a", "日", "\u0301", "\t", "\x07"])
@pytest.mark.parametrize("start", [0, 3, 500_000, 999_998, 1_000_000])
@pytest.mark.parametrize("length", [0, 2, 600_000])
def test_a_line_of_a_megabyte_is_cut_around_the_caret(
    letter: str, start: int, length: int
) -> None:
    text = "x\n" + letter * 1_000_000 + "\ny"
    label = Label(Span(2 + start, min(2 + start + length, 1_000_002)), "here")
    line, carets = snippet(text, label)
    assert display_width(line) <= len("2 | ") + WIDEST_LINE + 2
    assert len(line) <= 9 * WIDEST_LINE
    assert ("…" in line[:6]) == (start > 500)
    assert carets.endswith(" here")
    if letter == "a" and start == 500_000 and length == 2:
        assert line[carets.index("^")] == "a"


def test_each_place_on_a_line_that_is_cut_has_its_own_part_of_it() -> None:
    text = "(" + " " * 5000 + "x" + " " * 5000 + "y"
    assert snippet(text, at(text, "y", "far"), at(text, "x", "near")) == [
        "1 | …" + " " * 40 + "x" + " " * 68 + "…",
        "  | " + " " * 41 + "- near",
        "1 | …" + " " * 40 + "y",
        "  | " + " " * 41 + "^ far",
    ]


def test_a_long_message_is_cut_in_the_middle() -> None:
    diagnostic = Diagnostic(code="LRS201", message="`" + "a" * 10**6 + "` is not defined")
    head = render_full(diagnostic, SourceText("")).split("\n")[0]
    assert len(head) < LONGEST_MESSAGE + 40
    assert head.endswith("a` is not defined")


@pytest.mark.parametrize("colour", [False, True])
def test_escape_codes_only_where_colour_is_asked_for(colour: bool) -> None:
    text = "\x1b[1mx"
    diagnostic = Diagnostic(
        code="LRS102", message="\x1b[2m", primary=at(text, "x", "\x1b[3m"), help="\x1b[4m"
    )
    full = render_full(diagnostic, SourceText(text, "\x1b[5m"), colour=colour)
    assert ("\x1b" in full) == colour
    for code in range(1, 6):
        assert f"\x1b[{code}mx" not in full


def test_concise_is_one_line() -> None:
    text = "a\nbc"
    source = SourceText(text, "a.lrs")
    assert render_concise(problem(at(text, "c")), source) == "a.lrs:2:2: LRS102 error: found it"
    assert render_concise(problem(None), source) == "a.lrs: LRS102 error: found it"


def test_json_is_one_document_with_all_of_it() -> None:
    text = "a\nb日 c"
    diagnostic = problem(at(text, "c", "here"), at(text, "a", "there"), help="do")
    source = SourceText(text, "a.lrs")
    found = json.loads(render_json([(diagnostic, source), (problem(None), source)]))
    assert found[0] == {
        "code": "LRS102",
        "severity": "error",
        "message": "found it",
        "file": "a.lrs",
        "line": 2,
        "column": 4,
        "end_line": 2,
        "end_column": 5,
        "label": "here",
        "help": "do",
        "related": [{"line": 1, "column": 1, "end_line": 1, "end_column": 2, "label": "there"}],
    }
    assert (found[1]["line"], found[1]["label"], found[1]["related"]) == (None, None, [])
    assert json.loads(render_json([])) == []


def test_json_survives_what_no_encoding_holds() -> None:
    source = SourceText("\udc80", "\udcff.lrs")
    assert render_json([(problem(Label(Span(0, 1))), source)]).isascii()
