"""The syntax tree, as written: frozen nodes with spans.

Spans are left out of equality, so that tests can say "printing kept the meaning":
`parse(print(tree)) == tree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

from lrdsl.records import dataclass, field
from lrdsl.source import Span


@dataclass(frozen=True, slots=True)
class Amount:
    """A literal: a number, alone or with a unit (`5`, `5 epochs`, `500 steps`, `30%`).

    `value` is the exact value of the text; `unit` is "", "epochs", "steps" or "%".
    """

    text: str
    unit: str
    value: Fraction = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A name on its own: a value, a `let`, a parameter, a metric, a target (`slow.lr` too)."""

    id: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted metric name."""

    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """`stop`, the end of training."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call; `key` is None for an argument by position."""

    key: str | None
    value: Expression
    span: Span = field(compare=False)
    key_span: Span | None = field(compare=False, default=None)


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`."""

    name: str
    arguments: tuple[Argument, ...]
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """A parenthesised schedule or value."""

    inner: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand` or `+operand`."""

    operator: str
    operand: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Power:
    """`base ^ exponent`."""

    base: Expression
    exponent: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands joined by operators of one precedence, left to right.

    `operators[i]` stands between `operands[i]` and `operands[i + 1]`: `+ -`, or `* /`, or
    one comparison, or `and`, or `or`.  Flat, so that a long sum is no deep tree.
    """

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class For:
    """`operand for length`."""

    operand: Expression
    length: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Skip:
    """`operand skip amount`."""

    operand: Expression
    amount: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`operand repeat [count] [stretch s] [scale k]`."""

    operand: Expression
    count: Expression | None
    stretch: Expression | None
    scale: Expression | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class By:
    """`operand by interval`."""

    operand: Expression
    interval: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`operand snapshot` or `operand snapshot(arguments)`."""

    operand: Expression
    arguments: tuple[Argument, ...]
    span: Span = field(compare=False)
    word_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of a sequence and, where it says so, its boundary."""

    body: Expression
    until: Expression | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Segments joined by `then`.  A lone segment without a boundary is its body instead."""

    segments: tuple[Segment, ...]
    span: Span = field(compare=False)


Expression: TypeAlias = (
    Amount
    | Name
    | Text
    | Stop
    | Call
    | Group
    | Unary
    | Power
    | Chain
    | For
    | Skip
    | Repeat
    | By
    | Snapshot
    | Sequence
)


@dataclass(frozen=True, slots=True)
class Train:
    """`train amount [of per]`."""

    amount: Amount
    per: Amount | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Let:
    """`let name = value`."""

    name: str
    value: Expression
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a `def`.

    `default` is None where the caller must give it; `positional` where it may be given by
    position, before the `*`.
    """

    name: str
    default: Expression | None
    positional: bool
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Def:
    """`def name(parameters) = body`."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Expression
    span: Span = field(compare=False)
    name_span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = body`, where `slow.lr` is `lr` of the part `slow`.

    `target` is None for the bare schedule of a file, which sets `lr`.
    """

    target: str | None
    body: Expression
    span: Span = field(compare=False)
    target_span: Span = field(compare=False)


Statement: TypeAlias = Train | Let | Def | Assign


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment from `#` to the end of its line; `alone` where nothing stands before it."""

    text: str
    alone: bool = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class File:
    """A whole file."""

    statements: tuple[Statement, ...]
    comments: tuple[Comment, ...]
    span: Span = field(compare=False)


Node: TypeAlias = Expression | Statement | Segment | Argument | Parameter | File


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly under `node`, in the order of the source."""
    match node:
        case File(statements=nodes) | Sequence(segments=nodes) | Chain(operands=nodes):
            yield from nodes
        case Call(arguments=arguments):
            yield from arguments
        case Snapshot(operand=operand, arguments=arguments):
            yield operand
            yield from arguments
        case Argument(value=value) | Let(value=value):
            yield value
        case Group(inner=operand) | Unary(operand=operand) | Assign(body=operand):
            yield operand
        case Power(base=first, exponent=second):
            yield first
            yield second
        case For(operand=first, length=second) | Skip(operand=first, amount=second):
            yield first
            yield second
        case By(operand=first, interval=second):
            yield first
            yield second
        case Repeat(operand=operand, count=count, stretch=stretch, scale=scale):
            yield operand
            yield from (part for part in (count, stretch, scale) if part is not None)
        case Segment(body=body, until=until):
            yield body
            if until is not None:
                yield until
        case Train(amount=amount, per=per):
            yield amount
            if per is not None:
                yield per
        case Def(parameters=parameters, body=body):
            yield from parameters
            yield body
        case Parameter(default=default):
            if default is not None:
                yield default
        case Amount() | Name() | Text() | Stop():
            pass


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Yield every node under `root` with its depth (the root's is 1), without recursion."""
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in reversed(list(children(node))))
