"""Metrics by name: which way they get better."""

from __future__ import annotations

import re

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
