"""What checking a text takes, against Lark's own parser on the same text.

    python tests/benchmarks/checking.py [ROUNDS]

The whole of `lrdsl check` but for its start: parsing, names, times, the plan and the proof
that every rate is finite and not negative.  Lark parses the same text to a tree with
positions, by its LALR parser and the same grammar, and does no more.  Each text comes in
two sizes: where the larger takes as long a character, checking is linear.
"""

from __future__ import annotations

import statistics
import sys

from lark import Lark
from measuring import interleaved, machine, show, spread

from lrdsl.program import diagnose
from lrdsl.resources import grammar_text
from lrdsl.source import SourceText

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5


def segments(n: int) -> str:
    """Return one target of many curves."""
    parts = (f"cosine(from={1 / (i + 1):.6g}, to={0.5 / (i + 1):.6g}) for 2" for i in range(n))
    return f"train {3 * n} epochs of 10 steps\nlr = {' then '.join(parts)}\n"


def constants(n: int) -> str:
    """Return one target of many numbers."""
    return "lr = " + " then ".join(f"{1 / (i + 1):.6g} until {i + 1}" for i in range(n)) + "\n"


def lets(n: int) -> str:
    """Return many `let`s and their sum."""
    said = "".join(f"let a{i} = {i}e-3 + 2 * 0.5\n" for i in range(n))
    return f"{said}lr = {' + '.join(f'a{i}' for i in range(n))}\n"


def functions(n: int) -> str:
    """Return many functions, each called."""
    said = "".join(f"def f{i}(a, b=2) = linear(from=a, to=b) for 5\n" for i in range(n))
    return f"{said}lr = {' then '.join(f'f{i}(0.1, b=0.2)' for i in range(n))}\n"


def chain(n: int) -> str:
    """Return a long sum."""
    return f"lr = 0.1{' + 0.001*progress' * n}\n"


def nesting(n: int) -> str:
    """Return many targets, each as deep as the language allows."""
    return "".join(f"m{i} = {'(' * 90}0.1{')' * 90}\n" for i in range(n))


TEXTS = {
    "curves one after another": (segments, 1000),
    "numbers one after another": (constants, 2000),
    "`let`s": (lets, 2000),
    "functions": (functions, 500),
    "a long sum": (chain, 4000),
    "90 levels of nesting": (nesting, 50),
}


def main() -> None:
    """Measure and print."""
    lark = Lark(
        grammar_text("lrs.lark"),
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
    )
    rows = []
    for name, (make, n) in TEXTS.items():
        for size in (n, 2 * n):
            text = make(size)
            cases = {
                "ours": lambda text=text: diagnose(SourceText(text)),
                "lark": lambda text=text: lark.parse(text),
            }
            taken = interleaved(cases, ROUNDS)
            ours, theirs = (statistics.median(taken[case]) for case in cases)
            rows.append(
                [
                    name,
                    f"{len(text) / 1000:.0f} kB",
                    f"{len(text) / ours / 1e6:.2f} MB/s",
                    f"{len(text) / theirs / 1e6:.2f} MB/s",
                    f"{ours / theirs:.2f}",
                    f"± {100 * spread(taken['ours']):.0f}%",
                ]
            )
    show(
        "Checking",
        ["text", "size", "`check`, all of it", "Lark, parsing alone", "time, ratio", "spread"],
        rows,
        machine(),
    )


if __name__ == "__main__":
    main()
