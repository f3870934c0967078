"""`lrdsl ensemble`: list the snapshots of a training, score them, write them as one model."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrdsl.cli.options import UnusableFile, write
from lrdsl.scales import format_rate, format_time
from lrdsl.training.columns import columns
from lrdsl.training.manifest import SavedSnapshot
from lrdsl.training.selection import EQUAL, choose, read_folder, weigh

if TYPE_CHECKING:
    from lrdsl.training.ensemble import Ensemble


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.keras",
    help="Write one Keras model that gives the average.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Take the last N only.")
@click.option(
    "--members", metavar="1,3", help="Take these only, by the numbers that the list shows."
)
@click.option(
    "--weights",
    default=EQUAL,
    show_default=True,
    metavar="METRIC",
    help="Let members count in proportion to this metric of the list, or to 1 / it where less "
    "of it is better.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.npz",
    help="Score each member and the average on the arrays `x` and `y` of this file.",
)
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Import this first: it registers layers of your own with Keras.",
)
def ensemble(
    folder: Path,
    output: Path | None,
    force: bool,
    last: int | None,
    members: str | None,
    weights: str,
    data: Path | None,
    modules: Sequence[str],
) -> None:
    """List the snapshots in FOLDER, score them, and write their average as one model.

    FOLDER is that of the snapshots, or the one of a run of `lrdsl train`.  The model that
    `-o` writes needs no lrdsl, and gives what the members give on average.  Files that are
    not what the folder's list says are refused.

    Example: lrdsl ensemble runs/snapshot-20240131-120000 -o ensemble.keras
    """
    if output is not None and output.suffix != ".keras":
        raise click.UsageError(f"`{output}` is not the name of a model: end it in .keras")
    if last is not None and members is not None:
        raise click.UsageError("`--last` and `--members` contradict each other: give one")
    if output is not None and output.exists() and not force:
        raise UnusableFile(f"`{output}` exists; --force replaces it")
    wanted = last if members is None else _numbers(members)
    try:
        chosen = choose(read_folder(folder), wanted)
        shares = weigh(chosen, weights)
    except (OSError, ValueError) as error:
        raise UnusableFile(_words(error)) from None
    write(_list(chosen, shares), sys.stdout)
    if output is None and data is None:
        return
    found = _load(folder, [one.index for one in chosen], weights, modules)
    if data is not None:
        x, y = _read_data(data)
        try:
            scores = found.evaluate(x, y, verbose=0)
        except ValueError as error:
            raise UnusableFile(f"cannot score on `{data}`: {error}") from None
        write(f"\n{scores}", sys.stdout)
    if output is not None:
        _write_model(found, output)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--members: expected numbers, such as `1,3`, not `{text}`"
        ) from None


def _list(chosen: Sequence[SavedSnapshot], shares: Sequence[float]) -> str:
    """Return a table of the members, with their share of the average and their metrics."""
    names = list(dict.fromkeys(name for one in chosen for name in one.metrics or ()))
    is_late = any(one.metrics_epoch not in (None, one.epoch) for one in chosen)
    measured = ("measured at",) if is_late else ()
    rows = [("snapshot", "epoch", "rate", "share", *measured, *names)]
    for one, share in zip(chosen, shares, strict=True):
        at = (str(one.metrics_epoch or ""),) if is_late else ()
        metrics = ("" if (v := one.metric(name)) is None else f"{v:.4g}" for name in names)
        rows.append(
            (
                str(one.index),
                format_time(one.epoch),
                format_rate(one.rate),
                f"{share / sum(shares):.1%}",
                *at,
                *metrics,
            )
        )
    return columns(rows)


def _load(
    folder: Path, members: Sequence[int], weights: str, modules: Sequence[str]
) -> Ensemble:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what TensorFlow tells when it starts
    sys.path.insert(0, str(Path.cwd()))  # as `python` has it
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UnusableFile(f"cannot import `{module}`: {error}") from None
    from lrdsl.training.ensemble import Ensemble

    try:
        return Ensemble.load(folder, members, weights=weights)
    except (OSError, ValueError) as error:
        raise UnusableFile(_words(error)) from None


def _read_data(path: Path) -> tuple[Any, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["x"], arrays["y"]
    except (OSError, ValueError, KeyError) as error:
        raise UnusableFile(
            f"cannot read `{path}`: {_words(error)}; it needs the arrays `x` and `y`, as "
            "`numpy.savez(FILE, x=…, y=…)` writes them"
        ) from None


def _write_model(found: Ensemble, output: Path) -> None:
    from lrdsl.training.files import replacing

    try:
        model = found.to_model()
    except ValueError as error:
        raise UnusableFile(str(error)) from None
    try:
        with replacing(output) as beside:
            model.save(beside)
    except OSError as error:
        raise UnusableFile(f"cannot write `{output}`: {error.strerror or error}") from None
    count = "1 snapshot" if len(found) == 1 else f"{len(found)} snapshots"
    write(f"wrote {output}: the average of the {found.averages} of {count}", sys.stderr)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot read `{error.filename}`: {error.strerror}"
    return str(error)
