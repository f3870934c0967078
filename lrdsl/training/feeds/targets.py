"""Numbers of a schedule that stand in for an optimizer's Python floats.

Keras takes an optimizer's `momentum` or `beta_2` into the train step as a constant, when the
step is traced.  While the update is traced, ours is a `Scheduled` instead.  What Python
computes with it (`1 - self.beta_2`) stays on the host, in float64, as Python would have
computed with the float of each step; where it meets a tensor, it is one column of a table,
looked up by the step.  Where Python must know the number now (`if self.momentum > 0`), all
steps of the plan are asked, and of what metrics may make of it: if they agree, that is the
answer; if not, `fit` is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.outlook import outlook

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.training.feeds.parts import Part

Key = tuple[Any, ...]
"""An expression: `("beta_2",)`, or an operator's name and its operands, keys or numbers."""

Slot = tuple[Key, str]
"""A column: its expression, and the type of its numbers."""

MAY_BE_NONE = frozenset(
    (
        *("weight_decay", "clipnorm", "clipvalue", "global_clipnorm"),
        *("adam_weight_decay", "rms_rate"),
    )
)
"""None in these is an optimizer's way to say 'not at all'; a number may take its place."""

_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")

_WHOLE = frozenset(
    (
        *("gradient_accumulation_steps", "ema_overwrite_frequency"),
        *("dynamic_growth_steps", "warmup_steps", "ns_steps"),
    )
)
"""Numbers of steps, which shape the update."""

_ELSEWHERE = {
    "learning_rate": "`lr` is its name here",
    "loss_scale_factor": "the loss is scaled by it before the update",
    "initial_scale": "it is where the scale of the loss begins",
    "initial_accumulator_value": "it is where the optimizer's variables begin",
    **dict.fromkeys(_WHOLE, "it is a number of steps"),
}
"""Numbers of a config that no update reads at each step, and why."""

_BLOCK = 65_536
"""Steps looked at together where all steps of a plan are."""


class Columns(Protocol):
    """Where the tables of a backend live."""

    @property
    def stand_in(self) -> type[Scheduled]:
        """What the attributes are while the update is traced."""

    def make(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Add a column."""

    def fill(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Give a column other values."""

    def look_up(self, slot: Slot, *, weak: bool) -> Any:
        """Return the running step's number as a tensor; `weak` as one that adapts."""


class Scheduled:
    """A number that differs from step to step."""

    __slots__ = ("_key", "_targets")
    __array_ufunc__ = None  # NumPy's numbers leave arithmetic to ours
    __hash__ = object.__hash__
    dtype = float  # weak, as Keras's `result_type` sees a Python float

    def __init__(self, targets: Targets, key: Key) -> None:
        self._targets = targets
        self._key = key

    def __repr__(self) -> str:
        return f"<scheduled {spelled(self._key)}>"

    def as_tensor(self, dtype: str | None = None) -> Any:
        """Return the running step's number; without a type, as one that adapts."""
        return self._targets.look_up(self._key, dtype)

    def __jax_array__(self) -> Any:
        return self.as_tensor()

    def __bool__(self) -> bool:
        return self._targets.decide(("ne", self._key, 0))

    def _refuse(self, *_: Any) -> Any:
        raise self._targets.refusal(
            f"the update makes one constant of {spelled(self._key)}",
            "leave it a constant",
        )

    __float__ = __int__ = __index__ = __array__ = __round__ = __trunc__ = __format__ = _refuse


class ScheduledFloat(Scheduled):
    """One that says that it is a `float`, so that Keras on TensorFlow treats it as one.

    There a float takes the type of the tensor that it meets, and anything else does not.  It
    is none, though: what would read its bits, as of a float, finds no float.  (JAX asks
    `isinstance` too, and then has NumPy read it: there it must not say so.)
    """

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return float


def _operand(x: Any) -> Any:
    if isinstance(x, Scheduled):
        return x._key
    return x if isinstance(x, int | float) and np.ndim(x) == 0 else None


def _arithmetic(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Scheduled, other: Any) -> Any:
        operand = _operand(other)
        if operand is None:
            return NotImplemented
        return type(self)(self._targets, (name, self._key, operand))

    def backward(self: Scheduled, other: Any) -> Any:
        operand = _operand(other)
        if operand is None:
            return NotImplemented
        return type(self)(self._targets, (name, operand, self._key))

    return forward, backward


def _comparison(name: str) -> Callable[..., Any]:
    def compare(self: Scheduled, other: Any) -> Any:
        operand = _operand(other)
        if operand is None:
            return NotImplemented
        return self._targets.decide((name, self._key, operand))

    return compare


def _sign(name: str) -> Callable[..., Any]:
    return lambda self: type(self)(self._targets, (name, self._key))


_SIGNS = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%"},
    **{"pow": "**", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="},
}
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _forward, _backward = _arithmetic(_name)
    setattr(Scheduled, f"__{_name}__", _forward)
    setattr(Scheduled, f"__r{_name}__", _backward)
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Scheduled, f"__{_name}__", _comparison(_name))
for _name in ("neg", "pos", "abs"):
    setattr(Scheduled, f"__{_name}__", _sign(_name))


