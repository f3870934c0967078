"""How a rate gets into the train step, which is another way on each of Keras's backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.training.feeds.parts import Rates, parts_of

if TYPE_CHECKING:
    from lrdsl.plan import Plan

LEFT: WeakKeyDictionary[Any, np.float32] = WeakKeyDictionary()
"""The rate that each optimizer, or part of one, was left with."""


class Feed(Protocol):
    """Feeds a model's train step with rates, and tells which rates it used.

    Arrays of rates have a row for each step, and a column for each part of the optimizer.
    """

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

    def follow(self, plan: Plan) -> bool:
        """Take a plan that differs in steps to come; return whether the step suits it."""

    def last_targets(self) -> dict[str, float]:
        """Return what the last step that ran used of the other targets."""

    def last_used(self) -> NDArray[np.float32] | None:
        """Return the rates of the last step that ran, None if none has."""

    def note_left(self) -> None:
        """Note in `LEFT` what each part was left with."""


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


def note_left(optimizer: Any, rates: Rates, last: NDArray[np.float32]) -> None:
    """Note in `LEFT` what the parts of an optimizer were left with, as `rates` has them."""
    row = np.atleast_1d(last)
    for part, number in zip(parts_of(optimizer), rates.of_part, strict=True):
        LEFT[part.optimizer] = row[number]


def rate_left_in(model: Any, optimizer: Any) -> np.float32 | None:
    """Return the last rate that we had a model's optimizer, or a part of it, use.

    None if there is none.
    """
    shadow = vars(model).get("make_train_function")
    feed = getattr(shadow, "__self__", None)
    if feed is not None and hasattr(feed, "note_left"):  # of a `fit` that broke off
        feed.note_left()
    return LEFT.get(optimizer)
