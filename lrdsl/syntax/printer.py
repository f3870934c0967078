"""Syntax tree → canonical text: one style, comments kept, parsing back to the same tree."""

from __future__ import annotations

import re
import sys

from lrdsl.source import SourceText
from lrdsl.syntax import nodes
from lrdsl.syntax.documents import (
    Bracket,
    Chain,
    Document,
    Equation,
    Flat,
    Group,
    Indent,
    Line,
    Raised,
    Tailed,
    lay_out,
)

WIDTH = 88
"""A statement that fits in this many columns stands on one line."""

_GAP = re.compile(r"(?:\s|#[^\r\n]*)*")


def print_file(file: nodes.File, source: SourceText | None = None) -> str:
    """Return the canonical text of a file.

    Each statement begins a line.  One that is longer than `WIDTH`, or holds a comment, breaks
    before each `then` of its outermost sequence, and further inside where it must.

    Args:
        file: the tree.
        source: the text that the tree came from; where it has blank lines between
            statements or comments, one is kept.
    """
    lines: list[str] = []
    builder = _Builder(file.comments, source)
    nexts = [statement.span.start for statement in file.statements[1:]]
    for statement, following in zip(file.statements, [*nexts, file.span.end + 1], strict=False):
        _own_lines(builder.before(statement.span.start), lines, source)
        _keep_blank(statement.span.start, lines, source)
        document = builder.statement(statement)
        inside = builder.before(statement.span.end)
        lines += lay_out((document, *inside, *builder.beside(following)), WIDTH)
    _own_lines(builder.before(file.span.end + 1), lines, source)
    return "".join(f"{line}\n" for line in lines)


def print_expression(expression: nodes.Expression) -> str:
    """Return the canonical text of an expression, on one line and without comments."""
    return "".join(lay_out(Flat(_Builder(()).expression(expression)), sys.maxsize))


def _own_lines(
    comments: tuple[nodes.Comment, ...], lines: list[str], source: SourceText | None
) -> None:
    for comment in comments:
        _keep_blank(comment.span.start, lines, source)
        lines.append(comment.text)


def _keep_blank(offset: int, lines: list[str], source: SourceText | None) -> None:
    """Put one blank line where the source has some before `offset`."""
    if source is None or not lines or not lines[-1]:
        return
    text = source.text
    start = offset
    while start and text[start - 1].isspace():
        start -= 1
    if source.location(offset)[0] - source.location(start)[0] > 1:
        lines.append("")


