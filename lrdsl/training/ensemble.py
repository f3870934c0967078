"""The average of a training's snapshots."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.training import members as files
from lrdsl.training.manifest import SavedSnapshot
from lrdsl.training.selection import EQUAL, choose, read_folder, weigh

if TYPE_CHECKING:
    from lrdsl.training.batches import Batches
    from lrdsl.training.scoring import Scorer, Scores


class Ensemble:
    """Models that predict together; made by `Ensemble.load`.

    Attributes:
        snapshots: what its folder's list says of each member, in the order of training.
        weights: how much each counts in the average; they sum to 1.
        averages: what is averaged, by the loss that the models were trained with:
            "probabilities", "logits" (so a softmax comes after the average), or "outputs".
    """

    def __init__(
        self,
        snapshots: Sequence[SavedSnapshot],
        weights: Sequence[float],
        *,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
        one_at_a_time: bool = False,
    ) -> None:
        from lrdsl.training.scoring import what_is_averaged

        self.snapshots = tuple(snapshots)
        self._weights = tuple(weights)
        self.weights = tuple(weight / sum(weights) for weight in weights)
        self._custom_objects = custom_objects
        self._safe_mode = safe_mode
        self._compiled = files.read_compiled(self.snapshots[-1].path)
        self.averages = what_is_averaged(self._compiled)
        self._models: tuple[Any, ...] | None = None
        if not one_at_a_time:
            self._models = tuple(map(self._load, self.snapshots))

    @classmethod
    def load(
        cls,
        folder: str | Path,
        members: int | Sequence[int] | None = None,
        *,
        weights: str | Sequence[float] = EQUAL,
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool = True,
        one_at_a_time: bool = False,
    ) -> Ensemble:
        """Load the snapshots that a training left in a folder.

        The folder's list says which they are; each is checked against its checksum, and
        against bounds on its size, before Keras opens it.

        Args:
            folder: the folder of the snapshots, or of a run of `lrdsl train`.
            members: which of them: a number for so many of the last, or the numbers that
                they have in the plan, from 1.  By default all that are there.
            weights: "equal"; the name of a metric in the list, such as "val_accuracy", for
                weights in proportion to it (to 1 / it where less of it is better); or
                numbers, one for each member, in proportion to which they count.
            custom_objects: classes and functions of the models that are not Keras's.
            safe_mode: whether to refuse code in a file.  Only a file of your own may be
                opened without, for the sake of its `Lambda` layers.
            one_at_a_time: whether to load a member only while it predicts, and read the
                data once for each.

        Raises:
            FileNotFoundError: there is no list, or a file that it lists is missing.
            ValueError: the list is not one of ours, lists nothing or not what is asked for;
                a file is not the one that was saved, or is refused, with the reason.
        """
        chosen = choose(read_folder(folder), members)
        for saved in chosen:
            files.check(saved)
        return cls(
            chosen,
            weigh(chosen, weights),
            custom_objects=custom_objects,
            safe_mode=safe_mode,
            one_at_a_time=one_at_a_time,
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
    ) -> Any:
        """Return the weighted mean of the members' predictions.

        Args:
            x: arrays or a dataset, as `keras.Model.predict` takes them.
            batch_size: of arrays, 32 by default.
            verbose: 0 for no progress bar.
            steps: how many batches to take; by default all.

        Returns:
            In the structure and shape of one member's prediction, float32 or wider; the
            mean is taken in float64.

        Raises:
            ValueError: the members' outputs are of several shapes, or are no numbers.
            TypeError: an iterator, which can be read once only, for `one_at_a_time`.
        """
        import keras

        from lrdsl.training.batches import Batches

        means = self._run(Batches(x, batch_size=batch_size, steps=steps), verbose, None)
        if not means:
            raise ValueError("there is nothing to predict: the data have no batch")
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *means)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
    ) -> Scores:
        """Return the scores of each member and of their average.

        They are the loss and metrics that the models were compiled with, of the predictions
        alone: what a model adds to its loss by itself, as regularization does, is left out.

        Args:
            x: arrays or a dataset, as `keras.Model.evaluate` takes them.
            y: the targets beside arrays.
            batch_size: of arrays, 32 by default.
            verbose: 0 for no progress bar.
            sample_weight: the weights of samples beside arrays.
            steps: how many batches to take; by default all.

        Raises:
            ValueError: the models were not compiled; and as `predict` does.
        """
        from lrdsl.training.batches import Batches
        from lrdsl.training.scoring import Scorer, Scores

        if not self._compiled.get("loss"):
            raise ValueError("the models were saved without a loss, so they have no scores")
        names = [one.path.name for one in self.snapshots]
        scorers = [
            Scorer(self._compiled, self._custom_objects, safe_mode=self._safe_mode)
            for _ in range(len(self) + 1)
        ]
        data = Batches(x, y, sample_weight, batch_size=batch_size, steps=steps)
        self._run(data, verbose, scorers)
        *scores, average = (scorer.scores for scorer in scorers)
        return Scores(dict(zip(names, scores, strict=True)), average)

    def to_model(self) -> Any:
        """Return one Keras model with the average inside, not compiled.

        It loads where lrdsl is not installed; classes of your own it needs as a member does.

        Raises:
            ValueError: the inputs of a subclassed model are not known.
        """
        from lrdsl.training.combining import combine

        return combine([self._load(one) for one in self.snapshots], self.weights)

    @property
    def members(self) -> tuple[Path, ...]:
        """The members' files, in the order of training."""
        return tuple(one.path for one in self.snapshots)

    def __len__(self) -> int:
        return len(self.snapshots)

    def _load(self, saved: SavedSnapshot) -> Any:
        return files.load(saved.path, self._custom_objects, safe_mode=self._safe_mode)

    def _groups(self) -> Iterator[list[tuple[int, Any]]]:
        """Yield the members that are in memory together, with their numbers."""
        if self._models is not None:
            yield list(enumerate(self._models))
            return
        for number, saved in enumerate(self.snapshots):
            group = [(number, self._load(saved))]
            yield group
            group.clear()
            gc.collect()  # a model is held by circles of references

    def _run(
        self, data: Batches, verbose: str | int, scorers: Sequence[Scorer] | None
    ) -> list[Any]:
        """Let every member predict every batch; return the means, batch by batch."""
        import keras

        readings = 1 if self._models is not None else len(self)
        if readings > 1 and not data.can_be_read_again:
            raise TypeError(
                "an iterator can be read once only, and each member reads it: give arrays or a "
                "dataset, or hold all members in memory"
            )
        data.must_be_the_same = readings > 1
        target = None if data.count is None else data.count * readings
        bar = keras.utils.Progbar(target, verbose=1 if verbose == "auto" else verbose)
        totals: list[Any] = []
        means: list[Any] = []
        seen = 0
        for group in self._groups():
            is_last = group[-1][0] == len(self) - 1
            for at, (x, y, sample_weight) in enumerate(data):
                for number, model in group:
                    with _without_advice_on_tracing():
                        prediction = model.predict_on_batch(x)
                    names = getattr(model, "output_names", None) or ()
                    if scorers is not None:
                        scorers[number].add(prediction, y, sample_weight, names)
                    _add(totals, at, prediction, self._weights[number])
                if is_last:
                    means.append(self._mean(totals[at], prediction))
                    if scorers is not None:
                        scorers[-1].add(means[at], y, sample_weight, names)
                seen += 1
                bar.update(seen, finalize=seen == target)
            model = None  # not held while the next one is loaded
        if target is None:
            bar.update(seen, finalize=True)
        return means

    def _mean(self, total: Any, like: Any) -> Any:
        import keras

        whole = sum(self._weights)
        return keras.tree.map_structure(
            lambda sum_, one: (sum_ / whole).astype(_wide(one.dtype)), total, like
        )


@contextmanager
def _without_advice_on_tracing() -> Iterator[None]:
    """Keep TensorFlow from warning of a function that is traced again and again.

    To its count the `predict` of all models is one function, and each member traces its own.
    """

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _add(totals: list[Any], at: int, prediction: Any, weight: float) -> None:
    """Add a member's prediction of a batch to those of the others."""
    import keras

    for one in keras.tree.flatten(prediction):
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(one.dtype)):
            raise ValueError(f"the models give {one.dtype}, which has no average")
    part = keras.tree.map_structure(
        lambda one: weight * np.asarray(one, np.float64), prediction
    )
    if at == len(totals):
        totals.append(part)
        return
    shapes = [keras.tree.map_structure(np.shape, one) for one in (totals[at], part)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the members' outputs differ: {shapes[0]} and {shapes[1]}")
    totals[at] = keras.tree.map_structure(np.add, totals[at], part)


def _wide(dtype: Any) -> type[np.floating[Any]]:
    return np.float64 if dtype == np.float64 else np.float32
