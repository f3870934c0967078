"""The grammar's tables: prepared and shipped, or made by Lark where the grammar is another.

`python -m lrdsl.syntax.tables` writes `prepared.py` anew, after a change of
`grammars/lrs.lark`.  Nothing is written when a text is parsed.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from lrdsl.resources import grammar_text
from lrdsl.syntax.lalr import Tables

GRAMMAR = "lrs.lark"


def grammar_tables() -> Tables:
    """Return the tables of the grammar that ships beside the code."""
    from lrdsl.syntax import prepared

    grammar = grammar_text(GRAMMAR)
    if crc32(grammar.encode()) == prepared.GRAMMAR_CRC32:
        return Tables(
            prepared.PATTERN,
            prepared.IGNORED,
            prepared.RULES,
            prepared.LISTS,
            prepared.STATES,
            prepared.END,
        )
    return make_tables(grammar)


def make_tables(grammar: str) -> Tables:
    """Return the tables of a grammar in Lark's notation.

    Of two terminals that match, Lark's order decides: the higher priority, then the longer
    pattern.  Tokens are kept, and what begins with `_` is put in place, as in Lark's trees.
    """
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    lark = Lark(
        grammar, parser="lalr", lexer="basic", keep_all_tokens=True, maybe_placeholders=False
    )
    terminals = lark.parser.lexer.terminals
    table = lark.parser.parser._parse_table
    rules = tuple(
        (str(r.origin.name), tuple(str(s.name) for s in r.expansion)) for r in lark.rules
    )
    index = {rule: number for number, rule in enumerate(lark.rules)}
    # Numbered as they are reached, so that the same grammar has the same tables each time.
    order = {table.start_states["start"]: 0}
    states: list[dict[str, int]] = []
    reached = [*order]
    for state in reached:
        row: dict[str, int] = {}
        for symbol, (action, to) in sorted(table.states[state].items()):
            if action is Shift and to not in order:
                order[to] = len(order)
                reached.append(to)
            row[str(symbol)] = order[to] if action is Shift else ~index[to]
        states.append(row)
    return Tables(
        "|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in terminals),
        frozenset(map(str, lark.ignore_tokens)),
        rules,
        _lists(rules),
        tuple(states),
        order[table.end_states["start"]],
    )


def _lists(rules: tuple[tuple[str, tuple[str, ...]], ...]) -> frozenset[str]:
    """Return the left sides that are put in place and may hold more than one part."""
    return frozenset(
        origin for origin, symbols in rules if origin.startswith("_") and len(symbols) > 1
    )


def prepared_module(grammar: str) -> str:
    """Return the text of `prepared.py` for a grammar."""
    tables = make_tables(grammar)
    states = ",\n".join(f"    {row!r}" for row in tables.states)
    rules = ",\n".join(f"    {rule!r}" for rule in tables.rules)
    return f'''"""Made by `python -m lrdsl.syntax.tables` from the grammar: not to be edited."""

# ruff: noqa
# fmt: off

GRAMMAR_CRC32 = {crc32(grammar.encode())}
PATTERN = {tables.pattern!r}
IGNORED = frozenset({sorted(tables.ignored)!r})
LISTS = frozenset({sorted(tables.lists)!r})
END = {tables.end}
RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
{rules},
)
STATES: tuple[dict[str, int], ...] = (
{states},
)
'''


if __name__ == "__main__":
    Path(__file__).with_name("prepared.py").write_text(
        prepared_module(grammar_text(GRAMMAR)), encoding="utf-8"
    )
