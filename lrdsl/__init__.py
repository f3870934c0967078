"""lrdsl: a small language for learning-rate schedules.

    program = lrdsl.load("resnet.lrs", peak=0.05)
    plan = program.plan(epochs=90, steps_per_epoch=390)
    plan.values()

    model.fit(x, y, epochs=90, callbacks=[lrdsl.compile("resnet.lrs")])

Importing the package imports neither TensorFlow, Keras, matplotlib nor NumPy; each name
brings what it needs when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrdsl.conversion import from_keras
    from lrdsl.diagnostics import CODES, Diagnostic, Label, LrsError, LrsWarning
    from lrdsl.metric_log import read_metrics
    from lrdsl.plan import Plan, Segment, Snapshot
    from lrdsl.program import Program, diagnose, load, loads
    from lrdsl.source import SourceText, Span
    from lrdsl.training.callback import ScheduleCallback
    from lrdsl.training.compiling import compile
    from lrdsl.training.ensemble import Ensemble

__version__ = "0.1.0"

_HOMES = {
    "CODES": "lrdsl.diagnostics",
    "Diagnostic": "lrdsl.diagnostics",
    "Ensemble": "lrdsl.training.ensemble",
    "Label": "lrdsl.diagnostics",
    "LrsError": "lrdsl.diagnostics",
    "LrsWarning": "lrdsl.diagnostics",
    "Plan": "lrdsl.plan",
    "Program": "lrdsl.program",
    "ScheduleCallback": "lrdsl.training.callback",
    "Segment": "lrdsl.plan",
    "Snapshot": "lrdsl.plan",
    "SourceText": "lrdsl.source",
    "Span": "lrdsl.source",
    "compile": "lrdsl.training.compiling",
    "diagnose": "lrdsl.program",
    "from_keras": "lrdsl.conversion",
    "load": "lrdsl.program",
    "loads": "lrdsl.program",
    "read_metrics": "lrdsl.metric_log",
}

__all__ = [
    "CODES",
    "Diagnostic",
    "Ensemble",
    "Label",
    "LrsError",
    "LrsWarning",
    "Plan",
    "Program",
    "ScheduleCallback",
    "Segment",
    "Snapshot",
    "SourceText",
    "Span",
    "__version__",
    "compile",
    "diagnose",
    "from_keras",
    "load",
    "loads",
    "read_metrics",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lrdsl' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def load_ipython_extension(shell: Any) -> None:
    """Give IPython the magic `%%lrs`: called by `%load_ext lrdsl`."""
    from lrdsl.notebook import register

    register(shell)


def __dir__() -> list[str]:
    return __all__
