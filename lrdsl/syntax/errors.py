"""What the parser could not read, in our own words."""

from __future__ import annotations

import re
from typing import Final

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.source import SourceText, Span
from lrdsl.suggest import suggest
from lrdsl.syntax.habits import foreign_condition, foreign_habit, near
from lrdsl.syntax.lalr import END, UnexpectedCharacter, UnexpectedToken
from lrdsl.vocabulary import KEYWORDS

_HUMAN: Final = {
    # terminal: what a person calls it, in the order in which a message lists them
    "UNTIL": "`until`",
    "THEN": "`then`",
    "RPAR": "`)`",
    "COMMA": "`,`",
    "EQUAL": "`=`",
    "CALL": "a value",
    "NAME": "a name",
    "KEY": "`name =`",
    "LPAR": "`(`",
    "NUMBER": "a number",
    "OF": "`of`",
    END: "the end of the file",
}
_STARTS_VALUE: Final = frozenset(
    {"CALL", "NAME", "PART_NAME", "NUMBER", "QUANTITY", "TEXT", "LPAR", "STOP"}
)
_POSTFIX: Final = frozenset({"FOR", "SKIP", "REPEAT", "BY", "SNAPSHOT"})
_STATEMENT: Final = frozenset({"LET", "DEF", "KEY", "PART_KEY"})
_TOKEN_LIKE: Final = re.compile(r'#[^\r\n]*|"[^"\r\n]*"|[()]')
_WORD: Final = re.compile(r"\w+")
_NUMBER_LIKE: Final = re.compile(r"[\d.](?:[eE][+-]|[\w.])*")
_NUMBER_THEN_WORD: Final = re.compile(
    r"((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([A-Za-z_]\w*)", re.ASCII
)
_POINT_OF_PART: Final = re.compile(r"[A-Za-z_]\w*[ \t]*\.\Z")
_PART_NAME: Final = re.compile(r"[A-Za-z_]\w*\.[A-Za-z_]\w*\Z")
_CALL_WITH_SPACE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)([ \t\r\n\f]+)\Z")
_FOREIGN: Final = {
    "%": "`%` belongs to a number, as in `30%`; a remainder is `mod(a, b)`",
    "&": "conditions are joined with `and`",
    "|": "conditions are joined with `or`",
    "!": "a condition is `<`, `<=`, `>` or `>=`",
    ";": "statements need nothing between them but a space or a new line",
    "'": "a metric's name is quoted with `\"`",
    "{": "blocks are written in parentheses",
    "}": "blocks are written in parentheses",
    "[": "there are no lists: values are given one after another, blocks in parentheses",
    "]": "there are no lists: values are given one after another, blocks in parentheses",
    ":": "a value is given with `=`",
    "×": "multiplication is written `*`",
    "·": "multiplication is written `*`",
    "−": "a minus is written `-`",
    "–": "a minus is written `-`",
    "“": 'quotes are written `"`',
    "”": 'quotes are written `"`',
}


def unreadable(source: SourceText) -> list[Diagnostic]:
    """Return the problems of a text that is not worth parsing: too long, or not text."""
    if len(source.text) > limits.CHARACTERS:
        return [
            Diagnostic(
                code="LRS107",
                message=f"the text has {len(source.text):,} characters",
                primary=Label(
                    Span(limits.CHARACTERS, limits.CHARACTERS),
                    f"at most {limits.CHARACTERS:,} are read",
                ),
                help="is this the right file?",
            )
        ]
    odd = re.search(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]", source.text)
    if odd:
        return [
            Diagnostic(
                code="LRS101",
                message=f"the text holds the control character U+{ord(odd[0]):04X}",
                primary=Label(Span(odd.start(), odd.end()), "no character of a text"),
                help="is this the right file? if it is, delete the character",
            )
        ]
    return _nested_too_deep(source)


