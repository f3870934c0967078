"""What `lrdsl train` is asked to run: a script, a module, or a function in a module."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_FUNCTION = re.compile(rf"{_DOTTED}:{_DOTTED}")
OVERRIDE = re.compile(r"[^\W\d]\w*=")
"""How a word begins that sets a `let`."""


class Kind(Enum):
    """How a target is started."""

    SCRIPT = "script"
    MODULE = "module"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True)
class Target:
    """A program to run: `train.py`, `-m pkg.train` or `pkg.train:main`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"-m {self.name}" if self.kind is Kind.MODULE else self.name


@dataclass(frozen=True, slots=True)
class Words:
    """The words after FILE: what to set in the schedule, what to run, what to hand it."""

    overrides: tuple[str, ...]
    target: Target
    arguments: tuple[str, ...]


class TargetError(Exception):
    """The words do not say what to run, or it is not there; the text says what to type."""


def read_words(words: Sequence[str], *, module: bool = False) -> Words:
    """Split `[name=value…] SCRIPT [ARGS…]`; what follows SCRIPT is not looked at.

    One `--` in front of SCRIPT and one right after it are dropped, as they only say that
    options end here; to hand the script a `--` of its own, write it twice.

    Args:
        words: what stands after FILE on the command line.
        module: whether SCRIPT names a module although no `-m` stands in front of it.

    Raises:
        TargetError: there is no SCRIPT, or an option of ours stands in its place.
    """
    rest = list(words)
    overrides = []
    while rest and OVERRIDE.match(rest[0]):
        overrides.append(rest.pop(0))
    if rest and rest[0] == "--":
        rest.pop(0)
    elif rest and rest[0].startswith("-m"):
        # `-m pkg.train` and `-mpkg.train`, as Python itself reads them.
        name = rest.pop(0).removeprefix("-m")
        if name:
            rest.insert(0, name)
        module = True
        if not rest:
            raise TargetError("`-m` needs the name of a module")
    elif rest and rest[0].startswith("-") and rest[0] != "-":
        raise TargetError(
            f"`{rest[0]}` stands where SCRIPT is expected; options of `lrdsl train` go in "
            f"front of FILE: `lrdsl train {rest[0]} FILE [name=value…] SCRIPT`"
        )
    if not rest:
        raise TargetError(
            "nothing to run: after FILE comes SCRIPT, `-m MODULE` or `MODULE:FUNCTION`"
        )
    target = _target(rest.pop(0), module)
    if rest and rest[0] == "--":
        rest.pop(0)
    return Words(tuple(overrides), target, tuple(rest))


def _target(name: str, module: bool) -> Target:
    if module:
        if name.endswith(".py") and Path(name).exists():
            raise TargetError(f"`{name}` is a file: leave `-m` out")
        if not re.fullmatch(_DOTTED, name):
            raise TargetError(
                f"`{name}` is not the name of a module; with `-m` it is written as after "
                "`import`: `-m pkg.train`"
            )
        return Target(Kind.MODULE, name)
    if Path(name).exists():
        return Target(Kind.SCRIPT, name)
    if _FUNCTION.fullmatch(name):
        return Target(Kind.FUNCTION, name)
    if ":" in name and not name.endswith(".py"):
        raise TargetError(
            f"there is no file `{name}`, and a function is written `<module>:<function>`, "
            "as in `pkg.train:main`"
        )
    hint = ""
    if re.fullmatch(_DOTTED, name) and not name.endswith(".py"):
        hint = f"; for a module write `-m {name}`"
    raise TargetError(f"there is no file `{name}`{hint}")
