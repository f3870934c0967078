"""What conditions and plateaus say, as data: their rules, and the times within them."""

from __future__ import annotations

import math
from fractions import Fraction

from lrdsl import core
from lrdsl.diagnostics import Severity
from lrdsl.metrics import better_mode, meant
from lrdsl.numeric.constants import as_float
from lrdsl.planning.stalls import Rules
from lrdsl.planning.times import Length, Open, Times
from lrdsl.source import Span


def rules_of(
    times: Times, metric: str, parameters: dict[str, core.Core], span: Span
) -> Rules | None:
    """Return the rules of a `plateau` or a `stalled`, None after reporting why not."""
    mode = _word(parameters, "mode", "auto")
    if mode == "auto":
        mode = better_mode(metric) or "unknown"
    if mode == "unknown":
        times.problems.add(
            "LRS408",
            f"nobody can tell from its name which way `{metric}` gets better",
            span,
            "more or less of it?",
            help=f"{meant(metric)}add `mode=max` where more is better, or `mode=min`",
        )
    counts = {
        name: times.count(parameters[name], name, least=least)
        for name, least in (
            ("patience", 0),
            ("cooldown", 0),
            ("rise_cooldown", 0),
            ("window", 1),
            ("accumulation", 1),
        )
        if name in parameters
    }
    shares = {
        name: _not_negative(times, parameters[name], name)
        for name in ("min_delta", "threshold")
        if name in parameters
    }
    if counts["window"] != 1 and counts["accumulation"] != 1:
        times.problems.add(
            "LRS205",
            "`window` and `accumulation` are both given",
            span,
            "which mean is meant?",
            help="`window=5` judges the mean of the last five, `accumulation=5` one mean for "
            "each five",
        )
    if mode == "unknown" or None in counts.values() or None in shares.values():
        return None
    absolute = shares.get("min_delta", 0.0 if "threshold" in shares else 1e-4)
    return Rules(
        larger=mode == "max",
        min_delta=absolute or 0.0,
        threshold=shares.get("threshold") or 0.0,
        patience=counts["patience"] or 0,
        cooldown=counts.get("cooldown") or 0,
        freezes=_word(parameters, "freeze", "none") == "cooldown",
        previous=_word(parameters, "versus", "best") == "previous",
        reset=_word(parameters, "reset", "improvement") == "improvement",
        window=counts["window"] or 1,
        accumulation=counts["accumulation"] or 1,
        rises="rise" in parameters,
        rise_cooldown=counts.get("rise_cooldown") or 0,
        skips_nan=_word(parameters, "nan", "error") == "ignore",
    )


def survey_plateau(times: Times, parameters: dict[str, core.Core], span: Span) -> None:
    """Report what is wrong with a plateau, whatever the metric does."""
    rules_of(times, metric_of(parameters), parameters, span)
    factor = times.constant(parameters["factor"], "factor")
    if factor is not None and not 0 <= factor < 1:
        _out_of_range(
            times,
            parameters["factor"],
            "factor",
            as_float(factor),
            "0 or above, below 1",
            "0.5",
        )
    _survey_floor(times, parameters)
    if "rise" in parameters:
        rise = times.constant(parameters["rise"], "rise")
        if rise is not None and not 1 < rise < math.inf:
            _out_of_range(times, parameters["rise"], "rise", as_float(rise), "above 1", "1.1")
    else:
        for name in ("max", "rise_cooldown"):
            if name in parameters and _is_given(parameters[name], span):
                times.problems.add(
                    "LRS204",
                    f"`{name}` is given without `rise`",
                    parameters[name].span,
                    "nothing raises the rate",
                    help=f"add `rise=1.1`, or leave `{name}` out",
                )


