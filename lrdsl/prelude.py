"""The prelude's functions as texts: found without parsing, so that only what is used is parsed.

`grammars/prelude.lrs` is a file of the language whose blocks are parted by blank lines: a
function with its comment, or the comment `# -- title ---` of a section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from lrdsl.records import dataclass
from lrdsl.resources import grammar_text

_SECTION = re.compile(r"# -- (?P<title>.+?) -+$")
_DEF = re.compile(r"^def (?P<name>\w+)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One function of the prelude.

    Attributes:
        name: what it is called.
        section: the title of its section.
        comment: the lines above it, without their `# `.
        signature: its name and parameters with their defaults, on one line.
        text: the whole `def`.
        index: its place in the prelude.
    """

    name: str
    section: str
    comment: tuple[str, ...]
    signature: str
    text: str
    index: int


@lru_cache(maxsize=1)
def entries() -> Mapping[str, Entry]:
    """Return the functions of the prelude by name, in the order of the file."""
    found: dict[str, Entry] = {}
    section = ""
    for block in re.split(r"\n{2,}", grammar_text("prelude.lrs").strip()):
        title = _SECTION.match(block)
        if title:
            section = title["title"]
        match = _DEF.search(block)
        if match is None:
            continue
        comment = tuple(line[2:] for line in block[: match.start()].splitlines())
        text = block[match.start() :].rstrip()
        signature = _signature(text)
        found[match["name"]] = Entry(
            match["name"], section, comment, signature, text, len(found)
        )
    return MappingProxyType(found)


def _signature(text: str) -> str:
    """Return what stands between `def ` and the parenthesis that ends the parameters."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and not depth:
            one_line = " ".join(text[len("def ") : index + 1].split())
            return one_line.replace("( ", "(").replace(" )", ")")
    raise ValueError(f"a function of the prelude without parameters: {text!r}")
