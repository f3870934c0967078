"""What is to be said of every curve: the primitives and the prelude's functions as pages.

Reading the pages parses no schedule, so that listing the curves costs next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from lrdsl.prelude import entries
from lrdsl.records import dataclass
from lrdsl.vocabulary import CURVES, CurveParameter

_PRIMITIVES: Final = """
const: a value that stays; a number alone is the same.
  Formula: value
  Parameters: value, a rate.
  Example: const(0.1) until 50 then const(0.01)
  Source: Keras PiecewiseConstantDecay, PyTorch ConstantLR, optax constant_schedule.

linear: a straight line.
  Formula: from + (to − from)·p
  Parameters: from and to, rates.
  Example: linear(from=0.1, to=0.001)
  Source: Keras PolynomialDecay(power=1), PyTorch LinearLR, optax linear_schedule.

cosine: half a cosine, once or several times.
  Formula: to + (from − to)·(1 + cos πp) / 2 in each of the cycles, p its own
  Parameters: from, also called max, and to, also called min, rates; cycles, a whole number,
  that the segment is divided by.
  Example: cosine(max=0.1, cycles=3)
  Source: Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5; with cycles, Huang et al.
  2017 (arXiv:1704.00109), equation 2; Keras CosineDecay, PyTorch CosineAnnealingLR.

poly: falls as a power of the time that is left.
  Formula: to + (from − to)·(1 − p)^power
  Parameters: power, a number, 1 is `linear`; from and to, rates.
  Example: poly(2, from=0.1)
  Source: Keras PolynomialDecay, PyTorch PolynomialLR, Caffe poly.

exp: an exponential, at a rate or to an end.
  Formula: from·e^(−rate·τ/every), or from·(to/from)^p
  Parameters: rate, a number; every, a time; to and from, rates, above 0 where `to` is given.
  Example: exp(0.05, from=0.1) until 50 then exp(to=1e-4)
  Source: tf.compat.v1.train.natural_exp_decay; with `to`, fastai SchedExp.

decay: falls by a factor every so often, smoothly.
  Formula: from·factor^(τ/every)
  Parameters: factor, a number; every, a time; from, a rate.
  Example: decay(0.5, every=20, from=0.1)
  Source: Keras ExponentialDecay, PyTorch ExponentialLR, optax exponential_decay.

inverse: falls as one over time, or as a power of that.
  Formula: from / (1 + rate·τ/every)^power
  Parameters: rate and power, numbers; every, a time; from, a rate.
  Example: inverse(0.5, every=10, from=0.1)
  Source: Keras InverseTimeDecay; with power, Caffe inv.

warmup: climbs in a line to where the next segment starts.
  Formula: from + (next − from)·τ/duration
  Parameters: duration, its length, a time; from, a rate.
  Example: warmup(10) then cosine(max=0.1)
  Source: Goyal et al. 2017 (arXiv:1706.02677), section 2.2.

noise: random numbers, the same in every run.
  Formula: uniform in [−1, 1), a function of seed and ⌊τ/every⌋ alone
  Parameters: seed, a whole number; every, a time.
  Example: cosine(max=0.1) * (1 + 0.2 * noise(seed=1, every=1))
  Source: SplitMix64, of Steele, Lea and Flood 2014 (doi:10.1145/2660193.2660195).

plateau: falls by a factor whenever a metric stalls.
  Formula: from·factor^cuts·rise^rises, each time at least min and at most max
  Parameters: from, min and max, rates; monitor, the name of the metric; factor, a number
  below 1, and rise, one above, if given; patience, how many observations no better than the
  best are a stall, and as many better ones a rise; cooldown and rise_cooldown, observations
  after a cut or a rise, of which the last counts again; mode, auto, min or max, what is
  better; min_delta, by how much, 1e-4 unless threshold, a share of the best, is given;
  versus, best or previous, what is compared with; window, the mean of how many last
  observations is judged; accumulation, of how many each; reset, improvement or cut, what
  ends a count; freeze, none or cooldown, when the best stays; nan, error or ignore; restore,
  none or best, the weights to go on with after a cut.
  Example: plateau(from=0.1, monitor=val_loss, factor=0.5, patience=5)
  Source: Keras ReduceLROnPlateau, observation for observation; PyTorch, timm and others by
  the parameters that they add.
"""
"""The primitives' pages, in the form of the comments in `grammars/prelude.lrs`."""

_SECTION = "primitives"

_FORMS: Final = {"exp": (("rate", "every", "from"), ("to", "from"))}
"""The parameters that go together, of curves that do not take all of theirs at once."""

_FIELD = re.compile(r"  (Formula|Parameters|Example|Source): (.*)")


@dataclass(frozen=True, slots=True)
class Page:
    """What is to be said of one curve.

    Attributes:
        name: what it is called.
        section: the title of the group it is listed in.
        summary: what it is, in a line that follows its name.
        signatures: the ways to call it, with the parameters' defaults; what stands after
            `*` is given by name.
        formula: its value; τ is the time since its segment began, p = τ / its length.
        parameters: each of them, with its unit.
        example: a schedule that uses it.
        source: where it comes from.
        definition: its text in the prelude; None for a primitive.
    """

    name: str
    section: str
    summary: str
    signatures: tuple[str, ...]
    formula: str
    parameters: str
    example: str
    source: str
    definition: str | None


@lru_cache(maxsize=1)
def pages() -> Mapping[str, Page]:
    """Return the page of every curve by name: the primitives, then the prelude in its order.

    Raises:
        ValueError: a page lacks one of its parts.
    """
    found: list[Page] = []
    for block in _PRIMITIVES.strip().split("\n\n"):
        name = block.partition(":")[0]
        found.append(_page(name, _SECTION, block.splitlines(), _signatures(name), None))
    for entry in entries().values():
        found.append(
            _page(entry.name, entry.section, entry.comment, (entry.signature,), entry.text)
        )
    return MappingProxyType({page.name: page for page in found})


def _page(
    name: str,
    section: str,
    comment: Iterable[str],
    signatures: tuple[str, ...],
    definition: str | None,
) -> Page:
    parts: list[list[str]] = [["Summary"]]
    for line in comment:
        field = _FIELD.fullmatch(line)
        if field is not None:
            parts.append([field[1]])
        parts[-1].append(line.strip() if field is None else field[2])
    texts = {title: " ".join(lines) for title, *lines in parts}
    try:
        return Page(
            name,
            section,
            texts["Summary"].removeprefix(f"{name}: ").removesuffix("."),
            signatures,
            texts["Formula"],
            texts["Parameters"],
            texts["Example"],
            texts["Source"],
            definition,
        )
    except KeyError as part:
        raise ValueError(f"the comment of {name!r} has no part {part}") from None


def _signatures(name: str) -> tuple[str, ...]:
    parameters = {parameter.name: parameter for parameter in CURVES[name]}
    forms = _FORMS.get(name, (tuple(parameters),))
    return tuple(_signature(name, [parameters[key] for key in form]) for form in forms)


def _signature(name: str, parameters: Sequence[CurveParameter]) -> str:
    """Return a primitive's signature, as the prelude writes those of its functions."""
    by_position = [_in_signature(p) for p in parameters if p.positional]
    by_name = [_in_signature(p) for p in parameters if not p.positional]
    return f"{name}({', '.join([*by_position, *['*'] * bool(by_name), *by_name])})"


def _in_signature(parameter: CurveParameter) -> str:
    default = parameter.default
    return parameter.name if default is None else f"{parameter.name}={default}"
