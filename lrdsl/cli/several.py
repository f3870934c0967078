"""The words `FILE... [NAME=VALUE,...]...`: one schedule, or several to be compared."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from lrdsl.cli.completion import complete_words
from lrdsl.cli.metrics import plan_of
from lrdsl.cli.options import STDIN, Horizon, parse_overrides, read_source

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program
    from lrdsl.together import Together

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OVERRIDE = re.compile(r"\s*[^\W\d]\w*\s*=")
_NAME = re.compile(r"[^\W\d]\w*")


class Named(NamedTuple):
    """A plan and what its curve is called: `resnet.lrs`, `peak=0.05`."""

    name: str
    plan: Plan


def words_argument(command: _Command) -> _Command:
    """Add the arguments FILE... [NAME=VALUE]..., which `make_plans` takes."""
    words = click.argument(
        "words",
        metavar="FILE... [NAME=VALUE[,VALUE]...]...",
        nargs=-1,
        required=True,
        shell_complete=complete_words,
    )
    return words(command)


def make_plans(words: Sequence[str], horizon: Horizon, metrics: Path | None) -> list[Named]:
    """Return the plan of each file with each of the values that are given to its names.

    A file without a `train` line takes the length of training of the first that has one.

    Raises:
        click.UsageError: there is no file, more than `together.MOST` plans, or a word is
            malformed.
        UnusableFile: a file cannot be read.
        LrsError: a schedule has problems, or does not fit the training.
    """
    files, overrides = _sorted(words)
    values = {name: _listed(value) for name, value in parse_overrides(overrides).items()}
    from lrdsl.program import make_program
    from lrdsl.together import MOST

    sources = {file: read_source(file) for file in files}  # standard input is there once
    programs: list[tuple[str, Program]] = []
    used: set[str] = set()
    for number, file in enumerate(files, 1):
        lets = _lets(sources[file].text) if len(files) > 1 else set(values)
        own = {name: found for name, found in values.items() if name in lets}
        if number == len(files):
            # What no file has is an error of the last, which lists the names that it has.
            own |= {name: v for name, v in values.items() if name not in used | set(own)}
        used |= set(own)
        for chosen in itertools.product(*own.values()):
            program = make_program(sources[file], dict(zip(own, chosen, strict=True)))
            said = [f"{n}={v}" for n, v in zip(own, chosen, strict=True) if len(own[n]) > 1]
            programs.append((_name(file, said, files), program))
            if len(programs) > MOST:
                raise click.UsageError(f"at most {MOST} curves can be told apart")
    names = _distinct([name for name, _ in programs])
    found = [program for _, program in programs]
    plans = [_plan(program, horizon, metrics, found) for program in found]
    return [Named(name, plan) for name, plan in zip(names, plans, strict=True)]


def lay_together(plans: Sequence[Named]) -> Together:
    """Return plans under one clock.

    Raises:
        click.UsageError: they have none in common.
    """
    from lrdsl.together import DifferentClocks, together

    try:
        return together([one.name for one in plans], [one.plan for one in plans])
    except DifferentClocks as error:
        raise click.UsageError(str(error)) from None


def title_of(plans: Sequence[Named]) -> str:
    """Return what stands over a picture of several plans."""
    from lrdsl.stamp import file_name

    files = list(dict.fromkeys(file_name(one.plan) for one in plans))
    if len(files) > 1:
        return " · ".join(dict.fromkeys(one.name for one in plans))
    names = ", ".join(one.name for one in plans)
    return names if files[0] in names else f"{files[0]}: {names}"


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which words are files, and which are values."""
    files = [word for word in words if not _OVERRIDE.match(word) or Path(word).exists()]
    if files.count(STDIN) > 1:
        raise click.UsageError("`-` is given twice: standard input can be read once")
    if not files:
        raise click.UsageError(f"no FILE: expected a schedule before `{words[0]}`")
    for word in files[1:]:
        if _NAME.fullmatch(word) and not Path(word).exists():
            raise click.UsageError(
                f"there is no file `{word}`; a value is written `{word}=0.05`"
            )
    return files, [word for word in words if word not in files]


def _listed(value: str) -> list[str]:
    """Return the values in `0.05,0.1`; commas within parentheses are of one value."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(value):
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            parts.append(value[start:at].strip())
            start = at + 1
    parts.append(value[start:].strip())
    if not all(parts):
        raise click.UsageError(f"expected values such as `0.05,0.1`, not `{value}`")
    return list(dict.fromkeys(parts))


def _lets(text: str) -> set[str]:
    """Return the names that a text may declare; the check of the program has the last word."""
    return set(re.findall(r"\blet\s+([^\W\d]\w*)", text))


def _name(file: str, said: Sequence[str], files: Sequence[str]) -> str:
    path = PurePath(file)
    stem = "<stdin>" if file == STDIN else path.name
    if any(other != file and PurePath(other).name == stem for other in files):
        stem = "/".join(path.parts[-2:])
    if len(files) == 1 and said:
        return ", ".join(said)
    return " ".join([stem, *said])


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names that differ: files of the same name in two folders are numbered."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def _plan(
    program: Program, horizon: Horizon, metrics: Path | None, all_: Sequence[Program]
) -> Plan:
    """Return a plan, of the length that another program says if this one says none."""
    said = next((other.train for other in all_ if other.train is not None), None)
    if program.train is not None or said is None or horizon.epochs is not None:
        return plan_of(program, horizon, metrics)
    per_epoch = horizon.steps_per_epoch or said.steps_per_epoch
    filled = Horizon(said.epochs, per_epoch, horizon.base)
    return plan_of(program, filled, metrics, steps=said.steps)
