"""What metrics do over the epochs of a training: recorded, or supposed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.planning.stalls import Judge, Look, Rules
from lrdsl.records import dataclass, field
from lrdsl.source import Span
from lrdsl.suggest import suggest

Row: TypeAlias = Mapping[str, float]
"""The metrics of one epoch, by name; empty where the epoch was not seen."""

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class MetricError(Exception):
    """A metric that should be there, or that is not a number.

    Attributes:
        metric: its name.
        epoch: the epoch after which it was looked at, from 0.
        there: the metrics that there are; None where it is there and not a number.
    """

    def __init__(self, metric: str, epoch: int, there: tuple[str, ...] | None) -> None:
        super().__init__(metric, epoch, there)
        self.metric = metric
        self.epoch = epoch
        self.there = there


class Course(Protocol):
    """Tells what metrics did, epoch by epoch."""

    @property
    def known(self) -> int:
        """How many epochs are known."""

    def looks(self, metric: str, rules: Rules, first: int) -> Iterator[Look]:
        """Yield what there is to look at of a metric, epoch by epoch from `first` on.

        Raises:
            MetricError: the metric is not there, or not a number.
        """

    def compare(self, metric: str, sign: str, limit: float, epoch: int) -> bool:
        """Return whether `metric sign limit` holds after an epoch.

        Raises:
            MetricError: the metric is not there, or not a number.
        """

    def tell(self, metric: str, epoch: int) -> str:
        """Return a metric's value after an epoch in words, empty where it has none."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was measured: a row of metrics for each epoch from the first on."""

    rows: tuple[Row, ...] = ()

    @property
    def known(self) -> int:
        """How many epochs are known."""
        return len(self.rows)

    def looks(self, metric: str, rules: Rules, first: int) -> Iterator[Look]:
        """Yield what there is to look at of a metric; see `Course`."""
        return map(Judge(rules).take, self._values(metric, first, nan=rules.skips_nan))

    def compare(self, metric: str, sign: str, limit: float, epoch: int) -> bool:
        """Return whether `metric sign limit` holds after an epoch; see `Course`."""
        value = next(self._values(metric, epoch, nan=False))
        return value is not None and bool(_COMPARE[sign](value, limit))

    def tell(self, metric: str, epoch: int) -> str:
        """Return a metric's value after an epoch in words."""
        value = self.rows[epoch].get(metric)
        return "" if value is None else f"{value:.6g}"

    def _values(self, metric: str, first: int, *, nan: bool) -> Iterator[float | None]:
        for epoch in range(first, len(self.rows)):
            value = observation(self.rows[epoch], metric, epoch)
            if value is not None and value != value and not nan:
                raise MetricError(metric, epoch, None)
            yield value


@dataclass(frozen=True, slots=True)
class Supposed:
    """Metrics that get better until epoch `first`, and from there on stall.

    Each condition then holds as soon as it can from that epoch on; a comparison only if one
    `compares`, for what stalls may as well never come to a limit.
    """

    first: int
    known: int
    compares: bool = True

    def looks(self, metric: str, rules: Rules, first: int) -> Iterator[Look]:
        """Yield what there is to look at of a metric; see `Course`."""
        for count, epoch in enumerate(range(first, self.known), 1):
            better = count == rules.accumulation or epoch < self.first
            yield None if count % rules.accumulation else partial(bool, better)

    def compare(self, metric: str, sign: str, limit: float, epoch: int) -> bool:
        """Return whether the comparison holds after an epoch."""
        return self.compares and epoch >= self.first

    def tell(self, metric: str, epoch: int) -> str:
        """Return nothing: the metric has no value."""
        return ""


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Nothing is known of the first epochs; `asked` has each that somebody asks about."""

    known: int
    asked: set[int] = field(default_factory=set)

    def looks(self, metric: str, rules: Rules, first: int) -> Iterator[Look]:
        """Yield nothing to look at."""
        for epoch in range(first, self.known):
            self.asked.add(epoch)
            yield None

    def compare(self, metric: str, sign: str, limit: float, epoch: int) -> bool:
        """Return that the comparison does not hold."""
        self.asked.add(epoch)
        return False

    def tell(self, metric: str, epoch: int) -> str:
        """Return nothing: the metric has no value."""
        return ""


def rows_of(metrics: Iterable[Row] | Mapping[str, Sequence[float]]) -> tuple[Row, ...]:
    """Return a row for each epoch; Keras's `history.history` is a list for each metric.

    Raises:
        ValueError: the lists are of several lengths.
        TypeError: it is neither rows nor lists.
    """
    if not isinstance(metrics, Mapping):
        rows = tuple(metrics)
        if not all(isinstance(row, Mapping) for row in rows):
            raise TypeError(
                'a row of metrics for each epoch is needed, such as {"val_loss": 0.9}, not '
                f"{next(row for row in rows if not isinstance(row, Mapping))!r}"
            )
        return tuple(dict(row) for row in rows)
    try:
        lengths = {name: len(values) for name, values in metrics.items()}
    except TypeError:
        raise TypeError(
            'a list of rows is needed, such as [{"val_loss": 0.9}, {"val_loss": 0.8}], or a '
            "list for each metric, as `history.history` has"
        ) from None
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{name}` {length}" for name, length in lengths.items())
        raise ValueError(
            f"the metrics have several lengths ({told}), and nothing says of which epochs they "
            "are: give a row for each epoch, as `lrdsl.read_metrics` returns them of a file "
            "of `CSVLogger`"
        )
    return tuple(
        dict(zip(metrics, row, strict=True)) for row in zip(*metrics.values(), strict=True)
    )


def missing_in(there: Iterable[str], metrics: Mapping[str, Span]) -> list[Diagnostic]:
    """Return what is wrong where none of the epochs of a training has a metric."""
    names, found = tuple(there), []
    for name, span in metrics.items():
        if name not in names:
            message, label, repair = told_of(MetricError(name, 0, names))
            primary = Label(span, label)
            found.append(
                Diagnostic(code="LRS606", message=message, primary=primary, help=repair)
            )
    return found


def observation(row: Row, metric: str, epoch: int) -> float | None:
    """Return a metric's value, None where the epoch did not measure it.

    Without any `val_…` beside it a `val_…` metric was not measured: `validation_freq`.

    Raises:
        MetricError: it should have been measured.
    """
    if metric in row:
        return float(row[metric])
    validated = any(name.startswith("val_") for name in row)
    if not row or (metric.startswith("val_") and not validated):
        return None
    raise MetricError(metric, epoch, tuple(row))


def told_of(error: MetricError) -> tuple[str, str, str]:
    """Return what a person is told of a metric: message, label and help."""
    name, when = error.metric, f"after epoch {error.epoch}"
    if error.there is None:
        return (
            f"the metric `{name}` is not a number {when}",
            "cannot react to it",
            "find out why the training diverged; `nan=ignore` in `plateau` or `stalled` passes "
            "over such epochs",
        )
    there = [f"`{one}`" for one in error.there]
    meant = suggest(name, list(error.there))
    return (
        f"there is no metric `{name}` {when}",
        "waits for it",
        f"did you mean `{meant}`?"
        if meant
        else f"there are {', '.join(there)}; `val_…` needs `fit(validation_data=…)`",
    )
