"""Syntax tree → canonical text: one style, comments kept, parsing back to the same tree."""

from __future__ import annotations

from bisect import bisect_left

from lrdsl.source import SourceText
from lrdsl.syntax import nodes

WIDTH = 88
"""A statement that fits in this many columns stands on one line."""

_INDENT = "    "


def print_file(file: nodes.File, source: SourceText | None = None) -> str:
    """Return the canonical text of a file.

    Each statement begins a line.  One that is longer than `WIDTH`, or holds a comment,
    breaks before each `then` of its outermost sequence.

    Args:
        file: the tree.
        source: the text that the tree came from; where it has blank lines between
            statements or comments, one is kept.
    """
    writer = _Writer(file.comments, source)
    for index, statement in enumerate(file.statements):
        writer.comments_before(statement.span.start)
        writer.begin_statement(statement.span.start)
        following = file.statements[index + 1 : index + 2]
        end = following[0].span.start if following else file.span.end
        writer.broken = writer.has_comments(statement.span.start, statement.span.end) or (
            len(_one_line(statement)) > WIDTH
        )
        _statement(statement, writer)
        writer.comments_before(end, trailing_only=True)
        writer.end_statement()
    writer.comments_before(file.span.end + 1)
    return writer.result()


def print_expression(expression: nodes.Expression) -> str:
    """Return the canonical text of an expression, on one line and without comments."""
    writer = _Writer((), None)
    _expression(expression, writer)
    return writer.result().rstrip("\n")


def _one_line(statement: nodes.Statement) -> str:
    writer = _Writer((), None)
    _statement(statement, writer)
    return writer.result().rstrip("\n")


class _Writer:
    """Collects the words of one file and sets the comments between them."""

    def __init__(self, comments: tuple[nodes.Comment, ...], source: SourceText | None) -> None:
        self._comments = comments
        self._next_comment = 0
        self._source = source
        self._lines: list[str] = []
        self._words: list[str] = []
        self._must_break = False
        self._inside = False
        self.broken = False

    def result(self) -> str:
        self.end_line()
        return "".join(f"{line}\n" for line in self._lines)

    def write(self, text: str) -> None:
        if self._must_break:
            self.end_line()
            self._words = [_INDENT]
            text = text.lstrip(" ")
        self._words.append(text)

    def break_or_space(self) -> None:
        """Begin an indented line in a broken statement; else write a space."""
        if self.broken:
            self.end_line()
            self._words = [_INDENT]
        else:
            self._words.append(" ")

    def begin_statement(self, offset: int) -> None:
        self.end_line()
        self._blank_before(offset)
        self._inside = True

    def end_statement(self) -> None:
        self.end_line()
        self._inside = False

    def has_comments(self, start: int, end: int) -> bool:
        first = bisect_left(self._comments, start, key=lambda comment: comment.span.start)
        return first < len(self._comments) and self._comments[first].span.start < end

    def comments_before(self, offset: int, *, trailing_only: bool = False) -> None:
        while self._next_comment < len(self._comments):
            comment = self._comments[self._next_comment]
            if comment.span.start >= offset or (trailing_only and comment.alone):
                return
            self._next_comment += 1
            if comment.alone or not self._words or self._must_break:
                # A second comment after the end of a statement stands after it, not in it.
                indent = _INDENT if self._inside and not trailing_only else ""
                self.end_line()
                self._blank_before(comment.span.start)
                self._words = [indent, comment.text]
            else:
                self._words = [self._line().rstrip(" "), "  ", comment.text]
            # Whatever comes next would become part of the comment.
            self._must_break = True

    def end_line(self) -> None:
        line = self._line().rstrip(" ")
        if line:
            self._lines.append(line)
        self._words = []
        self._must_break = False

    def _line(self) -> str:
        return "".join(self._words)

    def _blank_before(self, offset: int) -> None:
        if self._source is None or not self._lines or not self._lines[-1]:
            return
        text = self._source.text
        gap_start = offset
        while gap_start and text[gap_start - 1].isspace():
            gap_start -= 1
        if self._source.location(offset)[0] - self._source.location(gap_start)[0] > 1:
            self._lines.append("")


