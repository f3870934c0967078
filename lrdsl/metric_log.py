"""Logs of metrics → rows: what Keras has written of a training, epoch by epoch.

Three kinds are read, told apart by how they begin:

    epoch,loss,val_loss                      keras.callbacks.CSVLogger, and tables like it
    0,0.9,1.1

    {"loss": [0.9, 0.7], "val_loss": …}      json.dump(history.history, file)

    [{"epoch": 0, "loss": 0.9}, …]           a row an epoch; also one on each line, with no
                                             brackets around, and the `run.json` of a run

Epochs count from 0; rows that do not say theirs follow each other.  Where the number of the
epoch goes back, as in a file that two runs were appended to, the later run counts: what was
logged of that epoch and of those after it is left out.  Several rows of one epoch complete
each other, the later one first.  What is empty, `NA` or null was not measured; `nan` was.  A
column without any number is no metric.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from lrdsl.log_text import EXAMPLE, MOST_BYTES, decode, fail
from lrdsl.records import dataclass, field
from lrdsl.source import SourceText, Span

Row: TypeAlias = Mapping[str, float]

MOST_EPOCHS: Final = 1_000_000
"""Epochs of a log; gaps count."""

_EPOCH = "epoch"
_INDEX = ("epoch", "Epoch", "")  # the last is what pandas calls the numbers of rows
_MISSING = frozenset(("", "NA", "N/A", "null", "None"))
_SEPARATORS = (",", ";", "\t", "|")


def read_metrics(path: str | Path) -> tuple[Row, ...]:
    """Return the metrics that a file holds: a row for each epoch, from the first on.

        plan.replay(lrdsl.read_metrics("log.csv"))

    Args:
        path: a file of `keras.callbacks.CSVLogger`, `history.history` or a list of rows in
            JSON, one row of JSON a line, or a `run.json`.

    Returns:
        A row of numbers by metric for each epoch; an empty one for an epoch of which the
        file says nothing.

    Raises:
        LrsError: the file is none of these, or a part of it is damaged (LRS112).
        OSError: the file cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    return parse_metrics(decode(data, str(path)))


def parse_metrics(source: SourceText) -> tuple[Row, ...]:
    """Return the metrics in the text of a log; see `read_metrics`.

    Raises:
        LrsError: it is no log that can be read (LRS112).
    """
    begins = source.text.lstrip()[:1]
    if not begins:
        fail(source, "the log is empty", "train an epoch first, or name another file")
    table = _Table(source)
    if begins in "[{":
        _read_json(table)
    else:
        _read_csv(table)
    return table.rows()


# What is collected.


@dataclass(slots=True)
class _Column:
    """A column so far: whether it has a number, and where it first has something else."""

    is_metric: bool = False
    wrong: tuple[str, int, Span | None] | None = None


@dataclass(slots=True)
class _Table:
    """Rows as they are found, in whatever kind of file."""

    source: SourceText
    _rows: dict[int, dict[str, float]] = field(default_factory=dict)  # in the order of epochs
    _columns: dict[str, _Column] = field(default_factory=dict)

    def begin(self, epoch: int) -> None:
        """Go to an epoch; what was found of those after it was another run's."""
        last = next(reversed(self._rows), -1)
        if epoch < last:
            while self._rows and next(reversed(self._rows)) >= epoch:
                self._rows.popitem()
        self._rows.setdefault(epoch, {})

    def put(self, name: str, value: object, epoch: int, span: Span | None) -> None:
        """Take a cell into the row of an epoch, which was begun."""
        column = self._columns.setdefault(name, _Column())
        number = _number(value)
        if number is not None:
            column.is_metric = True
            self._rows[epoch][name] = number
        elif not _is_missing(value) and column.wrong is None:
            column.wrong = _shown(value), epoch, span

    def next_epoch(self) -> int:
        """Return the epoch of a row that does not say it."""
        return next(reversed(self._rows), -1) + 1

    def rows(self) -> tuple[Row, ...]:
        """Return what was found."""
        if not self._rows:
            fail(
                self.source,
                "the log has no epoch",
                "train an epoch first, or name another file",
            )
        for name, column in self._columns.items():
            if column.is_metric and column.wrong is not None:
                found, epoch, span = column.wrong
                fail(
                    self.source,
                    f"`{name}` of epoch {epoch} is {found}, and no number",
                    "write a number such as `0.25`, with a point, or `NA` where the epoch has "
                    "none",
                    span,
                    "must be a number",
                )
        if not any(column.is_metric for column in self._columns.values()):
            fail(
                self.source,
                "the log has no metric",
                f"it needs names and numbers: a first line {EXAMPLE}, then a row an epoch",
            )
        return tuple(self._rows.get(epoch, {}) for epoch in range(max(self._rows) + 1))


