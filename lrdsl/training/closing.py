"""The end of a run: what is said, what is written, and the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime

from lrdsl.highlights import events_in_words
from lrdsl.training.course import Course, Fit
from lrdsl.training.dialogue import Dialogue, Status, Tone
from lrdsl.training.launch import Ending, show_error
from lrdsl.training.report import Ended
from lrdsl.training.run_folder import (
    PICTURE,
    RATES,
    RUN_PICTURE,
    SCHEDULE,
    SNAPSHOTS,
    STATE,
    RunFolder,
)

_MOST_FITS = 20
"""Fits of one run whose events are told; `run.json` has those of all."""


def close(
    course: Course,
    ending: Ending,
    dialogue: Dialogue,
    folder: RunFolder,
    *,
    score: Callable[[], object] = lambda: None,
    draw: Callable[[], object] = lambda: None,
) -> int:
    """Report on the run, finish its folder, and return the exit status.

    Args:
        course: what has happened.
        ending: how the program has ended.
        dialogue: who is told.
        folder: that of the run.
        score: scores the models saved, and tells; called if the program has ended well.
        draw: draws what was applied into the folder.
    """
    _tell_how_it_ended(course, ending, dialogue)
    _tell_agreements(course, dialogue)
    if ending.status == 0 and course.stopped is None and course.bug is None:
        score()
    problems = _problems(course, ending)
    for line in problems:
        dialogue.say(line, Tone.BAD)
    status = _status(course, ending, bool(problems))
    if folder.claimed:
        try:
            draw()
        except OSError as error:
            why = error.strerror or error
            dialogue.say(f"cannot write to the folder `{folder}`: {why}", Tone.BAD)
        _finish_folder(course, status, dialogue, folder)
    else:
        _tell_that_all_was_over(course, dialogue, folder)
        folder.release()
    return status


def _tell_how_it_ended(course: Course, ending: Ending, dialogue: Dialogue) -> None:
    refused = [fit for fit in course.fits if fit.refusal is not None]
    if ending.error is not None and all(fit.refusal is not ending.error for fit in refused):
        show_error(ending.error)
    if ending.words is not None:
        print(ending.words, file=sys.stderr)
    for fit in refused:
        assert fit.refusal is not None
        dialogue.say(f"{fit.name}: refused", Tone.BAD)
        dialogue.show_problem(fit.refusal)
    if course.bug is not None:
        if course.bug is not ending.error:
            show_error(course.bug)
        dialogue.say("this is a bug in lrdsl, not in your program", Tone.BAD)


def _tell_agreements(course: Course, dialogue: Dialogue) -> None:
    compared = [(fit, fit.agreement) for fit in course.fits if fit.agreement is not None]
    whole = [agreement for _, agreement in compared if agreement.is_whole]
    if len(whole) > 1:
        # Hundreds of fits, as a search makes them, are not told one by one.
        steps = sum(agreement.ran for agreement in whole)
        dialogue.say(f"plan = run at all {steps:,} steps of {len(whole)} fits", Tone.GOOD)
        for fit in [fit for fit, agreement in compared if agreement.is_whole][:_MOST_FITS]:
            _tell_events(fit, f"fit {fit.number}: ", dialogue)
        compared = [(fit, agreement) for fit, agreement in compared if not agreement.is_whole]
    for fit, agreement in compared:
        for before in fit.earlier:
            tone = Tone.GOOD if before.holds else Tone.BAD
            dialogue.say(f"by the plan before: {before.sentence()}", tone)
        lead = f"fit {fit.number}: " if course.seen > 1 else ""
        tone = Tone.GOOD if agreement.holds else Tone.BAD
        dialogue.say(lead + agreement.sentence(), tone)
        _tell_events(fit, lead, dialogue)
        if fit.never_due is not None:
            dialogue.say(lead + fit.never_due)


def _tell_events(fit: Fit, lead: str, dialogue: Dialogue) -> None:
    events = "" if fit.plan is None else events_in_words(fit.plan, since=fit.adopted_at)
    if events:
        dialogue.say(f"{lead}events: {events}")


def _problems(course: Course, ending: Ending) -> list[str]:
    """Return what went wrong that the program itself did not notice."""
    problems = []
    for fit in course.fits:
        if fit.refusal is not None and fit.refusal is not ending.error:
            problems.append(f"{fit.name}: refused, and the program went on without it")
        if fit.missed:
            count = "1 snapshot" if len(fit.missed) == 1 else f"{len(fit.missed)} snapshots"
            problems.append(f"{fit.name}: {count} could not be saved")
            problems.extend(f"  {problem.message}" for problem in fit.missed)
        if fit.trouble is not None:
            problems.append(fit.trouble)
    if course.stopped is None and ending.status == 0:
        if not course.fits:
            problems.extend(_no_fit_was_seen(course))
        elif all(fit.nothing_runs for fit in course.fits):
            problems.append("nothing was trained: no `fit` had an epoch to run")
    return problems


def _no_fit_was_seen(course: Course) -> list[str]:
    if course.seen:
        times = "once" if course.seen == 1 else f"{course.seen} times"
        return [f"no fit {course.terms.only_fit} was seen: the program called `fit` {times}"]
    if "tf_keras" in sys.modules and "keras" not in sys.modules:
        return [
            "no fit was seen: the program trains with Keras 2 (`tf_keras`), and schedules are "
            "applied by Keras 3; is TF_USE_LEGACY_KERAS set?"
        ]
    return [
        "no fit was seen: the program did not call `Model.fit` of Keras in this process, so "
        "nothing was trained with the schedule",
        "  a loop over `train_on_batch` never asks for a rate; train with `fit`, or set each "
        "rate yourself, `lrdsl.load(FILE).plan(…).rate(step)`",
    ]


def _status(course: Course, ending: Ending, problems: bool) -> int:
    if course.bug is not None:
        return Status.OUR_BUG
    if course.stopped is not None:
        return course.stopped
    if ending.status != 0:
        return ending.status
    agreed = all(fit.agreement is None or fit.agreement.holds for fit in course.fits)
    agreed = agreed and all(one.holds for fit in course.fits for one in fit.earlier)
    return Status.DONE if agreed and not problems else Status.FAILED


def _tell_that_all_was_over(course: Course, dialogue: Dialogue, folder: RunFolder) -> None:
    if not any(fit.is_over for fit in course.fits):
        return
    line = f"nothing was trained, and {folder}{os.sep} stays as it was"
    if not folder.holds(course.program.text):
        line += (
            "; to train by another schedule, start a run of its own: `lrdsl train FILE SCRIPT` "
            "without `--resume`"
        )
    dialogue.say(line)


def _finish_folder(course: Course, status: int, dialogue: Dialogue, folder: RunFolder) -> None:
    ended = datetime.now().astimezone().isoformat("T", "seconds")
    try:
        folder.write_record(course.as_json(folder.path, status, ended))
    except OSError as error:
        dialogue.say(f"cannot write to the folder `{folder}`: {error.strerror}", Tone.BAD)
    dialogue.say(f"the results are in {folder}{os.sep}")
    fit, *others = (fit for fit in course.fits if fit.agreed_to)
    lines = []
    if fit.snapshots:
        models = "the model" if fit.snapshots == 1 else f"the {fit.snapshots} models"
        lines.append((f"{SNAPSHOTS}{os.sep}", f"{models} saved"))
    if fit.agreement is not None and fit.trouble is None:
        lines.append((RATES, "the log: each step's rate, planned and applied"))
    what = "the picture of the plan"
    if fit.plan is not None and fit.plan.log:
        what += ", with what the metrics brought about"
    lines.append((PICTURE, what))
    if (fit.folder / RUN_PICTURE).exists():
        lines.append((RUN_PICTURE, "what was applied, over the plan"))
    if others:
        names = [f"{one.folder.name}{os.sep}" for one in others]
        name = names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"
        lines.append((name, "the same for the other fits" if others[1:] else "the other fit"))
    width = max(len(name) for name, _ in lines)
    for name, what in lines:
        dialogue.say(f"  {name:<{width}}  {what}")
    is_left_open = any(_can_go_on(fit) for fit in course.fits)
    if fit.snapshots > 1:
        dialogue.say(f"to average the models into one: lrdsl ensemble {folder} -o FILE.keras")
    elif not is_left_open and fit.agreement is not None:
        schedule = f"{folder}{os.sep}{SCHEDULE}"
        dialogue.say(f"to see plan and run: lrdsl plot {schedule} --run {folder}")
    if is_left_open:
        dialogue.say(f"to go on after the last epoch committed: lrdsl train --resume {folder}")


def _can_go_on(fit: Fit) -> bool:
    broke_off = fit.agreement is not None and fit.agreement.ended is Ended.RAISED
    return broke_off and any((fit.folder / STATE).glob("commit-*.npz"))
