"""How planning and evaluation grow with segments, turns and steps: prints a table.

    python tests/benchmarks/hard_cases.py

Planning should grow linearly in the segments, evaluation linearly in the steps asked for,
and a single step by no more than the logarithm of the segments.  Times are the best of
three; the last column but one is nanoseconds a step, the last how long one step alone takes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import lrdsl

STEPS = 10_000_000
COUNTS = (10, 100, 1_000, 10_000)

T = TypeVar("T")


def best_of_three(work: Callable[[], T]) -> tuple[float, T]:
    """Return the shortest time in seconds, and the last result."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - begin)
    return min(times), result


def segments(count: int) -> str:
    """Return a file of so many segments, ramps and curves by turns."""
    length = STEPS // count
    shapes = ("linear(from=0.1, to=0.2)", "cosine(max=0.2, min=0.1)", "exp(to=0.1)")
    parts = [f"{shapes[i % 3]} for {length}" for i in range(count)]
    return f"train {STEPS} steps\n" + "\n  then ".join(parts)


def turns(count: int) -> str:
    """Return a file of so many turns, each a little longer than the one before."""
    stretch = 1 + 5 / count
    first = STEPS * (stretch - 1) / (stretch**count - 1)
    return (
        f"train {STEPS} steps\n"
        f"cosine(max=0.1) for {first:.6f} repeat {count} stretch {stretch} scale 0.999"
    )


def main() -> None:
    """Measure and print."""
    print(f"{STEPS:,} steps")
    header = ("case", "parts", "plan s", "values s", "ns a step", "one step µs")
    print("{:<10} {:>7} {:>9} {:>9} {:>10} {:>12}".format(*header))
    chosen = random.Random(0).sample(range(STEPS), 300)
    for name, make in (("segments", segments), ("turns", turns)):
        for count in COUNTS:
            text = make(count)
            planning, plan = best_of_three(lambda text=text: lrdsl.loads(text).plan())
            evaluating, _ = best_of_three(lambda plan=plan: plan.values())
            alone, _ = best_of_three(lambda plan=plan: [plan.values(k) for k in chosen])
            print(
                f"{name:<10} {count:>7,} {planning:>9.3f} {evaluating:>9.3f} "
                f"{evaluating / STEPS * 1e9:>10.1f} {alone / len(chosen) * 1e6:>12.1f}"
            )


if __name__ == "__main__":
    main()
