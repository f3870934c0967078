"""Text → syntax tree.  The only importer of lark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, UnexpectedInput

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.resources import grammar_text
from lrdsl.source import SourceText, Span
from lrdsl.syntax import nodes
from lrdsl.syntax.errors import explain, unreadable

_LOCK = Lock()


def parse(source: SourceText) -> nodes.File:
    """Return the syntax tree of a file.

    Raises:
        LrsError: the text is no .lrs file (LRS1xx); holds every problem found.
    """
    _refuse(unreadable(source), source)
    with _LOCK:  # the parser hands the comments of a text to one list
        parser, found = _parser()
        found.clear()
        try:
            # With a transformer inside, the parser returns what it makes of the start rule.
            statements: Any = parser.parse(source.text)
        except UnexpectedInput as error:
            problem = explain(error, source)
            raise LrsError([problem], source) from None
        comments = tuple(_comment(token, source) for token in found)
    file = nodes.File(statements, comments, Span(0, len(source.text)))
    _refuse(_over_limits(file), source)
    return file


def _refuse(problems: Iterable[Diagnostic], source: SourceText) -> None:
    found = sorted(problems, key=Diagnostic.position)[: limits.DIAGNOSTICS]
    if found:
        raise LrsError(found, source)


@lru_cache(maxsize=1)
def _parser() -> tuple[Lark, list[Token]]:
    comments: list[Token] = []
    parser = Lark(
        grammar_text("lrs.lark"),
        parser="lalr",
        lexer="basic",
        transformer=_Builder(),
        keep_all_tokens=True,
        maybe_placeholders=False,
        lexer_callbacks={"COMMENT": comments.append},
    )
    return parser, comments


def _comment(token: Token, source: SourceText) -> nodes.Comment:
    span = _span(token)
    column = source.location(span.start)[1]
    alone = not source.text[span.start - column + 1 : span.start].strip()
    return nodes.Comment(str(token).rstrip(), alone, span)


def _over_limits(file: nodes.File) -> list[Diagnostic]:
    problems = []
    for node, depth in nodes.walk(file):
        # The children of a node that is too deep are deeper still: one report is enough.
        if depth == limits.NESTING + 1:
            problems.append(
                Diagnostic(
                    code="LRS107",
                    message=f"more than {limits.NESTING} levels of nesting",
                    primary=Label(node.span, "nested too deep"),
                    help="give the inner part a name with `let` or `def`",
                )
            )
        elif isinstance(node, nodes.Amount):
            problems += _amount_over_limits(node)
        elif isinstance(node, nodes.Sequence) and len(node.segments) > limits.SEGMENTS:
            problems.append(
                Diagnostic(
                    code="LRS107",
                    message=f"{len(node.segments)} segments in one sequence",
                    primary=Label(
                        node.segments[limits.SEGMENTS].span,
                        f"at most {limits.SEGMENTS} are allowed",
                    ),
                    help="write what repeats with `repeat`, or as a formula of `epoch`",
                )
            )
    return problems


def _amount_over_limits(node: nodes.Amount) -> list[Diagnostic]:
    mantissa, _, exponent = node.text.lower().partition("e")
    if sum(c.isdigit() for c in mantissa) > limits.DIGITS:
        what = f"a number of more than {limits.DIGITS} digits"
        repair = f"a float64 holds 17 digits: {limits.DIGITS} are more than enough"
    elif exponent and abs(_small_int(exponent)) > limits.EXPONENT:
        what = f"an exponent beyond ±{limits.EXPONENT}"
        repair = "no rate needs it: check the number"
    else:
        return []
    return [
        Diagnostic(
            code="LRS107", message=what, primary=Label(node.span, "over the limit"), help=repair
        )
    ]


def _small_int(digits: str) -> int:
    """Return the int of a literal's exponent, cut where it is over any limit anyway."""
    sign = -1 if digits.startswith("-") else 1
    return sign * int(digits.lstrip("+-").lstrip("0")[:10] or "0")


def _exact(text: str) -> Fraction:
    """Return the exact value of a literal; 0 stands in for one that is over the limits."""
    mantissa, _, exponent = text.lower().partition("e")
    if abs(_small_int(exponent or "0")) > limits.EXPONENT or len(mantissa) > 1000:
        return Fraction(0)
    try:
        return Fraction(Decimal(text))
    except InvalidOperation:  # pragma: no cover - the grammar's numbers are decimals
        return Fraction(0)


def _span(first: Any, last: Any | None = None) -> Span:
    last = first if last is None else last
    start = first.start_pos if isinstance(first, Token) else first.span.start
    end = last.end_pos if isinstance(last, Token) else last.span.end
    assert start is not None
    assert end is not None
    return Span(start, end)


class _Postfix(NamedTuple):
    """A postfix form before it is joined to its operand."""

    word: Token
    parts: list[Any]
    span: Span


class _Part(NamedTuple):
    """`stretch s` or `scale k`."""

    word: str
    value: nodes.Expression
    span: Span


