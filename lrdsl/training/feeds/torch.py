"""The rate from inside the train step, on the torch backend.

A step runs in Python here, so the optimizer's `apply`, shadowed on the instance for the time
of one `fit`, assigns the running step's rate, applies, and notes the rate that the update was
given.  Where the model is compiled (`jit_compile=True`), `torch.compile` is told to leave our
`apply` alone: the update then runs as it does without compiling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import torch
from numpy.typing import NDArray

from lrdsl.training.feeds.host import HostFeed

if TYPE_CHECKING:
    from lrdsl.plan import Plan


class TorchFeed(HostFeed):
    """Feeds a model's train step with rates, and tells which rates it used."""

    _APPLY = "apply"

    def __init__(self, model: Any, plan: Plan) -> None:
        super().__init__(model, plan, None)  # updates read the floats as they run

    def _wrap(self, function: Any) -> Any:
        def train_function(data: Any) -> Any:
            if not self._attached:  # a function that somebody kept from an earlier fit
                return function(data)
            held = self._hold()
            self._begin_step()
            try:
                logs = function(data)
                self._check_applied()
            except Exception:
                if self._refused is None:
                    raise
                with torch.no_grad():
                    for variable, value in held:
                        variable.assign(value)
                self.detach()
                raise self._refused from None
            finally:
                self._in_step = self._in_apply = False
                self._given = []
            self.has_stepped = True
            return logs

        return train_function

    # torch.compile would take our counts for constants, and compile each step anew.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _shadow_apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        if not (self._attached and self._in_step):
            return self._apply(grads, trainable_variables)
        self._begin_apply()
        for variable, rate in zip(self._variables, self._next_rates(), strict=True):
            variable.assign(rate)
        try:
            with self._own_floats():
                result = self._apply(grads, trainable_variables)
        finally:
            self._in_apply = False
        # A part that did not update (accumulation, loss scaling) has the rate still.
        used = [
            self._note_given(variable) if given is None else given
            for variable, given in zip(self._variables, self._given, strict=True)
        ]
        self._tape.append(used)
        return result

    def _update_methods(self, owner: Any) -> list[str]:
        # torch has all weights updated at once, where Keras knows how.
        name = "_parallel_update_step"
        return [name if hasattr(owner, name) else "update_step"]

    def _note_given(self, learning_rate: Any) -> Any:
        tensor = keras.ops.convert_to_tensor(learning_rate, "float32")
        return tensor.detach().clone()  # a variable's tensor is written in place

    def _read(self, tape: list[Any]) -> NDArray[np.float32]:
        rows = torch.stack([rate for row in tape for rate in row])
        read: NDArray[np.float32] = rows.cpu().numpy().reshape(len(tape), -1)
        return read

    def _hold(self) -> list[tuple[Any, Any]]:
        # What is refused has run by then: the first step is undone.
        if self.has_stepped:
            return []
        variables = [*self._model.variables, *self._optimizer.variables]
        return [(variable, variable.value.detach().clone()) for variable in variables]
