"""The tables for those who come from another library say what the records show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from peers.coming_from import call
from peers.reproducing import CURVES, texts

PAGE = Path(__file__).parents[2] / "examples" / "coming_from.md"
README = Path(__file__).parents[2] / "README.md"

_HEADING = re.compile(r"^##+ (?P<title>.+)$")
_ROW = re.compile(r"^\| `(?P<there>.+?)` \| `(?P<here>.+?)` \|(?P<differs>[^|]*)")

MAIN = ("keras", "torch", "optax", "transformers", "timm")
PEERS = {
    "PyTorch": "torch",
    "PaddlePaddle": "paddle",
    "Megatron-LM": "megatron-core",
    "TensorFlow Addons": "tensorflow-addons",
}
"""Libraries whose records have another name than their section."""

RECORDS: list[dict[str, Any]] = json.loads(CURVES.read_text(encoding="utf-8"))


def _rows(page: Path) -> list[tuple[str, str, str]]:
    rows = []
    peer = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if heading := _HEADING.match(line):
            title = heading["title"]
            peer = PEERS.get(title, title.lower())
        elif row := _ROW.match(line):
            rows.append((peer, row["there"], row["here"]))
    return rows


ROWS = _rows(PAGE)


def _texts_of(peer: str, there: str) -> list[str]:
    return [
        " ".join(texts()[record["id"]].text.split())
        for record in RECORDS
        if record["peer"] == peer and call(record) == there
    ]


@pytest.mark.parametrize(("peer", "there", "here"), ROWS, ids=[f"{p} {t}" for p, t, _ in ROWS])
def test_a_line_is_the_text_of_a_record(peer: str, there: str, here: str) -> None:
    assert here in _texts_of(peer, there)


@pytest.mark.parametrize("peer", MAIN)
def test_every_schedule_of_the_popular_libraries_has_a_line(peer: str) -> None:
    wanted = {
        record["schedule"]
        for record in RECORDS
        if record["peer"] == peer and texts()[record["id"]].text
    }
    assert wanted == {there.split("(")[0] for of, there, _ in ROWS if of == peer}


def test_every_line_of_the_readme_is_a_line_of_the_page() -> None:
    section = README.read_text(encoding="utf-8").split("## Coming from another library")[1]
    lines = [
        (row["there"], row["here"])
        for line in section.split("\n## ")[0].splitlines()
        if (row := _ROW.match(line))
    ]
    assert len(lines) > 8
    assert set(lines) <= {(there, here) for _, there, here in ROWS}
    assert "examples/coming_from.md" in section
