"""What a picture knows of itself: the schedules that it shows, kept in the file's metadata.

The same line of JSON stands in each kind of file: in a chunk `lrdsl` of a png, as the
description of an svg, as the subject of a pdf.  It is ASCII, so that none of them changes it.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from lrdsl.records import dataclass

if TYPE_CHECKING:
    from lrdsl.plan import Plan

KEY: Final = "lrdsl"
MOST_BYTES: Final = 64 * 2**20
"""A picture that is larger is not read."""

_VERSION = 1
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = re.compile(r"<dc:description>\s*(.*?)\s*</dc:description>", re.DOTALL)
_PDF = re.compile(rb"/Subject \(((?:[^\\()]|\\.)*)\)", re.DOTALL)


class NoStamp(ValueError):
    """The file is no picture of lrdsl's, or it was changed; the text says which."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A schedule that a picture shows.

    Attributes:
        name: what its curve is called there, such as `resnet.lrs`.
        text: the schedule in canonical form, with the values of `let`s set from outside.
        sha256: of that text in UTF-8.
        training: how long the training was, in words.
    """

    name: str
    text: str
    sha256: str
    training: str

    @property
    def is_genuine(self) -> bool:
        """Whether the text is the one that was hashed."""
        return self.sha256 == _hash(self.text)


def stamp(plans: Sequence[tuple[str, Plan]]) -> str:
    """Return the line for a picture of some plans, each with the name of its curve."""
    from lrdsl.highlights import length_in_words

    drawn = [
        {
            "name": name,
            "sha256": _hash(plan.program.text),
            "training": length_in_words(plan),
            "schedule": plan.program.text,
        }
        for name, plan in plans
    ]
    return json.dumps({KEY: _VERSION, "schedules": drawn})


def file_name(plan: Plan) -> str:
    """Return the name of a plan's file: a picture travels without the folders it is from."""
    return PurePath(plan.program.source.name).name


def metadata(kind: str, line: str) -> dict[str, Any]:
    """Return what matplotlib is to write into a picture of a kind, "png", "svg" or "pdf".

    Without a date and a program's version: two pictures of one plan are the same.
    """
    return {
        "png": {"Software": None, KEY: line},
        "svg": {"Date": None, "Creator": None, "Description": line},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None, "Subject": line},
    }[kind]


def read_stamp(path: Path | str) -> tuple[Drawn, ...]:
    """Return the schedules that a picture shows.

    Args:
        path: a png, svg or pdf that lrdsl has drawn.

    Raises:
        NoStamp: it is none.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NoStamp(f"it is larger than {MOST_BYTES // 2**20} MiB")
    if data.startswith(_PNG):
        line = _of_png(data)
    elif data.startswith(b"%PDF"):
        line = _of_pdf(data)
    elif b"<svg" in data[:4096]:
        line = _of_svg(data)
    else:
        raise NoStamp("it is no png, svg or pdf")
    if line is None:
        raise NoStamp("it holds no schedule: it is not drawn by lrdsl, or was saved anew")
    return _parse(line)


def _parse(line: str) -> tuple[Drawn, ...]:
    try:
        found = json.loads(line)
        if found[KEY] != _VERSION:
            raise NoStamp("it is drawn by a later version of lrdsl")
        fields = {key: key for key in ("name", "sha256", "training")} | {"schedule": "text"}
        drawn = tuple(
            Drawn(**{field: one[key] for key, field in fields.items()})
            for one in found["schedules"]
        )
        words = [getattr(one, field) for one in drawn for field in fields.values()]
        if not drawn or not all(isinstance(word, str) for word in words):
            raise ValueError
    except NoStamp:
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise NoStamp("what it holds of its schedule is damaged") from None
    return drawn


def _of_png(data: bytes) -> str | None:
    at = len(_PNG)
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        key, _, value = body.partition(b"\0")
        if key == KEY.encode() and kind == b"tEXt":
            return value.decode("latin-1")
        if key == KEY.encode() and kind == b"iTXt" and value[:2] == b"\0\0":  # not compressed
            return value[2:].split(b"\0", 2)[-1].decode("utf-8", "replace")
        at += 12 + length
    return None


def _of_svg(data: bytes) -> str | None:
    match = _SVG.search(data.decode("utf-8", "replace"))
    return None if match is None else html.unescape(match[1])


def _of_pdf(data: bytes) -> str | None:
    match = _PDF.search(data)
    if match is None:
        return None
    # The line has no control characters, so of the escapes only these come up.
    return re.sub(rb"\\([\\()])", rb"\1", match[1]).decode("latin-1")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
