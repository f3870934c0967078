"""A checked program: what a schedule's text says, before it is bound to a training."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lrdsl import core
from lrdsl.analysis.check import Checked, Train, check
from lrdsl.analysis.problems import Problems
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.planning.conditions import reactions, watched
from lrdsl.planning.horizon import make_horizon
from lrdsl.planning.layout import Layout
from lrdsl.planning.survey import survey as survey_times
from lrdsl.planning.times import Open
from lrdsl.reading import read_source
from lrdsl.records import dataclass
from lrdsl.source import SourceText, Span
from lrdsl.syntax import nodes
from lrdsl.syntax.printer import print_expression, print_file
from lrdsl.targets import is_rate, listed

if TYPE_CHECKING:
    from lrdsl.plan import Plan

LetValue: TypeAlias = str | float | int | Fraction
"""A value for a `let` from outside: the language's own text, or a number."""

_SUPPOSED = 0.9
"""What stands for an optimizer's momentum or decay where a text alone is looked at."""


@dataclass(frozen=True, eq=False)
class Program:
    """A schedule that was read and checked, with no length of training yet.

    Made by `lrdsl.load` and `lrdsl.loads`.

    Attributes:
        source: the text, with the values of `let`s that were set from outside in place.
        targets: what the program sets, in the order of the text; "lr" is the rate.
        train: the `train` line, if there is one.
        warnings: advice that does not depend on the length of training.
    """

    checked: Checked
    warnings: tuple[Diagnostic, ...]

    @property
    def source(self) -> SourceText:
        """The text, with the values of `let`s that were set from outside in place."""
        return self.checked.source

    @property
    def targets(self) -> tuple[str, ...]:
        """What the program sets, in the order of the text."""
        return tuple(name for name, _ in self.checked.targets)

    @cached_property
    def lets(self) -> dict[str, str]:
        """The `let`s and their values, as text."""
        return {
            statement.name: print_expression(statement.value)
            for statement in self.checked.file.statements
            if isinstance(statement, nodes.Let)
        }

    @property
    def train(self) -> Train | None:
        """The `train` line, if there is one."""
        return self.checked.train

    @cached_property
    def text(self) -> str:
        """The program in canonical form: what is stored beside a run."""
        return print_file(self.checked.file, self.checked.source)

    @cached_property
    def reactive(self) -> Span | None:
        """Where the program first reacts to a metric; None if nowhere."""
        found = [one.span for _, node in self.checked.targets for one in reactions(node)]
        return min(found, default=None)

    @cached_property
    def metrics(self) -> dict[str, Span]:
        """The metrics that the program reacts to, each with where it first does."""
        found: dict[str, Span] = {}
        for _, node in self.checked.targets:
            for one in reactions(node):
                found.setdefault(watched(one), one.span)
        return found

    @cached_property
    def needs_base(self) -> bool:
        """Whether a rate depends on the optimizer's own rate."""
        asking = (is_rate(name) and _mentions_base(node) for name, node in self.checked.targets)
        return any(asking) or any(map(is_rate, self.starts_from_own))

    @cached_property
    def needs_own(self) -> tuple[str, ...]:
        """The targets that depend on the optimizer's own values, other than its rates."""
        return tuple(
            name
            for name, node in self.checked.targets
            if not is_rate(name) and (_mentions_base(node) or name in self.starts_from_own)
        )

    @cached_property
    def starts_from_own(self) -> frozenset[str]:
        """The targets that the optimizer's own value shapes, where nothing is measured."""
        from lrdsl.planning.bind import Binder
        from lrdsl.planning.courses import Recorded
        from lrdsl.planning.reactions import Reactions

        train = self.train
        horizon, _ = make_horizon(
            train,
            None if train else 100,
            None if train and train.steps_per_epoch else 100,
            None,
        )
        problems = Problems()
        known = {name: {"": _SUPPOSED} for name in self.targets}
        binder = Binder(horizon, problems, base=1.0, own=known)
        nothing_measured = Reactions(horizon, problems, Recorded())
        for name, node in self.checked.targets:
            binder.target(name, nothing_measured.target(name, node))
        return frozenset(binder.starts_from_own)

    def supposed(self) -> dict[str, float]:
        """Return own values for `plan` where the optimizer's are not known yet."""
        return dict.fromkeys(self.needs_own, _SUPPOSED)

    def __repr__(self) -> str:
        """Return the name, the targets and the length, where the text has one, on one line."""
        length = ""
        if self.train is not None:
            epochs, steps, total = (
                self.train.epochs,
                self.train.steps_per_epoch,
                self.train.steps,
            )
            length = f"; {total} steps" if epochs is None else f"; {epochs} epochs"
            length += "" if steps is None else f" of {steps} steps"
        return f"<Program {self.source.name}: {listed(self.targets)}{length}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return the curve, which a notebook shows."""
        from lrdsl.showing import of_program

        return of_program(self)

    def plan(
        self,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        steps: int | None = None,
        base: float | None = None,
        bases: Mapping[str, float] | None = None,
        own: Mapping[str, float] | None = None,
    ) -> Plan:
        """Bind the program to one training.

        What the text's `train` line says may be left out, and must not be contradicted.

        Args:
            epochs: length of the training, in epochs; at least 1.
            steps_per_epoch: batches that `fit` sees in an epoch; at least 1.  Without it
                the plan knows no single steps, only epochs.
            steps: length of the training in steps, for one that is counted so.
            base: the optimizer's own rate, for a program that starts from it.
            bases: the own rates of the parts of a `MultiOptimizer` by their names; parts
                that are not there have `base`.
            own: the optimizer's own values of other targets, which are their `base`, by
                target: `{"momentum": 0.9}`, `{"slow.momentum": 0.9}` for that of a part.

        Returns:
            The plan, whose every value is known to be finite, and every rate ≥ 0.

        Raises:
            LrsError: the program cannot be bound (LRS3xx, LRS4xx).
            ValueError: an argument is not a number above zero.
        """
        from lrdsl.planner import make_plan

        return make_plan(self, epochs, steps_per_epoch, steps, base, bases or {}, own or {})


