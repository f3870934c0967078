"""Every curve has a page, and what the page says is so."""

from __future__ import annotations

import re

import pytest

import lrdsl
from lrdsl.catalogue import _page, pages
from lrdsl.cli.curves import EPOCHS, STEPS_PER_EPOCH
from lrdsl.prelude import entries
from lrdsl.vocabulary import CURVES


def parameters(name: str) -> list[str]:
    """Return the names that a curve's parameters are given by."""
    if name in CURVES:
        return [key for p in CURVES[name] for key in (p.name, *p.also)]
    inside = entries()[name].signature.partition("(")[2].removesuffix(")")
    # Without what stands in the parentheses of a default, commas part the parameters.
    while re.search(r"\([^()]*\)", inside):
        inside = re.sub(r"\([^()]*\)", "", inside)
    return [p.split("=")[0].strip() for p in inside.split(",") if p.strip() != "*"]


def test_every_curve_has_a_page_in_the_order_of_its_definition() -> None:
    assert list(pages()) == [*CURVES, *entries()]


@pytest.mark.parametrize("name", pages())
def test_a_page_has_all_its_parts(name: str) -> None:
    page = pages()[name]
    parts = (page.section, page.summary, page.formula, page.parameters, page.source)
    assert all(part and part == part.strip() for part in parts)
    assert all(signature.startswith(f"{name}(") for signature in page.signatures)
    assert page.parameters.endswith(".")
    assert page.source.endswith(".")
    assert (page.definition is None) == (name in CURVES)


@pytest.mark.parametrize("name", pages())
def test_every_parameter_is_explained(name: str) -> None:
    text = pages()[name].parameters
    for stem, first, last in re.findall(r"\b([a-z]+)(\d) to \1(\d)\b", text):
        text += "".join(f" {stem}{number}" for number in range(int(first), int(last) + 1))
    words = set(re.findall(r"\w+", text))
    assert [key for key in parameters(name) if key not in words] == []


@pytest.mark.parametrize("name", pages())
def test_the_example_calls_the_curve_and_can_be_planned(name: str) -> None:
    page = pages()[name]
    assert re.search(rf"\b{name}\(", page.example)
    program = lrdsl.loads(page.example)
    assert program.warnings == ()
    plan = program.plan(epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)
    assert plan.warnings == ()
    assert len(plan.values()) == EPOCHS * STEPS_PER_EPOCH


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("const", ["const(value=entry)"]),
        ("cosine", ["cosine(*, from=entry, to=0, cycles=1)"]),
        ("poly", ["poly(power, *, from=entry, to=0)"]),
        ("exp", ["exp(rate, *, every=1, from=entry)", "exp(*, to, from=entry)"]),
        ("noise", ["noise(*, seed, every=1 step)"]),
        ("wsd", [entries()["wsd"].signature]),
    ],
)
def test_a_signature_says_what_goes_by_position_and_what_has_a_default(
    name: str, signatures: list[str]
) -> None:
    assert list(pages()[name].signatures) == signatures


@pytest.mark.parametrize("name", CURVES)
def test_the_signatures_of_a_primitive_have_all_its_parameters(name: str) -> None:
    shown = set(re.findall(r"(?<=[(, ])\w+(?=[=,)])", " ".join(pages()[name].signatures)))
    assert shown >= {parameter.name for parameter in CURVES[name]}


def test_lines_that_go_on_belong_to_the_part_above_them() -> None:
    comment = (
        *("fall: goes", "  down.", "  Formula: 1 −", "  p", "  Parameters: none."),
        *("  Example: fall()", "  Source: a", "  book."),
    )
    page = _page("fall", "falls", comment, ("fall()",), "def fall() = 1 - progress")
    assert (page.summary, page.formula, page.source) == ("goes down", "1 − p", "a book.")


def test_a_comment_that_lacks_a_part_is_named() -> None:
    with pytest.raises(ValueError, match="the comment of 'fall' has no part 'Parameters'"):
        _page("fall", "falls", ("fall: down.", "  Formula: 1 − p"), (), None)
