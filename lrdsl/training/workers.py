"""The processes that train one model together: which of them writes, and that all agree.

Keras does the training, by `tf.distribute.MultiWorkerMirroredStrategy`.  Every process runs
the same script and has its own callback.  One of them, the chief, writes files and speaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import keras
import numpy as np

from lrdsl.diagnostics import Diagnostic, LrsError

if TYPE_CHECKING:
    from lrdsl.source import SourceText

T = TypeVar("T")

_REFUSED = 1
_READY = 2


class Workers:
    """The processes that a model is trained by, as seen from one of them.

    Attributes:
        count: how many there are.
        number: which one this is, from 0.
        is_chief: whether it is the one that writes.
    """

    def __init__(self, model: Any) -> None:
        self.count, self.number, self.is_chief = 1, 0, True
        self._strategy: Any = None
        self._has_agreed = False
        if keras.backend.backend() != "tensorflow":
            return
        strategy = model.distribute_strategy
        resolver = strategy.cluster_resolver
        if resolver is None or resolver.task_type is None or not _is_multi_worker(strategy):
            return
        cluster = resolver.cluster_spec().as_dict()
        chiefs = len(cluster.get("chief", ()))
        self.count = chiefs + len(cluster.get("worker", ()))
        self.number = resolver.task_id
        if resolver.task_type == "worker":
            self.number += chiefs
        self.is_chief = self.number == 0
        self._strategy = strategy

    @contextmanager
    def together(self, source: SourceText) -> Iterator[None]:
        """Tell the others if this one refuses; without that they would wait for it."""
        self._has_agreed = False
        try:
            yield
        except (Exception, SystemExit):
            if not self._has_agreed and self.count > 1:
                with suppress(Exception):
                    self._exchange(_REFUSED, "")
            raise
        if not self._has_agreed:
            self.agree("nothing to train", source)

    def agree(self, plan: str, source: SourceText) -> None:
        """Wait for the others, and see that all are to do the same.

        Args:
            plan: all that the rates depend on.
            source: what a refusal shows.

        Raises:
            LrsError: another one refuses, or follows another plan.
        """
        self._has_agreed = True
        if self.count == 1:
            return
        told = self._exchange(_READY, plan)
        for other, theirs in enumerate(told):
            if theirs[0] != _READY:
                raise _refusal(
                    f"worker {other} does not begin",
                    f"what worker {other} prints says why",
                    source,
                )
            if theirs != told[0]:
                raise _refusal(
                    f"worker {other} does not follow the plan of worker 0",
                    "run the same script with the same schedule on all machines; a folder "
                    "for the state must be on a disk that all of them see",
                    source,
                )

    def of_chief(self, values: Mapping[str, float | None]) -> dict[str, float]:
        """Return the values that the chief has, without those that are None there.

        Each process validates on data of its own, and all must decide alike.
        """
        if self.count == 1:
            return {name: value for name, value in values.items() if value is not None}
        import tensorflow as tf

        row = [value for one in values.values() for value in (one is not None, one or 0.0)]
        said = tf.constant([[float(self.number), *map(float, row)]], tf.float64)
        given = self._strategy.experimental_distribute_values_from_function(lambda _: said)
        told = self._strategy.gather(given, axis=0).numpy().tolist()
        chief = min(told)[1:]
        pairs = zip(values, chief[::2], chief[1::2], strict=True)
        return {name: value for name, is_there, value in pairs if is_there}

    def alone(self, function: Callable[[], T]) -> T:
        """Call what only one of the processes does, and return what it returns.

        Where `fit` runs within the strategy's scope, making a variable waits for all others
        to do the same, and saving a model makes some.  Another thread is in no scope.
        """
        if self.count == 1:
            return function()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(function).result()

    def _exchange(self, word: int, plan: str) -> list[list[int]]:
        """Return what each worker says, in their order."""
        import tensorflow as tf

        digest = np.frombuffer(hashlib.sha256(plan.encode()).digest(), np.int32)
        said = tf.constant([[self.number, word, *digest.tolist()]], tf.int32)
        values = self._strategy.experimental_distribute_values_from_function(lambda _: said)
        told = self._strategy.gather(values, axis=0).numpy().tolist()
        return [one[1:] for one in sorted(told)]


def _is_multi_worker(strategy: Any) -> bool:
    import tensorflow as tf

    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def _refusal(message: str, repair: str, source: SourceText) -> LrsError:
    return LrsError([Diagnostic(code="LRS601", message=message, help=repair)], source)