class _Builder(Transformer):  # type: ignore[type-arg]
    """Builds nodes while the parser reduces: bottom up, with no recursion of ours.

    With every token kept, a node's span runs from its first child to its last.
    """

    def start(self, parts: list[Any]) -> tuple[nodes.Statement, ...]:
        return tuple(
            part
            if isinstance(part, nodes.Train | nodes.Let | nodes.Def | nodes.Assign)
            else nodes.Assign(None, part, part.span, Span(part.span.start, part.span.start))
            for part in parts
        )

    def statement(self, parts: list[Any]) -> nodes.Statement:
        only: nodes.Statement = parts[0]
        return only

    def train(self, parts: list[Any]) -> nodes.Train:
        per = parts[3] if len(parts) > 3 else None
        return nodes.Train(parts[1], per, _span(parts[0], parts[-1]))

    def let(self, parts: list[Any]) -> nodes.Let:
        _, key, _, value = parts
        return nodes.Let(str(key), value, _span(parts[0], value), _span(key))

    def define(self, parts: list[Any]) -> nodes.Def:
        name, body = parts[1], parts[-1]
        head = parts[2:-1]
        star = head.index("*") if "*" in head else len(head)
        parameters = tuple(
            replace(part, positional=index < star)
            for index, part in enumerate(head)
            if isinstance(part, nodes.Parameter)
        )
        return nodes.Def(str(name), parameters, body, _span(parts[0], body), _span(name))

    def assign(self, parts: list[Any]) -> nodes.Assign:
        key, _, body = parts
        return nodes.Assign(str(key), body, _span(key, body), _span(key))

    def parameter(self, parts: list[Any]) -> nodes.Parameter:
        default = parts[2] if len(parts) > 1 else None
        return nodes.Parameter(
            str(parts[0]), default, True, _span(parts[0], parts[-1]), _span(parts[0])
        )

    def sequence(self, parts: list[Any]) -> nodes.Expression:
        segments = tuple(parts[::2])
        if len(segments) == 1 and segments[0].until is None:
            body: nodes.Expression = segments[0].body
            return body
        return nodes.Sequence(segments, _span(segments[0], segments[-1]))

    def segment(self, parts: list[Any]) -> nodes.Segment:
        until = parts[2] if len(parts) > 1 else None
        return nodes.Segment(parts[0], until, _span(parts[0], parts[-1]))

    def postfixed(self, parts: list[Any]) -> nodes.Expression:
        result = parts[0]
        for postfix in parts[1:]:
            result = _join(result, postfix)
        expression: nodes.Expression = result
        return expression

    def postfix(self, parts: list[Any]) -> _Postfix:
        return _Postfix(parts[0], parts[1:], _span(parts[0], parts[-1]))

    def stretch(self, parts: list[Any]) -> _Part:
        return _Part("stretch", parts[1], _span(parts[0], parts[1]))

    def scale(self, parts: list[Any]) -> _Part:
        return _Part("scale", parts[1], _span(parts[0], parts[1]))

    def _chain(self, parts: list[Any]) -> nodes.Expression:
        if len(parts) == 1:
            only: nodes.Expression = parts[0]
            return only
        operands, operators = tuple(parts[::2]), tuple(str(t) for t in parts[1::2])
        return nodes.Chain(operands, operators, _span(parts[0], parts[-1]))

    disjunction = conjunction = comparison = sum = product = _chain

    def unary(self, parts: list[Any]) -> nodes.Expression:
        if len(parts) == 1:
            only: nodes.Expression = parts[0]
            return only
        return nodes.Unary(str(parts[0]), parts[1], _span(parts[0], parts[1]))

    def power(self, parts: list[Any]) -> nodes.Expression:
        if len(parts) == 1:
            only: nodes.Expression = parts[0]
            return only
        return nodes.Power(parts[0], parts[2], _span(parts[0], parts[2]))

    def amount(self, parts: list[Any]) -> nodes.Amount:
        token = parts[0]
        text, unit = str(token), ""
        if token.type == "QUANTITY":
            letters = text.rstrip("epochst%")
            unit = {"e": "epochs", "s": "steps", "%": "%"}[text[len(letters)]]
            text = letters.rstrip(" \t")
        return nodes.Amount(text, unit, _exact(text), _span(token))

    def name(self, parts: list[Any]) -> nodes.Name:
        return nodes.Name(str(parts[0]), _span(parts[0]))

    def text(self, parts: list[Any]) -> nodes.Text:
        return nodes.Text(str(parts[0])[1:-1], _span(parts[0]))

    def stop(self, parts: list[Any]) -> nodes.Stop:
        return nodes.Stop(_span(parts[0]))

    def call(self, parts: list[Any]) -> nodes.Call:
        name = parts[0]
        return nodes.Call(
            str(name), _arguments(parts[2:-1]), _span(name, parts[-1]), _span(name)
        )

    def group(self, parts: list[Any]) -> nodes.Group:
        return nodes.Group(parts[1], _span(parts[0], parts[2]))

    def argument(self, parts: list[Any]) -> nodes.Argument:
        value = parts[-1]
        if len(parts) == 1:
            return nodes.Argument(None, value, value.span)
        return nodes.Argument(str(parts[0]), value, _span(parts[0], value), _span(parts[0]))


def _arguments(parts: list[Any]) -> tuple[nodes.Argument, ...]:
    return tuple(part for part in parts if isinstance(part, nodes.Argument))


def _join(operand: nodes.Expression, postfix: _Postfix) -> nodes.Expression:
    span = operand.span.to(postfix.span)
    parts = postfix.parts
    match postfix.word.type:
        case "FOR":
            return nodes.For(operand, parts[0], span)
        case "SKIP":
            return nodes.Skip(operand, parts[0], span)
        case "BY":
            return nodes.By(operand, parts[0], span)
        case "SNAPSHOT":
            return nodes.Snapshot(operand, _arguments(parts), span, _span(postfix.word))
    named = {part.word: part.value for part in parts if isinstance(part, _Part)}
    count = parts[0] if parts and not isinstance(parts[0], _Part) else None
    return nodes.Repeat(operand, count, named.get("stretch"), named.get("scale"), span)
