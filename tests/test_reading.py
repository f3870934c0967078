from __future__ import annotations

from pathlib import Path

import pytest

from lrdsl import limits
from lrdsl.diagnostics import LrsError
from lrdsl.reading import MOST_BYTES, decode, read_source
from lrdsl.render import render_full


def refusal(data: bytes) -> str:
    with pytest.raises(LrsError) as caught:
        decode(data, "a.lrs")
    (problem,) = caught.value.diagnostics
    return render_full(problem, caught.value.source)


def test_text_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.lrs"
    path.write_bytes("0.1 # ½\r\n".encode())
    source = read_source(path)
    assert (source.text, source.name) == ("0.1 # ½\r\n", str(path))


def test_a_byte_order_mark_is_left_out() -> None:
    assert decode(b"\xef\xbb\xbf0.1", "a.lrs").text == "0.1"


def test_a_byte_that_is_not_utf8_is_shown_in_its_place() -> None:
    assert refusal("0.1\n# café".encode("latin-1")) == (
        "error[LRS101]: the file is not UTF-8: it holds the byte 0xe9\n"
        " --> a.lrs:2:6\n"
        "  |\n"
        "2 | # caf\\xe9\n"
        "  |      ^^^^ not a character\n"
        "  |\n"
        "  = help: save it as UTF-8"
    )


def test_the_place_counts_characters_also_after_a_byte_order_mark() -> None:
    assert " --> a.lrs:1:3\n" in refusal(b"\xef\xbb\xbf" + "½½".encode() + b"\xff")


def test_a_character_that_is_cut_off_by_the_end_is_refused() -> None:
    assert "the byte 0xc2" in refusal("½".encode()[:1])


def test_utf16_is_named() -> None:
    assert "it begins as UTF-16 does" in refusal("0.1".encode("utf-16"))


def test_a_nul_is_shown_in_its_place() -> None:
    text = refusal(b"0.1\n\0\0\0")
    assert "error[LRS101]: the file is not text: it holds a NUL character\n" in text
    assert "2 | \\x00\\x00\\x00\n  | ^^^^ no schedule holds this\n" in text


@pytest.mark.parametrize("character", ["a", "½", "日", "😀"])
def test_a_huge_file_is_cut_but_stays_too_long(character: str) -> None:
    data = (character.encode() * (MOST_BYTES // len(character.encode()) + 9))[: MOST_BYTES + 5]
    text = decode(b" " + data, "a.lrs").text
    assert len(text) > limits.CHARACTERS
    assert set(text[1:]) == {character}


def test_what_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_source(tmp_path / "none.lrs")
    with pytest.raises(IsADirectoryError):
        read_source(tmp_path)
