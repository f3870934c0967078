"""Documents: text with places where a line may end, and how they are laid out.

After Wadler, *A prettier printer* (2003): a group stands on one line if it fits there, and
otherwise ends a line at each of its own places.  What can be broken in several ways decides
by what fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from lrdsl.records import dataclass
from lrdsl.syntax.nodes import Comment

INDENT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """A place where a line may end; `flat` stands there if it does not.

    After a comment it does.
    """

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Indent:
    """What begins its lines further to the right."""

    inner: Document


@dataclass(frozen=True, slots=True)
class Flat:
    """What stands on one line, whatever is around it."""

    inner: Document


@dataclass(frozen=True, slots=True)
class Group:
    """What stands on one line if it fits there."""

    inner: Document


@dataclass(frozen=True, slots=True)
class Bracket:
    """A list in brackets: beside them, or within them on a line, or an item a line.

    `items` have their commas, and a `Line` before each but the first.  `before` and `after`
    are comments next to the brackets.
    """

    opening: str
    items: tuple[Document, ...]
    before: tuple[Comment, ...] = ()
    after: tuple[Comment, ...] = ()

    def flat(self) -> Document:
        """Return it on one line."""
        inside = (*self.before, Line(""), *self.items, *self.after, Line(""))
        return (self.opening, inside, ")")

    def broken(self, room: Room) -> Document:
        """Return it with lines of their own for what is inside."""
        inside: Document = (*self.before, Line(""), Group(self.items), *self.after)
        return (self.opening, Indent(inside), Line(""), ")")


@dataclass(frozen=True, slots=True)
class Chain:
    """Operands joined by operators of one precedence.

    Each of `rest` is a `Line`, perhaps after comments, an operator and its operand.  It
    breaks before the operators; but where the last operand is too long for that and opens a
    bracket, in there.  `inset` indents its lines.
    """

    first: Document
    rest: tuple[tuple[Document, ...], ...]
    opens: bool
    inset: bool

    def flat(self) -> Document:
        """Return it on one line."""
        return (self.first, *self.rest)

    def broken(self, room: Room) -> Document:
        """Return it with a line for each operand, or with its last one opened."""
        opened = self.opened()
        at = room.indent + INDENT * self.inset
        if self.opens and not room.fits(self.rest[-1], at) and room.opens(opened):
            return opened
        return (self.first, Indent(self.rest) if self.inset else self.rest)

    def opened(self) -> Document:
        """Return it with a line end in its last operand only."""
        *before, (*operator, operand) = self.rest
        return (Flat((self.first, *before, *operator)), _opened(operand))


def _opened(document: Document) -> Document:
    """Return what opens a bracket with a line end in there only."""
    match document:
        case Chain() | Raised():
            return document.opened()
        case (sign, operand):
            return (sign, _opened(operand))
    return document


@dataclass(frozen=True, slots=True)
class Raised:
    """`base ^ exponent`, broken in the exponent if that opens a bracket and begins here."""

    base: Document
    exponent: Document
    opens: bool

    def flat(self) -> Document:
        """Return it on one line."""
        return (self.base, " ^ ", self.exponent)

    def broken(self, room: Room) -> Document:
        """Return it with its exponent opened, or its base."""
        opened = self.opened()
        return opened if self.opens and room.opens(opened) else self.flat()

    def opened(self) -> Document:
        """Return it with a line end in its exponent only."""
        return (Flat((self.base, " ^ ")), _opened(self.exponent))


@dataclass(frozen=True, slots=True)
class Tailed:
    """What is followed by words that say more of it: `for 5`, `until 10`.

    Each tail is a `Line`, perhaps after comments, and its words.  They go on lines of their
    own, indented by `levels`; or, where what is before them is too long and opens a bracket,
    behind that.
    """

    operand: Document
    tails: tuple[tuple[Document, ...], ...]
    opens: bool
    levels: int

    def flat(self) -> Document:
        """Return it on one line."""
        return (self.operand, *self.tails)

    def broken(self, room: Room) -> Document:
        """Return it with lines for its tails, or with the operand opened."""
        if self.opens and not room.fits(self.operand) and room.fits(self.tails, room.indent):
            return (self.operand, Flat(self.tails))
        tails: Document = self.tails
        for _ in range(self.levels):
            tails = Indent(tails)
        return (self.operand, tails)


@dataclass(frozen=True, slots=True)
class Equation:
    """`head = body`, where `body` is a `Line`, perhaps after comments, and the body.

    The body goes below; or begins beside the head, if it opens a bracket and would do so
    below too.
    """

    head: Document
    body: tuple[Document, ...]
    opens: bool

    def flat(self) -> Document:
        """Return it on one line."""
        return (self.head, *self.body)

    def broken(self, room: Room) -> Document:
        """Return it with its body below, or opened beside the head."""
        *line, body = self.body
        at = room.indent + INDENT
        is_long = not room.fits(body, at)
        if isinstance(body, Chain):
            is_long = not room.fits(body.rest[-1], at)
            body = body.opened()
        beside = (Flat((self.head, *line)), body)
        if self.opens and is_long and room.opens(beside):
            return beside
        return (self.head, Indent(self.body))


Choice: TypeAlias = Bracket | Chain | Raised | Tailed | Equation
"""What can be broken in several ways, unless it stands on one line."""

Document: TypeAlias = (
    str | Line | Comment | Indent | Flat | Group | Choice | tuple["Document", ...]
)


@dataclass(frozen=True, slots=True)
class Room:
    """Where a choice is to be broken: the indent of its lines, and its first column."""

    indent: int
    column: int
    width: int

    def fits(self, document: Document, column: int | None = None) -> bool:
        """Return whether `document` fits on a line, from here or from another column."""
        return _fits(document, self.width - (self.column if column is None else column))

    def opens(self, document: Document) -> bool:
        """Return whether `document` fits from here up to where a line may end in it."""
        return _fits(document, self.width - self.column, is_flat=False)


_Frame: TypeAlias = tuple[int, bool, Document]
"""What is still to be laid out: the indent of its lines, and whether it has only one."""


def lay_out(document: Document, width: int) -> list[str]:
    """Return the lines of a document: of at most `width` columns, where they end in time."""
    page = _Page()
    stack: list[_Frame] = [(0, False, document)]
    while stack:
        indent, is_flat, node = stack.pop()
        match node:
            case str():
                page.write(node)
            case tuple():
                stack.extend((indent, is_flat, one) for one in reversed(node))
            case Line(flat=space):
                if is_flat:
                    page.write(space)
                else:
                    page.end_line(indent)
            case Comment():
                page.comments.append((indent, node))
            case Indent(inner=inner):
                stack.append((indent + INDENT, is_flat, inner))
            case Flat(inner=inner):
                stack.append((indent, True, inner))
            case Group(inner=inner):
                is_flat = is_flat or _fits(inner, width - page.column, stack)
                stack.append((indent, is_flat, inner))
            case _:
                form = node.flat()
                is_flat = is_flat or _fits(form, width - page.column, stack)
                if not is_flat:
                    form = node.broken(Room(indent, page.column, width))
                stack.append((indent, is_flat, form))
    page.end_line(0)
    return page.lines


def _fits(
    document: Document, room: int, following: Sequence[_Frame] = (), *, is_flat: bool = True
) -> bool:
    """Return whether a document fits into `room` columns, with what follows on its line.

    All of it, if it `is_flat`; else up to where it can end the line.
    """
    stack = [(is_flat, document)]
    after = len(following)
    is_over = False
    while room >= 0:
        if not stack:
            is_over = True
            if not after:
                return True
            after -= 1
            stack.append(following[after][1:])
        is_flat, node = stack.pop()
        match node:
            case str():
                room -= len(node)
            case tuple():
                stack.extend((is_flat, one) for one in reversed(node))
            case Line(flat=space):
                if not is_flat:
                    return True
                room -= len(space)
            case Comment():
                return is_over
            case Indent(inner=inner):
                stack.append((is_flat, inner))
            case Flat(inner=inner):
                stack.append((True, inner))
            case Group(inner=inner):
                stack.append((is_flat or is_over, inner))
            case Bracket(opening=opening) if not (is_flat or is_over):
                stack.append((False, (opening, Line(""))))
            case Chain() | Raised() if not (is_flat or is_over):
                stack.append((False, node.opened()))
            case Tailed(operand=operand) if not (is_flat or is_over):
                stack.append((False, operand))
            case _:
                stack.append((True, node.flat()))
    return False


class _Page:
    """Lines, the last of which is being written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.comments: list[tuple[int, Comment]] = []
        self._words: list[str] = []
        self.column = 0

    def write(self, text: str) -> None:
        self._words.append(text)
        self.column += len(text)

    def end_line(self, indent: int) -> None:
        """End the line, with the comments that wait for that, and begin another."""
        line = "".join(self._words).rstrip(" ")
        if self.comments and not self.comments[0][1].alone and line:
            line += f"  {self.comments.pop(0)[1].text}"
        if line:
            self.lines.append(line)
        self.lines += [" " * at + comment.text for at, comment in self.comments]
        self.comments.clear()
        self._words = [" " * indent]
        self.column = indent
