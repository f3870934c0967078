"""`lrdsl.compile`: a Keras callback from a path or a text, and words for other things."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from pathlib import Path

import keras

from lrdsl.diagnostics import LrsError
from lrdsl.program import LetValue, Program, load, loads
from lrdsl.training.callback import ScheduleCallback


def compile(
    path_or_text: str | Path,
    /,
    *,
    per_batch: bool = False,
    verbose: bool = False,
    state: str | Path | None = None,
    commit_every: int = 1,
    state_conflict: str | None = None,
    **lets: LetValue,
) -> ScheduleCallback:
    """Return a Keras callback that applies a schedule.

        model.fit(x, y, epochs=60, callbacks=[lrdsl.compile("snapshot.lrs", peak=0.05)])

    Args:
        path_or_text: a path, or a schedule's text.  A `str` is a path if it is one line
            that ends in `.lrs`; a file of another name is given as a `Path`.
        per_batch: whether the logs of each batch have the rate too, not only an epoch's.
        verbose: whether to say what the schedule does because of a metric, when it does.
        state: a folder that the run is kept in, to go on after a kill; see
            `ScheduleCallback`.
        commit_every: after how many epochs that is done.
        state_conflict: "keep" or "adopt", where the schedule has changed since.
        **lets: values for the schedule's `let`s, as for `lrdsl.load`.  One that has the name
            of an argument above is set by `ScheduleCallback(lrdsl.load(path, state="2"))`.

    Returns:
        The callback.  Models that the schedule asks for are saved in the folder that its
        attribute `snapshots` names; see `ScheduleCallback`.

    Raises:
        LrsError: the text has problems, all of them listed.
        OSError: the file cannot be read.
        TypeError: an argument that means nothing here.
    """
    return ScheduleCallback(
        _read(path_or_text, lets),
        per_batch=per_batch,
        verbose=verbose,
        state=state,
        commit_every=commit_every,
        state_conflict=state_conflict,
    )


_MORE = {
    name: f"`lrdsl.ScheduleCallback(lrdsl.load(…), {name}=…)` has it"
    for name in ("on_plan", "base", "take_over")
} | {"snapshots": 'assign the folder before `fit`, `callback.snapshots = "models"`'}
"""What a user takes for an argument, and how it is said instead."""

# A schedule such as `1/x` is one too, so this only adds to what is said of a mistake.
_LIKE_A_PATH = re.compile(r"[\w.~:-]*(?:[\\/][\w.~:-]+)+|[\w-]+\.[A-Za-z]\w*")


def _read(given: object, lets: Mapping[str, LetValue]) -> Program:
    if not isinstance(given, str | Path):
        raise TypeError(f"a path or the text of a schedule is needed, {_not_that(given)}")
    for name, value in lets.items():
        if not isinstance(value, str | Real):
            raise TypeError(
                _no_argument(name)
                if name in _MORE
                else f"`{name}` is to be {value!r}, and a `let` is set to a number or to text"
            )
    is_path = isinstance(given, Path) or (given.endswith(".lrs") and "\n" not in given)
    try:
        return load(given, **lets) if is_path else loads(str(given), **lets)
    except LrsError as error:
        for name in _MORE.keys() & lets.keys():
            if error.source is not None and error.source.name == f"<{name}=…>":
                raise TypeError(_no_argument(name)) from None
        if not is_path and _LIKE_A_PATH.fullmatch(str(given)):
            first, *others = error.diagnostics
            hint = f"if a file is meant: `pathlib.Path({given!r})`, or a name with `.lrs`"
            repair = f"{first.help}; {hint}" if first.help else hint
            raise LrsError([replace(first, help=repair), *others], error.source) from None
        raise


def _not_that(given: object) -> str:
    if isinstance(given, Program):
        return "not a program: `lrdsl.ScheduleCallback(program)` applies one"
    if isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
        kind = type(given).__name__
        return f"not a `{kind}`: `lrdsl.from_keras(…)` writes one as text"
    if isinstance(given, Real) and not isinstance(given, bool):
        return f'not {given!r}: a constant rate is written "{given}"'
    return f"not {given!r}"


def _no_argument(name: str) -> str:
    return f"`compile` has no argument `{name}`, and the schedule no such `let`: {_MORE[name]}"
