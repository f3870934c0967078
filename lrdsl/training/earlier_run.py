"""An earlier run that `lrdsl train --resume` goes on with, as its folder tells of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrdsl.training.commits import StateError, StateFolder
from lrdsl.training.early import Horizon
from lrdsl.training.former_plans import Choice, FormerPlan, compare_plans
from lrdsl.training.run_folder import RECORD, SCHEDULE, STATE, FolderError
from lrdsl.training.run_state import LoggedEpoch, rows_of
from lrdsl.training.target import OVERRIDE

if TYPE_CHECKING:
    from lrdsl.planning.courses import Row
    from lrdsl.program import Program


@dataclass(frozen=True, slots=True)
class Kept:
    """What the state of one `fit` says, as far as it matters before the program runs."""

    folder: Path
    epoch: int
    plan: FormerPlan
    rows: list[Row]


@dataclass(frozen=True)
class EarlierRun:
    """A run that was begun before.

    Attributes:
        folder: where it is.
        record: its `run.json`.
        kept: what is committed of its fits, in their order.
    """

    folder: Path
    record: dict[str, Any]
    kept: tuple[Kept, ...]

    @property
    def schedule(self) -> str:
        """The file with the schedule, as it was used."""
        return str(self.folder / SCHEDULE)

    @property
    def words(self) -> list[str]:
        """What was run, as on the command line."""
        program = self.record["program"]
        target = ["-m", program[3:]] if program.startswith("-m ") else ["--", program]
        return [*target, "--", *self.record["arguments"]]

    def option(self, name: str) -> Any:
        """Return what an option of the earlier command line was."""
        return self.record["options"].get(name)

    def fill_in(
        self, file: str | None, horizon: Horizon, only_fit: int | None
    ) -> tuple[str, Horizon, int | None]:
        """Return what the new command line says, and where it says nothing the old one."""
        said = Horizon(
            horizon.epochs or self.option("epochs"),
            horizon.steps_per_epoch or self.option("steps_per_epoch"),
            self.option("base") if horizon.base is None else horizon.base,
        )
        return file or self.schedule, said, only_fit or self.option("fit")

    def fill_in_words(self, file: str | None, words: Sequence[str]) -> list[str]:
        """Return the words behind FILE, and where they are left out the old ones."""
        # Without FILE they are in the schedule already, and for another they were not meant.
        if not words and file is not None and Path(file) == Path(self.record["file"]):
            words = self.record["overrides"]
        only_overrides = all(OVERRIDE.match(word) for word in words)
        return [*words, *self.words] if only_overrides else list(words)

    def about(self, now: str, *, is_named: bool) -> dict[str, Any]:
        """Return what `run.json` keeps of before, and when the run went on.

        Args:
            now: the time.
            is_named: whether the new command line names a FILE.
        """
        kept = ("started",) if is_named else ("started", "file", "overrides")
        resumed = [*self.record.get("resumed", ()), now]
        return {**{name: self.record.get(name) for name in kept}, "resumed": resumed}

    @property
    def sentence(self) -> str:
        """How far it has come, in one line."""
        if not self.kept:
            return f"no epoch of the run in {self.folder} was committed: it begins anew"
        last = self.kept[-1]
        return (
            f"the run in {self.folder} is committed up to epoch {last.epoch} of "
            f"{last.plan.epochs}"
        )

    def former_program(self) -> Program | None:
        """Return the schedule that the run has followed last, None if it has begun none."""
        return self.kept[-1].plan.plan.program if self.kept else None

    def check_plan(self, program: Program, horizon: Horizon, base: float | None) -> None:
        """Raise LrsError (LRS604) if the schedule is not the one that the run has followed.

        Args:
            program: the schedule to go on with.
            horizon: what the command line says, or said, of the training.
            base: the optimizer's own rate, where this command line says it.
        """
        if not self.kept:
            return
        kept, train = self.kept[-1], program.train
        former = kept.plan
        steps_known = train is not None and train.steps_per_epoch is not None
        plan = program.plan(
            epochs=horizon.epochs or (None if train else former.epochs),
            steps_per_epoch=horizon.steps_per_epoch
            or (None if steps_known else former.steps_per_epoch),
            base=former.base if base is None else base,
            bases=former.bases if base is None else None,
            # What the schedule before did not ask for, only the `fit` knows.
            own={**program.supposed(), **former.own},
        )
        change = compare_plans(former, program, epochs=plan.epochs, plan=plan, base=base)
        if change.reasons:
            raise change.refusal(self.folder, kept.epoch, kept.rows)


def read_earlier_run(folder: Path) -> EarlierRun:
    """Read the folder of a run.

    Raises:
        FolderError: it is none, or one that cannot be gone on with here.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
        program, options = record["program"], record["options"]
        words = [*record["arguments"], *record["overrides"], record["file"], program]
        if not (isinstance(options, dict) and all(isinstance(one, str) for one in words)):
            raise ValueError(RECORD)
    except FileNotFoundError:
        raise FolderError(f"`{folder}` is no folder of a run: it has no `{RECORD}`") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise FolderError(f"`{folder / RECORD}` does not say what was run") from None
    if options.get("commit_every") == 0:
        raise FolderError(f"the run in `{folder}` kept no state (`--commit-every 0`)")
    began = Path(record.get("directory", ""))
    if began.is_absolute() and began.is_dir() and not began.samefile(Path.cwd()):
        raise FolderError(f"the run began in another folder: `cd {began}` first")
    return EarlierRun(folder, record, tuple(_kept(folder)))


def choose(keep: bool, adopt: bool) -> Choice | None:
    """Return what `--keep` and `--adopt` say."""
    return Choice.KEEP if keep else Choice.ADOPT if adopt else None


def _kept(folder: Path) -> Sequence[Kept]:
    found = []
    later = sorted(folder.glob("fit-*"), key=lambda one: (len(one.name), one.name))
    for part in (folder, *later):
        state = StateFolder(part / STATE)
        try:
            commit = state.read()
        except StateError:
            continue  # told when its `fit` comes
        if commit is not None:
            last = FormerPlan.from_json(commit.about["plans"][-1])
            log = [LoggedEpoch(**one) for one in commit.about["log"]]
            found.append(Kept(part, commit.about["epoch"], last, rows_of(log)))
    return found