def _statement(statement: nodes.Statement, out: _Writer) -> None:
    match statement:
        case nodes.Train(amount=amount, per=per):
            out.write(f"train {_amount(amount)}")
            if per is not None:
                out.comments_before(per.span.start)
                out.write(f" of {_amount(per)}")
        case nodes.Let(name=name, value=value):
            out.write(f"let {name} = ")
            _expression(value, out)
        case nodes.Def(name=name, parameters=parameters, body=body):
            out.write(f"def {name}(")
            for index, parameter in enumerate(parameters):
                out.comments_before(parameter.span.start)
                out.write(", " * bool(index))
                if not parameter.positional and all(p.positional for p in parameters[:index]):
                    out.write("*, ")
                out.write(parameter.name)
                if parameter.default is not None:
                    out.write("=")
                    _expression(parameter.default, out)
            out.write(") = ")
            _body(body, out)
        case nodes.Assign(target=target, body=body):
            if target is not None:
                out.write(f"{target} = ")
            _body(body, out)


def _body(body: nodes.Expression, out: _Writer) -> None:
    """Write the outermost schedule of a statement, which may break before each `then`."""
    if isinstance(body, nodes.Sequence):
        _sequence(body, out, outermost=True)
    else:
        _expression(body, out)


def _sequence(sequence: nodes.Sequence, out: _Writer, *, outermost: bool = False) -> None:
    for index, segment in enumerate(sequence.segments):
        if index:
            out.comments_before(segment.span.start)
            if outermost:
                out.break_or_space()
                out.write("then ")
            else:
                out.write(" then ")
        _expression(segment.body, out)
        if segment.until is not None:
            out.write(" until ")
            _expression(segment.until, out)


def _amount(amount: nodes.Amount) -> str:
    if amount.unit in ("", "%"):
        return amount.text + amount.unit
    unit = amount.unit.removesuffix("s") if amount.value == 1 else amount.unit
    return f"{amount.text} {unit}"


def _expression(node: nodes.Expression, out: _Writer) -> None:
    out.comments_before(node.span.start)
    match node:
        case nodes.Amount():
            out.write(_amount(node))
        case nodes.Name(id=name):
            out.write(name)
        case nodes.Text(value=value):
            out.write(f'"{value}"')
        case nodes.Stop():
            out.write("stop")
        case nodes.Call(name=name, arguments=arguments):
            out.write(name)
            _arguments(arguments, node, out)
        case nodes.Group(inner=inner):
            out.write("(")
            _expression(inner, out)
            out.comments_before(node.span.end)
            out.write(")")
        case nodes.Unary(operator=operator, operand=operand):
            out.write(operator)
            _expression(operand, out)
        case nodes.Power(base=base, exponent=exponent):
            _expression(base, out)
            out.write(" ^ ")
            _expression(exponent, out)
        case nodes.Chain(operands=operands, operators=operators):
            _expression(operands[0], out)
            for operator, operand in zip(operators, operands[1:], strict=True):
                out.comments_before(operand.span.start)
                out.write(f" {operator} ")
                _expression(operand, out)
        case nodes.For(operand=operand, length=length):
            _expression(operand, out)
            out.write(" for ")
            _expression(length, out)
        case nodes.Skip(operand=operand, amount=skipped):
            _expression(operand, out)
            out.write(" skip ")
            _expression(skipped, out)
        case nodes.By(operand=operand, interval=interval):
            _expression(operand, out)
            out.write(" by ")
            _expression(interval, out)
        case nodes.Repeat(operand=operand):
            _expression(operand, out)
            out.write(" repeat")
            for word, part in (
                ("", node.count),
                (" stretch", node.stretch),
                (" scale", node.scale),
            ):
                if part is not None:
                    out.write(f"{word} ")
                    _expression(part, out)
        case nodes.Snapshot(operand=operand, arguments=arguments):
            _expression(operand, out)
            out.write(" snapshot")
            if arguments:
                _arguments(arguments, node, out)
        case nodes.Sequence():
            _sequence(node, out)


def _arguments(
    arguments: tuple[nodes.Argument, ...], call: nodes.Call | nodes.Snapshot, out: _Writer
) -> None:
    out.write("(")
    for index, argument in enumerate(arguments):
        out.comments_before(argument.span.start)
        if index:
            out.write(", ")
        if argument.key is not None:
            out.write(f"{argument.key}=")
        _expression(argument.value, out)
    out.comments_before(call.span.end)
    out.write(")")
