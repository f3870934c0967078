"""How the benchmarks measure: processor time, interleaved, medians with their spread."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def interleaved(
    cases: dict[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Return how long each case took, in turn and `rounds` times; the first turn is not kept.

    What makes the machine slow for a while makes all cases slow, so that ratios of medians
    stay what they are.
    """
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, case in cases.items():
            begun = clock()
            case()
            if turn:
                taken[name].append(clock() - begun)
    return taken


def spread(values: Sequence[float]) -> float:
    """Return half the range of the middle half, as a share of the median."""
    if len(values) < 3:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4)
    return (third - first) / 2 / statistics.median(values)


def begin_table(title: str, head: Sequence[str]) -> None:
    """Print the head of a table as Markdown."""
    print(f"\n### {title}\n")
    print_row(head)
    print(f"| --- |{' ---: |' * (len(head) - 1)}")


def print_row(row: Sequence[str]) -> None:
    """Print a row of it."""
    print(f"| {' | '.join(row)} |", flush=True)


def show(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = ""
) -> None:
    """Print a whole table, and what is to be said of it."""
    begin_table(title, head)
    for row in rows:
        print_row(row)
    if note:
        print(f"\n{note}", flush=True)


def machine() -> str:
    """Return what the numbers are of: date, processor, load, versions."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "lark", "matplotlib") if is_there(name)
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} x {model}, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {versions}"
    )


def is_there(package: str) -> bool:
    """Return whether a package is installed."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
