"""Syntax tree → checked program: every statement in its place, every name resolved."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache, partial

from lrdsl import core, limits
from lrdsl.analysis.expand import Enough, Expander, TooLarge
from lrdsl.analysis.problems import Problems
from lrdsl.analysis.scope import Declared, Deferred, Function, LetValue, Scope, Target
from lrdsl.diagnostics import Diagnostic, Label, LrsError, Severity
from lrdsl.prelude import entries
from lrdsl.records import dataclass
from lrdsl.source import SourceText, Span
from lrdsl.suggest import suggest
from lrdsl.syntax import nodes
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_expression
from lrdsl.targets import RATE, split
from lrdsl.vocabulary import CLOCKS, CONSTANTS, END, KEYWORDS, REFERENCES, RESERVED

_NAMES_OF_RATE = frozenset({"lr", "rate", "learning_rate", "learningrate"})
_VALUE_WORDS = frozenset([*CLOCKS, *REFERENCES, *CONSTANTS, END])


@dataclass(frozen=True, slots=True)
class Train:
    """The `train` line: epochs and steps per epoch, or steps in all."""

    epochs: int | None
    steps_per_epoch: int | None
    steps: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked program: its targets in the order of the file, and its `train` line."""

    source: SourceText
    file: nodes.File
    targets: tuple[tuple[str, core.Core], ...]
    train: Train | None
    warnings: tuple[Diagnostic, ...]


def check(source: SourceText, overrides: dict[str, str] | None = None) -> Checked:
    """Parse and check a text.

    Args:
        source: the text.
        overrides: values for `let`s from outside, in the language's own text.

    Raises:
        LrsError: with every problem found (LRS1xx, LRS2xx and LRS4xx of the text itself).
    """
    file = parse(source)
    if overrides:
        source = _overridden(file, source, overrides)
        file = parse(source)
    problems = Problems()
    declarations = _Declarations(file, problems)
    try:
        for statement in file.statements:
            declarations.add(statement)
        declarations.finish()
    except TooLarge as error:
        message, span = error.args
        problems.add(
            "LRS107",
            f"the program expands to {message}",
            span,
            "over the limit here",
            help="call fewer functions inside one another",
        )
    except Enough:
        pass
    if problems.errors:
        raise LrsError(problems.errors, source)
    return Checked(
        source,
        file,
        tuple(declarations.targets.items()),
        declarations.train,
        tuple(problems.warnings),
    )


def _overridden(file: nodes.File, source: SourceText, overrides: dict[str, str]) -> SourceText:
    """Return the text with values set from outside in their places: what is run is one text."""
    lets = {s.name: s for s in file.statements if isinstance(s, nodes.Let)}
    replaced = []
    for name, text in overrides.items():
        value = _override_value(name, text)
        if name not in lets:
            raise LrsError([_no_such_let(name, text, list(lets))], _override_source(name, text))
        replaced.append((lets[name].value.span, print_expression(value)))
    text = source.text
    for span, value_text in sorted(replaced, reverse=True):
        after = text[span.end :]
        # `let p = (1)lr = p`: no parenthesis may end the new value.
        gap = " " if after[:1].isalnum() or after[:1] == "_" else ""
        text = f"{text[: span.start]}{value_text}{gap}{after}"
    return SourceText(text, source.name)


def _override_source(name: str, text: str) -> SourceText:
    return SourceText(f"let {name} = {text}", f"<{name}=…>")


def _no_such_let(name: str, text: str, declared: list[str]) -> Diagnostic:
    meant = suggest(name, declared)
    if meant is not None:
        repair = f"did you mean `{meant}`?"
    elif declared:
        repair = "the file declares " + ", ".join(f"`{n}`" for n in declared[:8])
    else:
        repair = f"the file declares no `let`: add `let {name} = {text}`"
    return Diagnostic(
        code="LRS207",
        message=f"the file has no `let {name}` to set",
        primary=Label(Span(4, 4 + len(name)), "not declared"),
        help=repair,
    )


