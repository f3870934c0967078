"""Telling a user of `fit` what is dubious about a plan, as Python tells such things."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from lrdsl.diagnostics import Diagnostic, Label, LrsWarning, Severity
from lrdsl.render import render_full
from lrdsl.source import SourceText

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program
    from lrdsl.training.situation import FitCall

_OURS = tuple(
    str(folder) + os.sep for folder in (Path(__file__).parents[1], Path(keras.__file__).parent)
)


def warn_of(plan: Plan) -> None:
    """Issue each of the plan's warnings, at the line that called `fit`."""
    for found in plan.warnings:
        warn_of_one(found, plan.program.source)


def nothing_runs(begins: int, ends: int) -> Diagnostic:
    """Return the warning that a `fit` has no epoch to train."""
    if ends < 1:
        message, repair = (
            f"`fit` is given `epochs={ends}`",
            "give the number of epochs to train",
        )
    else:
        message = f"`fit` begins with epoch {begins} and trains up to epoch {ends}"
        repair = (
            "`epochs` counts from 0, not from `initial_epoch`: to train 5 epochs more, call "
            f"`fit(initial_epoch={begins}, epochs={begins + 5})`"
        )
    return Diagnostic(
        code="LRS602",
        message=f"{message}: nothing runs",
        help=repair,
        severity=Severity.WARNING,
    )


def forgotten(begins: int, program: Program) -> Diagnostic:
    """Return the warning that a `fit` begins amid what depends on metrics, and has none."""
    names = " and ".join(f"`{name}`" for name in program.metrics)
    assert program.reactive is not None
    return Diagnostic(
        code="LRS602",
        message=f"`fit` begins with epoch {begins}, and knows no {names} of the epochs before: "
        "it goes on as if nothing had happened in them",
        primary=Label(program.reactive, "counts from here on"),
        help='to go on where a run was, keep its state: `lrdsl.compile(…, state="run")`; to '
        "begin anew, leave `initial_epoch` out",
        severity=Severity.WARNING,
    )


def never_measured(epochs: range, fit: FitCall, program: Program) -> Iterator[Diagnostic]:
    """Yield the warning that no epoch of a `fit` measures a metric, for each such."""
    if not epochs or not all(map(fit.validates_later, epochs)):
        return
    for name, span in program.metrics.items():
        if name.startswith("val_"):
            yield Diagnostic(
                code="LRS602",
                message=f"`fit` measures no `{name}`: `validation_freq={fit.validation_freq}` "
                f"validates after none of {len(epochs)} epochs",
                primary=Label(span, "nothing will happen"),
                help=f"validate more often: `validation_freq={max(len(epochs) // 10, 1)}`",
                severity=Severity.WARNING,
            )


def warn_of_one(found: Diagnostic, source: SourceText) -> None:
    """Issue one warning, at the line that called `fit`."""
    # `warnings` prints the place and the class first: the message has its own lines.
    warnings.warn("\n" + render_full(found, source), LrsWarning, _levels_to_the_user())


def _levels_to_the_user() -> int:
    """Return the `stacklevel`, in our caller, of the code that is not ours or Keras's."""
    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
        level += 1
    return level
