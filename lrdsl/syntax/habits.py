"""What is written as other languages write it, and what is written here instead."""

from __future__ import annotations

import re
from typing import Final

from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.source import SourceText, Span
from lrdsl.suggest import suggest
from lrdsl.syntax.lalr import END
from lrdsl.vocabulary import CURVES, KEYWORDS

_WORD_BEFORE: Final = re.compile(r"([A-Za-z_]\w*)[ \t]+\Z")
_ARGUMENTS: Final = frozenset(
    name for curve in CURVES.values() for p in curve for name in (p.name, *p.also)
)
_NUMBER_BEFORE: Final = re.compile(r"[0-9.][ \t]+\Z")
_FOREIGN_UNITS: Final = {
    "batch": "step",
    "batches": "steps",
    "iteration": "step",
    "iterations": "steps",
    "updates": "steps",
    "ep": "epochs",
    "percent": "%",
}
_UNITS: Final = frozenset({"epoch", "epochs", "step", "steps"})
_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_LIMIT: Final = r"(?P<sign>[<>]=?)[ \t]*(?P<limit>-?[\w.]+(?:(?<=[eE])[+-]\d+)?)"
_COMPARED: Final = re.compile(r"[ \t]*" + _LIMIT)
_CONDITION: Final = re.compile(
    r"""[ \t(]*(?:(?P<metric>"[^"\r\n]*"|[A-Za-z_]\w*)[ \t]*"""
    + _LIMIT
    + r"|(?P<stalled>stalled\([^()\r\n]*\)))"
)
_METRIC_BEFORE: Final = re.compile(r"""("[^"\r\n]*"|[A-Za-z_]\w*)[ \t]+\Z""")
_TIME_BEFORE: Final = re.compile(r"""\b(for|skip)[ \t]+("[^"\r\n]*"|\w+)[ \t]*\Z""")
_NAN_BEFORE: Final = re.compile(r"\bnan[ \t]*=[ \t]*\Z")


def foreign_condition(
    text: str, kind: str, span: Span, source: SourceText
) -> Diagnostic | None:
    """Explain a condition written as elsewhere: `not …`, `if …`, `while …`, `… or then`."""
    behind = _WORD_BEFORE.search(source.text, *near(span))
    for word, start, end in (
        (text, span.start, span.end),
        *([(behind[1], behind.start(1), behind.end(1))] if behind else ()),
    ):
        found = _of_word(word, start, end, source)
        if found is not None:
            return _said(*found, Span(start, end))
    before = behind[1] if behind else ""
    if before in ("and", "or") and text in KEYWORDS:
        message = f"`{before}` has no condition after it"
        if text == "until":
            return _said(
                message, "`until` is said once", f"leave it out: `until … {before} …`", span
            )
        repair = f"add one, as in `{before} 50`, or delete `{before}`"
        return _said(message, "a condition or a time is missing", repair, span)
    if text == "skip" and _NAN_BEFORE.search(source.text, *near(span)):
        return _said("`nan` cannot be `skip`", "a keyword", "write `nan=ignore`", span)
    amount = _TIME_BEFORE.search(source.text, *near(span)) if kind == "COMPARE" else None
    if amount is not None:
        return _said(
            f"a condition stands after `{amount[1]}`",
            f"`{amount[1]}` takes a time",
            f"write `until` instead of `{amount[1]}`: `until {amount[2]} {text} 0.3`",
            span,
        )
    return None


def _of_word(
    word: str, start: int, end: int, source: SourceText
) -> tuple[str, str, str] | None:
    """Return what is wrong with a word that other languages begin a condition with."""
    if word not in ("not", "if", "when", "while"):
        return None
    found = _CONDITION.match(source.text, end)
    metric, sign, limit = found.group("metric", "sign", "limit") if found else ("", "", "")
    if word == "not" and not metric:  # `val_loss not < 0.3`
        name = _METRIC_BEFORE.search(source.text, *near(Span(start, end)))
        rest = _COMPARED.match(source.text, end)
        if name and rest and name[1] not in KEYWORDS:
            metric, sign, limit = name[1], rest["sign"], rest["limit"]
    opposite = f"{metric} {_OPPOSITE[sign]} {limit}" if metric else ""
    if word == "not":
        if metric:
            repair = f"write `{_OPPOSITE[sign]}`: `{opposite}`"
            return "there is no `not`", "every comparison has an opposite", repair
        repair = "say what ends the segment, as in `until val_loss < 0.3`"
        return "there is no `not`", "a segment lasts until a condition holds", repair
    if found is None:  # no condition follows, so that the word may be anything
        return None
    if word == "while":
        repair = f"write `until {opposite}`" if metric else "say what ends it, with `until`"
        return "there is no `while`", "a segment lasts until a condition holds", repair
    condition = found["stalled"] or f"{metric} {sign} {limit}"
    return (
        f"there is no `{word}`",
        "a segment lasts until a condition holds",
        f"write `0.1 until {condition} then 0.01`",
    )


def _said(message: str, label: str, repair: str, span: Span) -> Diagnostic:
    return Diagnostic(code="LRS102", message=message, primary=Label(span, label), help=repair)


def foreign_habit(
    text: str, kind: str, span: Span, source: SourceText, accepts: frozenset[str]
) -> Diagnostic | None:
    """Explain what is written as elsewhere: `==`, `const 0.1`, `epoch 10`, `n epochs`."""
    message = label = repair = ""
    word = _WORD_BEFORE.search(source.text, *near(span))
    before = word[1] if word else ""
    if kind in ("KEY", "EQUAL") and source.text[span.end :].lstrip(" \t").startswith("=="):
        message = "`==` compares nothing here"
        label, repair = "a metric rarely meets a number", f"write `{text} <= 0.3` or `>=`"
    elif kind == "COMMA" and "THEN" not in accepts and END in accepts:
        message, label = "a comma between segments", "`then` alone joins them"
        repair = "delete it"
    elif kind == "NAME" and text in _UNITS and before and before not in KEYWORDS:
        message, label = f"the unit `{text}` stands after a name", "a unit follows a number"
        repair = f"write `{before} * 1 {text.removesuffix('s')}`"
    elif kind in ("NUMBER", "QUANTITY") and before in _UNITS:
        message, label = f"`{before}` stands before its number", "a unit follows a number"
        repair = f"write `{text.split(' ')[0]} {before.removesuffix('s')}s`"
    elif kind in ("NUMBER", "QUANTITY", "NAME") and before in CURVES:
        message, label = (
            f"`{before}` without parentheses",
            "what it takes stands in parentheses",
        )
        repair = f"write `{before}({text})`"
    elif kind in ("NUMBER", "QUANTITY", "NAME") and before in _ARGUMENTS and "COMMA" in accepts:
        message, label = f"`{before}` without its `=`", "an argument is given with `=`"
        repair = f"write `{before}={text}`"
    elif kind == "NAME" and text == "if":
        message, label = "there is no `if`", "time decides, with `until`"
        repair = "write `0.1 until 10 then 0.01`"
    elif kind == "NAME" and _NUMBER_BEFORE.search(source.text, *near(span)):
        meant = _FOREIGN_UNITS.get(text) or suggest(text, ["epochs", "steps"])
        if meant is not None and suggest(text, sorted(KEYWORDS)) is None:
            message, label = f"`{text}` is no unit", "units are epochs, steps and %"
            repair = f"did you mean `{meant}`?"
    return _said(message, label, repair, span) if message else None


def near(span: Span) -> tuple[int, int]:
    """Return the stretch of text just before a place."""
    return max(0, span.start - 100), span.start