def _number(value: object) -> float | None:
    if isinstance(value, str):
        if not value.isascii() or "_" in value:
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in _MISSING)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"


def _epoch(source: SourceText, value: object, span: Span | None) -> int:
    number = _number(value)
    if number is None or number != number or number < 0 or number % 1:
        fail(
            source,
            f"{_shown(value)} is no number of an epoch",
            "number the epochs 0, 1, 2, …, or leave that column out",
            span,
            "counts from 0",
        )
    if number >= MOST_EPOCHS:
        fail(
            source,
            f"epoch {_shown(value)} is later than any",
            f"a log may have {MOST_EPOCHS:,} epochs, numbered from 0",
            span,
        )
    return int(number)


# CSV.


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, max(self.end, self.start + 1))


def _read_csv(table: _Table) -> None:
    source = table.source
    lines = _lines(source, _separator(source.text))
    header = next(lines)
    names = [cell.text for cell in header]
    index = _check_header(source, header)
    for line in lines:
        if [cell.text for cell in line] == names:
            continue  # of a file that another was appended to
        if len(line) != len(header):
            what = f"{len(line)} cell{'s' * (len(line) != 1)}"
            fail(
                source,
                f"this line has {what}, and the first has {len(header)}",
                "write `NA` for what an epoch does not have; a line that was not written to "
                "its end has to go",
                Span(line[0].start, max(line[-1].end, line[0].start + 1)),
                f"needs {len(header)}",
            )
        if index is None:
            epoch = table.next_epoch()
        else:
            epoch = _epoch(source, line[index].text, line[index].span)
        table.begin(epoch)
        for place, cell in enumerate(line):
            if place != index:
                table.put(names[place], cell.text, epoch, cell.span)


def _separator(text: str) -> str:
    """Return what separates the names in the first line; a comma where there is but one."""
    header = text.lstrip().partition("\n")[0]
    return max(_SEPARATORS, key=header.count)


def _lines(source: SourceText, separator: str) -> Iterator[list[_Cell]]:
    """Yield the cells of each line that is not empty."""
    text = source.text
    mark = re.escape(separator)
    # Possessive throughout: nothing that was read is read again, whatever the text.
    cell = re.compile(
        rf'[ ]*+(?:"((?:[^"]++|"")*+)"|([^"{mark}\r\n]*+))[ ]*+({mark}|\r\n|\r|\n|\Z)'
    )
    line: list[_Cell] = []
    position = len(text) - len(text.lstrip())
    while True:
        match = cell.match(text, position)
        if match is None:
            fail(
                source,
                "a quotation mark has no partner",
                f"is this a log of metrics? it begins with a line such as {EXAMPLE}",
                Span(position, position + 1),
                "begins a cell that does not end",
            )
        quoted, plain, end = match.groups()
        value = plain.strip() if quoted is None else quoted.replace('""', '"').strip()
        line.append(_Cell(value, match.start(2 if quoted is None else 1), match.start(3)))
        position = match.end()
        if end == separator:
            continue
        if len(line) > 1 or line[0].text:
            yield line
        line = []
        if position >= len(text):
            return


def _check_header(source: SourceText, header: Sequence[_Cell]) -> int | None:
    """Return which column numbers the epochs, None where none does."""
    if all(_number(cell.text) is not None for cell in header):
        fail(
            source,
            "the first line has numbers, and no names of metrics",
            f"begin the file with a line such as {EXAMPLE}",
            Span(header[0].start, header[-1].end),
            "must be names",
        )
    seen: set[str] = set()
    for cell in header:
        if cell.text in seen:
            fail(
                source,
                f"the column `{cell.text}` stands twice",
                "give each column a name of its own",
                cell.span,
                "which one counts?",
            )
        seen.add(cell.text)
    names = [cell.text for cell in header]
    return next((names.index(name) for name in _INDEX if name in names), None)


