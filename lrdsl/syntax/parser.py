"""Text → syntax tree."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.records import replace
from lrdsl.source import SourceText, Span
from lrdsl.syntax import nodes
from lrdsl.syntax.lalr import Builder, Parser, Token, UnexpectedCharacter, UnexpectedToken
from lrdsl.syntax.tables import grammar_tables


def parse(source: SourceText) -> nodes.File:
    """Return the syntax tree of a file.

    Raises:
        LrsError: the text is no .lrs file (LRS1xx); holds every problem found.
    """
    from lrdsl.syntax.errors import explain, unreadable

    _refuse(unreadable(source), source)
    found: list[Token] = []
    try:
        statements: Any = _parser().parse(source.text, found.append)
    except (UnexpectedCharacter, UnexpectedToken) as error:
        raise LrsError([explain(error, source)], source) from None
    comments = tuple(_comment(token, source) for token in found)
    file = nodes.File(statements, comments, Span(0, len(source.text)))
    _refuse(_over_limits(file), source)
    return file


def _refuse(problems: Iterable[Diagnostic], source: SourceText) -> None:
    found = sorted(problems, key=Diagnostic.position)[: limits.DIAGNOSTICS]
    if found:
        raise LrsError(found, source)


@lru_cache(maxsize=1)
def _parser() -> Parser:
    return Parser(grammar_tables(), _BUILDERS, _PASSING)


def _comment(token: Token, source: SourceText) -> nodes.Comment:
    span = _token_span(token)
    column = source.location(span.start)[1]
    alone = not source.text[span.start - column + 1 : span.start].strip()
    return nodes.Comment(token.text.rstrip(), alone, span)


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


def _start(part: Any) -> int:
    start: int = part.start if part.__class__ is Token else part.span.start
    return start


def _span(first: Any, last: Any) -> Span:
    end = last.end if last.__class__ is Token else last.span.end
    return Span(_start(first), end)


def _token_span(token: Token) -> Span:
    return Span(token.start, token.end)


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


# What each rule makes of its parts, which are tokens and what other rules made.  Every token
# is kept, so a node's span runs from its first part to its last.


def _start_rule(parts: list[Any]) -> tuple[nodes.Statement, ...]:
    return tuple(
        part
        if isinstance(part, nodes.Train | nodes.Let | nodes.Def | nodes.Assign)
        else nodes.Assign(None, part, part.span, Span(part.span.start, part.span.start))
        for part in parts
    )


def _train(parts: list[Any]) -> nodes.Train:
    per = parts[3] if len(parts) > 3 else None
    return nodes.Train(parts[1], per, _span(parts[0], parts[-1]))


def _let(parts: list[Any]) -> nodes.Let:
    _, key, _, value = parts
    return nodes.Let(key.text, value, _span(parts[0], value), _token_span(key))


def _define(parts: list[Any]) -> nodes.Def:
    name, body = parts[1], parts[-1]
    positional = True
    parameters = []
    for part in parts[3:-1]:
        if part.__class__ is nodes.Parameter:
            parameters.append(part if positional else replace(part, positional=False))
        elif part.type == "STAR":
            positional = False
    return nodes.Def(
        name.text, tuple(parameters), body, _span(parts[0], body), _token_span(name)
    )


def _assign(parts: list[Any]) -> nodes.Assign:
    key, _, body = parts
    return nodes.Assign(key.text, body, _span(key, body), _token_span(key))


def _parameter(parts: list[Any]) -> nodes.Parameter:
    name = parts[0]
    default = parts[2] if len(parts) > 1 else None
    return nodes.Parameter(name.text, default, True, _span(name, parts[-1]), _token_span(name))


def _sequence(parts: list[Any]) -> nodes.Expression:
    # A segment without a boundary has been handed on as its body.
    if len(parts) == 1 and parts[0].__class__ is not nodes.Segment:
        body: nodes.Expression = parts[0]
        return body
    segments = tuple(
        part if part.__class__ is nodes.Segment else nodes.Segment(part, None, part.span)
        for part in parts[::2]
    )
    return nodes.Sequence(segments, _span(parts[0], parts[-1]))


def _segment(parts: list[Any]) -> nodes.Segment:
    return nodes.Segment(parts[0], parts[2], _span(parts[0], parts[2]))


def _postfixed(parts: list[Any]) -> nodes.Expression:
    result = parts[0]
    for postfix in parts[1:]:
        result = _join(result, postfix)
    expression: nodes.Expression = result
    return expression


def _postfix(parts: list[Any]) -> _Postfix:
    return _Postfix(parts[0], parts[1:], _span(parts[0], parts[-1]))


def _stretch(parts: list[Any]) -> _Part:
    return _Part("stretch", parts[1], _span(parts[0], parts[1]))


def _scale(parts: list[Any]) -> _Part:
    return _Part("scale", parts[1], _span(parts[0], parts[1]))


def _chain(parts: list[Any]) -> nodes.Chain:
    operators = tuple([token.text for token in parts[1::2]])
    return nodes.Chain(tuple(parts[::2]), operators, _span(parts[0], parts[-1]))


def _unary(parts: list[Any]) -> nodes.Unary:
    sign, operand = parts
    return nodes.Unary(sign.text, operand, _span(sign, operand))


def _power(parts: list[Any]) -> nodes.Power:
    return nodes.Power(parts[0], parts[2], _span(parts[0], parts[2]))


def _amount(parts: list[Any]) -> nodes.Amount:
    token: Token = parts[0]
    text, unit = token.text, ""
    if token.type == "QUANTITY":
        letters = text.rstrip("epochst%")
        unit = {"e": "epochs", "s": "steps", "%": "%"}[text[len(letters)]]
        text = letters.rstrip(" \t")
    return nodes.Amount(text, unit, _exact(text), _token_span(token))


def _name(parts: list[Any]) -> nodes.Name:
    return nodes.Name(parts[0].text, _token_span(parts[0]))


def _text(parts: list[Any]) -> nodes.Text:
    return nodes.Text(parts[0].text[1:-1], _token_span(parts[0]))


def _stop(parts: list[Any]) -> nodes.Stop:
    return nodes.Stop(_token_span(parts[0]))


def _call(parts: list[Any]) -> nodes.Call:
    name = parts[0]
    return nodes.Call(name.text, _arguments(parts), _span(name, parts[-1]), _token_span(name))


def _group(parts: list[Any]) -> nodes.Group:
    return nodes.Group(parts[1], _span(parts[0], parts[2]))


def _argument(parts: list[Any]) -> nodes.Argument:
    value = parts[-1]
    if len(parts) == 1:
        return nodes.Argument(None, value, value.span)
    key = parts[0]
    return nodes.Argument(key.text, value, _span(key, value), _token_span(key))


def _arguments(parts: list[Any]) -> tuple[nodes.Argument, ...]:
    return tuple([part for part in parts if part.__class__ is nodes.Argument])


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
            return nodes.Snapshot(operand, _arguments(parts), span, _token_span(postfix.word))
    named = {part.word: part.value for part in parts if isinstance(part, _Part)}
    count = parts[0] if parts and not isinstance(parts[0], _Part) else None
    return nodes.Repeat(operand, count, named.get("stretch"), named.get("scale"), span)


_PASSING = frozenset(
    {
        *("statement", "_named", "_condition", "_sum", "_atom", "segment", "postfixed"),
        *("disjunction", "conjunction", "comparison", "sum", "product", "unary", "power"),
    }
)
"""What nodes are made of only where there is something to join."""

_BUILDERS: dict[str, Builder] = {
    "start": _start_rule,
    "train": _train,
    "let": _let,
    "define": _define,
    "assign": _assign,
    "parameter": _parameter,
    "sequence": _sequence,
    "segment": _segment,
    "postfixed": _postfixed,
    "postfix": _postfix,
    "stretch": _stretch,
    "scale": _scale,
    "disjunction": _chain,
    "conjunction": _chain,
    "comparison": _chain,
    "sum": _chain,
    "product": _chain,
    "unary": _unary,
    "power": _power,
    "amount": _amount,
    "name": _name,
    "text": _text,
    "stop": _stop,
    "call": _call,
    "group": _group,
    "argument": _argument,
}
