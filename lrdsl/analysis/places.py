"""What the places inside calls and after keywords take: values, times, metrics, words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

from lrdsl import core
from lrdsl.analysis.kinds import Kinds
from lrdsl.analysis.problems import Problems
from lrdsl.analysis.scope import Scope, Target
from lrdsl.source import Span
from lrdsl.syntax import nodes
from lrdsl.syntax.printer import print_expression
from lrdsl.targets import is_known, split
from lrdsl.vocabulary import CLOCKS, CONSTANTS, END, REFERENCES, CurveParameter, Kind


class Places(ABC):
    """Expands what stands in a place that takes one kind of thing."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._kinds = Kinds(problems)

    @abstractmethod
    def _expand(self, node: nodes.Expression, scope: Scope) -> core.Core: ...

    def _parameters(
        self,
        specification: tuple[CurveParameter, ...],
        bound: dict[str, nodes.Argument],
        scope: Scope,
        span: Span,
    ) -> dict[str, core.Core]:
        result = {}
        for parameter in specification:
            argument = bound.get(parameter.name)
            if argument is not None:
                key = argument.key or parameter.name
                result[parameter.name] = self._parameter(parameter, argument.value, scope, key)
            elif parameter.default is not None:
                result[parameter.name] = _default(parameter, span)
        return result

    def _parameter(
        self, parameter: CurveParameter, node: nodes.Expression, scope: Scope, key: str
    ) -> core.Core:
        span = self._span(node, scope)
        match parameter.kind:
            case Kind.TIME:
                return self._time(node, scope, key)
            case Kind.METRIC:
                if self._is_a_target(node, scope, f"write `{parameter.name}=val_loss`"):
                    return core.Word("", span)
                metric = self._metric(node, scope)
                if metric is None:
                    self._problems.add(
                        "LRS208",
                        f"`{parameter.name}` is not the name of a metric",
                        span,
                        "a metric's name is needed",
                        help=f"write `{parameter.name}=val_loss`",
                    )
                return core.Word(metric or "", span)
            case Kind.CHOICE:
                word = node.id if isinstance(node, nodes.Name) else None
                if isinstance(node, nodes.Name) and node.id in scope.arguments:
                    argument = scope.arguments[node.id]
                    if argument is None:
                        return core.Word(parameter.choices[0], span)
                    return self._parameter(parameter, argument.expression, argument.scope, key)
                if word not in parameter.choices:
                    choices = ", ".join(f"`{choice}`" for choice in parameter.choices)
                    self._problems.add(
                        "LRS408",
                        f"`{parameter.name}` cannot be `{print_expression(node)[:40]}`",
                        span,
                        f"one of {choices}",
                        help=f"write `{parameter.name}={parameter.choices[0]}`",
                    )
                return core.Word(word or "", span)
        return self._number(node, scope, key)

    def _number(self, node: nodes.Expression, scope: Scope, what: str) -> core.Core:
        """Expand what must be a value that is constant within the segment."""
        result = self._expand(node, scope)
        self._kinds.need_value(result)
        self._kinds.need_constant(result, what)
        return result

    def _time(self, node: nodes.Expression, scope: Scope, what: str) -> core.Core:
        """Expand what must be a time; a bare number counts in the file's unit."""
        result = self._expand(node, scope)
        if core.is_condition(result):
            self._kinds.condition_misplaced(result, after=what)
        else:
            self._kinds.need_constant(result, what)
        return result

    def _is_epoch(self, node: nodes.Expression, scope: Scope) -> bool:
        while isinstance(node, nodes.Name) and node.id in scope.arguments:
            argument = scope.arguments[node.id]
            if argument is None:
                return False
            node, scope = argument.expression, argument.scope
        return isinstance(node, nodes.Name) and node.id == "epoch"

    def _metric(self, node: nodes.Expression, scope: Scope) -> str | None:
        """Return the metric that a node names, None if it is something else."""
        node, scope = _given(node, scope)
        if isinstance(node, nodes.Text):
            return node.value
        if not isinstance(node, nodes.Name) or split(node.id)[0] is not None:
            return None
        if node.id in scope.arguments:  # the definition itself is being checked
            return node.id
        known = {*CLOCKS, *REFERENCES, *CONSTANTS, END}
        if node.id in known or scope.find(node.id) is not None:
            return None
        return node.id

    def _is_a_target(self, node: nodes.Expression, scope: Scope, repair: str) -> bool:
        """Report a target where a metric is due; return whether it is one."""
        node, scope = _given(node, scope)
        if not isinstance(node, nodes.Name) or node.id in scope.arguments:
            return False
        declared = scope.find(node.id)
        if not isinstance(declared, Target) and (declared or not is_known(node.id)):
            return False
        self._problems.add(
            "LRS208",
            f"`{node.id}` is what a schedule sets, and no metric",
            self._span(node, scope),
            "nothing is measured here",
            help=f"{repair}; a metric of that name is quoted",
        )
        return True

    def _span(self, node: nodes.Node, scope: Scope) -> Span:
        return scope.blame or node.span


def _given(node: nodes.Expression, scope: Scope) -> tuple[nodes.Expression, Scope]:
    """Return what groups and the arguments of calls lead to, and where that was written.

    While a definition itself is being checked, its parameters have no arguments.
    """
    while True:
        if isinstance(node, nodes.Group):
            node = node.inner
        elif isinstance(node, nodes.Name) and (argument := scope.arguments.get(node.id)):
            node, scope = argument.expression, argument.scope
        else:
            return node, scope


def _default(parameter: CurveParameter, span: Span) -> core.Core:
    text = parameter.default or ""
    if text in REFERENCES:
        return core.Reference(text, span)
    if parameter.kind in (Kind.METRIC, Kind.CHOICE):
        return core.Word(text, span)
    number, _, unit = text.partition(" ")
    if unit:
        return core.Time(Fraction(number), "steps", span)
    return core.Number(Fraction(number), span)
