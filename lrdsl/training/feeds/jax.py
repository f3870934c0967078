"""The rate from inside the compiled train step, on the JAX backend.

Keras's JAX step is a pure function of the model's state and a batch, compiled alone; a loop
in Python runs it `steps_per_execution` times.  Ours is that step with one argument and one
result more: the rates in, the rates that the updates were given out.  Keras's own loop runs
it.  The state stays what Keras made it, so whatever reads, saves, donates or purges it finds
nothing of ours, and a rate that changes is data, never a reason to trace again.
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import jax
import jax.extend
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.training.feeds.host import HostFeed
from lrdsl.training.feeds.targets import Scheduled, Slot

if TYPE_CHECKING:
    from lrdsl.plan import Plan

_STATE = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)
_KEPT = "_lrdsl_step"

# A jitted function of `jax.numpy`, such as `clip`, takes no `__jax_array__`, but takes a tree.
jax.tree_util.register_pytree_node(
    Scheduled, lambda number: ((number.as_tensor(),), None), lambda _, leaves: leaves[0]
)


class _Step:
    """A compiled train step; outlives the `fit` it was made for, so that it is traced once.

    It hangs on the train function that Keras made for the same model and settings, and goes
    with it: when the model is compiled again, or a new trace is asked for.
    """

    def __init__(self, feed: JaxFeed) -> None:
        self.feed: JaxFeed | None = feed  # only while attached
        self.optimizer = feed._optimizer
        self.places = feed._places
        train_step = feed._model.train_step

        @functools.wraps(train_step)
        def step(state: Any, rates: Any, numbers: Any, data: Any) -> Any:
            assert self.feed is not None
            return self.feed._step(train_step, state, rates, numbers, data)

        self.is_compiled = not feed._model.run_eagerly and bool(feed._model.jit_compile)
        self.call: Any = jax.jit(step, donate_argnums=0) if self.is_compiled else step
        self.targets = feed._targets
        if self.targets and self.is_compiled:
            feed.find_columns()

    def serves(self, feed: JaxFeed) -> bool:
        return (
            self.optimizer is feed._optimizer
            and self.places == feed._places
            and self.targets.follow(feed._plan)
        )


class _Columns:
    """Tables on the host, one number of each an argument of the compiled step.

    The step must be given all of them when it is traced, so the update alone is traced
    before, without running it, to learn which there are.
    """

    stand_in = Scheduled

    def __init__(self) -> None:
        self.tables: dict[Slot, list[float]] = {}
        self.running: dict[Slot, Any] | None = None

    def make(self, slot: Slot, values: NDArray[np.float64]) -> None:
        self.tables[slot] = values.tolist()

    def fill(self, slot: Slot, values: NDArray[np.float64]) -> None:
        self.tables[slot] = values.tolist()

    def look_up(self, slot: Slot, *, weak: bool) -> Any:
        # A number of Python's becomes an argument that takes the type of what it meets.
        number = 1.0 if self.running is None else self.running[slot]
        return number if weak else jnp.asarray(number, slot[1])

    def numbers(self, position: int) -> tuple[float, ...]:
        """Return what the step at a place of the tables is given."""
        return tuple(table[min(position, len(table) - 1)] for table in self.tables.values())


class JaxFeed(HostFeed):
    """Feeds a model's train step with rates, and tells which rates it used."""

    _APPLY = "stateless_apply"

    def __init__(self, model: Any, plan: Plan) -> None:
        super().__init__(model, plan, _Columns)
        self._kept: _Step | None = None
        self._fed: Any = None
        self._applied: Any = None  # what `apply` gave for the tape
        self._trace: Any = None  # of the step
        self._state: Any = None  # what the running step was given

    @property
    def _places(self) -> list[int]:
        """Where the rates lie in the optimizer's state; a callback may build more of it."""
        ids = [id(variable) for variable in self._optimizer.variables]
        return [ids.index(id(variable)) for variable in self._variables]

    def detach(self) -> None:
        """Leave model and optimizer as they were, but for the rate; any number of times."""
        super().detach()
        if self._kept is not None:
            self._kept.feed = None
        self._kept = None

    def _wrap(self, function: Any) -> Any:
        kept = vars(function).get(_KEPT)
        if kept is None or not kept.serves(self):
            kept = vars(function)[_KEPT] = _Step(self)
        kept.feed = self
        self._kept = kept
        self._targets = kept.targets

        def step(state: Any, data: Any) -> Any:
            self._state = state
            place = len(self._tape)
            numbers = [columns.numbers(place) for columns in self._targets.columns]
            logs, state, used = kept.call(state, self._next_rates(), numbers, data)
            self._tape.append(used)
            self.has_stepped = True
            return logs, state

        # Keras's loop over the steps of an execution, which knows where data end.
        loop = self._model._make_function(step)

        def train_function(state: Any, iterator: Any) -> Any:
            if not self._attached:  # a function that somebody kept from an earlier fit
                return function(state, iterator)
            try:
                return loop(state, iterator)
            except Exception:
                refused = self._refused or self._targets.refused
                if refused is None:
                    raise
                # Keras has taken the weights out of the model, and puts back what is here.
                # The state is whole: a step is refused before its compiled form has run.
                self._model._jax_state = dict(zip(_STATE, self._state, strict=True))
                self._model._jax_state_synced = False
                self.detach()
                raise refused from None
            finally:
                self._state = None

        return train_function

    def find_columns(self) -> None:
        """Trace the update alone, to learn what it reads of the schedule."""
        shapes = [
            jax.ShapeDtypeStruct(v.shape, v.dtype) for v in self._model.trainable_variables
        ]
        state = [jax.ShapeDtypeStruct(v.shape, v.dtype) for v in self._optimizer.variables]

        def update(state: Any, gradients: Any, weights: Any) -> Any:
            with self._targets.standing_in():
                return self._optimizer.stateless_apply(state, gradients, weights)

        jax.eval_shape(update, state, shapes, shapes)

    def _step(self, train_step: Any, state: Any, rates: Any, numbers: Any, data: Any) -> Any:
        """Run a step, or trace it."""
        self._fed = rates
        for columns, given in zip(self._targets.columns, numbers, strict=True):
            columns.running = dict(zip(columns.tables, given, strict=True))
        self._applied = None
        self._trace = _running_trace()
        self._begin_step()
        try:
            logs, state = train_step(state, data)
            self._check_applied()
            return logs, state, self._applied
        finally:
            self._in_step = self._in_apply = False
            for columns in self._targets.columns:
                columns.running = None
            self._fed = self._applied = self._trace = None
            self._given = []  # holds no tracer when the trace is over

    def _shadow_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple[Any, Any]:
        if not (self._attached and self._in_step):
            untouched: tuple[Any, Any] = self._apply(
                optimizer_variables, grads, trainable_variables
            )
            return untouched
        self._begin_apply()
        if _running_trace() != self._trace:
            raise self._refusal(
                "the train step calls `optimizer.stateless_apply` within a loop, a condition "
                "or a compiled function of its own",
                "let `train_step` call `self.optimizer.stateless_apply` once for each batch, "
                "outside of `jax.lax` loops and conditions and of `jax.jit`",
            )
        state = list(optimizer_variables)
        places = self._places
        for part, place in enumerate(places):
            state[place] = jnp.asarray(self._fed[part])
        try:
            with self._scheduled_floats():
                weights, state = self._apply(state, grads, trainable_variables)
        finally:
            self._in_apply = False
        # An update under a condition (loss scaling) gave nothing that can be used out here:
        # then it is the rate as `apply` left it.
        used = [
            state[place] if given is None else given
            for place, given in zip(places, self._given, strict=True)
        ]
        self._applied = jnp.stack([jnp.asarray(rate, jnp.float32) for rate in used])
        return weights, state

    def _scheduled_floats(self) -> AbstractContextManager[None]:
        assert self._kept is not None
        if self._targets and self._kept.is_compiled:
            return self._targets.standing_in()
        return self._own_floats()

    def _update_methods(self, owner: Any) -> list[str]:
        return ["update_step"]

    def _note_given(self, learning_rate: Any) -> Any:
        if _running_trace() != self._trace:
            return None
        return keras.ops.convert_to_tensor(learning_rate)

    def _read(self, tape: list[Any]) -> NDArray[np.float32]:
        (device,) = tape[0].devices()
        if device.platform == "cpu":  # a tenth of the time, since nothing is copied
            return np.stack([np.asarray(rates) for rates in tape])
        return np.stack(jax.device_get(tape))


def _running_trace() -> Any:
    """Return what is equal as long as the same function is being traced, or none is."""
    return jax.extend.core.get_opaque_trace_state(convention="flax")
