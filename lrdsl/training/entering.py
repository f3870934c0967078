"""Having Keras's `fit` begin with a later epoch, and hearing of its first and its end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def begin_with(model: Any, epoch: int, callback_list: Any) -> None:
    """Have the `fit` of these callbacks, and no other, begin with an epoch."""
    model._initial_epoch = _FirstEpoch(epoch, callback_list)


def forget_epoch(model: Any) -> None:
    """Have the next `fit` begin where it is told to."""
    model._initial_epoch = None


def before_first_epoch(callback_list: Any, act: Callable[[], None]) -> None:
    """Call `act` once, before any callback hears that an epoch begins."""
    dispatch = callback_list.on_epoch_begin

    def on_epoch_begin(epoch: int, logs: dict[str, Any] | None = None) -> None:
        vars(callback_list).pop("on_epoch_begin", None)
        act()
        dispatch(epoch, logs)

    callback_list.on_epoch_begin = on_epoch_begin


def around_train_end(
    callback_list: Any, before: Callable[[], None], after: Callable[[], None]
) -> None:
    """Call one function before any callback hears of the end, and one after all have."""
    dispatch = callback_list.on_train_end

    def on_train_end(logs: dict[str, Any] | None = None) -> None:
        vars(callback_list).pop("on_train_end", None)
        before()
        dispatch(logs)
        after()

    callback_list.on_train_end = on_train_end


class _FirstEpoch(int):
    """The epoch that one `fit` begins with; for any other it counts as 0.

    Keras asks `model._initial_epoch or initial_epoch`, and never takes it away again.
    """

    _callbacks: Any

    def __new__(cls, epoch: int, callbacks: Any) -> _FirstEpoch:
        one = super().__new__(cls, epoch)
        one._callbacks = callbacks
        return one

    def __bool__(self) -> bool:
        return sys._getframe(1).f_locals.get("callbacks") is self._callbacks
