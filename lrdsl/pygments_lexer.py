"""The Pygments lexer of `.lrs`, which Sphinx, MkDocs, rich and nbconvert find by entry point.

The only importer of Pygments.
"""

from __future__ import annotations

from typing import ClassVar

from pygments import token
from pygments.lexer import RegexLexer

from lrdsl.colouring import kinds

_TOKENS = {
    "comment": token.Comment.Single,
    "text": token.String.Double,
    "number": token.Number,
    "key": token.Name.Attribute,
    "part": token.Name.Variable,
    "keyword": token.Keyword,
    "curve": token.Name.Class,
    "function": token.Name.Builtin,
    "call": token.Name.Function,
    "value": token.Name.Builtin.Pseudo,
    "name": token.Name,
    "operator": token.Operator,
    "punctuation": token.Punctuation,
}


class LrsLexer(RegexLexer):  # type: ignore[misc]
    """Colours learning-rate schedules."""

    name = "lrs"
    aliases: ClassVar = ["lrs", "lrdsl"]
    filenames: ClassVar = ["*.lrs"]
    tokens: ClassVar = {
        "root": [
            *((pattern, _TOKENS[kind]) for kind, pattern in kinds().items()),
            (r"\s+", token.Whitespace),
        ]
    }
