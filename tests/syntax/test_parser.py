"""Text to tree: what binds how, where everything stands, and what no text can do."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
from asking import problems
from hypothesis import given, settings
from hypothesis import strategies as st

from lrdsl.diagnostics import LrsError
from lrdsl.source import SourceText
from lrdsl.syntax import nodes
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_expression


def body(text: str) -> nodes.Expression:
    """Return the schedule of a text of one."""
    statement = parse(SourceText(text)).statements[0]
    assert isinstance(statement, nodes.Assign)
    return statement.body


def grouped(node: nodes.Node) -> str:
    """Return an expression with all its parentheses."""
    match node:
        case nodes.Unary(operator=operator, operand=operand):
            return f"({operator}{grouped(operand)})"
        case nodes.Power(base=base, exponent=exponent):
            return f"({grouped(base)} ^ {grouped(exponent)})"
        case nodes.Chain(operands=operands, operators=operators):
            words = [grouped(operands[0])]
            for operator, operand in zip(operators, operands[1:], strict=True):
                words += [operator, grouped(operand)]
            return f"({' '.join(words)})"
        case nodes.For(operand=operand, length=length):
            return f"({grouped(operand)} for {grouped(length)})"
        case nodes.Skip(operand=operand, amount=amount):
            return f"({grouped(operand)} skip {grouped(amount)})"
        case nodes.By(operand=operand, interval=interval):
            return f"({grouped(operand)} by {grouped(interval)})"
        case nodes.Repeat(operand=operand):
            return f"({grouped(operand)} repeat)"
        case nodes.Snapshot(operand=operand):
            return f"({grouped(operand)} snapshot)"
        case nodes.Group(inner=inner):
            return grouped(inner)
        case nodes.Amount() | nodes.Name():
            return print_expression(node)
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-a ^ b", "(-(a ^ b))"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a ^ -b * c", "((a ^ (-b)) * c)"),
        ("a + b * c - d", "(a + (b * c) - d)"),
        ("a / b * c", "(a / b * c)"),
        ("a + b for c + d skip e", "(((a + b) for (c + d)) skip e)"),
        ("a for b repeat by c", "(((a for b) repeat) by c)"),
        ("a * b snapshot", "((a * b) snapshot)"),
    ],
)
def test_operators_bind(text: str, expected: str) -> None:
    assert grouped(body(text)) == expected


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("7%", Fraction(7), "%"),
        ("30 %", Fraction(30), "%"),
        ("5epochs", Fraction(5), "epochs"),
        ("1 epoch", Fraction(1), "epochs"),
        ("500\tsteps", Fraction(500), "steps"),
        (".1", Fraction(1, 10), ""),
        ("1.e-3", Fraction(1, 1000), ""),
        ("1e400", Fraction(10**400), ""),
        ("0." + "1" * 39, Fraction(int("1" * 39), 10**39), ""),
    ],
)
def test_numbers_are_exactly_what_is_written(text: str, value: Fraction, unit: str) -> None:
    node = body(text)
    assert isinstance(node, nodes.Amount)
    assert (node.value, node.unit) == (value, unit)


def test_a_unit_stands_on_the_line_of_its_number() -> None:
    file = parse(SourceText("let p = 5\nsteps = p"))
    let, target = file.statements
    assert isinstance(let, nodes.Let)
    assert isinstance(target, nodes.Assign)
    assert isinstance(let.value, nodes.Amount)
    assert (let.value.unit, target.target) == ("", "steps")


@pytest.mark.parametrize("key", ["max", "epochs", "steps", "then", "stop", "train", "by"])
def test_a_name_before_an_equals_sign_is_a_key_whatever_it_is_called(key: str) -> None:
    call = body(f"f(1, {key} # why\n = 2)")
    assert isinstance(call, nodes.Call)
    assert call.arguments[1].key == key


@pytest.mark.parametrize("text", ["thenx", "untilted", "stops", "e", "epochs", "_by"])
def test_a_keyword_inside_a_longer_word_is_none(text: str) -> None:
    assert body(text) == nodes.Name(text, body(text).span)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " "])
def test_line_ends_mean_nothing(end: str) -> None:
    text = "const(1e-3)|until 10|then exp(0.1)|"
    assert body(text.replace("|", end)) == body(text.replace("|", " "))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_comment_ends_with_its_line(end: str) -> None:
    file = parse(SourceText(f"# first{end}0.1 # second{end}until 5 then 1"))
    assert [(c.text, c.alone) for c in file.comments] == [
        ("# first", True),
        ("# second", False),
    ]


def test_every_node_knows_its_place() -> None:
    text = "let a = 1\nlr = cosine(max=a) until 5 epochs then (0.1 for 3 repeat 2)"
    seen = []
    for node, _ in nodes.walk(parse(SourceText(text))):
        piece = text[node.span.start : node.span.end]
        assert piece == piece.strip()
        seen.append(piece)
    for piece in ("a", "cosine(max=a)", "max=a", "5 epochs", "0.1 for 3 repeat 2"):
        assert piece in seen


LARGE = 10_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * LARGE + "1" + ")" * LARGE, id="parentheses"),
        pytest.param("(" * LARGE, id="open parentheses"),
        pytest.param(")" * LARGE, id="closing parentheses"),
        pytest.param("f(" * LARGE, id="calls"),
        pytest.param("-" * LARGE + "1", id="signs"),
        pytest.param("2" + "^2" * LARGE, id="powers"),
        pytest.param("0.1" + " skip 1" * LARGE, id="postfix forms"),
        pytest.param("9" * LARGE, id="digits"),
        pytest.param("1e9999999", id="exponent"),
        pytest.param("1e-" + "9" * LARGE, id="long exponent"),
        pytest.param("\x00\x01\x02", id="binary"),
        pytest.param("0.1 \ud800", id="half of a surrogate pair"),
        pytest.param("0.1 # " + "x" * 1_000_000, id="over the limit"),
    ],
)
def test_what_is_too_large_or_no_text_is_one_problem(text: str) -> None:
    found = problems(text)
    assert 1 <= len(found) <= 3
    assert {d.code for d in found} <= {"LRS101", "LRS107", "LRS106"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0.1" + " + 0.1" * LARGE, id="sum"),
        pytest.param("1" + " / 2 * 3" * LARGE, id="quotients"),
        pytest.param("min(" + "1, " * LARGE + "1)", id="arguments"),
        pytest.param("0.1 until 1" + " or 1" * LARGE + " then 1", id="conditions"),
        pytest.param("0.1 # " + "x" * LARGE, id="comment"),
        pytest.param("0.1\n" + " \n" * LARGE, id="blank lines"),
        pytest.param("\r\n0.1\r\n", id="carriage returns"),
        pytest.param("\ufeff0.1", id="byte order mark"),
        pytest.param("0.1 # \u2028 \U0001f600", id="odd characters in a comment"),
    ],
)
def test_what_is_merely_long_or_odd_is_read(text: str) -> None:
    assert problems(text) == []


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_tree_or_a_diagnostic(text: str) -> None:
    problems(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "0.1",
                "cosine",
                "(",
                ")",
                "max",
                "=",
                ",",
                "then",
                "until",
                "5",
                "%",
                "for",
                "repeat",
                "2",
                "by",
            ]
        )
    )
)
@settings(max_examples=300, deadline=None)
def test_any_words_are_a_tree_or_a_diagnostic(words: list[str]) -> None:
    for joint in ("", " "):
        found = problems(joint.join(words))
        assert all(d.primary is not None for d in found)


def test_nesting_up_to_the_limit_leaves_room_on_the_stack() -> None:
    deep = "(" * 95 + "0.1" + ")" * 95
    limit = sys.getrecursionlimit()
    assert limit >= 1000
    assert parse(SourceText(deep)).statements


def test_the_parser_stops_at_the_first_thing_it_cannot_read() -> None:
    with pytest.raises(LrsError) as caught:
        parse(SourceText("0.1 until\n) then ("))
    assert len(caught.value.diagnostics) == 1


def test_parameters_after_a_star_go_by_name() -> None:
    (definition,) = parse(SourceText("def f(a, b=1, *, c, d=2) = a")).statements
    assert isinstance(definition, nodes.Def)
    assert [p.positional for p in definition.parameters] == [True, True, False, False]
    (named,) = parse(SourceText("def f(*, a) = a")).statements
    assert isinstance(named, nodes.Def)
    assert not named.parameters[0].positional
