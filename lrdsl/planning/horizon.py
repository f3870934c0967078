"""How long a training is, and what an epoch and a step are in ticks."""

from __future__ import annotations

from fractions import Fraction

from lrdsl import limits
from lrdsl.analysis.check import Train
from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.numeric.constants import as_float
from lrdsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of a training in ticks, which are steps where steps are known, else epochs.

    Attributes:
        unit: what times are told in, "epochs" or "steps".
        counted: what a bare number in the file counts; the same, but for a training that
            is given in steps only, where no bare number can be understood.
        total: ticks in all; None where nothing says so.
        epoch: ticks of an epoch; None where steps per epoch are unknown and ticks are steps.
        step: ticks of a step; None where steps per epoch are unknown and ticks are epochs.
    """

    unit: str
    counted: str
    total: Fraction | None
    epoch: Fraction | None
    step: Fraction | None

    @property
    def unit_ticks(self) -> Fraction:
        """Ticks of one `unit`."""
        ticks = self.epoch if self.unit == "epochs" else self.step
        assert ticks is not None  # ticks are the unit, or both are known
        return ticks

    @property
    def bare_ticks(self) -> Fraction | None:
        """Ticks of what a bare number in the file counts, None where that is not known."""
        return self.epoch if self.counted == "epochs" else self.step

    def in_unit(self, ticks: Fraction) -> Fraction:
        """Return ticks in `unit`."""
        return ticks / self.unit_ticks

    def in_epochs(self, ticks: Fraction) -> Fraction | None:
        """Return ticks in epochs, None where steps per epoch are unknown."""
        return None if self.epoch is None else ticks / self.epoch

    def describe(self, ticks: Fraction) -> str:
        """Return a time in words, for a message."""
        return describe(self.in_unit(ticks), self.unit)


def describe(amount: Fraction, unit: str) -> str:
    """Return an amount of a unit in words: `1 epoch`, `2.5 epochs`, `1/3 epochs`."""
    whole = amount.denominator == 1 and abs(amount) < 10**15
    number = f"{amount.numerator:,}" if whole else f"{as_float(amount):.6g}"
    if number.endswith("inf"):
        return f"over 1e308 {unit}"
    return f"{number} {unit.removesuffix('s') if amount == 1 else unit}"


def make_horizon(
    train: Train | None,
    epochs: int | None,
    steps_per_epoch: int | None,
    steps: int | None,
) -> tuple[Horizon, list[Diagnostic]]:
    """Join what the `train` line says with what the caller says.

    Returns:
        The horizon, and a diagnostic for each contradiction between the two (LRS309).
    """
    problems: list[Diagnostic] = []
    counted = "steps" if train is not None and train.steps is not None else "epochs"
    said_epochs = train.epochs if train else None
    said_each = train.steps_per_epoch if train else None
    said_steps = train.steps if train else None

    def contradiction(message: str, label: str, repair: str) -> None:
        assert train is not None
        problems.append(
            Diagnostic(
                code="LRS309", message=message, primary=Label(train.span, label), help=repair
            )
        )

    if said_each is not None and steps_per_epoch not in (None, said_each):
        contradiction(
            f"an epoch of {said_each} steps is planned, and one of {steps_per_epoch} runs",
            f"says {said_each} steps",
            f"write `of {steps_per_epoch} steps`, or leave `of {said_each} steps` out",
        )
    each = steps_per_epoch if steps_per_epoch is not None else said_each
    if said_epochs is not None and epochs not in (None, said_epochs):
        contradiction(
            f"{said_epochs} epochs are planned, and {epochs} run",
            f"says {said_epochs} epochs",
            f"write `train {epochs} epochs`, or train for {said_epochs}",
        )
    if epochs is None:
        epochs = said_epochs
    known = epochs * each if epochs is not None and each is not None else None
    for wanted in (said_steps, steps):
        if wanted is None or known in (None, wanted):
            continue
        if said_steps is not None:
            contradiction(
                f"{said_steps:,} steps are planned, and {epochs} epochs of {each} steps, "
                f"{known:,} in all, run",
                f"says {said_steps:,} steps",
                f"write `train {known} steps`, or train for {said_steps:,} steps",
            )
        else:
            problems.append(
                Diagnostic(
                    code="LRS309",
                    message=f"{wanted:,} steps are not {epochs} epochs of {each} steps",
                    help="give one of them only",
                )
            )
        break
    if said_steps is not None and steps not in (None, said_steps):
        contradiction(
            f"{said_steps:,} steps are planned, and {steps:,} run",
            f"says {said_steps:,} steps",
            f"write `train {steps} steps`",
        )
    total_steps = said_steps if said_steps is not None else steps
    if total_steps is None:
        total_steps = known
    elif each is None and epochs is not None:
        if total_steps % epochs == 0:
            each = total_steps // epochs
        else:
            problems.append(
                Diagnostic(
                    code="LRS309",
                    message=f"{total_steps:,} steps do not make {epochs:,} epochs",
                    help="say how many steps an epoch has, or leave the epochs out",
                )
            )
    if total_steps is not None and total_steps > limits.STEPS:
        problems.append(
            Diagnostic(
                code="LRS107",
                message=f"a training of {total_steps:,} steps is longer than any",
                help=f"at most {limits.STEPS:,} steps are planned",
            )
        )
    unit = counted if each is not None or total_steps is None else "steps"
    if each is not None or unit == "steps":
        # Ticks are steps.
        total = None if total_steps is None else Fraction(total_steps)
        epoch = None if each is None else Fraction(each)
        return Horizon(unit, counted, total, epoch, Fraction(1)), problems
    total = None if epochs is None else Fraction(epochs)
    return Horizon(unit, counted, total, Fraction(1), None), problems
