"""Plan → a Python module that needs no lrdsl."""

from __future__ import annotations

import ast
from importlib.resources import files
from pprint import pformat
from typing import Any

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.plan import Plan
from lrdsl.planning.formula import to_data

_PARTS = (
    "numeric/constants.py",
    "numeric/exact.py",
    "numeric/functions.py",
    "numeric/noise.py",
    "numeric/blocks.py",
    "numeric/curves.py",
    "planning/formula.py",
    "planning/shapes.py",
    "planning/evaluate.py",
    "standalone.py",
)
"""The files that a plan's values come from, each after those that it imports."""

_HEAD = '''"""A learning-rate schedule, written by `lrdsl compile`.

    rates(steps=None) -> float64 array, one rate for each step
    callback()        -> a Keras callback for model.fit

Needs NumPy, and Keras for the callback.  The schedule's text is in TEXT.
"""

# ruff: noqa
# mypy: ignore-errors
from __future__ import annotations

'''

_FOOT = '''

def rates(steps=None, target="lr"):
    """Return the rates of the steps asked for (all of them by default) as float64."""
    return plan_values(PLAN, steps, target)


def callback(snapshots="snapshots"):
    """Return a Keras callback for `fit`; models go to the folder `snapshots`."""
    return plan_callback(PLAN, snapshots)
'''


def module_text(plan: Plan) -> str:
    """Return the text of a module that gives the plan's values without lrdsl.

    The plan goes in as data: strings and numbers.  Nothing of the schedule's text becomes
    code.

    Args:
        plan: the plan; its steps must be known.

    Raises:
        LrsError: the plan reacts to metrics (LRS410), or steps per epoch are not known
            (LRS303).
    """
    reactive = plan.program.reactive
    if reactive is not None:
        raise LrsError(
            [
                Diagnostic(
                    code="LRS410",
                    message="a module of its own cannot react to metrics",
                    primary=Label(reactive, "waits for what training measures"),
                    help="train by `lrdsl.compile(…)` or `lrdsl train`, or use times only, "
                    "such as `until 30`",
                )
            ],
            plan.program.source,
        )
    if plan.total_steps is None or plan.steps_per_epoch is None or plan.epochs is None:
        raise LrsError(
            [
                Diagnostic(
                    code="LRS303",
                    message="a module needs to know epochs and steps",
                    help="give `--epochs 60 --steps-per-epoch 390`, "
                    "or write `train 60 epochs of 390 steps`",
                )
            ],
            plan.program.source,
        )
    options = plan.snapshot_options
    data: dict[str, Any] = {
        "steps": plan.total_steps,
        "epochs": plan.epochs,
        "steps per epoch": plan.steps_per_epoch,
        "snapshots": [snapshot.step for snapshot in plan.snapshots],
        "drops snapshots": options is not None and bool(options.keep or options.best),
        "formulas": {target: to_data(plan.formulas[target]) for target in plan.targets},
    }
    imports: list[str] = []
    bodies: list[str] = []
    for part in _PARTS:
        text = files("lrdsl").joinpath(*part.split("/")).read_text(encoding="utf-8")
        bodies.append(f"# -- lrdsl/{part}\n\n{_without_imports(text, imports)}")
        if part == "numeric/functions.py":
            bodies.append(_namespace("functions", text))
    return "".join(
        (
            _HEAD,
            "".join(f"{line}\n" for line in sorted(imports)),
            f"\nTEXT = {plan.program.text!a}\n",
            # `width` breaks nested lists into lines that an editor can bear.
            f"\nPLAN = {pformat(data, width=100, sort_dicts=False)}\n\n",
            "\n\n".join(bodies),
            _FOOT,
        )
    )


def _without_imports(text: str, imports: list[str]) -> str:
    """Return a module's text without docstring and imports; collect those that stay."""
    lines = text.splitlines()
    tree = ast.parse(text)
    gone: set[int] = set()
    for index, node in enumerate(tree.body):
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        if not is_import and not (index == 0 and isinstance(node, ast.Expr)):
            continue
        gone.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if is_import:
            # A module of its own takes its records from the standard library.
            line = ast.unparse(node).replace("from lrdsl.records ", "from dataclasses ")
            ours = line.startswith(("from lrdsl", "from __future__"))
            if not ours and line not in imports:
                imports.append(line)
    kept = [line for number, line in enumerate(lines, 1) if number not in gone]
    return "\n".join(kept).strip("\n") + "\n"


def _namespace(name: str, text: str) -> str:
    """Return a class that offers a module's functions as `name.function`."""
    functions = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    public = [f for f in functions if not f.startswith("_")]
    return f"class {name}:\n" + "".join(f"    {f} = staticmethod({f})\n" for f in public)
