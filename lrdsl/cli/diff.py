"""`lrdsl diff`: where two schedules differ, in words and as a picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrdsl.cli.metrics import metrics_option, note
from lrdsl.cli.options import (
    Horizon,
    can_show,
    has_colour,
    horizon_options,
    terminal_width,
    write,
)
from lrdsl.cli.pictures import check_picture, look_options, output_option, saving
from lrdsl.cli.several import Named, lay_together, make_plans, words_argument
from lrdsl.terminal.ink import CHARACTERS

if TYPE_CHECKING:
    from lrdsl.comparison import Comparison

_STEPS_PER_EPOCH = 100  # as if, where nothing says how many there are
_DIFFERENT = 1


@click.command()
@words_argument
@output_option
@look_options
@metrics_option
@horizon_options
@click.pass_context
def diff(
    ctx: click.Context,
    words: tuple[str, ...],
    output: Path | None,
    theme: str | None,
    is_log: bool | None,
    metrics: Path | None,
    horizon: Horizon,
) -> None:
    """Say from which step to which two schedules differ, and by how much.

    They are two FILEs, or one with two values of a name, `peak=0.1,0.05`.  Rates are equal
    where their float32 is, which is what training uses; how a schedule is written does not
    matter.

    Exit status: 0 if they are the same at every step, 1 if not.

    Example: lrdsl diff old.lrs new.lrs -o diff.png
    """
    theme = check_picture(output, theme)
    plans = make_plans(words, horizon, metrics)
    if len(plans) != 2:
        raise click.UsageError(
            f"two schedules are compared, and here {'is' if len(plans) == 1 else 'are'} "
            f"{len(plans)}: give two files, or one and two values, `peak=0.1,0.05`"
        )
    if all(one.plan.total_steps is None for one in plans):
        note(
            f"compared as if an epoch had {_STEPS_PER_EPOCH} steps; --steps-per-epoch says "
            "how many it has"
        )
        supposed = Horizon(horizon.epochs, _STEPS_PER_EPOCH, horizon.base)
        plans = make_plans(words, supposed, metrics)
    from lrdsl.comparison import NoSteps, compare_plans

    together = lay_together(plans)
    try:
        found = compare_plans(plans[0].plan, plans[1].plan)
    except NoSteps as error:
        raise click.UsageError(f"{error}: say it, `--steps-per-epoch 390`") from None
    ways = _other_ways(plans) if found.is_equal else []
    width, unicode = terminal_width(), can_show(sys.stdout, CHARACTERS)
    from lrdsl.terminal.differences import in_words, ways_in_words

    lines = in_words(found, plans[0], plans[1], width)
    lines += ways_in_words(ways, plans[0].name, plans[1].name, width)
    is_equal = found.is_equal and not ways
    if output is None and not is_equal:
        from lrdsl.terminal.overlay import several

        text = several(
            together,
            width,
            unicode=unicode,
            colour=has_colour(sys.stdout),
            is_log=is_log,
            targets=[one.target for one in found.targets if one.differing],
        )
        lines += ["", *text.split("\n")]
    write("\n".join(lines), sys.stdout)
    sys.stdout.flush()
    if output is not None:
        from lrdsl.plotting.differences import save_difference

        with saving(output):
            save_difference(together, found, output, theme=theme, log=is_log)
    ctx.exit(0 if is_equal else _DIFFERENT)


def _other_ways(plans: Sequence[Named]) -> list[tuple[str, Comparison]]:
    """Return the ways that metrics may lead two schedules in which they differ."""
    from lrdsl.comparison import compare_plans
    from lrdsl.outlook import outlook

    one, other = (outlook(named.plan) for named in plans)
    if one is None or other is None:
        return []
    others = {way.name: way for way in other.ways}
    pairs = [(way, others.get(way.name)) for way in one.ways[:-1]]
    found = [
        (way.words, compare_plans(way.plan, match.plan))
        for way, match in pairs
        if match is not None
    ]
    return [(words, comparison) for words, comparison in found if not comparison.is_equal]
