"""How a rate gets into the train step, which is another way on each of Keras's backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lrdsl.plan import Plan

LEFT: WeakKeyDictionary[Any, np.float32] = WeakKeyDictionary()
"""The rate that each optimizer was left with."""


class Feed(Protocol):
    """Feeds a model's train step with rates, and tells which rates it used."""

    size: int
    """How many steps can be fed at once."""

    has_stepped: bool

    on_detach: Callable[[], None]
    """Called before the feed lets go, while it can still tell what the last steps used."""

    def attach(self) -> None:
        """Take over the optimizer's rate."""

    def detach(self) -> None:
        """Leave model and optimizer as they were, but for the rate; any number of times."""

    def lost(self) -> str | None:
        """Return why the train step is no longer ours, None while it is.  Cheap."""

    def feed(self, rates: NDArray[np.float32], start: int) -> None:
        """Give the rates of the steps from `start` on, at most `size`; any beyond have 0."""

    def used(self) -> tuple[int, NDArray[np.float32]]:
        """Return how many steps have run since `feed`, and the rates they used."""

    def last_targets(self) -> dict[str, float]:
        """Return what the last step that ran used of the other targets."""

    def last_used(self) -> np.float32 | None:
        """Return the rate of the last step that ran, None if none has."""


def make_feed(model: Any, plan: Plan) -> Feed:
    """Return a feed of a plan for the backend that Keras runs on."""
    backend = keras.backend.backend()
    if backend == "jax":
        from lrdsl.training.feeds.jax import JaxFeed

        return JaxFeed(model, plan)
    if backend == "torch":
        from lrdsl.training.feeds.torch import TorchFeed

        return TorchFeed(model, plan)
    from lrdsl.training.feeds.tensorflow import RateFeed

    return RateFeed.of(model, plan)


def apply_name() -> str:
    """Return the method of an optimizer that a train step calls once for each batch."""
    return "stateless_apply" if keras.backend.backend() == "jax" else "apply"


def rate_owner(optimizer: Any) -> Any:
    """Return the optimizer that holds the rate: the inner one of a LossScaleOptimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def rate_variable(optimizer: Any) -> Any:
    """Return where the optimizer keeps its rate: a variable, a schedule or a function."""
    return getattr(rate_owner(optimizer), "_learning_rate", None)


def rate_left_in(model: Any) -> np.float32 | None:
    """Return the last rate that we had the model's optimizer use, None if there is none."""
    shadow = vars(model).get("make_train_function")
    feed = getattr(shadow, "__self__", None)
    if feed is not None and hasattr(feed, "last_used"):  # of a `fit` that broke off
        rate: np.float32 | None = feed.last_used()
        return rate
    return LEFT.get(model.optimizer)
