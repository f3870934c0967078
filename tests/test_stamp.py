"""What a picture knows of the schedule that it shows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import lrdsl
from lrdsl.picture import as_svg
from lrdsl.plotting import SUFFIXES, save
from lrdsl.program import make_program
from lrdsl.source import SourceText
from lrdsl.stamp import NoStamp, read_stamp

TEXTS = {
    "plain": "cosine(max=0.1)\n",
    "lets": "let peak = 0.1\n\nlr = warmup(5) then cosine(max=peak)\n",
    "hard": '# ä → 日 \\ \\) ( </dc:description> & "$\\frac$"\n0.1\n',
}


def drawn(path: Path, text: str, **lets: float) -> Path:
    program = make_program(SourceText(text, "folder/a (1).lrs"), {**lets})
    save(program.plan(epochs=10, steps_per_epoch=3), path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_picture_gives_back_the_text_that_was_drawn(
    text: str, suffix: str, tmp_path: Path
) -> None:
    (found,) = read_stamp(drawn(tmp_path / f"a{suffix}", text))
    assert found.text == text
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert found.is_genuine
    assert found.name == "a (1).lrs"
    assert found.training == "10 epochs of 3 steps = 30 steps"


def test_a_picture_in_memory_holds_its_schedule_too(tmp_path: Path) -> None:
    plan = lrdsl.loads(TEXTS["hard"]).plan(epochs=10)
    path = tmp_path / "a.svg"
    path.write_text(as_svg(plan), encoding="utf-8")
    (found,) = read_stamp(path)
    assert found.text == TEXTS["hard"]
    assert found.is_genuine


def test_values_from_outside_are_in_the_text(tmp_path: Path) -> None:
    (found,) = read_stamp(drawn(tmp_path / "a.png", TEXTS["lets"], peak=0.05))
    assert "let peak = 0.05" in found.text
    assert lrdsl.loads(found.text).plan(epochs=10).segments[1].first_value == 0.05


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_text_that_was_changed_is_told_by_its_hash(suffix: str, tmp_path: Path) -> None:
    path = drawn(tmp_path / f"a{suffix}", TEXTS["plain"])
    path.write_bytes(path.read_bytes().replace(b"max=0.1", b"max=0.2"))
    (found,) = read_stamp(path)
    assert "0.2" in found.text
    assert not found.is_genuine


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is no png, svg or pdf"),
        (b"GIF89a", "it is no png, svg or pdf"),
        (b"\x89PNG\r\n\x1a\n", "it holds no schedule"),
        (b"\x89PNG\r\n\x1a\n\xff\xff\xff\xfftEXtlrdsl", "damaged"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x08tEXtlrdsl\0{}", "damaged"),
        (b"<svg></svg>", "it holds no schedule"),
        (b"<svg><dc:description>{</dc:description></svg>", "damaged"),
        (b"<svg><dc:description>[[[[</dc:description></svg>", "damaged"),
        (b"<svg><dc:description>" + b"[" * 100_000 + b"</dc:description></svg>", "damaged"),
        (
            b'<svg><dc:description>{"lrdsl": 1, "schedules": []}</dc:description></svg>',
            "damaged",
        ),
        (b'<svg><dc:description>{"lrdsl": 9}</dc:description></svg>', "later version"),
        (
            b'<svg><dc:description>{"lrdsl": 1, "schedules": [{"name": 1, "schedule": 2, '
            b'"sha256": 3, "training": 4}]}</dc:description></svg>',
            "damaged",
        ),
        (b"%PDF-1.4", "it holds no schedule"),
        (b"%PDF-1.4 /Subject (about)", "damaged"),
    ],
)
def test_a_file_that_tells_nothing_says_why(data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(NoStamp, match=why):
        read_stamp(tmp_path / "a")


def test_a_picture_of_another_program_tells_nothing(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    for suffix in SUFFIXES:
        Figure().savefig(tmp_path / f"a{suffix}")
        with pytest.raises(NoStamp, match="not drawn by lrdsl"):
            read_stamp(tmp_path / f"a{suffix}")