class _Builder:
    """Makes documents of nodes, in the order of the source, with the comments between them.

    A comment goes to the next place where a line may end, since it ends its line.
    """

    def __init__(
        self, comments: tuple[nodes.Comment, ...], source: SourceText | None = None
    ) -> None:
        self._comments = comments
        self._source = source
        self._next = 0

    def before(self, offset: int) -> tuple[nodes.Comment, ...]:
        """Return the comments that begin before `offset`, each once."""
        first = self._next
        while self._next < len(self._comments):
            if self._comments[self._next].span.start >= offset:
                break
            self._next += 1
        return self._comments[first : self._next]

    def beside(self, offset: int) -> tuple[nodes.Comment, ...]:
        """Return the comment before `offset` that stands behind something, if there is one."""
        for comment in self._comments[self._next : self._next + 1]:
            if not comment.alone:
                return self.before(min(offset, comment.span.end))
        return ()

    def statement(self, node: nodes.Statement) -> Document:
        match node:
            case nodes.Train(amount=amount, per=per):
                of = "" if per is None else f" of {_amount(per)}"
                return f"train {_amount(amount)}{of}"
            case nodes.Let(name=name, value=value):
                return self._equation(f"let {name} =", value)
            case nodes.Def(name=name, body=body):
                return self._equation((self._parameters(node), " ="), body)
            case nodes.Assign(target=None, body=body):
                return self.expression(body)
            case nodes.Assign(target=target, body=nodes.Sequence() as body):
                return (f"{target} = ", self.expression(body))
            case nodes.Assign(target=target, body=body):
                return self._equation(f"{target} =", body)

    def expression(self, node: nodes.Expression, *, inset: bool = True) -> Document:
        """Return the document of an expression.

        Args:
            node: the expression.
            inset: whether what does not fit is indented, since other words stand before it.
        """
        match node:
            case nodes.Amount():
                return _amount(node)
            case nodes.Name(id=name):
                return name
            case nodes.Text(value=value):
                return f'"{value}"'
            case nodes.Stop():
                return "stop"
            case nodes.Call(name=name, arguments=arguments):
                return self._arguments(name, arguments, node.span.end)
            case nodes.Group(inner=inner):
                before = self.before(inner.span.start)
                items = (self.expression(inner, inset=False),)
                return Bracket("(", items, before, self.before(node.span.end))
            case nodes.Unary(operator=operator, operand=operand):
                return (operator, self.expression(operand))
            case nodes.Power(base=base, exponent=exponent):
                left = self.expression(base)
                return Raised(left, self.expression(exponent), _opens(exponent))
            case nodes.Chain(operands=operands, operators=operators):
                left = self.expression(operands[0])
                rest = tuple(
                    (*self._line(operand), f"{operator} ", self.expression(operand))
                    for operator, operand in zip(operators, operands[1:], strict=True)
                )
                return Chain(left, rest, _opens(operands[-1]), inset)
            case nodes.Sequence(segments=(only,)):
                return self._segment(only)
            case nodes.Sequence(segments=segments):
                # What is said of the first stands further in than each `then`.
                left = self._segment(segments[0], levels=1 + inset)
                rest = tuple(
                    (*self._line(one), "then ", self._segment(one)) for one in segments[1:]
                )
                return Group((left, Indent(rest) if inset else rest))
        return self._tailed(node)

    def _segment(self, segment: nodes.Segment, *, levels: int = 1) -> Document:
        return self._tailed(segment.body, segment.until, levels)

    def _tailed(
        self, node: nodes.Expression, until: nodes.Expression | None = None, levels: int = 1
    ) -> Document:
        """Return an expression with the words after it, and with its boundary."""
        postfixes = []
        while isinstance(
            node, nodes.For | nodes.Skip | nodes.By | nodes.Repeat | nodes.Snapshot
        ):
            postfixes.append(node)
            node = node.operand
        operand = self.expression(node)
        tails = [self._postfix(one) for one in reversed(postfixes)]
        if until is not None:
            tails.append((*self._line(until), "until ", self.expression(until)))
        opens = _opens(node) and not isinstance(node, nodes.Chain)
        return Tailed(operand, tuple(tails), opens, levels) if tails else operand

    def _postfix(self, node: nodes.Expression) -> tuple[Document, ...]:
        match node:
            case nodes.For(length=length):
                return (*self._line(length), "for ", self.expression(length))
            case nodes.Skip(amount=amount):
                return (*self._line(amount), "skip ", self.expression(amount))
            case nodes.By(interval=interval):
                return (*self._line(interval), "by ", self.expression(interval))
            case nodes.Snapshot(arguments=arguments, word_span=word):
                line: tuple[Document, ...] = (*self.before(word.start), Line())
                if not arguments:
                    return (*line, "snapshot")
                return (*line, self._arguments("snapshot", arguments, node.span.end))
        assert isinstance(node, nodes.Repeat)
        words = ((" ", node.count), (" stretch ", node.stretch), (" scale ", node.scale))
        parts = [(before, part) for before, part in words if part is not None]
        start = parts[0][1].span.start if parts else node.span.end
        found: list[Document] = [*self.before(start), Line(), "repeat"]
        for before, part in parts:
            found += [before, self.expression(part)]
        return tuple(found)

    def _equation(self, head: Document, body: nodes.Expression) -> Document:
        line = self._line(body)
        return Equation(head, (*line, self.expression(body, inset=False)), _opens(body))

    def _parameters(self, node: nodes.Def) -> Document:
        """Return the head of a function, up to its closing parenthesis."""
        if not node.parameters:
            return f"def {node.name}()"
        before = self.before(node.parameters[0].span.start)
        items: list[Document] = []
        for index, parameter in enumerate(node.parameters):
            if index:
                items += [",", *self._line(parameter)]
            if not parameter.positional and all(p.positional for p in node.parameters[:index]):
                items += ["*,", Line()]
            items.append(parameter.name)
            if parameter.default is not None:
                items += ["=", self.expression(parameter.default)]
        after = self.before(self._next_word(node.parameters[-1].span.end))
        return Bracket(f"def {node.name}(", tuple(items), before, after)

    def _next_word(self, offset: int) -> int:
        """Return where the source goes on after blanks and comments."""
        gap = None if self._source is None else _GAP.match(self._source.text, offset)
        return offset if gap is None else gap.end()

    def _arguments(
        self, name: str, arguments: tuple[nodes.Argument, ...], end: int
    ) -> Document:
        if not arguments:
            return f"{name}()"
        before = self.before(arguments[0].span.start)
        items: list[Document] = []
        for index, argument in enumerate(arguments):
            if index:
                items += [",", *self._line(argument)]
            if argument.key is not None:
                items.append(f"{argument.key}=")
            alone = argument.key is None and len(arguments) == 1
            items.append(self.expression(argument.value, inset=not alone))
        return Bracket(f"{name}(", tuple(items), before, self.before(end))

    def _line(self, node: nodes.Node) -> tuple[Document, ...]:
        """Return a place before a node where a line may end, after its comments."""
        return (*self.before(node.span.start), Line())


def _opens(node: nodes.Expression) -> bool:
    """Return whether the last operand of an expression can be broken inside its brackets."""
    match node:
        case nodes.Call(arguments=arguments):
            return bool(arguments)
        case nodes.Group():
            return True
        case nodes.Unary(operand=last) | nodes.Power(exponent=last):
            return _opens(last)
        case nodes.Chain(operands=operands):
            return _opens(operands[-1])
        case nodes.For(operand=first) | nodes.Skip(operand=first) | nodes.By(operand=first):
            return _opens(first) and not isinstance(first, nodes.Chain)
        case nodes.Repeat(operand=first) | nodes.Snapshot(operand=first):
            return _opens(first) and not isinstance(first, nodes.Chain)
    return False


def _amount(amount: nodes.Amount) -> str:
    if amount.unit in ("", "%"):
        return amount.text + amount.unit
    unit = amount.unit.removesuffix("s") if amount.value == 1 else amount.unit
    return f"{amount.text} {unit}"
