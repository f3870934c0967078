"""Syntax tree → checked tree: names resolved, calls expanded, kinds checked."""

from __future__ import annotations

from fractions import Fraction
from math import e, pi

from lrdsl import core, limits
from lrdsl.analysis.arguments import bind_arguments
from lrdsl.analysis.calls import Calls
from lrdsl.analysis.names import explain_unknown_call, explain_unknown_name
from lrdsl.analysis.problems import Problems
from lrdsl.analysis.scope import Deferred, Function, LetValue, Scope, Target
from lrdsl.analysis.terms import is_finite, sum_of
from lrdsl.analysis.terms import terms as terms_of
from lrdsl.source import Span
from lrdsl.syntax import nodes
from lrdsl.vocabulary import (
    CLOCKS,
    CONSTANTS,
    CURVES,
    END,
    FUNCTIONS,
    REFERENCES,
    SNAPSHOT,
    STALLED,
    CurveParameter,
)


class TooLarge(Exception):
    """The program expands to more than the limits allow; a diagnostic says so."""


class Enough(Exception):
    """So many errors were found that looking for more helps nobody."""


_ARITHMETIC = frozenset("+-*/")


class Expander(Calls):
    """Expands expressions into checked nodes.

    On a mistake it reports and goes on with a stand-in, so that one run finds them all; a
    tree that was reported on is never used.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__(problems)
        self._nodes = 0
        self._depth = 0
        self.used: set[str] = set()
        """The `let`s that something refers to."""

    # -- entry points -------------------------------------------------------------------

    def schedule(self, expression: nodes.Expression, scope: Scope) -> core.Core:
        """Expand what stands where a schedule is due."""
        node = self._expand(expression, scope)
        self._kinds.need_value(node)
        return node

    def constant(self, expression: nodes.Expression, scope: Scope, owner: str) -> core.Core:
        """Expand the value of a `let`: a number or a time."""
        node = self._expand(expression, scope)
        span = self._span(expression, scope)
        # What was reported is replaced: a `let` is a handful of nodes whatever it was, and
        # those made from it do not report it again.
        stand_in = core.Number(Fraction(1), span)
        if core.is_condition(node):
            self._kinds.condition_misplaced(node)
            return stand_in
        terms = terms_of(node)
        if terms is None:
            self._problems.add(
                "LRS402",
                f"`{owner}` is not a number or a time",
                span,
                "varies in time, or is known only while training",
                help=f"write it as a function: `def {owner}() = …`",
            )
            return stand_in
        broken = [value for value in terms.values() if not is_finite(value)]
        if broken:
            self._problems.add(
                "LRS403",
                f"`{owner}` is not finite",
                span,
                f"comes to {broken[0]}",
                help="check the formula",
            )
            return stand_in
        return sum_of(terms, span)

    def refuse_stop(self, node: core.Core, target: str) -> None:
        """Report a `stop` in a target other than the rate."""
        stack = [node]
        while stack:
            item = stack.pop()
            if isinstance(item, core.Stop):
                self._problems.add(
                    "LRS208",
                    f"`stop` ends training, not `{target}`",
                    item.span,
                    "only allowed in `lr`",
                    help="end the training where the rate is set: `lr = … then stop`",
                )
            stack += core.children(item)

    def definition(self, expression: nodes.Expression, scope: Scope) -> None:
        """Check the body of a `def`, or a default in it, with its parameters unknown."""
        self._expand(expression, scope)

    # -- expressions --------------------------------------------------------------------

    def _expand(self, node: nodes.Expression, scope: Scope) -> core.Core:
        self._nodes += 1
        self._depth += 1
        try:
            if self._problems.full:
                raise Enough
            if self._nodes > limits.NODES or self._depth > limits.NESTING + 20:
                raise TooLarge(
                    f"more than {limits.NODES:,} nodes"
                    if self._nodes > limits.NODES
                    else f"more than {limits.NESTING} levels of nesting",
                    self._span(node, scope),
                )
            return self._expand_node(node, scope)
        finally:
            self._depth -= 1

    def _expand_node(self, node: nodes.Expression, scope: Scope) -> core.Core:
        span = self._span(node, scope)
        match node:
            case nodes.Amount(unit=unit, value=value):
                return core.Time(value, unit, span) if unit else core.Number(value, span)
            case nodes.Name():
                return self._name(node, scope, span)
            case nodes.Text(value=text):
                self._problems.add(
                    "LRS208",
                    f'the metric `"{text}"` stands where a value is needed',
                    span,
                    "only a condition names a metric",
                    help=f'write a condition after `until`: `until "{text}" < 0.3`',
                )
                return core.Number(Fraction(1), span)
            case nodes.Stop():
                self._problems.add(
                    "LRS208",
                    "`stop` stands where a schedule is needed",
                    span,
                    "only allowed as the last segment, after `then`",
                    help="write `… until 60 then stop`",
                )
                return core.Number(Fraction(1), span)
            case nodes.Call():
                return self._call(node, scope, span)
            case nodes.Group(inner=inner):
                return self._block(self._expand(inner, scope), span)
            case nodes.Unary(operator=operator, operand=inner):
                signed = self._expand(inner, scope)
                return (
                    signed if operator == "+" else self._kinds.apply("negative", [signed], span)
                )
            case nodes.Power(base=base, exponent=exponent):
                parts = [self._expand(base, scope), self._expand(exponent, scope)]
                self._kinds.need_starts(parts, "^")
                return self._kinds.apply("^", parts, span)
            case nodes.Chain():
                return self._chain(node, scope, span)
            case nodes.Sequence():
                return self._sequence(node, scope, span)
        return self._postfix(node, scope, span)

    def _postfix(
        self,
        node: nodes.For | nodes.Skip | nodes.By | nodes.Snapshot | nodes.Repeat,
        scope: Scope,
        span: Span,
    ) -> core.Core:
        operand = self._expand(node.operand, scope)
        self._kinds.need_value(operand)
        match node:
            case nodes.For(length=length):
                return core.For(operand, self._time(length, scope, "for"), span)
            case nodes.Skip(amount=amount):
                return core.Skip(operand, self._time(amount, scope, "skip"), span)
            case nodes.By(interval=interval):
                if self._is_epoch(interval, scope):
                    return core.By(operand, None, span)
                return core.By(operand, self._time(interval, scope, "by"), span)
            case nodes.Snapshot(arguments=arguments, word_span=word_span):
                where = scope.blame or word_span
                bound = bind_arguments(
                    "snapshot", SNAPSHOT, arguments, where, scope, self._problems
                )
                self._snapshot_options(bound, where)
                parameters = self._parameters(SNAPSHOT, bound, scope, where)
                self._snapshot_mode(parameters, bound, scope)
                return core.Snapshot(operand, parameters, span)
            case nodes.Repeat(count=count, stretch=stretch, scale=scale):
                count_, stretch_, scale_ = (
                    None if part is None else self._number(part, scope, word)
                    for part, word in (
                        (count, "repeat"),
                        (stretch, "stretch"),
                        (scale, "scale"),
                    )
                )
                return core.Repeat(operand, count_, stretch_, scale_, span)

    def _block(self, node: core.Core, span: Span) -> core.Core:
        """Make a block of what has its own time; arithmetic in parentheses needs none."""
        if isinstance(node, core.For | core.Skip | core.Repeat | core.By | core.Snapshot):
            return core.Sequence((core.Segment(node, None, span),), span)
        return node

    def _name(self, node: nodes.Name, scope: Scope, span: Span) -> core.Core:
        name = node.id
        if name in scope.arguments:
            argument = scope.arguments[name]
            if argument is None:  # the definition itself is being checked
                return core.Number(Fraction(1), span)
            return self._expand(argument.expression, argument.scope)
        match scope.find(name):
            case LetValue(value=value):
                self.used.add(name)
                return _moved(value, span)
            case Target(name=target):
                return core.TargetValue(target, span)
        if name in CLOCKS:
            return core.Clock(name, span)
        if name in REFERENCES:
            return core.Reference(name, span)
        if name in CONSTANTS:
            return core.Number(pi if name == "pi" else e, span)
        if name == END:
            return core.Time(Fraction(1), END, span)
        explain_unknown_name(name, scope, span, self._problems)
        return core.Number(Fraction(1), span)

    def _call(self, node: nodes.Call, scope: Scope, span: Span) -> core.Core:
        name = node.name
        where = scope.blame or node.name_span
        if name in CURVES:
            return self._curve(node, scope, span, where)
        if name in FUNCTIONS:
            return self._function(node, scope, span, where)
        if name == "stalled":
            bound = bind_arguments(name, STALLED, node.arguments, where, scope, self._problems)
            parameters = self._parameters(STALLED, bound, scope, where)
            metric = parameters.pop("monitor", core.Word("", span))
            assert isinstance(metric, core.Word)
            return core.Stalled(metric.text, parameters, span)
        declared = scope.find(name) if name not in scope.arguments else None
        if not isinstance(declared, Function):
            explain_unknown_call(name, scope, where, self._problems)
            for argument in node.arguments:
                self._expand(argument.value, scope)
            return core.Number(Fraction(1), span)
        definition = declared.read()
        specification = tuple(
            CurveParameter(p.name, required=p.default is None, positional=p.positional)
            for p in definition.parameters
        )
        bound = bind_arguments(
            name, specification, node.arguments, where, scope, self._problems
        )
        blame = span if declared.prelude or scope.blame else None
        arguments: dict[str, Deferred | None] = {}
        for parameter in definition.parameters:
            given = bound.get(parameter.name)
            if given is not None:
                arguments[parameter.name] = Deferred(given.value, scope)
            elif parameter.default is not None:
                inside = scope.inside(declared, dict(arguments), blame)
                arguments[parameter.name] = Deferred(parameter.default, inside)
            else:  # reported as missing
                arguments[parameter.name] = None
        body = self._expand(definition.body, scope.inside(declared, arguments, blame))
        whole = self._block(body, span)
        opening = [p.name for p in definition.parameters if _opens(p) and p.name not in bound]
        if opening:
            self._kinds.starts_open(whole, f"{name}(…, {opening[0]}=1)")
        return whole

    def _chain(self, node: nodes.Chain, scope: Scope, span: Span) -> core.Core:
        first = node.operators[0]
        if first in ("and", "or"):
            items = tuple(self._condition(item, scope) for item in node.operands)
            if not any(map(core.is_condition, items)):
                # Without a metric: the earlier or the later of the times.
                which = "min" if first == "or" else "max"
                return core.Apply(which, items, True, False, span)
            return core.Joined(first, items, span)
        if first not in _ARITHMETIC:
            return self._comparison(node, scope, span)
        parts = [self._expand(operand, scope) for operand in node.operands]
        if first in "*/":
            self._kinds.need_starts(parts, first)
            if "/" in node.operators and len(parts) > 2:
                return self._kinds.apply("".join(node.operators), parts, span)
            return self._kinds.apply("/" if "/" in node.operators else "*", parts, span)
        result = [parts[0]]
        for operator, part in zip(node.operators, parts[1:], strict=True):
            if operator == "+":
                result.append(part)
            else:
                result.append(self._kinds.apply("negative", [part], part.span))
        return self._kinds.apply("+", result, span)

    def _comparison(self, node: nodes.Chain, scope: Scope, span: Span) -> core.Core:
        left, right = node.operands
        operator = node.operators[0]
        repair = (
            "end the segment at a time, `until 10`, or by a metric, `until val_loss < 0.3`; a "
            "floor is `max(…, 0.01)`"
        )
        if any(self._is_a_target(side, scope, repair) for side in (left, right)):
            return core.Compare("", operator, core.Number(Fraction(1), span), span)
        metric = self._metric(left, scope)
        if metric is None:
            flipped = self._metric(right, scope)
            if flipped is None:
                self._problems.add(
                    "LRS208",
                    "a comparison without a metric",
                    span,
                    "one side must be the name of a metric",
                    help="for a time, write it alone: `until 10`",
                )
                return core.Compare("", operator, core.Number(Fraction(1), span), span)
            metric, right = flipped, left
            operator = operator.translate(str.maketrans("<>", "><"))
        limit = self._number(right, scope, operator)
        return core.Compare(metric, operator, limit, span)

    def _sequence(self, node: nodes.Sequence, scope: Scope, span: Span) -> core.Core:
        segments = []
        last = len(node.segments) - 1
        for index, segment in enumerate(node.segments):
            where = self._span(segment, scope)
            if isinstance(segment.body, nodes.Stop) and index and index == last:
                segments.append(core.Segment(core.Stop(where), None, where))
                if segment.until is not None:
                    self._problems.add(
                        "LRS208",
                        "`stop` has a boundary",
                        self._span(segment.until, scope),
                        "nothing follows the end of training",
                        help="write `then stop`",
                    )
                continue
            body = self._expand(segment.body, scope)
            self._kinds.need_value(body)
            until = None
            if segment.until is not None:
                until = self._condition(segment.until, scope)
            segments.append(core.Segment(body, until, where))
        return core.Sequence(tuple(segments), span)

    def _condition(self, node: nodes.Expression, scope: Scope) -> core.Core:
        """Expand what `until` waits for: a time or a condition."""
        inner = node
        while isinstance(inner, nodes.Group):
            inner = inner.inner
        if isinstance(inner, nodes.Chain) and inner.operators[0] not in _ARITHMETIC:
            return self._expand(inner, scope)
        if isinstance(inner, nodes.Call) and inner.name == "stalled":
            return self._expand(inner, scope)
        metric = self._metric(node, scope)
        if metric is not None and isinstance(inner, nodes.Text):
            self._problems.add(
                "LRS306",
                f"the metric `{metric}` alone is no condition",
                self._span(node, scope),
                "compare it, or wait until it stalls",
                help=f"write `{metric} < 0.3` or `stalled({metric}, patience=5)`",
            )
            return core.Time(Fraction(1), "epochs", self._span(node, scope))
        named = isinstance(inner, nodes.Name) and inner.id not in scope.arguments
        if metric is not None and named:
            where = self._span(node, scope)
            explain_unknown_name(metric, scope, where, self._problems, in_condition=True)
            return core.Time(Fraction(1), "epochs", where)
        return self._time(node, scope, "until")


def _moved(value: core.Core, span: Span) -> core.Core:
    """Return the value of a `let` as if written where it is used."""
    match value:
        case core.Number(value=number):
            return core.Number(number, span)
        case core.Time(value=number, unit=unit):
            return core.Time(number, unit, span)
        case core.Apply(function=function, operands=operands, is_time=time, varies=varying):
            return core.Apply(function, operands, time, varying, span)
    return value


def _opens(parameter: nodes.Parameter) -> bool:
    """Return whether a function starts at what was in force unless told otherwise."""
    default = parameter.default
    while isinstance(default, nodes.Group):
        default = default.inner
    return isinstance(default, nodes.Name) and default.id == "entry"
