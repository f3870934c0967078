"""The README tells of each command and option in the words of its `--help`."""

from __future__ import annotations

from pathlib import Path

import pytest
from manual import BEGIN, END, manual

from lrdsl.cli.main import COMMANDS

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_says_of_each_command_what_its_help_says(
    request: pytest.FixtureRequest,
) -> None:
    text = README.read_text(encoding="utf-8")
    before, made = text.split(BEGIN)
    made, after = made.split(END)
    if request.config.getoption("--update-goldens"):
        made = f"\n{manual()}\n"
        README.write_text(f"{before}{BEGIN}{made}{END}{after}", encoding="utf-8", newline="\n")
    assert made == f"\n{manual()}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_one_example_and_a_row_in_the_table(name: str) -> None:
    (entry,) = (part for part in manual().split("### ") if part.startswith(f"`lrdsl {name} "))
    assert entry.count(f"\nExample: `lrdsl {name} ") == 1
    commands = README.read_text(encoding="utf-8").split("## Commands")[1]
    assert f"| `lrdsl {name}" in commands.partition("\n### ")[0]
