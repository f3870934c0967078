"""Train steps of a user's own, in the form that the running backend asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from .settings import BACKEND


class AsTheirs:
    """What such a step does with its gradients, in one form for all backends."""

    def __init__(self, apply: Callable[[], None], change: Callable[[], None]) -> None:
        self.apply = apply
        """Apply the optimizer, in the one way that is exact."""
        self.change = change
        """Change the weights without it."""


def model_class(step: Callable[[AsTheirs], None]) -> Any:
    """Return a class of models whose train step does `step` with each batch's gradients."""
    own = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}[BACKEND]
    return type("Own", (keras.Model,), {"train_step": own(step)})


def _on_tensorflow(step: Callable[[AsTheirs], None]) -> Any:
    import tensorflow as tf

    def train_step(self: Any, data: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=data[1], y_pred=self(data[0], training=True))
        weights = self.trainable_variables
        gradients = tape.gradient(loss, weights)
        step(
            AsTheirs(
                lambda: self.optimizer.apply(gradients, weights),
                lambda: [weight.assign_sub(weight * 0 + 1) for weight in weights][-1],
            )
        )
        return {"loss": loss}

    return train_step


def _on_jax(step: Callable[[AsTheirs], None]) -> Any:
    import jax

    def train_step(self: Any, state: Any, data: Any) -> Any:
        weights, others, optimizer, metrics = state
        differentiate = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, (_, _, others, metrics)), gradients = differentiate(
            weights, others, metrics, *data, None, training=True, optimizer_variables=optimizer
        )

        def apply() -> None:
            nonlocal weights, optimizer
            weights, optimizer = self.optimizer.stateless_apply(optimizer, gradients, weights)

        def change() -> None:
            nonlocal weights
            weights = [weight - 1 for weight in weights]

        step(AsTheirs(apply, change))
        return {"loss": loss}, (weights, others, optimizer, metrics)

    return train_step


def _on_torch(step: Callable[[AsTheirs], None]) -> Any:
    import torch

    def train_step(self: Any, data: Any) -> Any:
        self.zero_grad()
        loss = self.compute_loss(y=data[1], y_pred=self(data[0], training=True))
        loss.backward()
        weights = self.trainable_weights
        gradients = [weight.value.grad for weight in weights]
        with torch.no_grad():
            step(
                AsTheirs(
                    lambda: self.optimizer.apply(gradients, weights),
                    lambda: [weight.assign(weight - 1) for weight in weights][-1],
                )
            )
        return {"loss": loss}

    return train_step
