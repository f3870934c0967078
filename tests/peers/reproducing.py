"""The curves that other libraries printed, and the texts that give them here."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lrdsl

HERE = Path(__file__).parent
CURVES = HERE / "curves.json"
TEXTS = HERE / "texts.toml"

Floats = NDArray[np.float64]

RELATIVE = {"float64": 1e-9, "float32": 2e-6}
"""How near a rate must be to the peer's, by the numbers that the peer computes in."""

OF_LARGEST = 1e-12
"""Or so near, as a share of the curve's largest rate: what is 0 here is 1e-18 there."""


@dataclass(frozen=True, slots=True)
class Record:
    """A curve that a peer printed, as `curves.json` has it.

    `values` are in float64 wherever the peer was made to compute in it.  `metrics` are what
    it was told, one for each step, where it reacts to them.
    """

    id: str
    dtype: str
    values: Floats
    others: dict[str, Floats]
    fragile: tuple[int, ...]
    metrics: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """What gives a curve here, as `texts.toml` has it.

    Attributes:
        train: the record's horizon, the words after `train`.
        text: the schedule.
        lead: steps of it that come before the peer's first.
        base: the optimizer's own rate, where the peer takes one.
        excused: steps that are not compared.
        because: why steps are excused or lead, or the whole record is unmatched or single.
        unmatched: whether the curve cannot be given here.
        single: whether the peer computes with float32 numbers inside, whatever it prints.
    """

    train: str
    text: str
    base: float | None = None
    excused: tuple[int, ...] = ()
    because: str = ""
    unmatched: bool = False
    single: bool = False
    lead: int = 0

    def plan(self, metrics: tuple[float, ...] = ()) -> lrdsl.Plan:
        """Return the plan, of a run that measured these where the text reacts to them."""
        program = lrdsl.loads(f"train {self.train}\n{self.text}")
        plan = program.plan(base=self.base)
        rows = [dict.fromkeys(program.metrics, value) for value in metrics]
        return plan.replay(rows) if rows else plan

    def values(self, record: Record) -> Floats:
        """Return our curve at the peer's steps."""
        return self.plan(record.metrics).values()[self.lead :]


@cache
def records() -> dict[str, Record]:
    """Return every record by its id."""
    return {
        item["id"]: Record(
            item["id"],
            item["dtype"],
            np.array(item["values"], np.float64),
            {name: np.array(values, np.float64) for name, values in item["other"].items()},
            tuple(item["fragile_steps"]),
            tuple(item.get("metrics", ())),
        )
        for item in json.loads(CURVES.read_text(encoding="utf-8"))
    }


@cache
def texts(path: Path = TEXTS) -> dict[str, Text]:
    """Return every record's text by the record's id."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Text(
            **{
                **table,
                "text": table.get("text", "").strip(),
                "excused": tuple(table.get("excused", ())),
            }
        )
        for name, table in tables.items()
    }


def differing(
    ours: Floats, theirs: Floats, record: Record, text: Text, *, single: bool | None = None
) -> list[int]:
    """Return the steps at which two curves are further apart than the tolerance.

    Args:
        ours: our curve.
        theirs: the peer's.
        record: what the peer computes in.
        text: what is known about the peer's numbers.
        single: overrides what `text` says about that.
    """
    as_single = text.single if single is None else single
    relative = RELATIVE["float32" if as_single else record.dtype]
    assert len(ours) == len(theirs)
    apart = np.abs(ours - theirs)
    near = (apart <= relative * np.abs(theirs)) | (apart <= OF_LARGEST * np.abs(theirs).max())
    return [int(step) for step in np.flatnonzero(~near)]
