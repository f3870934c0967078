"""What a call of a curve, of a function of numbers or of `snapshot` stands for."""

from __future__ import annotations

from fractions import Fraction

from lrdsl import core
from lrdsl.analysis.arguments import bind_arguments
from lrdsl.analysis.places import Places
from lrdsl.analysis.scope import Scope
from lrdsl.metrics import better_mode, meant
from lrdsl.source import Span
from lrdsl.syntax import nodes
from lrdsl.vocabulary import CURVES, FUNCTIONS


class Calls(Places):
    """Expands calls of what the language itself has."""

    def _curve(self, node: nodes.Call, scope: Scope, span: Span, where: Span) -> core.Core:
        name = node.name
        specification = CURVES[name]
        bound = bind_arguments(
            name, specification, node.arguments, where, scope, self._problems
        )
        parameters = self._parameters(specification, bound, scope, span)
        if name == "warmup":
            length = parameters.pop("duration", core.Number(Fraction(1), span))
            ramp = core.Curve(
                "linear", {**parameters, "to": core.Reference("next", span)}, True, span
            )
            return core.For(ramp, length, span)
        if name == "exp":
            return self._exponential(node, parameters, bound, span, where)
        start = "value" if name == "const" else "from"
        return core.Curve(name, parameters, start not in bound and start in parameters, span)

    def _exponential(
        self,
        node: nodes.Call,
        parameters: dict[str, core.Core],
        bound: dict[str, nodes.Argument],
        span: Span,
        where: Span,
    ) -> core.Core:
        is_open = "from" not in bound
        if "rate" in bound and "to" in bound:
            self._problems.add(
                "LRS205",
                "`exp` is given both a rate and an end",
                bound["to"].span,
                "the end follows from the rate",
                help="write `exp(0.1)` or `exp(to=1e-5)`",
            )
        elif "rate" not in bound and "to" not in bound:
            self._problems.add(
                "LRS204",
                "`exp` has neither a rate nor an end",
                where,
                "one of them is needed",
                help="write `exp(0.1)` or `exp(to=1e-5)`; the mathematical function is `e ^ x`",
            )
        if "to" in bound:
            if "every" in bound:
                self._problems.add(
                    "LRS203",
                    "`exp(to=…)` has no argument `every`",
                    bound["every"].span,
                    "it takes the whole segment",
                    help="write `exp(rate, every=…)`, or leave `every` out",
                )
            chosen = {key: parameters[key] for key in ("from", "to")}
            return core.Curve("geometric", chosen, is_open, span)
        chosen = {
            key: parameters[key] for key in ("from", "rate", "every") if key in parameters
        }
        return core.Curve("exponential", chosen, is_open, span)

    def _function(self, node: nodes.Call, scope: Scope, span: Span, where: Span) -> core.Core:
        fewest, most = FUNCTIONS[node.name]
        count = len(node.arguments)
        for argument in node.arguments:
            if argument.key is not None:
                self._problems.add(
                    "LRS203",
                    f"the function `{node.name}` has no argument `{argument.key}`",
                    scope.blame or argument.key_span or argument.span,
                    "its arguments go by position",
                    help="leave the name out"
                    if node.name not in ("min", "max")
                    else f"leave the name out; a curve's `{node.name}` goes inside the curve",
                )
        if count < fewest or (most is not None and count > most):
            wanted = f"{fewest}" if fewest == most else f"{fewest} or more"
            few = count < fewest
            self._problems.add(
                "LRS204" if few else "LRS205",
                f"`{node.name}` takes {wanted} argument{'s' * (wanted != '1')}, not {count}",
                where,
                "too few" if few else "too many",
                help="write `clip(x, low, high)`"
                if node.name == "clip"
                else f"write `{node.name}({', '.join('xyz'[: max(fewest, 1)])})`",
            )
        parts = [self._expand(argument.value, scope) for argument in node.arguments]
        if count < fewest:
            return core.Number(Fraction(1), span)
        return self._kinds.apply(node.name, parts, span)

    def _snapshot_options(self, bound: dict[str, nodes.Argument], where: Span) -> None:
        if ("best" in bound) != ("monitor" in bound):
            given, missing = ("best", "monitor") if "best" in bound else ("monitor", "best")
            self._problems.add(
                "LRS204",
                f"`snapshot` is given `{given}` without `{missing}`",
                where,
                "which models are the best?",
                help="write `snapshot(best=3, monitor=val_accuracy)`",
            )
        elif "keep" in bound and "best" in bound:
            self._problems.add(
                "LRS205",
                "`snapshot` is given both `keep` and `best`",
                where,
                "which of them stay?",
                help="write `snapshot(keep=3)` or `snapshot(best=3, monitor=val_accuracy)`",
            )
        elif "mode" in bound and "best" not in bound:
            self._problems.add(
                "LRS204",
                "`snapshot` is given `mode` without `best`",
                where,
                "which models are the best?",
                help="write `snapshot(best=3, monitor=val_accuracy)`",
            )

    def _snapshot_mode(
        self,
        parameters: dict[str, core.Core],
        bound: dict[str, nodes.Argument],
        scope: Scope,
    ) -> None:
        """See that it is known whether more or less of the metric is better."""
        monitor, mode = parameters.get("monitor"), parameters.get("mode")
        if not isinstance(monitor, core.Word) or not monitor.text or "keep" in bound:
            return
        if isinstance(mode, core.Word) and mode.text != "auto":
            return
        name = bound["monitor"].value
        if isinstance(name, nodes.Name) and scope.arguments.get(name.id, scope) is None:
            return  # the definition itself is being checked
        if better_mode(monitor.text) is None:
            self._problems.add(
                "LRS204",
                f"is more or less of `{monitor.text}` better? Its name does not say",
                monitor.span,
                "needs a `mode`",
                help=f"{meant(monitor.text)}write `monitor={monitor.text}, mode=max` or "
                "`mode=min`",
            )
