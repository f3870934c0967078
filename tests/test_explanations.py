"""Every code is explained, each wrong example gives its code, and the repaired one is fine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lrdsl
from lrdsl.cli.main import cli
from lrdsl.diagnostics import CODES
from lrdsl.explanations import EXPLANATIONS, Example
from lrdsl.formatting import format_source

LOG = "epoch,loss,val_loss\n0,0.9,0.8\n1,0.7,0.6\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)


def of_kind(*kinds: str) -> list[str]:
    return [code for code, told in EXPLANATIONS.items() if told.kind in kinds]


def codes_of_schedule(example: Example) -> set[str]:
    """Return the codes that `check` and `values` report."""
    Path("example.lrs").write_text(example.text, encoding="utf-8")
    said = ""
    for command in (
        ["check", "example.lrs"],
        ["plot", "example.lrs", *shlex.split(example.options)],
    ):
        result = CliRunner().invoke(cli, command, prog_name="lrdsl")
        said += result.stdout + result.stderr
        assert result.exit_code < 2, said
    return set(re.findall(r"\[(LRS\d+)\]", said))


def codes_of_log(example: Example) -> set[str]:
    Path("other.csv").write_text(example.text + "\n")
    try:
        lrdsl.read_metrics("other.csv")
    except lrdsl.LrsError as error:
        return {problem.code for problem in error.diagnostics}
    return set()


def codes_of_python(example: Example) -> set[str]:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    given = {"keras": keras, "lrdsl": lrdsl, "model": model}
    given |= {"x": np.ones((64, 4)), "y": np.ones((64, 1))}
    try:
        exec(example.text, given)
    except lrdsl.LrsError as error:
        return {problem.code for problem in error.diagnostics}
    return set()


def test_every_code_is_explained_in_order() -> None:
    assert list(EXPLANATIONS) == list(CODES)


@pytest.mark.parametrize("code", of_kind("lrs", "log"))
def test_the_wrong_example_gives_its_code_and_the_repaired_one_none(code: str) -> None:
    told = EXPLANATIONS[code]
    codes_of = codes_of_log if told.kind == "log" else codes_of_schedule
    assert codes_of(told.wrong) == {code}
    assert codes_of(told.right) == set()
    assert told.wrong != told.right


@pytest.mark.parametrize("code", of_kind("python"))
def test_so_do_examples_of_a_running_fit(code: str) -> None:
    told = EXPLANATIONS[code]
    assert codes_of_python(told.wrong) == {code}
    for path in Path().iterdir():
        if path.is_dir():
            path.rename(f"../{path.name}-of-the-wrong-one")
    assert codes_of_python(told.right) == set()


@pytest.mark.parametrize("code", of_kind("lrs"))
def test_repaired_examples_are_formatted(code: str) -> None:
    text = EXPLANATIONS[code].right.text
    assert format_source(lrdsl.SourceText(text)) == text + "\n"


def test_meanings_are_sentences_and_say_more_than_the_rule() -> None:
    for code, told in EXPLANATIONS.items():
        assert re.search(r"[.)]$", told.meaning), code
        assert len(told.meaning) < 300, code
