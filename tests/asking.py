"""What the tests of the core ask for, in one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import lrdsl
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import Span

if TYPE_CHECKING:
    from lrdsl.plan import Plan

Floats = NDArray[np.float64]


def plan(text: str, epochs: int | None = None, each: int | None = None, **more: Any) -> Plan:
    """Return the plan of a text."""
    return lrdsl.loads(text).plan(epochs=epochs, steps_per_epoch=each, **more)


def rates(
    text: str,
    epochs: int | None = None,
    each: int | None = 1,
    *,
    target: str = "lr",
    **more: Any,
) -> Floats:
    """Return the values of every step; an epoch is one step unless `each` says otherwise."""
    return plan(text, epochs, each, **more).values(target=target)


def times(epochs: int, each: int) -> Floats:
    """Return the time of every step in epochs."""
    return np.arange(epochs * each) / each


def problems(text: str, **horizon: Any) -> list[Diagnostic]:
    """Return the problems of a text, and of its plan where a horizon is given."""
    try:
        program = lrdsl.loads(text)
        if not horizon:
            return list(program.warnings)
        return list(program.plan(**horizon).warnings)
    except LrsError as error:
        return list(error.diagnostics)


def marked(text: str) -> tuple[str, Span]:
    """Return a text without its « » and the span that they enclose."""
    start = text.index("«")
    end = text.index("»") - 1
    return text.replace("«", "").replace("»", ""), Span(start, end)


def assert_first_problem(
    text: str,
    training: dict[str, Any],
    code: str,
    message: str,
    label: str | None,
    repair: str | None,
) -> None:
    """Hold the first problem of a text, whose place « » enclose, against its words."""
    if label is None:  # not in the text
        first = problems(text, **training)[0]
        assert first.primary is None
    else:
        plain, span = marked(text)
        first = problems(plain, **training)[0]
        assert first.primary is not None
        assert first.primary.span == span
        assert first.primary.text == label
    assert (first.code, first.message, first.help) == (code, message, repair)
