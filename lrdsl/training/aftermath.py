"""What a run has come to: its rates over the plan in one picture, the scores of its models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.training.course import Course, Fit
from lrdsl.training.dialogue import Dialogue
from lrdsl.training.files import replacing
from lrdsl.training.run_folder import RUN_PICTURE, SNAPSHOTS

if TYPE_CHECKING:
    from lrdsl.training.scoring import Scores
    from lrdsl.training.witness import Seen, Validation

MOST = 4
"""Of so many fits pictures are drawn and models scored: a search makes hundreds."""


def note_metrics(course: Course, seen: Mapping[Path, Seen]) -> None:
    """Hand what was seen of each `fit` over to what is written of it."""
    for fit in course.fits:
        if fit.folder in seen:
            fit.metrics = tuple(seen[fit.folder].rows)


def draw_runs(course: Course) -> None:
    """Draw the rates that were applied over those planned, with the metrics below.

    Raises:
        OSError: a picture cannot be written.
    """
    for fit in _chosen(course):
        if fit.agreement is not None and fit.agreement.ran and fit.plan is not None:
            _draw(fit)


def tell_scores(course: Course, seen: Mapping[Path, Seen], dialogue: Dialogue) -> None:
    """Score the models that were saved, and their average, on what `fit` validated on."""
    for fit in _chosen(course):
        validation = seen[fit.folder].validation if fit.folder in seen else None
        if fit.snapshots < 2 or validation is None:
            continue
        if hasattr(validation.x, "__next__"):
            continue  # it can be read once only, and has been
        dialogue.say(
            f"scoring the {fit.snapshots} models and their average on the validation data "
            "(Ctrl-C leaves it out)"
        )
        try:
            fit.scores = _score(fit.folder / SNAPSHOTS, validation)
        except KeyboardInterrupt:
            dialogue.say("left out")
            return
        except Exception as error:  # Keras raises what it likes, and the training was well
            dialogue.say(f"the models could not be scored: {' '.join(str(error).split())}")
            continue
        for line in str(fit.scores).splitlines():
            dialogue.say(f"  {line}")


def _chosen(course: Course) -> Iterator[Fit]:
    found = [fit for fit in course.fits if fit.agreed_to and fit.trouble is None]
    yield from found[:MOST]


def _draw(fit: Fit) -> None:
    from lrdsl.applied import hold_against, read_run
    from lrdsl.plotting.run import save_run
    from lrdsl.run_view import RunView

    assert fit.plan is not None
    run = read_run(fit.folder)
    rows: list[dict[str, float]] = []
    for epoch, row in fit.metrics:
        rows += [{} for _ in range(len(rows), epoch + 1)]
        rows[epoch] = dict(row)
    view = RunView(fit.plan, run, hold_against(fit.plan, run), tuple(rows))
    with replacing(fit.folder / RUN_PICTURE) as beside:
        save_run(view, beside)


def _score(folder: Path, validation: Validation) -> Scores:
    from lrdsl.training.ensemble import Ensemble

    return Ensemble.load(folder, one_at_a_time=True).evaluate(
        validation.x,
        validation.y,
        batch_size=validation.batch_size,
        sample_weight=validation.sample_weight,
        steps=validation.steps,
        verbose=0,
    )
