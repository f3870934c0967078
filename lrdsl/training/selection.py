"""Which snapshots of a folder are the members of an ensemble, and how much each counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from lrdsl.metrics import better_mode
from lrdsl.training.manifest import MANIFEST, SavedSnapshot, read_manifest

EQUAL = "equal"
"""The weights that members have by themselves."""

_SUBFOLDER = "snapshots"  # of the folder of a run
_LISTED = 12


def read_folder(folder: str | Path) -> list[SavedSnapshot]:
    """Return the snapshots that a folder lists, or those of the run in it.

    Raises:
        FileNotFoundError: there is no list.
        ValueError: it is none of ours, or lists nothing.
    """
    folder = Path(folder)
    for place in (folder, folder / _SUBFOLDER):
        if (place / MANIFEST).is_file():
            found = read_manifest(place)
            break
    else:
        raise FileNotFoundError(
            f"no snapshots in `{folder}`: it has no `{MANIFEST}`, which a training with "
            "`snapshot` in its schedule writes"
        )
    if not found:
        raise ValueError(f"`{place / MANIFEST}` lists no snapshot: none was saved")
    return found


def choose(
    snapshots: Sequence[SavedSnapshot], members: int | Sequence[int] | None
) -> list[SavedSnapshot]:
    """Return the members: so many of the last, or those of some numbers, in training's order.

    Raises:
        ValueError: there are not so many, or none of a number.
    """
    there = ", ".join(str(one.index) for one in snapshots[:_LISTED])
    if members is None:
        return list(snapshots)
    if isinstance(members, int):
        if not 0 < members <= len(snapshots):
            raise ValueError(f"members={members}: the folder has {len(snapshots)} snapshots")
        return list(snapshots[-members:])
    by_index = {one.index: one for one in snapshots}
    for number in members:
        if number not in by_index:
            raise ValueError(f"there is no snapshot {number}; there are {there}")
    if not members or len(set(members)) < len(members):
        raise ValueError("members: give each number once, and one at least")
    return [one for one in snapshots if one.index in members]


def weigh(snapshots: Sequence[SavedSnapshot], weights: str | Sequence[float]) -> list[float]:
    """Return how much each member counts, in proportion.

    Equal weights, numbers that are given, or by a metric m of the list: m where more of it
    is better, 1 / m where less is.

    Raises:
        ValueError: the metric is not there, or gives no weights; the numbers give none.
    """
    if not isinstance(weights, str):
        numbers = [float(weight) for weight in weights]
        if len(numbers) != len(snapshots):
            raise ValueError(f"{len(numbers)} weights for {len(snapshots)} members")
        return _positive(numbers, "the weights")
    if weights == EQUAL:
        return [1.0] * len(snapshots)
    mode = better_mode(weights)
    if mode is None:
        raise ValueError(
            f"is more or less of `{weights}` better? Its name does not say: give numbers as "
            "weights"
        )
    values = []
    for one in snapshots:
        value = one.metric(weights)
        if value is None:
            names = ", ".join(f"`{name}`" for name in list(one.metrics or ())[:_LISTED])
            raise ValueError(
                f"snapshot {one.index} has no metric `{weights}`; it has {names or 'none'}"
            )
        values.append(value)
    _positive(values, f"the values of `{weights}`")
    return values if mode == "max" else [1 / value for value in values]


def _positive(numbers: list[float], what: str) -> list[float]:
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        listed = ", ".join(f"{number:.4g}" for number in numbers[:_LISTED])
        raise ValueError(f"{what} have to be finite and above zero, not {listed}")
    return numbers
