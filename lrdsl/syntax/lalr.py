"""A LALR(1) parser that is driven by tables: tokens in, a value out, with no recursion.

Lark makes the tables from the grammar (`lrdsl.syntax.tables`); running them here costs
neither its import nor a token object with lines and columns for every sign of a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

END = "$END"
"""The type of the token after the last one."""

Builder: TypeAlias = Callable[[list[Any]], Any]
"""Makes the value of a rule from those of its symbols."""


class Token(NamedTuple):
    """A terminal of the grammar where it stands in the text: [start, end)."""

    type: str
    text: str
    start: int
    end: int


class Tables(NamedTuple):
    """What a grammar comes to.

    Attributes:
        pattern: a regular expression with a group for each terminal, by its name; the
            first that matches is meant.
        ignored: terminals that no rule mentions: space and comments.
        rules: each rule's left side and its symbols.
        lists: left sides whose value is a list of parts, put in place into the rule above.
        states: of each state what to do, by terminal, and where to go, by left side: n ≥ 0
            is the next state, n < 0 the rule ~n, whose symbols are all seen.
        end: the state in which the whole text has been seen.
    """

    pattern: str
    ignored: frozenset[str]
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    lists: frozenset[str]
    states: tuple[dict[str, int], ...]
    end: int


class UnexpectedCharacter(Exception):
    """No terminal begins at `position`."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class UnexpectedToken(Exception):
    """A token that no text goes on with here; those of the types `accepts` would do."""

    def __init__(self, token: Token, accepts: frozenset[str]) -> None:
        super().__init__(token, accepts)
        self.token = token
        self.accepts = accepts


class _Rule(NamedTuple):
    origin: str
    size: int
    build: Builder


class Parser:
    """Runs the tables of a grammar with the values that builders make.

    Args:
        tables: of the grammar.
        builders: by left side.
        passing: left sides that hand the value of their only symbol on, where they have
            but one.
    """

    def __init__(
        self, tables: Tables, builders: Mapping[str, Builder], passing: frozenset[str]
    ) -> None:
        self._tables = tables
        self._match = re.compile(tables.pattern)
        self._rules = [
            _Rule(origin, len(symbols), _builder(origin, symbols, tables.lists, builders))
            for origin, symbols in tables.rules
        ]
        # An atom is a power is a product is a sum …: rules that only pass a value on are
        # followed once for each place, and skipped from then on.
        self._unit = {
            ~index: origin
            for index, (origin, symbols) in enumerate(tables.rules)
            if len(symbols) == 1 and symbols[0] not in tables.lists and origin in passing
        }
        self._ends_of_units: dict[tuple[int, int, str], int] = {}

    def parse(self, text: str, take: Callable[[Token], object]) -> Any:
        """Return the value of a text.

        Args:
            text: what to read.
            take: is given the ignored tokens.

        Raises:
            UnexpectedCharacter, UnexpectedToken: the grammar has no such text.
        """
        tables, rules, ends_of_units = self._tables, self._rules, self._ends_of_units
        states, ignored, last = tables.states, tables.ignored, tables.end
        stack = [0]
        values: list[Any] = []
        position = 0
        matches = iter(self._match.scanner(text).match, None)  # type: ignore[attr-defined]
        kind = ""
        while kind != END:
            match = next(matches, None)
            if match is None:
                if position < len(text):
                    raise UnexpectedCharacter(position)
                kind = END
                token = Token(END, "", position, position)
            else:
                kind = match.lastgroup
                start, position = match.span()
                if kind in ignored:
                    if kind != "SPACE":
                        take(Token(kind, match[0], start, position))
                    continue
                token = Token(kind, match[0], start, position)
            state = stack[-1]
            while True:
                action = states[state].get(kind)
                if action is None:
                    raise UnexpectedToken(token, self._accepts(stack))
                if action >= 0:
                    stack.append(action)
                    values.append(token)
                    break
                origin, size, build = rules[~action]
                if size:
                    parts = values[-size:]
                    del values[-size:], stack[-size:]
                else:
                    parts = []
                values.append(build(parts))
                below = stack[-1]
                state = states[below][origin]
                key = (below, state, kind)
                end = ends_of_units.get(key)
                if end is None:
                    end = ends_of_units[key] = self._pass_on(*key)
                state = end
                stack.append(state)
                if state == last and kind == END:
                    break
        return values[0]

    def _pass_on(self, below: int, state: int, kind: str) -> int:
        """Return the state after the rules that pass on what was just seen above `below`."""
        states = self._tables.states
        while state != self._tables.end:
            origin = self._unit.get(states[state].get(kind, 0))
            if origin is None:
                break
            state = states[below][origin]
        return state

    def _accepts(self, stack: Sequence[int]) -> frozenset[str]:
        """Return the types of the tokens that would not be unexpected."""
        row = self._tables.states[stack[-1]]
        return frozenset(k for k in row if k.isupper() and self._goes_on(list(stack), k))

    def _goes_on(self, stack: list[int], kind: str) -> bool:
        states = self._tables.states
        while True:
            action = states[stack[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                return True
            origin, size, _ = self._rules[~action]
            if size:
                del stack[-size:]
            stack.append(states[stack[-1]][origin])
            if kind == END and stack[-1] == self._tables.end:
                return True


def _builder(
    origin: str,
    symbols: tuple[str, ...],
    lists: frozenset[str],
    builders: Mapping[str, Builder],
) -> Builder:
    inner = [index for index, symbol in enumerate(symbols) if symbol in lists]
    build = builders.get(origin)
    if origin in lists:
        if inner == [0]:
            return _append if len(symbols) > 1 else _first
        return _in_place(inner, _parts) if inner else _parts
    if build is None:
        assert len(symbols) == 1, origin
        return _first
    return _in_place(inner, build) if inner else build


def _parts(parts: list[Any]) -> list[Any]:
    return parts


def _first(parts: list[Any]) -> Any:
    return parts[0]


def _append(parts: list[Any]) -> list[Any]:
    # The list is of no other rule: growing it keeps a long chain linear.
    found: list[Any] = parts[0]
    found += parts[1:]
    return found


def _in_place(inner: list[int], build: Builder) -> Builder:
    def built(parts: list[Any]) -> Any:
        flat: list[Any] = []
        for index, part in enumerate(parts):
            if index in inner:
                flat += part
            else:
                flat.append(part)
        return build(flat)

    return built