def _survey_floor(times: Times, parameters: dict[str, core.Core]) -> None:
    start, least = parameters["from"], parameters["min"]
    if "rise" in parameters or not (_is_number(start) and _is_number(least)):
        return
    begins, floor = times.constant(start, "from"), times.constant(least, "min")
    if begins is None or floor is None or not 0 < floor >= begins:
        return
    times.problems.add(
        "LRS504",
        f"the plateau begins at {as_float(begins):g} and never cuts",
        least.span,
        f"the least that it may come to is {as_float(floor):g}",
        help=f"write a `min` below {as_float(begins):g}, or leave it out",
        severity=Severity.WARNING,
    )


def _is_number(node: core.Core) -> bool:
    if isinstance(node, core.Apply):
        return not node.is_time and all(map(_is_number, node.operands))
    return isinstance(node, core.Number)


def survey_condition(times: Times, condition: core.Core, block: Length) -> None:
    """Report what is wrong with a condition, whatever the metrics do."""
    match condition:
        case core.Compare(operator=sign, limit=limit):
            times.constant(limit, sign)
        case core.Stalled(metric=metric, parameters=parameters, span=span):
            rules_of(times, metric, parameters, span)
        case core.Joined(items=items):
            for item in items:
                survey_condition(times, item, block)
        case _:
            times.positive(condition, block, "until")


def watched(reaction: core.Core) -> str:
    """Return the metric that a reaction looks at."""
    if isinstance(reaction, core.Compare | core.Stalled):
        return reaction.metric
    assert isinstance(reaction, core.Curve)
    return metric_of(reaction.parameters)


def metric_of(parameters: dict[str, core.Core]) -> str:
    """Return the metric that a plateau watches."""
    word = parameters["monitor"]
    assert isinstance(word, core.Word)
    return word.text


def restores_best(parameters: dict[str, core.Core]) -> bool:
    """Return whether a plateau goes back to the best weights when it cuts."""
    return _word(parameters, "restore", "none") == "best"


def bound_of(times: Times, condition: core.Core, block: Length) -> Length:
    """Return when a condition holds whatever the metrics do, ENDLESS if never.

    `A or 50` holds at 50; `A and 50` waits for A.
    """
    if isinstance(condition, core.Compare | core.Stalled):
        return Open.ENDLESS
    if not isinstance(condition, core.Joined):
        return times.time(condition, block, "until")
    bounds = [bound_of(times, item, block) for item in condition.items]
    if Open.UNKNOWN in bounds:
        return Open.UNKNOWN
    known = [bound for bound in bounds if isinstance(bound, Fraction)]
    if condition.operator == "or":
        return min(known, default=Open.ENDLESS)
    return max(known) if len(known) == len(bounds) else Open.ENDLESS


def reactions(node: core.Core) -> list[core.Core]:
    """Return all that reacts to metrics: comparisons, `stalled`s and plateaus."""
    if isinstance(node, core.Compare | core.Stalled) or (
        isinstance(node, core.Curve) and node.kind == "plateau"
    ):
        return [node]
    return [found for child in core.children(node) for found in reactions(child)]


def is_reactive(node: core.Core) -> bool:
    """Return whether anything within reacts to metrics."""
    return bool(reactions(node))


def _word(parameters: dict[str, core.Core], name: str, default: str) -> str:
    word = parameters.get(name)
    return word.text if isinstance(word, core.Word) else default


def _is_given(node: core.Core, span: Span) -> bool:
    return node.span != span  # a default has the span of the whole


def _not_negative(times: Times, node: core.Core, name: str) -> float | None:
    value = times.constant(node, name)
    if value is None:
        return None
    if not 0 <= value < math.inf:
        _out_of_range(times, node, name, as_float(value), "0 or above", "1e-4")
        return None
    return as_float(value)


def _out_of_range(
    times: Times, node: core.Core, name: str, value: float, needed: str, example: str
) -> None:
    times.problems.add(
        "LRS408",
        f"`{name}` cannot be {value:g}",
        node.span,
        f"must be {needed}",
        help=f"write {example}",
    )