# JSON.


def _read_json(table: _Table) -> None:
    source = table.source
    if _is_json_lines(source.text):
        _read_json_lines(table)
        return
    data = _loads(source, source.text, 0)
    if isinstance(data, dict) and isinstance(data.get("fits"), list):
        data = _of_run(source, data["fits"])
    if isinstance(data, dict) and isinstance(data.get("history"), dict):
        epochs = data.get(_EPOCH)
        data = {**data["history"], **({_EPOCH: epochs} if isinstance(epochs, list) else {})}
    if isinstance(data, dict) and any(isinstance(value, list) for value in data.values()):
        _read_columns(table, data)
        return
    for row in data if isinstance(data, list) else [data]:
        _read_row(table, row, None)


def _is_json_lines(text: str) -> bool:
    """Return whether the first line is a row by itself, and others follow."""
    first, _, rest = text.strip().partition("\n")
    try:
        return bool(rest) and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _read_json_lines(table: _Table) -> None:
    source, start = table.source, 0
    for line in source.text.split("\n"):
        if line.strip():
            _read_row(table, _loads(source, line, start), Span(start, start + len(line)))
        start += len(line) + 1


def _read_row(table: _Table, row: object, span: Span | None) -> None:
    if not isinstance(row, dict):
        fail(
            table.source,
            f"{_shown(row)} stands where a row of metrics is needed",
            'write an epoch as `{"epoch": 0, "loss": 0.9}`',
            span,
        )
    said = row.get(_EPOCH)
    epoch = table.next_epoch() if said is None else _epoch(table.source, said, span)
    table.begin(epoch)
    for name, value in row.items():
        if name != _EPOCH:
            table.put(name, value, epoch, span)


def _read_columns(table: _Table, data: Mapping[str, Any]) -> None:
    """Take `history.history`, a list for each metric, with `epoch` where it is there."""
    lists = {name: values for name, values in data.items() if isinstance(values, list)}
    metrics = {
        name: values
        for name, values in lists.items()
        if name == _EPOCH or any(_number(value) is not None for value in values)
    }
    longest = max(metrics or lists, key=lambda name: len(lists[name]))
    for name, values in metrics.items():
        if len(values) != len(lists[longest]):
            fail(
                table.source,
                f"`{name}` and `{longest}` have {len(values):,} and "
                f"{len(lists[longest]):,} values: nothing says of which epochs they are",
                "put null where an epoch has no value, or take a log of "
                '`keras.callbacks.CSVLogger("log.csv")`, which does that',
            )
    said = lists.get(_EPOCH)
    for place in range(len(lists[longest])):
        epoch = place if said is None else _epoch(table.source, said[place], None)
        table.begin(epoch)
        for name, values in metrics.items():
            if name != _EPOCH:
                table.put(name, values[place], epoch, None)


def _of_run(source: SourceText, fits: Sequence[Any]) -> Any:
    """Return the metrics of the one `fit` of a run that has some."""
    found = [fit["metrics"] for fit in fits if isinstance(fit, dict) and fit.get("metrics")]
    if len(found) > 1:
        fail(
            source,
            f"the run has the metrics of {len(found)} fits",
            "save one of its lists `metrics` as a file of its own, and name that",
        )
    if not found:
        fail(
            source,
            "the run has no metrics",
            "they are kept of schedules that react to metrics; of others, take a log of "
            '`keras.callbacks.CSVLogger("log.csv")`',
        )
    return found[0]


def _loads(source: SourceText, text: str, start: int) -> Any:
    span: Span | None = None
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        at = start + error.pos
        message, span = f"this is no JSON: {_lowered(error.msg)}", Span(at, at + 1)
    except (ValueError, RecursionError):  # a number of thousands of digits, or deep nesting
        message = "this JSON is no log of metrics"
    else:
        return data
    return fail(source, message, "was the file written to its end? is it the log?", span)


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
