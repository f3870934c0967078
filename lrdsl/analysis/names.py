"""Messages about names: unknown, defined too late, or used as what they are not."""

from __future__ import annotations

from lrdsl.analysis.problems import Problems
from lrdsl.analysis.scope import Function, LetValue, Scope, Target
from lrdsl.metrics import better_mode
from lrdsl.source import Span
from lrdsl.suggest import suggest
from lrdsl.targets import split
from lrdsl.vocabulary import (
    CLOCKS,
    CONSTANTS,
    CURVES,
    END,
    FOREIGN,
    FUNCTIONS,
    REFERENCES,
)

_LISTED = 8
_STALLED = "stalled"

_ARGUMENTS = frozenset(p.name for parameters in CURVES.values() for p in parameters)


def explain_unknown_name(
    name: str, scope: Scope, span: Span, problems: Problems, *, in_condition: bool = False
) -> None:
    """Report a name that stands for no value; in a condition it may be meant as a metric."""
    declared = scope.find(name)
    if name in CURVES or isinstance(declared, Function):
        kind = "curve" if name in CURVES else "function"
        problems.add(
            "LRS208",
            f"`{name}` is a {kind}, not a value",
            span,
            "called with parentheses",
            help=f"write `{name}(…)`",
        )
        return
    if name in FUNCTIONS:
        problems.add(
            "LRS208",
            f"`{name}` is a function, not a value",
            span,
            "called with parentheses",
            help=f"write `{name}(…)`",
        )
        return
    if name in scope.declared or name in scope.below:
        problems.add(
            "LRS201",
            f"`{name}` is used before it is defined",
            span,
            "a definition sees only what stands above it",
            help=f"move the definition of `{name}` above this line",
        )
        return
    if split(name)[0] is not None:
        _explain_unknown_target(name, scope, span, problems)
        return
    values = [n for n, d in scope.visible() if isinstance(d, LetValue | Target)]
    own = [*scope.arguments, *values]
    known = [*own, *CLOCKS, *REFERENCES, *CONSTANTS, END]
    calls = [*CURVES, *(n for n, d in scope.visible() if isinstance(d, Function))]
    meant = suggest(name, known, FOREIGN)
    if meant is None:
        meant = suggest(name, calls, FOREIGN)
        meant = None if meant is None else f"{meant}(…)"
    if meant is not None:
        repair = f"did you mean `{meant}`?"
    elif name == _STALLED:
        repair = f"write `{_STALLED}(val_loss, patience=5)`"
    elif in_condition:
        repair = f"compare a metric: `{name} < 0.3`; or define a time above: `let {name} = 10`"
    elif name in _ARGUMENTS:
        repair = "an argument is no value for other arguments: write the number, or a `let`"
    elif better_mode(name) is not None:
        repair = f"only `until` looks at metrics, at one beside a number: `until {name} < 0.3`"
    elif 0 < len(own) <= _LISTED:
        repair = "names defined here are " + ", ".join(f"`{n}`" for n in own)
    else:
        repair = f"define it above: `let {name} = 0.1`"
    problems.add("LRS201", f"`{name}` is not defined", span, "unknown name", help=repair)


def _explain_unknown_target(name: str, scope: Scope, span: Span, problems: Problems) -> None:
    targets = [n for n, d in scope.visible() if isinstance(d, Target)]
    meant = suggest(name, [target for target in targets if split(target)[0] is not None])
    of_all = split(name)[1]
    if meant is not None:
        repair = f"did you mean `{meant}`?"
    elif of_all in targets:
        repair = f"`{of_all}` is set above, for all parts: write `{of_all}`"
    else:
        repair = f"set it above: `{name} = …`"
    problems.add("LRS201", f"`{name}` is not defined", span, "unknown target", help=repair)


def explain_unknown_call(name: str, scope: Scope, span: Span, problems: Problems) -> None:
    """Report a call of what is no curve and no function."""
    declared = scope.find(name)
    if (
        name in scope.arguments
        or isinstance(declared, LetValue | Target)
        or name in (*CLOCKS, *REFERENCES, *CONSTANTS, END)
    ):
        problems.add(
            "LRS208",
            f"`{name}` is a value, not a function",
            span,
            "cannot be called",
            help=f"write `{name}` alone, or `{name} * (…)`",
        )
        return
    if name in scope.declared or name in scope.below:
        problems.add(
            "LRS202",
            f"`{name}` is called before it is defined",
            span,
            "a definition sees only what stands above it",
            help=f"move the definition of `{name}` above this line",
        )
        return
    functions = [n for n, d in scope.visible() if isinstance(d, Function)]
    meant = suggest(name, [*CURVES, *FUNCTIONS, *functions, _STALLED], FOREIGN)
    if meant is not None:
        repair = f"did you mean `{meant}`?"
    else:
        repair = f"{', '.join(f'`{n}`' for n in CURVES)} and more: `lrdsl curves` lists them"
    problems.add("LRS202", f"`{name}` does not exist", span, "no such curve", help=repair)
