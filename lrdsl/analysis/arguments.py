"""Arguments of a call → its parameters."""

from __future__ import annotations

from lrdsl.analysis.problems import Problems
from lrdsl.analysis.scope import Scope
from lrdsl.diagnostics import Label
from lrdsl.source import Span
from lrdsl.suggest import suggest
from lrdsl.syntax import nodes
from lrdsl.syntax.printer import print_expression
from lrdsl.vocabulary import ADVICE, FOREIGN, FOREIGN_ARGUMENTS, CurveParameter

_LISTED = 8
"""So many names are listed at most where none is near."""


def bind_arguments(
    name: str,
    parameters: tuple[CurveParameter, ...],
    arguments: tuple[nodes.Argument, ...],
    name_span: Span,
    scope: Scope,
    problems: Problems,
) -> dict[str, nodes.Argument]:
    """Return each parameter's argument, and report the arguments that fit none.

    Args:
        name: what is called, for messages.
        parameters: what it takes.
        arguments: what it is given.
        name_span: where the call's name stands.
        scope: where the call stands; inside the prelude its span is blamed instead.
        problems: where mistakes go.
    """
    by_name = {key: p for p in parameters for key in (p.name, *p.also)}
    by_position = [p for p in parameters if p.positional]
    bound: dict[str, nodes.Argument] = {}
    meant: set[str | None] = set()
    position = 0
    too_many = False
    for argument in arguments:
        if problems.full:
            break
        span = scope.blame or argument.span
        if argument.key is None:
            if position >= len(by_position):
                if not too_many:  # the first says it for all
                    _one_too_many(name, by_position, parameters, argument, span, problems)
                too_many = True
                continue
            parameter = by_position[position]
            position += 1
        elif argument.key in by_name:
            parameter = by_name[argument.key]
        else:
            key_span = scope.blame or argument.key_span or span
            meant.add(_unknown(name, argument.key, list(by_name), key_span, problems))
            continue
        if parameter.name in bound:
            first = bound[parameter.name]
            problems.add(
                "LRS205",
                f"`{name}` is given `{argument.key or parameter.name}` twice",
                span,
                "given again"
                if first.key in (None, argument.key)
                else f"`{argument.key}` is another name of `{first.key}`",
                help="leave one out",
                secondary=() if scope.blame else (Label(first.span, "given here"),),
            )
            continue
        bound[parameter.name] = argument
    missing = [
        p for p in parameters if p.required and p.name not in bound and p.name not in meant
    ]
    if missing and not too_many:  # what is one too many may be what is missing
        names = ", ".join(f"`{p.name}`" for p in missing)
        examples = ", ".join(
            ["…"] * bool(bound)
            + ["…" if p.positional and not bound else f"{p.name}=…" for p in missing]
        )
        problems.add(
            "LRS204",
            f"`{name}` needs {names}",
            name_span,
            "argument missing" if len(missing) == 1 else "arguments missing",
            help=f"write `{name}({examples})`",
        )
    return bound


def _unknown(
    name: str, key: str, known: list[str], span: Span, problems: Problems
) -> str | None:
    """Report an argument that does not exist; return the one that was probably meant."""
    aliases: tuple[str, ...] = FOREIGN_ARGUMENTS.get(key, ())
    meant = next((name for name in aliases if name in known), None)
    if meant is None and key not in ADVICE:
        meant = suggest(key, known, FOREIGN)
    if meant is not None:
        repair = f"did you mean `{meant}`?"
    elif key in ADVICE and {"from", "to"} & set(known):
        repair = ADVICE[key]
    elif not known:
        repair = f"it takes no arguments: write `{name}()`"
    elif len(known) <= _LISTED:
        repair = "it takes " + ", ".join(f"`{k}`" for k in known)
    else:
        repair = "its arguments are " + ", ".join(f"`{k}`" for k in known)
    problems.add(
        "LRS203",
        f"`{name}` has no argument `{key}`",
        span,
        "not one of its arguments",
        help=repair,
    )
    return meant


def _one_too_many(
    name: str,
    by_position: list[CurveParameter],
    parameters: tuple[CurveParameter, ...],
    argument: nodes.Argument,
    span: Span,
    problems: Problems,
) -> None:
    named = [key for p in parameters if not p.positional for key in (p.name, *p.also)]
    takes = {
        0: "no argument by position",
        1: f"only `{by_position[0].name}` by position" if by_position else "",
    }.get(len(by_position), f"{len(by_position)} arguments by position")
    shown = print_expression(argument.value)
    shown = shown if len(shown) <= 20 else "…"
    if named:
        also = {key for p in parameters for key in p.also}
        best = "max" if "max" in also else named[0]
        repair = f"say which it is, as in `{name}({'…, ' * bool(by_position)}{best}={shown})`"
    else:
        repair = "leave it out"
    problems.add(
        "LRS205",
        f"`{name}` takes {takes}",
        span,
        "one argument too many",
        help=repair,
    )