def _computed(key: Any, values: Mapping[str, NDArray[np.float64]]) -> Any:
    """Return an expression's value at several steps: what Python's floats come to at each."""
    if not isinstance(key, tuple):
        return key
    if len(key) == 1:
        return values[key[0]]
    function = getattr(operator, key[0])
    operands = [_computed(part, values) for part in key[1:]]
    if key[0] in ("pow", "floordiv", "mod"):  # NumPy rounds these otherwise
        size = max(np.size(operand) for operand in operands)
        columns = [np.broadcast_to(operand, size).tolist() for operand in operands]
        return np.array(list(map(function, *columns)))
    with np.errstate(all="ignore"):  # what is not finite is reported
        return function(*operands)


def spelled(key: Any) -> str:
    """Return an expression as Python would spell it."""
    if not isinstance(key, tuple):
        return repr(key)
    if len(key) == 1:
        return f"`{key[0]}`"
    if len(key) == 2:
        return f"{key[0]}({spelled(key[1])})"
    return f"({spelled(key[1])} {_SIGNS[key[0]]} {spelled(key[2])})"


def available(optimizer: Any) -> list[str]:
    """Return the floats of an optimizer that a schedule may try to set."""
    found = []
    for name in optimizer.get_config():
        value = vars(optimizer).get(name)
        if name in _ELSEWHERE or isinstance(value, bool):
            continue
        if isinstance(value, int | float) or (value is None and name in MAY_BE_NONE):
            found.append(name)
    return sorted(found)


