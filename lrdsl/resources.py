"""The files that ship beside the code: the grammar and the prelude.

They live in `grammars/` at the top of a checkout, where an editable install reads them,
and in `lrdsl/_grammars/` of an installed package.
"""

from __future__ import annotations

from pathlib import Path


def grammar_text(name: str) -> str:
    """Return the text of the file `name` of the grammars folder.

    Raises:
        FileNotFoundError: the installation lacks the file.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_grammars", package.parent / "grammars"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(f"lrdsl's own file {name!r} is missing: install lrdsl again")
