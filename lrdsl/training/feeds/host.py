"""What the feeds of JAX and torch share: Keras steps through batches in Python there.

On both backends one step is one Python call, also with `steps_per_execution` above 1 (JAX
loops in Python over its compiled step).  So table, position and tape are Python's, and the
rate is data of the step: an argument on JAX, an assignment on torch.  Nothing of ours is in
the state of model or optimizer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.feeds import LEFT
from lrdsl.training.feeds.all_targets import AllTargets
from lrdsl.training.feeds.keeping import UNTRACK, keeping_rate
from lrdsl.training.feeds.parts import parts_of

if TYPE_CHECKING:
    from lrdsl.plan import Plan

WINDOW = 512
"""Steps held at once.  On these backends it costs nothing but the tape's scalars."""


class HostFeed:
    """Feeds a model's train step with rates, and tells which rates it used."""

    _APPLY = "apply"
    """The method of an optimizer that the train step calls once for each batch."""

    def __init__(self, model: Any, plan: Plan, make_columns: Callable[[], Any] | None) -> None:
        self._model = model
        self._optimizer = model.optimizer
        self._parts = parts_of(model.optimizer)
        self._variables = [part.rate for part in self._parts]
        self._source = plan.program.source
        self.size = max(WINDOW, int(model.steps_per_execution))
        self.has_stepped = False
        self.on_detach: Callable[[], None] = lambda: None

        self._plan = plan
        self._targets = AllTargets(self._parts, plan, self.size + 1, make_columns)
        self._start = 0

        parts = len(self._parts)
        self._none = np.zeros(parts, np.float32)  # for steps that nobody planned
        self._table = np.empty((0, parts), np.float32)
        self._tape: list[Any] = []  # of the backend's arrays: to read one is to wait for it
        self._last_used: NDArray[np.float32] | None = None

        self._attached = False
        self._shadows: list[tuple[Any, str, Any, Any]] = []
        self._former_function: Any = None
        self._our_function: Any = None
        self._apply: Any = None

        # What is known while a step runs, or is traced.
        self._in_step = False
        self._in_apply = False
        self._applications = 0
        self._given: list[Any] = []  # what each part's first update was given
        self._refused: LrsError | None = None

    # -- Of the backend --------------------------------------------------------------------

    def _wrap(self, function: Any) -> Any:
        """Return a train function like Keras's own `function` that asks us for its rates."""
        raise NotImplementedError

    def _shadow_apply(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _update_methods(self, owner: Any) -> list[str]:
        """Return the methods, one of which every update by `owner` goes through."""
        raise NotImplementedError

    def _note_given(self, learning_rate: Any) -> Any:
        """Return what `learning_rate` is at this moment."""
        raise NotImplementedError

    def _read(self, tape: list[Any]) -> NDArray[np.float32]:
        """Return what was noted, a row for each step."""
        raise NotImplementedError

    # -- Attaching ---------------------------------------------------------------------

    def attach(self) -> None:
        """Take over the optimizer's rate."""
        other = getattr(vars(self._optimizer).get(self._APPLY), "__self__", None)
        if isinstance(other, HostFeed):  # left by a `fit` of another model that broke off
            other.detach()
        self._apply = getattr(self._optimizer, self._APPLY)
        self._shadow(self._optimizer, self._APPLY, self._shadow_apply)
        for number, part in enumerate(self._parts):
            for name in self._update_methods(part.optimizer):
                update = getattr(part.optimizer, name)
                self._shadow(part.optimizer, name, self._noting(number, update))
            keep = keeping_rate(part, self._model, self._source)
            self._shadow(part.optimizer, UNTRACK, keep)
        self._shadow(self._model, "make_train_function", self._shadow_make_train_function)
        self._attached = True
        try:
            self._take_function()
        except BaseException:  # what the update reads is found by tracing it
            self.detach()
            raise

    def detach(self) -> None:
        """Leave model and optimizer as they were, but for the rate; any number of times."""
        if not self._attached:
            return
        self.note_left()
        self.on_detach()
        self._attached = False
        for holder, name, former, ours in reversed(self._shadows):
            if vars(holder).get(name) is not ours:
                continue  # somebody shadowed ours, which lets all pass from now on
            if former is None:
                del vars(holder)[name]
            else:
                vars(holder)[name] = former
        self._shadows.clear()
        if self._model.train_function is self._our_function:
            self._model.train_function = self._former_function
        self._our_function = self._former_function = None

    def lost(self) -> str | None:
        """Return why the train step is no longer ours, None while it is.  Cheap."""
        model = self._model
        if self._attached and model.train_function is self._our_function:
            return None
        if model.optimizer is not self._optimizer:
            return "the model was compiled again while `fit` ran"
        return "the model was trained by another call, or its train function was replaced"

    def _shadow(self, holder: Any, name: str, ours: Callable[..., Any]) -> None:
        # Into the instance's dictionary: Keras looks into what `setattr` is given.
        self._shadows.append((holder, name, vars(holder).get(name), ours))
        vars(holder)[name] = ours

    def _take_function(self) -> None:
        self._former_function = self._model.train_function
        self._our_function = self._wrap(self._former_function)
        self._model.train_function = self._our_function

    def _shadow_make_train_function(self, force: bool = False) -> Any:
        """Stay when a callback of this `fit` asks for a new trace; leave otherwise.

        Every `fit` and `train_on_batch` calls this before anything else.  So whatever ended
        the `fit` that we belong to, no later one trains with a table that nobody fills.
        """
        if force and self._attached and self._model.optimizer is self._optimizer:
            type(self._model).make_train_function(self._model, force=True)
            self._take_function()
            return None
        self.detach()
        return self._model.make_train_function(force=force)

    # -- Within a step -------------------------------------------------------------------

    def _begin_step(self) -> None:
        self._applications = 0
        self._in_step = True

    def _begin_apply(self) -> None:
        name = self._APPLY
        self._applications += 1
        if self._applications > 1:
            raise self._refusal(
                f"the train step calls `optimizer.{name}` more than once for a batch",
                f"let `train_step` call `self.optimizer.{name}` once for each batch",
            )
        self._given = [None] * len(self._parts)
        self._in_apply = True

    def _check_applied(self) -> None:
        if self._applications == 0:
            raise self._refusal(
                f"the train step does not call `optimizer.{self._APPLY}`",
                f"let `train_step` call `self.optimizer.{self._APPLY}` once for each batch, "
                "and the model have trainable weights",
            )

    def _noting(self, part: int, update: Callable[..., Any]) -> Callable[..., Any]:
        def noting(grads: Any, variables: Any, learning_rate: Any, *args: Any) -> Any:
            if self._attached and self._in_step:
                if not self._in_apply:
                    raise self._refusal(
                        f"the train step updates weights without `optimizer.{self._APPLY}`",
                        f"let `train_step` call `self.optimizer.{self._APPLY}` once for each "
                        "batch",
                    )
                if self._given[part] is None:
                    self._given[part] = self._note_given(learning_rate)
            return update(grads, variables, learning_rate, *args)

        return noting

    def _refusal(self, message: str, repair: str) -> LrsError:
        diagnostic = Diagnostic(code="LRS601", message=message, help=repair)
        self._refused = LrsError([diagnostic], self._source)
        return self._refused

    # -- Rates in, rates out -------------------------------------------------------------

    def feed(self, rates: NDArray[np.float32], start: int) -> None:
        """Give the rates of the steps from `start` on, at most `size`; any beyond have 0."""
        self._note_last_used()
        self._table = np.array(rates, np.float32, order="C")
        self._tape = []
        self._start = start
        self._targets.go_to(start)

    def used(self) -> tuple[int, NDArray[np.float32]]:
        """Return how many steps have run since `feed`, and the rates they used."""
        tape = list(self._tape)  # another thread may ask beside a running step
        none = np.empty((0, len(self._parts)), np.float32)
        return len(tape), self._read(tape[: self.size]) if tape else none

    def follow(self, plan: Plan) -> bool:
        """Take a plan that differs in steps to come; return whether the step suits it."""
        return self._targets.follow(plan)

    def last_targets(self) -> dict[str, float]:
        """Return what the last step that ran used of the other targets."""
        count = len(self._tape)
        return self._targets.values(self._start + count - 1) if count else {}

    def last_used(self) -> NDArray[np.float32] | None:
        """Return the rates of the last step that ran, None if none has."""
        if self._attached:
            self._note_last_used()
        return self._last_used

    def note_left(self) -> None:
        """Note in `LEFT` what each part was left with."""
        last = self.last_used()
        if last is not None:
            LEFT.update(zip((part.optimizer for part in self._parts), last, strict=True))

    def _note_last_used(self) -> None:
        if self._tape:
            self._last_used = self._read(self._tape[-1:])[0]

    def _own_floats(self) -> AbstractContextManager[None]:
        """Let the optimizer have the running step's floats, while it updates in Python."""
        if not self._targets:
            return nullcontext()
        return self._targets.plain(self._start + len(self._tape))

    def _next_rates(self) -> NDArray[np.float32]:
        position = len(self._tape)
        return self._table[position] if position < len(self._table) else self._none