def _nested_too_deep(source: SourceText) -> list[Diagnostic]:
    # Seen before parsing: an error under a million parentheses takes seconds to explain.
    depth = 0
    for match in _TOKEN_LIKE.finditer(source.text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth > limits.NESTING:
            return [
                Diagnostic(
                    code="LRS107",
                    message=f"more than {limits.NESTING} levels of nesting",
                    primary=Label(Span(match.start(), match.end()), "nested too deep"),
                    help="give the inner part a name with `let` or `def`",
                )
            ]
    return []


def explain(error: UnexpectedCharacter | UnexpectedToken, source: SourceText) -> Diagnostic:
    """Return the diagnostic for the place at which the parser gave up."""
    if isinstance(error, UnexpectedCharacter):
        return _odd_character(error.position, source)
    token, accepts = error.token, error.accepts
    if token.type == END:
        return _early_end(source, accepts)
    span = Span(token.start, token.end)
    return (
        foreign_condition(token.text, token.type, span, source)
        or _space_before_parenthesis(token.type, span, source)
        or _unmatched(token.type, span, source)
        or foreign_habit(token.text, token.type, span, source, accepts)
        or _between_statements(token.type, span, source, accepts)
        or _misspelled_keyword(token.text, token.type, span, accepts)
        or _missing_then(token.type, span, source, accepts)
        or _generic(token.text, token.type, span, accepts)
    )


def _expected(accepts: frozenset[str]) -> str:
    if accepts == {"CALL"}:  # after `def`
        return "a function's name and `(`"
    names = [human for terminal, human in _HUMAN.items() if terminal in accepts]
    if "CALL" in accepts:  # "a value" covers what a value begins with
        names = [n for n in names if n not in ("a name", "`(`", "a number")]
        if "NUMBER" in accepts:
            # An operand is due: `name =` may stand before it, but nobody is told to add one.
            names = [n for n in names if n not in ("`name =`", _HUMAN[END])]
    if len(names) < 2:
        return "".join(names) or "something else"
    return ", ".join(names[:-1]) + " or " + names[-1]


def _odd_character(position: int, source: SourceText) -> Diagnostic:
    text = source.text
    character = text[position]
    if character == "." and _POINT_OF_PART.search(text, max(0, position - 100), position + 1):
        return Diagnostic(
            code="LRS102",
            message="the character `.` has no meaning here",
            primary=Label(Span(position, position + 1), "neither in a number nor in a target"),
            help="a target of a part is one word with one point in it: `slow.lr`",
        )
    number = _NUMBER_LIKE.match(text, position)
    if number:
        return _malformed_number(number[0], Span(number.start(), number.end()))
    span = Span(position, position + 1)
    if character == '"':
        line_end = re.compile(r"[\r\n]|\Z").search(text, position)
        return Diagnostic(
            code="LRS102",
            message='the quoted name has no closing `"` on its line',
            primary=Label(
                Span(position, line_end.start() if line_end else len(text)), "begins here"
            ),
            help='close it: `"val_loss"`',
        )
    word = _WORD.match(text, position)
    if word:
        # The whole of it: of `naïve` the lexer stumbles over the `n` already.
        shown = word[0] if len(word[0]) <= 30 else word[0][:29] + "…"
        return Diagnostic(
            code="LRS102",
            message=f"`{shown}` is not a name",
            primary=Label(
                Span(position, word.end()), "names are ASCII letters, digits and `_`"
            ),
            help="choose another name; a metric's name may be quoted",
        )
    shown = f"`{character}`" if character.isprintable() else f"U+{ord(character):04X}"
    repair = "write an ordinary space" if character.isspace() else "delete it"
    return Diagnostic(
        code="LRS102",
        message=f"the character {shown} has no meaning here",
        primary=Label(span, "neither a name nor a sign of the language"),
        help=_FOREIGN.get(character, repair),
    )


def _malformed_number(text: str, span: Span) -> Diagnostic:
    shown = text if len(text) <= 30 else text[:29] + "…"
    split = _NUMBER_THEN_WORD.fullmatch(text)
    if not text.isascii():
        label, repair = "digits are 0 to 9", "write the number in ASCII digits"
    elif split and split[2] in ("e", "E"):
        label, repair = "the exponent is missing", f"write `{split[1]}e-3`"
    elif split and not split[2].startswith("_"):
        label = "a number ends where a word begins"
        repair = f"put a space between: `{split[1]} {split[2]}`"
    elif text.count(".") > 1:
        label, repair = "more than one point", "write one point, as in `0.5`"
    elif "_" in text:
        label = "digits stand without `_`"
        repair = f"did you mean `{text.replace('_', '')[:30]}`?"
    else:
        label, repair = "not a number", "numbers look like `10`, `0.5` or `1e-3`"
    return Diagnostic(
        code="LRS105",
        message=f"`{shown}` is not a number",
        primary=Label(span, label),
        help=repair,
    )


def _parentheses(source: SourceText, end: int) -> list[int]:
    """Return the offsets of the parentheses open at `end`, outermost first."""
    open_at: list[int] = []
    for match in _TOKEN_LIKE.finditer(source.text, 0, end):
        if match[0] == "(":
            open_at.append(match.start())
        elif match[0] == ")" and open_at:
            open_at.pop()
    return open_at


def _early_end(source: SourceText, accepts: frozenset[str]) -> Diagnostic:
    end = len(source.text)
    open_at = _parentheses(source, end)
    if open_at:
        start = open_at[-1]
        return Diagnostic(
            code="LRS106",
            message="`(` is never closed",
            primary=Label(Span(start, start + 1), "opened here"),
            help="add `)`",
        )
    # After the last thing that is neither space nor comment.
    last = 0
    for match in re.finditer(r'#[^\r\n]*|"[^"\r\n]*"|[^\s#"]+|"', source.text):
        if not match[0].startswith("#"):
            last = match.end()
    return Diagnostic(
        code="LRS102",
        message=f"expected {_expected(accepts)}, found the end of the file",
        primary=Label(Span(last, last), "the text ends here"),
        help=None if "CALL" not in accepts else "finish the schedule, for example with `0.1`",
    )


def _space_before_parenthesis(kind: str, span: Span, source: SourceText) -> Diagnostic | None:
    if kind != "LPAR":
        return None
    # Look back over a bounded stretch: a call is near its parenthesis.
    from_ = max(0, span.start - 200)
    before = _CALL_WITH_SPACE.search(source.text, from_, span.start)
    if not before or before[1] in KEYWORDS:
        return None
    gap = Span(before.start(2), before.end(2))
    return Diagnostic(
        code="LRS104",
        message=f"space between `{before[1]}` and its `(`",
        primary=Label(gap, "no space here"),
        help=f"write `{before[1]}(`",
    )


def _unmatched(kind: str, span: Span, source: SourceText) -> Diagnostic | None:
    if kind != "RPAR" or _parentheses(source, span.start):
        return None
    return Diagnostic(
        code="LRS106",
        message="`)` closes nothing",
        primary=Label(span, "no `(` is open here"),
        help="delete it, or add the missing `(`",
    )


def _begins_line(span: Span, source: SourceText) -> bool:
    column = source.location(span.start)[1]
    return not source.text[span.start - column + 1 : span.start].strip()


def _between_statements(
    kind: str, span: Span, source: SourceText, accepts: frozenset[str]
) -> Diagnostic | None:
    starts_value = kind in _STARTS_VALUE
    if (
        starts_value
        and "LET" in accepts
        and ("THEN" not in accepts or _begins_line(span, source))
    ):
        # After a whole `let`, `def` or `target =`.
        return Diagnostic(
            code="LRS110",
            message="a schedule without a target beside other statements",
            primary=Label(Span(span.start, span.end), "which value does it set?"),
            help="write `lr = ` before it",
        )
    if kind in _STATEMENT and END in accepts and "LET" not in accepts:
        # After a whole bare schedule.
        return Diagnostic(
            code="LRS110",
            message="a statement beside a schedule without a target",
            primary=Label(span, "the schedule before sets nothing by name"),
            help="write `lr = ` before the schedule",
        )
    return None


def _misspelled_keyword(
    text: str, kind: str, span: Span, accepts: frozenset[str]
) -> Diagnostic | None:
    if kind not in ("NAME", "CALL") or "NAME" in accepts:
        return None
    allowed = [word for word in KEYWORDS if word.upper() in accepts]
    meant = suggest(text, sorted(allowed))
    if meant is None:
        return None
    return Diagnostic(
        code="LRS102",
        message=f"expected {_expected(accepts)}, found `{text}`",
        primary=Label(span, "not a keyword"),
        help=f"did you mean `{meant}`?",
    )


def _missing_then(
    kind: str, span: Span, source: SourceText, accepts: frozenset[str]
) -> Diagnostic | None:
    if kind not in _STARTS_VALUE or "THEN" not in accepts:
        return None
    called = _PART_NAME.search(source.text, *near(span)) if kind == "LPAR" else None
    if called:
        return Diagnostic(
            code="LRS202",
            message=f"`{called[0]}` is a target, not a function",
            primary=Label(Span(called.start(), called.end()), "cannot be called"),
            help="functions have no point in their names",
        )
    repair = f"write `then {source.slice(span)[:30]}…`"
    if source.text[max(span.start - 2, 0) : span.start].rstrip().endswith("%"):
        repair = _FOREIGN["%"]
    return Diagnostic(
        code="LRS103",
        message="two segments follow each other without `then`",
        primary=Label(span, "the next segment begins here"),
        help=repair,
    )


def _generic(text: str, kind: str, span: Span, accepts: frozenset[str]) -> Diagnostic:
    shown = text if len(text) <= 30 else text[:29] + "…"
    label = ""
    repair: str | None = None
    if kind in _POSTFIX and "THEN" in accepts:
        label = "belongs before `until`"
        repair = (
            f"write it before `until`, or put the segment in parentheses: `(… until …) {shown}`"
        )
    elif kind == "STAR" and "CALL" in accepts:
        repair = "a power is written `^`"
    elif accepts == {"COMMA"}:
        repair = "after `*` come the parameters that go by name: `def f(a, *, b=1) = …`"
    elif kind == "COMPARE":
        label = "a condition stands after `until`, one comparison at a time"
    elif kind == "EQUAL" and "THEN" in accepts:
        label = "only names are given values"
    elif kind == "SLASH" and "CALL" in accepts:
        repair = "a comment begins with `#`"
    elif shown in KEYWORDS and accepts & {"NAME", "CALL"}:
        label = "a keyword is never a name"
    elif kind == "PART_KEY":
        label = "no name has a point in it"
        repair = f"only a target of an optimizer's part has one: `{shown} = …`"
    elif kind == "KEY" and accepts == {"CALL"}:
        label, repair = "a function has parentheses", f"write `def {shown}() = …`"
    elif kind == "CALL" and "NAME" in accepts and "KEY" in accepts and "CALL" not in accepts:
        label = "a parameter is a name"
    return Diagnostic(
        code="LRS102",
        message=f"expected {_expected(accepts)}, found `{shown}`",
        primary=Label(span, label),
        help=repair,
    )
