"""What a module written by `lrdsl compile` does with its plan.

The exporter copies this file and the ones that it imports into the module, so nothing here
may need more than NumPy, and Keras where a callback is asked for.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lrdsl.numeric.exact import Exact
from lrdsl.planning.evaluate import evaluate_at
from lrdsl.planning.formula import from_data

_STEPS_AT_ONCE = 2**15


def plan_values(
    plan: dict[str, Any], steps: ArrayLike | None = None, target: str = "lr"
) -> NDArray[np.float64]:
    """Return a target's values at steps of the plan, at all of them by default."""
    formula = from_data(plan["formulas"][target])
    chosen = np.arange(plan["steps"]) if steps is None else np.asarray(steps)
    keys = chosen.astype(np.int64).ravel()
    if keys.size and not 0 <= keys.min() <= keys.max() < plan["steps"]:
        raise IndexError(f"the training has steps 0 to {plan['steps'] - 1}")
    result = np.empty(keys.size)
    for low in range(0, keys.size, _STEPS_AT_ONCE):
        part = Exact(keys[low : low + _STEPS_AT_ONCE], Fraction(1), Fraction(0))
        result[low : low + _STEPS_AT_ONCE] = evaluate_at(formula, part)
    return result.reshape(chosen.shape)


def plan_callback(plan: dict[str, Any], snapshots: str = "snapshots") -> Any:
    """Return a Keras callback that sets the plan's rate before every batch of `fit`."""
    import keras

    class Schedule(keras.callbacks.Callback):  # type: ignore[misc]
        """Sets the rate of each step; what it cannot do exactly it refuses."""

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            others = [name for name in plan["formulas"] if name != "lr"]
            rate = getattr(self.model.optimizer, "_learning_rate", None)
            if plan["drops snapshots"]:
                raise ValueError("this callback keeps all snapshots, and the plan does not")
            if others:
                raise ValueError(f"this callback sets only the rate, not {', '.join(others)}")
            if isinstance(self.model.optimizer, keras.optimizers.MultiOptimizer):
                raise ValueError("this callback sets the rate of one optimizer, not of parts")
            if getattr(self.model, "steps_per_execution", 1) != 1:
                raise ValueError("a rate for every step needs steps_per_execution=1")
            if callable(rate) or not hasattr(rate, "assign"):
                raise ValueError("give the optimizer a number as its learning rate")
            for name, here in (
                ("epochs", self.params.get("epochs")),
                ("steps per epoch", self.params.get("steps")),
            ):
                if here != plan[name]:
                    raise ValueError(f"planned for {plan[name]} {name}, but fit has {here}")
            self._epoch = 0

        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self._epoch = epoch
            first = epoch * plan["steps per epoch"]
            end = min(first + plan["steps per epoch"], plan["steps"])
            steps = np.arange(first, end)
            self._rates = plan_values(plan, steps).astype(np.float32)

        def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            # Through the model each time: on JAX an optimizer kept from before is stale.
            self.model.optimizer.learning_rate.assign(self._rates[batch])
            done = self._epoch * plan["steps per epoch"] + batch + 1
            if done == plan["steps"] < plan["epochs"] * plan["steps per epoch"]:
                self.model.stop_training = True  # looked at after the batch: it is the last

        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            step = self._epoch * plan["steps per epoch"] + batch
            if step in plan["snapshots"]:
                index = plan["snapshots"].index(step) + 1
                folder = Path(snapshots)
                folder.mkdir(parents=True, exist_ok=True)
                partial = folder / f"partial-{index:02d}.keras"
                self.model.save(partial)
                with partial.open("rb+") as file:
                    os.fsync(file.fileno())
                partial.replace(folder / f"snapshot-{index:02d}.keras")

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            if logs is not None:
                logs["learning_rate"] = float(self._rates[-1])

    return Schedule()