def why_not(part: Part, names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield each name that this optimizer cannot have scheduled, why, and the repair."""
    optimizer = part.optimizer
    kind = type(optimizer).__name__
    there = available(optimizer)
    listed = ", ".join(f"`{name}`" for name in there) or "none"
    for name in names:
        if name in _ELSEWHERE:
            yield name, f"`{name}` cannot be scheduled: {_ELSEWHERE[name]}", "leave it out"
        elif name not in there:
            yield name, f"{part} has no `{name}`", f"what it has is {listed}"
        elif name == "momentum" and vars(optimizer)[name] == 0:
            yield (
                name,
                f"{part} was made with `momentum=0`, and keeps no momentum then",
                f"make it with any other number: `{kind}(momentum=0.9)`",
            )
    clips = [n for n in _CLIPS if n in names or vars(optimizer).get(n) is not None]
    if len(clips) > 1 and set(clips) & set(names):
        yield (
            next(name for name in clips if name in names),
            f"{part} clips by one of `{clips[0]}` and `{clips[1]}`, not by both",
            "leave one of them out",
        )


class Targets:
    """The scheduled floats of one optimizer.

    Args:
        part: whose attributes are meant.
        plan: what each of them is at every step.
        columns: where their tables live; None where updates run in Python at each step.
        width: steps that a table holds.
    """

    def __init__(self, part: Part, plan: Plan, columns: Columns | None, width: int) -> None:
        self.names = part.floats_among(plan.targets)
        self.refused: LrsError | None = None
        self._columns = columns
        self._part = part
        self._optimizer = part.optimizer
        self._width = width
        self._plan = plan
        self._start = 0
        self._decided: dict[Key, bool] = {}
        self._made: set[Slot] = set()
        self._read: set[str] = set()
        self._standing_in = False
        self._held = _Held(part.optimizer)

    # -- For the feed ----------------------------------------------------------------------

    def follow(self, plan: Plan) -> bool:
        """Take another plan; return whether what was traced is right for it too."""
        former, self._plan = self._plan, plan
        try:
            same = all(self._answer(key) == answer for key, answer in self._decided.items())
        except LrsError:
            same = False
        if not same or self.names != self._part.floats_among(plan.targets):
            self._plan = former
            return False
        return True

    def go_to(self, start: int) -> None:
        """Let the tables begin with step `start`."""
        self._start = start
        for slot in self._made:
            assert self._columns is not None
            self._columns.fill(slot, self._column(slot[0]))

    def values(self, step: int) -> dict[str, float]:
        """Return what a step uses; steps beyond the plan use its last."""
        return {name: float(self._window(name, step, 1)[0]) for name in self.names}

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the attributes be the schedule's while the update is traced."""
        assert self._columns is not None
        stand_ins = {name: self._columns.stand_in(self, (name,)) for name in self.names}
        with self._held.attributes(stand_ins):
            self._standing_in = True
            try:
                yield
                unread = [name for name in self.names if name not in self._read]
                if unread and self.refused is None:
                    raise self.refusal(
                        f"the update of {self._part} does not read `{unread[0]}`",
                        "leave it out",
                    )
            finally:
                self._standing_in = self._held.count > 1
        if self.refused is not None:  # somebody caught it
            raise self.refused

    @contextmanager
    def plain(self, step: int) -> Iterator[None]:
        """Let the attributes be one step's floats while the update runs."""
        with self._held.attributes(self.values(step)):
            yield

    # -- For `Scheduled` -------------------------------------------------------------------

    def look_up(self, key: Key, dtype: str | None) -> Any:
        """Return the running step's value of an expression as a tensor."""
        if not self._standing_in:  # kept by somebody beyond the update
            raise self.refusal(
                f"{spelled(key)} is used outside of the update", "leave it a constant"
            )
        self._note(key)
        assert self._columns is not None
        slot = (key, dtype or "float32")
        if slot not in self._made:
            self._columns.make(slot, self._column(key))
            self._made.add(slot)
        return self._columns.look_up(slot, weak=dtype is None)

    def decide(self, key: Key) -> bool:
        """Return what a comparison is at every step that there may be."""
        self._note(key)
        if key not in self._decided:
            self._decided[key] = self._answer(key)
        return self._decided[key]

    def refusal(self, message: str, repair: str) -> LrsError:
        """Return the error that says what cannot be exact; kept, should somebody catch it."""
        diagnostic = Diagnostic(code="LRS601", message=message, help=repair)
        self.refused = LrsError([diagnostic], self._plan.program.source)
        return self.refused

    def _answer(self, key: Key) -> bool:
        first: bool | None = None
        for plan, when in _possible(self._plan):
            assert plan.total_steps is not None
            for start in range(0, plan.total_steps, _BLOCK):
                count = min(_BLOCK, plan.total_steps - start)
                values = {name: self._window(name, start, count, plan) for name in self.names}
                answers = np.broadcast_to(_computed(key, values), count)
                if first is None:
                    first = bool(answers[0])
                other = np.flatnonzero(answers != first)
                if other.size:
                    raise self.refusal(
                        f"{spelled(key)} is {first} at step 0 and {not first} at step "
                        f"{start + int(other[0])}{when}, and the update is another one then",
                        "let it be so at every step, or at none",
                    )
        assert first is not None
        return first

    def _note(self, key: Any) -> None:
        if isinstance(key, tuple):
            if len(key) == 1:
                self._read.add(key[0])
            for part in key[1:]:
                self._note(part)

    def _column(self, key: Key) -> NDArray[np.float64]:
        values = {name: self._window(name, self._start, self._width) for name in self.names}
        try:
            column = np.array(np.broadcast_to(_computed(key, values), self._width), np.float64)
        except ArithmeticError:
            column = np.full(self._width, np.nan)
        if not np.isfinite(column).all():
            step = self._start + int(np.flatnonzero(~np.isfinite(column))[0])
            raise self.refusal(
                f"{spelled(key)} is no number at step {step}",
                "let the schedule stay where the update can use it",
            )
        return column

    def _window(
        self, name: str, start: int, count: int, plan: Plan | None = None
    ) -> NDArray[np.float64]:
        plan = plan or self._plan
        total = plan.total_steps
        assert total is not None
        stop = min(start + count, total)
        steps = range(min(start, total - 1), max(stop, 1))
        values = plan.values(steps, target=self.names[name])
        return np.append(values, np.full(count - len(values), values[-1]))


def _possible(plan: Plan) -> Iterator[tuple[Plan, str]]:
    """Yield a plan, and what metrics may make of it, each with words that say when."""
    yield plan, ""
    expected = outlook(plan)
    for way in () if expected is None else expected.ways:
        yield way.plan, f", {way.words}"


class _Held:
    """Lets attributes be others, until all who want that have done with it.

    The replicas of a distribution strategy are threads of which one runs at a time: all of
    them are within the update at once, and none may take its floats from the others.
    """

    def __init__(self, holder: Any) -> None:
        self._holder = holder
        self._former: dict[str, Any] = {}
        self.count = 0

    @contextmanager
    def attributes(self, values: Mapping[str, Any]) -> Iterator[None]:
        if self.count == 0:
            self._former = {name: vars(self._holder)[name] for name in values}
        vars(self._holder).update(values)  # not through `setattr`, which tracks
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
            if self.count == 0:
                vars(self._holder).update(self._former)
