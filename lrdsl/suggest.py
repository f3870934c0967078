"""The nearest known name to one that is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

LONGEST_WORD = 64
"""Longer words get no suggestion: nobody mistypes one, and the cost stays bounded."""

MOST_CANDIDATES = 1_000
"""Names looked at; a file that declares more is not one that a person typed."""


def suggest(
    word: str, candidates: Iterable[str], aliases: Mapping[str, str] | None = None
) -> str | None:
    """Return the name that was probably meant by `word`, or None if none is near.

    Tried in this order: what other libraries call the thing (`aliases`), the only
    candidate, or family of candidates, that begins with the word (`cos` → `cosine`) or that
    the word begins with (`constant` → `const`), and the smallest edit distance, of at most a
    third of the length.  Case counts for nothing.

    Args:
        word: the name as written.
        candidates: the names that exist here.
        aliases: foreign name → ours.  Used only if ours is among the candidates.
    """
    if not 0 < len(word) <= LONGEST_WORD:
        return None
    names = [
        name
        for name in dict.fromkeys(islice(candidates, MOST_CANDIDATES))
        if name != word and len(name) <= LONGEST_WORD
    ]
    folded = word.casefold()
    if aliases is not None:
        for foreign in (word, folded):
            if aliases.get(foreign) in names:
                return aliases[foreign]
    for relation in (_differs_in_case, _is_beginning_of, _begins_with):
        related = sorted((n for n in names if relation(folded, n.casefold())), key=len)
        if related and all(name.startswith(related[0]) for name in related):
            # `cosin` begins `cosine` and `cosine_wave`: the plainest of one family is meant.
            # `inverse_sqrt_decay` begins with `inverse_sqrt` and not just with `inverse`.
            return related[-1] if relation is _begins_with else related[0]
    return _nearest(folded, names)


def _differs_in_case(word: str, name: str) -> bool:
    return word == name


def _is_beginning_of(word: str, name: str) -> bool:
    # One letter begins too much to mean anything.
    return len(word) >= 2 and name.startswith(word)


def _begins_with(word: str, name: str) -> bool:
    # `constant`, `peak2` and `cosine_decay` mean `const`, `peak` and `cosine`;
    # `expected` does not mean `exp`.
    if len(name) < 3 or not word.startswith(name):
        return False
    rest = word[len(name) :]
    return not rest[:1].isalpha() or 2 * len(name) >= len(word)


def _nearest(word: str, names: list[str]) -> str | None:
    best: tuple[int, bool, int, str] | None = None
    for name in names:
        other = name.casefold()
        limit = max(len(word), len(other)) // 3
        if best is not None:
            limit = min(limit, best[0])
        if abs(len(word) - len(other)) > limit:
            continue
        distance = _edit_distance(word, other)
        if distance <= limit:
            # People get the first letter right, so among equals it decides.
            rank = (distance, word[0] != other[:1], abs(len(word) - len(other)), name)
            best = rank if best is None else min(best, rank)
    return best[3] if best is not None else None


def _edit_distance(a: str, b: str) -> int:
    """Return the least number of letters inserted, deleted, changed or swapped.

    Source: optimal string alignment (Damerau 1964, neighbours swapped once).
    """
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
