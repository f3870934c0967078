"""Editors and Pygments colour what the language has: all from the one table of its words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from generated_programs import texts
from hypothesis import given, settings
from pygments import token

from lrdsl.catalogue import pages
from lrdsl.cli.main import COMMANDS
from lrdsl.colouring import textmate
from lrdsl.pygments_lexer import LrsLexer
from lrdsl.vocabulary import CLOCKS, CONSTANTS, CURVES, FUNCTIONS, KEYWORDS, REFERENCES

ROOT = Path(__file__).parents[1]
GRAMMAR = ROOT / "grammars" / "lrs.tmLanguage.json"


def coloured(text: str) -> list[tuple[object, str]]:
    return [pair for pair in LrsLexer().get_tokens(text) if pair[1].strip()]


def kind_of(text: str) -> object:
    return coloured(text)[0][0]


def scope_of(text: str) -> str:
    """Return the scope that an editor gives to the beginning of a text."""
    for rule in json.loads(textmate())["patterns"]:
        if re.match(rule["match"], text):
            return str(rule["name"])
    raise AssertionError(f"nothing matches {text!r}")


def test_the_textmate_grammar_is_current(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-goldens"):
        GRAMMAR.write_text(textmate(), encoding="utf-8", newline="\n")
    assert GRAMMAR.read_text(encoding="utf-8") == textmate()


@pytest.mark.parametrize(
    ("words", "kind", "scope"),
    [
        (KEYWORDS, token.Keyword, "keyword.control.lrs"),
        ([*CLOCKS, *REFERENCES, *CONSTANTS, "end"], token.Name.Builtin.Pseudo, "variable.lang"),
        ([f"{name}(" for name in FUNCTIONS], token.Name.Builtin, "support.function.lrs"),
        ([f"{name}(" for name in CURVES], token.Name.Class, "support.function.curve.lrs"),
        ([f"{name}(" for name in pages()], token.Name.Class, "support.function.curve.lrs"),
        (["mine("], token.Name.Function, "entity.name.function.lrs"),
        (["then=", "epoch = ", "slow.lr ="], token.Name.Attribute, "variable.parameter.lrs"),
        (["5 epochs", "30 %", "1e-3", ".5", "500steps"], token.Number, "constant.numeric.lrs"),
    ],
)
def test_each_word_of_the_language_has_its_colour(
    words: list[str], kind: object, scope: str
) -> None:
    for word in words:
        assert kind_of(word) is kind, word
        assert scope_of(word).startswith(scope), word


@given(texts)
@settings(max_examples=200, deadline=None)
def test_nothing_of_a_program_is_left_without_a_colour(text: str) -> None:
    assert token.Error not in {kind for kind, _ in coloured(text)}


def test_a_number_and_its_unit_are_one_word() -> None:
    assert coloured("5 epochs of 390 steps") == [
        (token.Number, "5 epochs"),
        (token.Keyword, "of"),
        (token.Number, "390 steps"),
    ]


def test_pygments_finds_the_lexer_by_its_entry_point() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert (
        '[project.entry-points."pygments.lexers"]\nlrs = "lrdsl.pygments_lexer:LrsLexer"'
        in (project)
    )
    for found in entry_points(group="pygments.lexers", name="lrs"):  # where it is installed
        assert found.load() is LrsLexer


def test_pygments_is_imported_only_there() -> None:
    code = "import lrdsl.colouring, lrdsl.cli.main, sys; print('pygments' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_the_hooks_run_commands_that_there_are() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    hooks = dict(
        zip(
            re.findall(r"^- id: (.*)$", text, re.MULTILINE),
            re.findall(r"^  entry: (.*)$", text, re.MULTILINE),
            strict=True,
        )
    )
    assert hooks == {"lrdsl-check": "lrdsl check", "lrdsl-fmt": "lrdsl fmt"}
    assert {entry.split()[1] for entry in hooks.values()} <= set(COMMANDS)
    assert text.count("  files: \\.lrs$\n") == text.count("  language: python\n") == 2
