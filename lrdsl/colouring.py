"""What a text's words are, for those who colour it: one table for Pygments and TextMate.

A word is found by a pattern that Python and Oniguruma, the engine of editors, both read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lrdsl.prelude import entries
from lrdsl.vocabulary import CLOCKS, CONSTANTS, CURVES, END, FUNCTIONS, KEYWORDS, REFERENCES

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DIGITS = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def _any(words: Iterable[str]) -> str:
    return rf"\b(?:{'|'.join(sorted(words))})\b"


def kinds() -> dict[str, str]:
    """Return the pattern of each kind of word; of several that match, the first counts."""
    return {
        "comment": r"#[^\r\n]*",
        "text": r'"[^"\r\n]*"',
        "number": rf"(?<![\w.]){_DIGITS}(?:[ \t]*(?:%|(?:epoch|step)s?\b(?!\s*=)))?",
        # A name before `=` is a key, whatever it is called.
        "key": rf"\b{_NAME}(?:\.{_NAME})?(?=\s*=)",
        "part": rf"\b{_NAME}\.{_NAME}\b",
        "keyword": _any(KEYWORDS),
        "curve": _any([*CURVES, *entries(), "stalled"]) + r"(?=\()",
        "function": _any(FUNCTIONS) + r"(?=\()",
        "call": rf"\b{_NAME}(?=\()",
        "value": _any([*CLOCKS, *REFERENCES, *CONSTANTS, END]),
        "name": rf"\b{_NAME}\b",
        "operator": r"[<>]=?|[-+*/^=]",
        "punctuation": r"[(),]",
    }


_SCOPES = {
    "comment": "comment.line.number-sign",
    "text": "string.quoted.double",
    "number": "constant.numeric",
    "key": "variable.parameter",
    "part": "variable.other",
    "keyword": "keyword.control",
    "curve": "support.function.curve",
    "function": "support.function",
    "call": "entity.name.function",
    "value": "variable.language",
    "name": "variable.other",
    "operator": "keyword.operator",
    "punctuation": "punctuation",
}


def textmate() -> str:
    """Return the TextMate grammar, as `grammars/lrs.tmLanguage.json` has it."""
    patterns = [
        {"name": f"{_SCOPES[kind]}.lrs", "match": pattern} for kind, pattern in kinds().items()
    ]
    grammar: dict[str, Any] = {
        "name": "lrs",
        "scopeName": "source.lrs",
        "fileTypes": ["lrs"],
        "patterns": patterns,
    }
    return json.dumps(grammar, indent=2, ensure_ascii=False) + "\n"
