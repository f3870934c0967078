"""The Keras callback that sees how a `fit` goes, for what is told of it; it changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.training.itinerary import metrics_in
from lrdsl.training.progress import Progress

if TYPE_CHECKING:
    from types import FrameType


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """What a `fit` validates on, as `keras.Model.evaluate` takes it."""

    x: Any
    y: Any
    sample_weight: Any
    batch_size: int | None
    steps: int | None


@dataclass(slots=True, eq=False)
class Seen:
    """What was seen of a `fit`; it outlives the `fit`, and holds no model.

    Attributes:
        rows: the metrics of each epoch that is over, with its number.
        has_validation: whether to keep what the `fit` validates on.
        validation: that, None where it does not.
    """

    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    has_validation: bool = True
    validation: Validation | None = None


class Witness(keras.callbacks.Callback):  # type: ignore[misc]
    """Sees the epochs, batches and metrics of a `fit`, and tells of them as they come."""

    def __init__(self, callback: Any, progress: Progress | None, seen: Seen) -> None:
        super().__init__()
        self._seen = seen
        self._callback = callback
        self._progress = progress
        self._epoch = 0
        self._logs: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin."""
        if self._seen.has_validation:
            self._seen.validation = _validation(self.model)
        epochs = self.params["epochs"]
        self._tell(lambda progress: progress.begin(lambda: self._callback.plan, epochs))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note which epoch it is."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Show where the training is."""
        self._tell(lambda progress: progress.at_batch(self._epoch, batch, self._logs))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the metrics: perhaps in another thread, beside the next batch."""
        self._logs = logs

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Show that the model is being validated."""
        self._tell(lambda progress: progress.at_validation(self._logs))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell of the epoch."""
        self._seen.rows.append((epoch, metrics_in(logs)))
        self._tell(lambda progress: progress.at_epoch_end(epoch, logs))

    def on_train_end(self, logs: Any = None) -> None:
        """Take away what is shown."""
        self._tell(Progress.end)

    def _tell(self, tell: Callable[[Progress], None]) -> None:
        """Tell; a training of days must not end because its display fails."""
        if self._progress is None:
            return
        try:
            tell(self._progress)
        except Exception as error:
            self._progress.end()
            self._progress = None
            print(f"lrdsl: the progress display has failed: {error!r}", file=sys.stderr)


def add_witness(
    callback: Any, progress: Progress | None, *, is_one_place: Callable[[], bool]
) -> Seen:
    """Add a witness to the `fit` that begins; return what it will have seen.

    Keras's own bar stays as it is where the program asks for it (`verbose=1` or `2`), and
    nothing is shown beside it in one place.  Where the program leaves it to Keras
    (`verbose="auto"`), ours takes its place at a terminal.

    Args:
        callback: the schedule's, whose `on_train_begin` is running.
        progress: whom to tell, None for nobody.
        is_one_place: whether what Keras prints goes where ours goes.
    """
    callback_list = _running_list(callback)
    seen = Seen()
    if callback_list is None:
        return seen
    bars = [
        one for one in callback_list.callbacks if isinstance(one, keras.callbacks.ProgbarLogger)
    ]
    verbose = callback.params.get("verbose", 0)
    if progress is not None and bars and verbose and is_one_place():
        if verbose == "auto" and progress.is_live:
            for bar in bars:
                bar.verbose = 0
        else:
            progress = None
    found = Witness(callback, progress, seen)
    found.set_model(callback.model)
    found.set_params(callback.params)
    # The list is telling its callbacks to begin, one after the other: this one comes last.
    callback_list.callbacks.append(found)
    return seen


def _running_list(callback: Any) -> Any | None:
    for frame in _frames():
        owner = frame.f_locals.get("self")
        if (
            frame.f_code.co_name == "on_train_begin"
            and isinstance(owner, keras.callbacks.CallbackList)
            and any(one is callback for one in owner.callbacks)
        ):
            return owner
    return None


def _validation(model: Any) -> Validation | None:
    """Return what the running `fit` of `model` validates on; Keras tells no callback."""
    for frame in _frames():
        names = frame.f_locals
        if frame.f_code.co_name == "fit" and names.get("self") is model and "val_x" in names:
            return Validation(
                names["val_x"],
                names.get("val_y"),
                names.get("val_sample_weight"),
                names.get("validation_batch_size") or names.get("batch_size"),
                names.get("validation_steps"),
            )
    return None


def _frames() -> list[FrameType]:
    found, frame = [], sys._getframe(1)
    while frame is not None:
        found.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return found
