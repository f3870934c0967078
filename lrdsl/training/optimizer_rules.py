"""What an optimizer must be like, so that a schedule can be applied to it exactly.

One function a rule, each yielding a diagnostic for what it finds.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.suggest import suggest
from lrdsl.syntax import nodes
from lrdsl.targets import is_rate, split
from lrdsl.training.feeds.parts import Part, all_parts, inner_optimizer, parts_of
from lrdsl.training.feeds.targets import why_not
from lrdsl.training.situation import Situation
from lrdsl.training.takeover import holds_a_schedule, in_the_optimizer

if TYPE_CHECKING:
    from lrdsl.program import Program


def parts_are_there(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a target for a part that the optimizer does not have, or has twice, or unused."""
    program = situation.program
    asked = {split(target)[0]: target for target in reversed(program.targets)}
    asked.pop(None, None)
    if situation.optimizer is None or not asked:
        return
    parts = all_parts(situation.optimizer)
    used = parts_of(situation.optimizer)
    for name, target in reversed(asked.items()):
        assert name is not None
        found = [part for part in parts if part.name == name]
        if parts and parts[0].name is None:
            message = f"`{target}` is for a part, and the optimizer is one `{_kind(parts[0])}`"
            repair = (
                f"write `{split(target)[1]} = …`; parts are those of a `MultiOptimizer`, by "
                "their names"
            )
        elif not found:
            message = f"the optimizer has no part `{name}`"
            meant = suggest(name, [str(part.name) for part in parts])
            listed = ", ".join(f"`{part.name}` (`{_kind(part)}`)" for part in parts)
            repair = (
                (f"did you mean `{meant}`? " if meant else "")
                + f"its parts are {listed}; one is given a name where it is made: "
                + f'`{_kind(parts[0])}(…, name="{name}")`'
            )
        elif len(found) > 1:
            message = f"{len(found)} parts of the optimizer are named `{name}`"
            repair = (
                "give each a name of its own where it is made: "
                f'`{_kind(found[1])}(…, name="{name}_2")`'
            )
        elif not any(part.optimizer is found[0].optimizer for part in used):
            message = f"the optimizer's part `{name}` has no variable to update"
            paths = situation.model.trainable_variables
            example = f", such as `{paths[0].path}`" if paths else ""
            repair = (
                "a key of an `OptimizerMap` is a regular expression for the whole path of a "
                f"variable{example}"
            )
        else:
            continue
        yield Diagnostic(
            code="LRS601", message=message, primary=_named(program, target), help=repair
        )