def _override_value(name: str, text: str) -> nodes.Expression:
    source = _override_source(name, text)
    statements = parse(source).statements
    if len(statements) != 1 or not isinstance(statements[0], nodes.Let):
        # For example "1 let y = 2": one value was asked for.
        raise LrsError(
            [
                Diagnostic(
                    code="LRS102",
                    message=f"`{name}=` takes one value",
                    primary=Label(Span(4, len(source.text)), "more than one statement"),
                    help=f"write `{name}=0.1`",
                )
            ],
            source,
        )
    return statements[0].value


class _Declarations:
    """The statements of a file, added one after another."""

    def __init__(self, file: nodes.File, problems: Problems) -> None:
        self._file = file
        self._names = frozenset(
            s.target or "lr" if isinstance(s, nodes.Assign) else s.name
            for s in file.statements
            if not isinstance(s, nodes.Train)
        )
        self._problems = problems
        self._expander = Expander(problems)
        self._declared: dict[str, tuple[int, Declared]] = dict(_prelude())
        self._prelude = frozenset(self._declared)
        self._spans: dict[str, Span] = {}
        self._train_span: Span | None = None
        self.targets: dict[str, core.Core] = {}
        self.train: Train | None = None

    def add(self, statement: nodes.Statement) -> None:
        match statement:
            case nodes.Train():
                self._add_train(statement)
            case nodes.Let(name=name, value=value, name_span=span):
                node = self._expander.constant(value, self._scope(), name)
                if self._may_define(name, span, "let"):
                    self._declare(name, LetValue(name, node), span)
            case nodes.Def():
                self._add_def(statement)
            case nodes.Assign(target=target, body=body, target_span=span):
                node = self._expander.schedule(body, self._scope())
                name = target or RATE
                if name != RATE:
                    self._expander.refuse_stop(node, name)
                if self._may_define(name, span, "target"):
                    self._declare(name, Target(name), span)
                    self.targets[name] = node

    def finish(self) -> None:
        file = self._file
        if not self.targets and not self._problems.errors:
            self._problems.add(
                "LRS109",
                "the file holds no schedule" if file.statements else "the file is empty",
                Span(file.span.end, file.span.end),
                "a schedule was expected",
                help="write one, for example `lr = cosine(max=0.1)`"
                if file.statements
                else "write a schedule, for example `const(1e-3) until 10 then exp(0.1)`",
            )
        for name, (_, declared) in self._declared.items():
            if isinstance(declared, LetValue) and name not in self._expander.used:
                self._problems.add(
                    "LRS501",
                    f"`{name}` is not used",
                    self._spans[name],
                    "no schedule below refers to it",
                    help="delete the line",
                    severity=Severity.WARNING,
                )

    def _scope(self) -> Scope:
        return Scope(self._declared, limit=len(self._declared), below=self._names)

    def _declare(self, name: str, declared: Declared, span: Span) -> None:
        self._declared[name] = (len(self._declared), declared)
        self._spans[name] = span

    def _add_def(self, statement: nodes.Def) -> None:
        seen: set[str] = set()
        if len(statement.parameters) > limits.PARAMETERS:
            self._problems.add(
                "LRS107",
                f"`{statement.name}` has {len(statement.parameters):,} parameters",
                statement.parameters[limits.PARAMETERS].span,
                f"at most {limits.PARAMETERS} are allowed",
                help="give fewer, or use `let`s",
            )
            return
        for parameter in statement.parameters:
            name, span = parameter.name, parameter.name_span
            if name in seen:
                self._problems.add(
                    "LRS205",
                    f"`{statement.name}` has two parameters `{name}`",
                    span,
                    "named again",
                    help="give one of them another name",
                )
            elif name in KEYWORDS:
                self._keyword(name, span)
            elif name in _VALUE_WORDS:
                self._reserved(name, span)
            seen.add(name)
        index = len(self._declared)
        function = Function(lambda: statement, index, prelude=False)
        # The body on its own, with its parameters unknown, so that a mistake in a function
        # that nobody calls is found too.
        scope = self._scope()
        unknown: dict[str, Deferred | None] = {}
        for parameter in statement.parameters:
            if parameter.default is not None:  # sees the parameters before it
                self._expander.definition(
                    parameter.default, scope.inside(function, dict(unknown), None)
                )
            unknown[parameter.name] = None
        self._expander.definition(statement.body, scope.inside(function, unknown, None))
        if self._may_define(statement.name, statement.name_span, "def"):
            self._declare(statement.name, function, statement.name_span)

    def _may_define(self, name: str, span: Span, kind: str) -> bool:
        part, own = split(name)
        for word in (part, own):
            if word in KEYWORDS:
                self._keyword(word, span)
                return False
        if name in self._spans:
            self._problems.add(
                "LRS111",
                f"`{name}` is defined twice",
                span,
                "defined again",
                help="delete one of them, or give it another name",
                secondary=(Label(self._spans[name], "first defined here"),),
            )
            return False
        if kind == "target" and own != RATE and own.lower() in _NAMES_OF_RATE:
            ours = RATE if part is None else f"{part}.{RATE}"
            self._problems.add(
                "LRS206",
                f"the target `{name}` is called `{ours}` here",
                span,
                "not a target",
                help=f"write `{ours} = …`",
            )
            return False
        if name in self._prelude or (
            name in RESERVED and not (kind == "target" and name == "lr")
        ):
            self._reserved(name, span)
            return False
        return True

    def _keyword(self, name: str, span: Span) -> None:
        self._problems.add(
            "LRS108",
            f"`{name}` is a keyword and cannot be a name",
            span,
            "a keyword",
            help=f"choose another name, such as `{name}_`",
        )

    def _reserved(self, name: str, span: Span) -> None:
        self._problems.add(
            "LRS206",
            f"`{name}` has a meaning of its own and cannot be redefined",
            span,
            "part of the language",
            help=f"choose another name, such as `{name}_`",
        )

    def _add_train(self, statement: nodes.Train) -> None:
        if self._train_span is not None:
            self._problems.add(
                "LRS111",
                "`train` is given twice",
                statement.span,
                "given again",
                help="delete one of them",
                secondary=(Label(self._train_span, "first given here"),),
            )
            return
        self._train_span = statement.span
        amount, per = statement.amount, statement.per
        if amount.unit not in ("epochs", "steps"):
            self._train_problem(
                amount, "epochs or steps?", f"write `train {amount.text} epochs`"
            )
        elif per is not None and amount.unit == "steps":
            self._train_problem(
                per,
                "only epochs are made of steps",
                f"write `train {amount.text} steps`, or `train 90 epochs of {per.text} steps`",
            )
        elif per is not None and per.unit != "steps":
            self._train_problem(
                per,
                "an epoch is made of steps",
                f"write `of {per.text} steps`",
            )
        elif self._is_whole(amount) and (per is None or self._is_whole(per)):
            count = int(amount.value)
            each = None if per is None else int(per.value)
            if count * (each or 1) > limits.STEPS:
                self._problems.add(
                    "LRS107",
                    "the training is longer than any",
                    statement.span,
                    f"at most {limits.STEPS:,} steps",
                    help="check the numbers",
                )
            elif amount.unit == "epochs":
                self.train = Train(count, each, None, statement.span)
            else:
                self.train = Train(None, None, count, statement.span)

    def _is_whole(self, amount: nodes.Amount) -> bool:
        if amount.value.denominator == 1 and amount.value > 0:
            return True
        nearest = max(1, round(amount.value))
        unit = amount.unit.removesuffix("s") if nearest == 1 else amount.unit
        self._train_problem(
            amount,
            "must be whole and above zero",
            f"write `{nearest} {unit}`",
        )
        return False

    def _train_problem(self, amount: nodes.Amount, label: str, repair: str) -> None:
        shown = f"{amount.text}{' ' * (amount.unit not in ('', '%'))}{amount.unit}"
        self._problems.add(
            "LRS310",
            f"`train` cannot count `{shown}`",
            amount.span,
            label,
            help=repair,
        )


@lru_cache(maxsize=1)
def _prelude() -> Mapping[str, tuple[int, Declared]]:
    return {
        name: (entry.index, Function(partial(_parsed, entry.text), entry.index, prelude=True))
        for name, entry in entries().items()
    }


@cache
def _parsed(text: str) -> nodes.Def:
    (definition,) = parse(SourceText(text, "prelude.lrs")).statements
    assert isinstance(definition, nodes.Def)
    return definition