def load(path: str | PathLike[str], **lets: LetValue) -> Program:
    """Read and check a `.lrs` file.

    Args:
        path: the file.
        **lets: values for its `let`s: the language's own text ("5%") or a number (a float
            counts as its shortest decimal).

    Raises:
        LrsError: the text has problems, all of them listed.
        OSError: the file cannot be read.
        TypeError: it is no path.
    """
    if not isinstance(path, str | PathLike):
        hint = f'; a constant rate is a text, `lrdsl.loads("{path}")`'
        repair = hint if _is_number(path) else ""
        raise TypeError(f"the path of an `.lrs` file is needed, not {_shown(path)}{repair}")
    return make_program(read_source(path if isinstance(path, str) else Path(path)), lets)


def loads(text: str, **lets: LetValue) -> Program:
    """Check a schedule's text; otherwise like `load`."""
    if isinstance(text, PathLike):
        raise TypeError(
            f"the text of a schedule is needed, not a path: `lrdsl.load({str(text)!r})` reads "
            "the file"
        )
    if not isinstance(text, str):
        repair = f': a constant rate is written "{text}"' if _is_number(text) else ""
        raise TypeError(f"the text of a schedule is needed, not {_shown(text)}{repair}")
    return make_program(SourceText(text.removeprefix("\ufeff")), lets)


def make_program(source: SourceText, lets: dict[str, LetValue] | None = None) -> Program:
    """Check a source text and return its program.

    Raises:
        LrsError: the text has problems, all of them listed.
    """
    values = {name: _let_text(value) for name, value in (lets or {}).items()}
    checked = check(source, values)
    problems = survey(checked)
    if problems.errors:
        raise LrsError(problems.errors, checked.source)
    warnings = sorted([*checked.warnings, *problems.warnings], key=Diagnostic.position)
    return Program(checked, tuple(warnings))


def survey(checked: Checked) -> Problems:
    """Return what is wrong with a program's times, as far as its own text decides."""
    problems = Problems()
    horizon, _ = make_horizon(checked.train, None, None, None)
    layout = Layout(horizon, problems, lenient=True)
    length = Open.UNKNOWN if horizon.total is None else horizon.total
    for _, node in checked.targets:
        survey_times(layout, node, length, length, follows=False)
    return problems


def diagnose(source: SourceText) -> list[Diagnostic]:
    """Return every problem of a text, errors and warnings, in source order.

    Where the `train` line says how long the training is, the plan is made too, so that a
    rate that is negative somewhere is found, and if the schedule reacts to metrics, what may
    happen is planned too.  What only the running `fit` can know (steps
    per epoch, the optimizer's own rate) is no problem of the text.
    """
    try:
        program = make_program(source)
    except LrsError as error:
        return list(error.diagnostics)
    found = list(program.warnings)
    if program.train is not None:
        try:
            plan = program.plan(
                base=1.0 if program.needs_base else None, own=program.supposed()
            )
        except LrsError as error:
            found += [d for d in error.diagnostics if d.code != "LRS303"]
        else:
            found += [w for w in plan.warnings if w not in found]
            if program.reactive is not None:
                found += _problems_to_come(plan)
    return sorted(found, key=Diagnostic.position)


def _problems_to_come(plan: Plan) -> list[Diagnostic]:
    """Return what is wrong with a plan if metrics do what they may."""
    from lrdsl.outlook import outlook

    expected = outlook(plan)
    return [] if expected is None or expected.trouble is None else expected.trouble.problems


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _shown(given: object) -> str:
    shown = repr(given)
    return shown if len(shown) <= 60 else f"a `{type(given).__name__}`"


def _let_text(value: LetValue) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Fraction):
        return f"{value.numerator} / {value.denominator}"
    if isinstance(value, float):
        return repr(float(value))  # NumPy's float64 is a float of another repr
    return str(value)


def _mentions_base(node: core.Core) -> bool:
    if isinstance(node, core.Reference):
        return node.name == "base"
    return any(map(_mentions_base, core.children(node)))
