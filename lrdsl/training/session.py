"""Goes with the program from its first `fit` to its last: shows, asks, adds, compares."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.attach import Place
from lrdsl.training.course import Course, Fit
from lrdsl.training.dialogue import Dialogue, Status, Tone
from lrdsl.training.early import check_horizon
from lrdsl.training.report import Ended, compare, never_due_sentence, write_rates
from lrdsl.training.run_folder import PICTURE, RATES, SNAPSHOTS, FolderError, RunFolder

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Snapshot
    from lrdsl.training.resumed import Resumed
    from lrdsl.training.rivals import TakenOver
    from lrdsl.training.run_state import Followed

FOLDER_VARIABLE = "LRDSL_RUN"
"""The environment variable that tells the program where its run folder is."""


class AddedCallback(Protocol):
    """What a session uses of the Keras callback."""

    plan: Plan | None
    taken_over: list[TakenOver]
    nothing_runs: Diagnostic | None
    resumed: Resumed | None
    earlier: list[Followed]
    missed: list[Diagnostic]
    saved: list[Any]
    never_due: Sequence[Snapshot]
    model: Any

    @property
    def applied_rates(self) -> dict[str, NDArray[np.float32]]:
        """The rates read back from the training, by target."""

    @property
    def applied_steps(self) -> NDArray[np.int64]:
        """Which steps of the plan they are."""


MakeCallback = Callable[[Path, Callable[["Plan"], None]], AddedCallback]
"""Make the callback of one `fit`: given its folder for snapshots, and what to call with
its plan before its first batch."""


class Stop(SystemExit):
    """Ends the program from inside a `fit`; `except Exception` does not catch it."""


class Session:
    """Decides about each `fit` of one run; a `lrdsl.training.attach.Watcher`."""

    def __init__(
        self,
        course: Course,
        dialogue: Dialogue,
        folder: RunFolder,
        *,
        make_callback: MakeCallback,
        draw: Callable[[Plan, Path], object],
    ) -> None:
        self._course = course
        self._dialogue = dialogue
        self._folder = folder
        self._make_callback = make_callback
        self._draw = draw
        # The plans that were agreed to, by what tells them apart, with their pictures.
        self._agreed: dict[tuple[object, ...], Path] = {}
        self._texts: set[str] = set()  # of schedules that gave way
        # A program may train in several threads; one question at a time.
        self._lock = threading.Lock()

    @contextmanager
    def around(self, place: Place) -> Iterator[AddedCallback | None]:
        """Add the schedule to the `fit` at `place`, and note how it went."""
        course, only = self._course, self._course.terms.only_fit
        if course.stopped is not None:
            raise Stop(course.stopped)  # the program has swallowed the first one
        with self._lock:
            course.seen += 1
            number = course.seen
        if only not in (None, number):
            self._dialogue.say(f"fit {number} at {place}: left alone (--fit {only})")
            yield None
            return
        fit = self._open(number, place)
        callback: AddedCallback | None = None
        ended = Ended.RAISED
        try:

            def on_plan(plan: Plan) -> None:
                assert callback is not None
                fit.taken_over = callback.taken_over
                fit.resumed = callback.resumed
                self._before_first_batch(fit, plan)

            with self._blame_on_us():
                callback = self._make_callback(fit.folder / SNAPSHOTS, on_plan)
            yield callback
            self._note_that_nothing_ran(fit, callback.nothing_runs)
            stopped = getattr(callback.model, "stop_training", False)
            ended = Ended.STOPPED if stopped else Ended.FINISHED
        except LrsError as refusal:
            fit.refusal = refusal
            raise
        except Exception as error:
            if _is_raised_by_us(error):
                self._course.bug = error
            raise
        finally:
            if callback is not None and fit.agreed_to:
                self._after_last_batch(fit, callback, ended)

    def inside(self, place: Place) -> None:
        """Say that a `fit` that another one calls is left alone."""
        self._dialogue.say(f"the fit at {place} runs inside another one: left alone")

    def _open(self, number: int, place: Place) -> Fit:
        fits = self._course.fits
        with self._lock, self._blame_on_us():
            if not fits and not self._course.terms.dry_run:
                try:
                    self._folder.reserve()
                except FolderError as error:
                    raise self._stop(Status.REFUSED, str(error)) from None
                os.environ[FOLDER_VARIABLE] = str(self._folder.path)
            first = fits[0].number if fits else number
            fits.append(Fit(number, place, self._folder.part(number, first)))
            return fits[-1]

    def _before_first_batch(self, fit: Fit, plan: Plan) -> None:
        """Show the plan, have it agreed to, open the folder; or end the program."""
        terms = self._course.terms
        with self._blame_on_us(), self._lock:
            fit.plan = plan
            check_horizon(terms.horizon, plan)
            if fit.resumed is not None:
                self._dialogue.say(f"{fit.name}: {fit.resumed.sentence}")
            if fit.is_over:
                pass  # nothing to agree to
            elif terms.early.is_kept_by(plan) or _key(plan) in self._agreed:
                self._dialogue.say(f"{fit.name}: {_length(plan)}, as shown")
                self._tell_what_gives_way(fit)
            else:
                self._dialogue.say(f"{fit.name}: {_length(plan)}")
                self._tell_what_gives_way(fit)
                self._dialogue.show_plan(plan)
                if not terms.dry_run:
                    self._ask()
            if terms.dry_run:
                raise self._stop(Status.DONE, "dry run: stopped before the first batch")
            fit.agreed_to = True
            if not fit.is_over or self._may_finish():
                self._write_plan(fit, plan)

    def _may_finish(self) -> bool:
        """Whether a `fit` that is over may write down what the run had no time for.

        Otherwise the folder stays as it is, under its own schedule, until training goes on.
        """
        folder = self._folder
        return folder.claimed or (
            folder.was_left_open() and folder.holds(self._course.program.text)
        )

    def _note_that_nothing_ran(self, fit: Fit, why: Diagnostic | None) -> None:
        if why is not None:
            fit.nothing_runs = why
            self._dialogue.say(f"{fit.name}: {why.message}; {why.help}")

    def _tell_what_gives_way(self, fit: Fit) -> None:
        for one in fit.taken_over:
            self._dialogue.say(f"fit {fit.number} {one.sentence()}")
            if one.text is not None and one.text not in self._texts:
                self._texts.add(one.text)  # a search makes the same schedule again and again
                self._dialogue.say(f"  `{one.name}` reads: {one.text}")

    def _ask(self) -> None:
        consequence = self._dialogue.ask().consequence()
        if consequence is not None:
            raise self._stop(*consequence)

    def _write_plan(self, fit: Fit, plan: Plan) -> None:
        try:
            if not self._folder.claimed:
                record = self._course.as_json(self._folder.path, None, None)
                self._folder.claim(record, self._course.program.text)
            fit.folder.mkdir(exist_ok=True)
            picture = fit.folder / PICTURE
            reacts = plan.program.reactive is not None  # and is drawn anew at its end
            if _key(plan) in self._agreed and not reacts:
                # Drawing takes longer than a short `fit`, of which a search makes hundreds.
                shutil.copyfile(self._agreed[_key(plan)], picture)
            else:
                self._draw(plan, picture)
                self._agreed[_key(plan)] = picture
        except FolderError as error:
            raise self._stop(Status.REFUSED, str(error)) from None
        except OSError as error:
            why = f"cannot write to the folder `{fit.folder}`: {error.strerror}"
            raise self._stop(Status.REFUSED, why) from None

    def _after_last_batch(self, fit: Fit, callback: AddedCallback, ended: Ended) -> None:
        """Hold the run against the plan and write it down; never end the program here."""
        try:
            plan = callback.plan
            assert plan is not None, "what was agreed to was a plan"
            fit.plan = plan  # by now the one that the metrics have led to
            applied, steps = callback.applied_rates, callback.applied_steps
            fit.agreement = compare(plan, applied, steps, ended)
            fit.earlier = [
                compare(one.plan, one.applied_rates, one.steps, Ended.STOPPED)
                for one in callback.earlier
            ]
            if callback.earlier:
                fit.adopted_at = int(steps[0]) if len(steps) else plan.total_steps
            # Some may be gone again: `snapshot(keep=3)` keeps the last three.
            fit.snapshots = sum(saved.path.exists() for saved in callback.saved)
            fit.missed = list(callback.missed)
            if callback.never_due:
                fit.never_due = never_due_sentence(plan, callback.never_due)
            try:
                earlier = [(one.plan, one.applied_rates, one.steps) for one in callback.earlier]
                path = fit.folder / RATES
                if self._folder.claimed or not path.exists():
                    write_rates(path, fit.number, plan, applied, steps, earlier=earlier)
                if not self._folder.claimed:
                    return  # it was over, and stays as it is
                if plan.log:
                    self._draw(plan, fit.folder / PICTURE)
                record = self._course.as_json(self._folder.path, None, None)
                self._folder.write_record(record)
            except OSError as error:
                fit.trouble = f"cannot write to the folder `{fit.folder}`: {error.strerror}"
        except Exception as error:
            self._course.bug = error

    def _stop(self, status: int, why: str) -> Stop:
        self._course.stopped = status
        self._dialogue.say(why, Tone.PLAIN if status == Status.DONE else Tone.BAD)
        return Stop(status)

    @contextmanager
    def _blame_on_us(self) -> Iterator[None]:
        """Remember that an error came from our own code and not from the program."""
        try:
            yield
        except LrsError:
            raise
        except Exception as error:
            self._course.bug = error
            raise


def _is_raised_by_us(error: Exception) -> bool:
    """Whether the last line that ran was ours: the program's own errors pass through us."""
    traceback = error.__traceback__
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    file = Path(traceback.tb_frame.f_code.co_filename)
    return file.is_relative_to(Path(__file__).parents[1])


def _key(plan: Plan) -> tuple[object, ...]:
    """Return what, for one program, tells a plan from others."""
    base = (plan.base, *plan.bases.items()) if plan.program.needs_base else None
    own = tuple(plan.own.items()) if plan.program.needs_own else None
    return plan.epochs, plan.steps_per_epoch, plan.total_steps, base, own, plan.warnings


def _length(plan: Plan) -> str:
    total = "" if plan.total_steps is None else _count(plan.total_steps, "step")
    if plan.epochs is None:
        return total
    epochs = _count(plan.epochs, "epoch")
    if plan.steps_per_epoch is None:
        return epochs
    if plan.is_stopped:
        each = _count(plan.steps_per_epoch, "step")
        return f"{epochs} of {each}, of which the schedule stops after {total}"
    return f"{epochs} of {_count(plan.steps_per_epoch, 'step')}, {total} in all"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
