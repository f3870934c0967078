"""The optimizers that update weights, and which of a plan's targets each of them is given.

Most often that is one.  A `MultiOptimizer` has several, its parts: a schedule names a part as
the part names itself, `SGD(name="slow")`.  A target with a part (`slow.lr`) is for that part
alone; one without (`lr`) is for all parts that have none of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.targets import RATE, main, split

if TYPE_CHECKING:
    from lrdsl.plan import Plan


@dataclass(frozen=True, slots=True)
class Part:
    """An optimizer that updates weights; `name` is None where it is the only one."""

    name: str | None
    optimizer: Any

    def __str__(self) -> str:
        """Return what a message calls it."""
        kind = f"`{type(self.optimizer).__name__}`"
        return kind if self.name is None else f"{kind} (the part `{self.name}`)"

    @property
    def rate(self) -> Any:
        """Where it keeps its rate: a variable, a schedule or a function."""
        return getattr(self.optimizer, "_learning_rate", None)

    def given(self, targets: Sequence[str]) -> dict[str, str]:
        """Return what of it the targets set, each with the target that does."""
        found = {target: target for target in targets if split(target)[0] is None}
        if self.name is not None:
            own = (target for target in targets if split(target)[0] == self.name)
            found |= {split(target)[1]: target for target in own}
        return found

    def rate_among(self, targets: Sequence[str]) -> str | None:
        """Return the target that is its rate, None if there is none."""
        return self.given(targets).get(RATE)

    def floats_among(self, targets: Sequence[str]) -> dict[str, str]:
        """Return its other attributes that the targets set, each with its target."""
        return {name: target for name, target in self.given(targets).items() if name != RATE}


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer itself, or the inner one of a LossScaleOptimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def all_parts(optimizer: Any) -> tuple[Part, ...]:
    """Return the optimizer, or the parts of a MultiOptimizer as far as they are known."""
    inner = inner_optimizer(optimizer)
    if isinstance(inner, keras.optimizers.MultiOptimizer):
        return tuple(Part(one.name, one) for one in inner.optimizers)
    return (Part(None, inner),)


def parts_of(optimizer: Any) -> tuple[Part, ...]:
    """Return the optimizer, or those parts of a built MultiOptimizer that have variables.

    The default one of an `OptimizerMap` often has none; nothing is to be done about it.
    """
    parts = all_parts(optimizer)
    if parts and parts[0].name is None:
        return parts
    return tuple(part for part in parts if part.optimizer._trainable_variables)


def build_parts(model: Any) -> None:
    """Have a MultiOptimizer learn which variable is whose, as its first step does."""
    optimizer = model.optimizer
    is_multiple = isinstance(inner_optimizer(optimizer), keras.optimizers.MultiOptimizer)
    if is_multiple and model.trainable_variables:
        build_optimizer(model)


def build_optimizer(model: Any) -> None:
    """Make the optimizer's variables, if there are none yet, with the names of a first step."""
    optimizer = model.optimizer
    if not optimizer.built:
        with keras.name_scope(optimizer.name, caller=optimizer):
            optimizer.build(model.trainable_variables)


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates that a plan gives to the parts of one optimizer.

    Attributes:
        targets: those of the plan's rates that a part is given.
        of_part: for each part, the number of its target among these.
    """

    targets: tuple[str, ...]
    of_part: tuple[int, ...]

    @classmethod
    def of(cls, targets: Sequence[str], parts: Sequence[Part]) -> Rates:
        """Return which of the targets are whose rate; each part has one."""
        wanted = [part.rate_among(targets) for part in parts]
        used = tuple(target for target in targets if target in wanted)
        return cls(used, tuple(used.index(target) for target in wanted if target is not None))

    @property
    def main(self) -> int:
        """The number of the target that is meant where one rate is asked for."""
        return self.targets.index(main(self.targets))

    @property
    def names_in_logs(self) -> tuple[str, ...]:
        """What the logs call the targets: the only rate by Keras's name, others by ours."""
        return ("learning_rate",) if self.targets == (RATE,) else self.targets

    def part_of(self, target: str, parts: Sequence[Part]) -> Part:
        """Return the part, or the first of those, whose rate a target is."""
        return parts[self.of_part.index(self.targets.index(target))]

    def table(self, plan: Plan, steps: range) -> NDArray[np.float32]:
        """Return float32 of the plan, a row for each step, a column for each part."""
        columns = [plan.values(steps, target).astype(np.float32) for target in self.targets]
        return np.stack(columns, axis=-1)[:, list(self.of_part)]

    def by_target(self, used: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a column for each target, of a column for each part; a lone one without axis.

        A rate that is not the same in all its parts is none: NaN.
        """
        result = np.empty((*used.shape[:-1], len(self.targets)), np.float32)
        for number in range(len(self.targets)):
            own = used[..., [n == number for n in self.of_part]]
            same = (own == own[..., :1]).all(axis=-1)
            result[..., number] = np.where(same, own[..., 0], np.float32("nan"))
        return result if len(self.targets) > 1 else result[..., 0]


def rates_of(optimizer: Any, targets: Sequence[str]) -> Rates:
    """Return which of the targets are the rates of an optimizer's parts."""
    return Rates.of(targets, parts_of(optimizer))