def every_part_has_a_rate(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a schedule that leaves the rate of the optimizer, or of a part, unsaid."""
    targets = situation.program.targets
    if not any(map(is_rate, targets)):
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule sets `{targets[0]}` and not `lr`",
            primary=_label(situation.program, targets[0]),
            help="add `lr = base`, which keeps the optimizer's own rate, or any other",
        )
    elif situation.optimizer is not None:
        parts = parts_of(situation.optimizer)
        bare = [part for part in parts if part.rate_among(targets) is None]
        if bare and bare[0].name is not None:  # else the schedule is for parts
            yield Diagnostic(
                code="LRS601",
                message=f"the schedule has no rate for the optimizer's part `{bare[0].name}`",
                help=f"add `{bare[0].name}.lr = …` for it, or `lr = …` for all parts that "
                "have none of their own",
            )


def targets_can_be_set(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a float that the optimizer, or a part that it is for, does not have."""
    program = situation.program
    if situation.optimizer is None:
        return
    others = [target for target in program.targets if not is_rate(target)]
    half = [v.path for v in situation.model.trainable_variables if "16" in str(v.dtype)]
    if others and half and keras.backend.backend() == "jax":
        # XLA leaves out the rounding that a constant has there.
        yield Diagnostic(
            code="LRS601",
            message=f"on JAX `{others[0]}` is not exact for weights of half precision, such "
            f"as `{half[0]}`",
            primary=_label(program, others[0]),
            help='keep the weights in float32: `set_dtype_policy("mixed_bfloat16")`',
        )
    parts = parts_of(situation.optimizer)
    for part in parts:
        floats = part.floats_among(program.targets)
        for name, message, repair in why_not(part, floats):
            yield Diagnostic(
                code="LRS601",
                message=message,
                primary=_label(program, floats[name]),
                help=_only_for_some(name, floats[name], parts) or repair,
            )


def _only_for_some(name: str, target: str, parts: Sequence[Part]) -> str | None:
    """Return how to set what is meant for all parts only for those that have it."""
    if split(target)[0] is not None:
        return None
    able = [part.name for part in parts if not any(why_not(part, (name,)))]
    if not able:
        return None
    lines = " and ".join(f"`{part}.{name} = …`" for part in able)
    return f"`{name}` is for all parts; for those alone that have it, write {lines}"


def optimizer_is_alone(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a model that holds other optimizers."""
    optimizer = situation.optimizer
    known = [optimizer, inner_optimizer(optimizer)]
    known += [part.optimizer for part in all_parts(optimizer)]
    others = [
        name
        for name, value in vars(situation.model).items()
        if not name.startswith("_self_")  # where TensorFlow lists what it tracks
        and any(
            isinstance(held, keras.optimizers.Optimizer)
            and not any(held is one for one in known)
            for held in _held_in(value)
        )
    ]
    if others:
        names = ", ".join(f"`{name}`" for name in sorted(others))
        yield Diagnostic(
            code="LRS601",
            message=f"the model holds another optimizer besides its own: {names}",
            help="so far lrdsl applies a schedule to one optimizer: train with the one "
            "given to `compile`, which may be a `MultiOptimizer`",
        )
        return
    for name, value in _named_in_train_step(type(situation.model)).items():
        if isinstance(value, keras.optimizers.Optimizer) and not any(
            value is one for one in known
        ):
            yield Diagnostic(
                code="LRS601",
                message=f"`train_step` uses another optimizer besides the model's: `{name}`",
                help="so far lrdsl applies a schedule to one optimizer: train with the one "
                "given to `compile`, `self.optimizer`, which may be a `MultiOptimizer`",
            )


def _named_in_train_step(model_class: type) -> dict[str, Any]:
    """Return what a train step of the user's own takes from outside of itself, by its name."""
    step = getattr(model_class, "train_step", None)
    if step is getattr(keras.Model, "train_step", None):
        return {}
    try:
        found = inspect.getclosurevars(inspect.unwrap(step))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # no function of Python's
        return {}
    return {**found.nonlocals, **found.globals}


def _held_in(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else (value,)


def variables_have_parts(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a MultiOptimizer of which nobody knows yet what its parts are for."""
    if not parts_of(situation.optimizer):
        yield Diagnostic(
            code="LRS601",
            message="the model is not built, so that which variable belongs to which part of "
            "the optimizer is not known",
            help="build it first, with a `keras.Input` or by `model.build(…)`",
        )


def rate_is_a_number(situation: Situation) -> Iterator[Diagnostic]:
    """Refuse a rate that somebody else decides, or that is no float32."""
    for part in parts_of(situation.optimizer):
        rate, whose = part.rate, "the optimizer's rate"
        if part.name is not None:
            whose = f"the rate of the optimizer's part `{part.name}`"
        number = f"make it with a number, `{_kind(part)}(learning_rate=0.01)`"
        if situation.take_over and holds_a_schedule(part):
            yield from _rate_taken_over_is_one(situation, part)
        elif isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            yield Diagnostic(
                code="LRS601",
                message=f"{whose} is a `{type(rate).__name__}` already",
                help=situation.or_take_over(f"{number}: the schedule replaces it"),
            )
        elif not isinstance(rate, keras.Variable):
            yield Diagnostic(
                code="LRS601",
                message=f"{whose} is a function"
                if callable(rate)
                else f"`{_kind(part)}` does not keep its rate as Keras does",
                help=situation.or_take_over(f"{number}: the schedule replaces it")
                if callable(rate)
                else f"{number}: the schedule replaces it",
            )
        elif keras.backend.standardize_dtype(rate.dtype) != "float32":
            yield Diagnostic(
                code="LRS601",
                message=f"{whose} is a {rate.dtype}, and float32 is needed",
                help='leave `keras.config.set_floatx("float32")` in force; half precision is '
                'had by `keras.config.set_dtype_policy("mixed_float16")`',
            )


def _rate_taken_over_is_one(situation: Situation, part: Part) -> Iterator[Diagnostic]:
    found = in_the_optimizer(part)
    whose = "the optimizer's" if part.name is None else f"the part `{part.name}`'s"
    assert found.rate is not None
    if not 0 <= found.rate < float("inf"):
        yield Diagnostic(
            code="LRS601",
            message=f"{whose} {found.name} gives {found.rate} at step {found.step}, "
            "which is no rate to take over",
            help="make the optimizer with a number",
        )
    elif found.rate == 0 and situation.base is None and situation.program.needs_base:
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule begins at `base`, and {whose} {found.name}, which "
            f"it takes over from, gives 0 at step {found.step}",
            help="say where it begins: `--base 0.1`, or `from=0.1` (`max=0.1`) in the file",
        )


def _kind(part: Part) -> str:
    return type(part.optimizer).__name__


def _label(program: Program, target: str) -> Label:
    """Return the label of what a target is set to."""
    return Label(dict(program.checked.targets)[target].span, f"is for `{target}`")


def _named(program: Program, target: str) -> Label:
    """Return the label of a target's name."""
    span = next(
        statement.target_span
        for statement in program.checked.file.statements
        if isinstance(statement, nodes.Assign) and statement.target == target
    )
    return Label(span, "is for a part")
