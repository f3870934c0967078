"""Which names are visible where: a definition sees only what stands above it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from lrdsl import core
from lrdsl.records import dataclass, field, replace
from lrdsl.source import Span
from lrdsl.syntax import nodes


@dataclass(frozen=True, slots=True)
class LetValue:
    """A `let` and its value."""

    name: str
    value: core.Core


@dataclass(frozen=True, slots=True)
class Target:
    """A target set above."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A `def`, of the file or of the prelude.

    `read` returns its tree, which the prelude parses when it is asked for; `index` is its
    place among the declarations.
    """

    read: Callable[[], nodes.Def]
    index: int
    prelude: bool


@dataclass(frozen=True, slots=True)
class Deferred:
    """An argument: its expression and the scope that the caller wrote it in."""

    expression: nodes.Expression
    scope: Scope


Declared: TypeAlias = LetValue | Target | Function


@dataclass(frozen=True, slots=True)
class Scope:
    """The names visible at a place.

    Attributes:
        declared: every declaration of the file so far, by name, with its index; shared.
        limit: only declarations of a smaller index are visible.
        arguments: the parameters of the enclosing `def`; a None stands for one whose
            argument is not known, while the definition itself is checked.
        below: names that the file defines anywhere, to tell a late definition from none.
        blame: the span that messages show instead of the node's own, inside a prelude
            function, whose text is not the user's.
    """

    declared: dict[str, tuple[int, Declared]]
    limit: int
    arguments: dict[str, Deferred | None] = field(default_factory=dict)
    below: frozenset[str] = frozenset()
    blame: Span | None = None

    def find(self, name: str) -> Declared | None:
        """Return the declaration that a name means here, parameters aside."""
        index, declared = self.declared.get(name, (self.limit, None))
        return declared if index < self.limit else None

    def visible(self) -> Iterator[tuple[str, Declared]]:
        """Yield the declarations visible here, parameters aside."""
        for name, (index, declared) in self.declared.items():
            if index < self.limit:
                yield name, declared

    def inside(
        self, function: Function, arguments: dict[str, Deferred | None], blame: Span | None
    ) -> Scope:
        """Return the scope of a function's body."""
        return replace(self, limit=function.index, arguments=arguments, blame=blame)
