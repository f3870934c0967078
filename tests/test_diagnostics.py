"""Problems as a user reads them: each text of cases/errors beside what is printed of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import lrdsl
from lrdsl.diagnostics import CODES, Diagnostic, Label
from lrdsl.render import render_full
from lrdsl.source import SourceText, Span

ERRORS = Path(__file__).parent / "cases" / "errors"


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.lrs")), ids=lambda path: path.stem)
def test_problems_are_printed(path: Path, golden: Callable[[str, str], None]) -> None:
    source = SourceText(path.read_text(encoding="utf-8"), path.name)
    printed = [render_full(d, source) for d in lrdsl.diagnose(source)]
    golden(f"errors/{path.stem}.txt", "\n\n".join(printed) + "\n")


def test_codes_are_of_one_form() -> None:
    assert all(len(code) == 6 and code.startswith("LRS") for code in CODES)
    assert all(rule[0].islower() or rule[0] == "`" for rule in CODES.values())
    assert not any(rule.endswith(".") for rule in CODES.values())


def test_an_unregistered_code_is_a_bug() -> None:
    with pytest.raises(ValueError, match="LRS999"):
        Diagnostic(code="LRS999", message="no such rule")


def test_problems_sort_by_place_and_those_without_one_come_first() -> None:
    nowhere = Diagnostic(code="LRS602", message="fit differs")
    early = Diagnostic(code="LRS201", message="first", primary=Label(Span(1, 2)))
    late = Diagnostic(code="LRS101", message="second", primary=Label(Span(3, 4)))
    assert sorted([late, nowhere, early], key=Diagnostic.position) == [nowhere, early, late]
