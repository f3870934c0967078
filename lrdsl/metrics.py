"""Metrics by name: which way they get better."""

from __future__ import annotations

import re

from lrdsl.suggest import suggest
from lrdsl.vocabulary import HIGHER_IS_BETTER, LOWER_IS_BETTER


def better_mode(metric: str) -> str | None:
    """Return "max" where more of a metric is better, "min" where less is, None if unknown.

    Goes by the end of the name as Keras logs it: `val_accuracy`, `out_loss`, `auc_1`,
    `sparse_categorical_accuracy`.
    """
    name = re.sub(r"(_\d+)+$", "", metric.lower().removeprefix("val_"))
    words = re.split(r"[_\-. /]", name)
    for count in range(len(words), 0, -1):
        end = "_".join(words[-count:])
        if end in HIGHER_IS_BETTER:
            return "max"
        if end in LOWER_IS_BETTER:
            return "min"
    return None


def meant(metric: str) -> str:
    """Return what is told of a metric that seems to be mistyped; empty if it does not."""
    start = "val_" if metric.startswith("val_") else ""
    word = metric.removeprefix("val_")
    name = suggest(word, sorted({*HIGHER_IS_BETTER, *LOWER_IS_BETTER}))
    if name is None or name in word.split("_"):  # `dice_coef` is a name of its own
        return ""
    return f"did you mean `{start}{name}`? otherwise "
