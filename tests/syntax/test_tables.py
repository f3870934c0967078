"""The parser's tables: of the grammar that ships, right without Lark, made of nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from generated_programs import planned
from hypothesis import given, settings
from lark import Lark, Token, Tree, UnexpectedToken

import lrdsl
from lrdsl.resources import grammar_text
from lrdsl.source import SourceText
from lrdsl.syntax import lalr, tables
from lrdsl.syntax.parser import parse

GRAMMAR = grammar_text(tables.GRAMMAR)
PACKAGE = Path(lrdsl.__file__).parent
PREPARED = PACKAGE / "syntax" / "prepared.py"
EXAMPLES = sorted((PACKAGE.parent / "examples").glob("*.lrs"))

LARK = Lark(
    GRAMMAR, parser="lalr", lexer="basic", keep_all_tokens=True, maybe_placeholders=False
)


def test_the_prepared_tables_are_those_of_the_grammar() -> None:
    again = "write them anew: python -m lrdsl.syntax.tables"
    assert PREPARED.read_text(encoding="utf-8") == tables.prepared_module(GRAMMAR), again


# -- the same trees as Lark's ------------------------------------------------------------


def our_tree(text: str) -> Any:
    made = tables.grammar_tables()
    names = {origin for origin, _ in made.rules}
    builders = {name: (lambda parts, name=name: (name, parts)) for name in names}
    for name in names:
        if name.startswith("_"):  # put in place by Lark, however long
            builders[name] = lambda parts: parts[0]
    passing = frozenset(name for name in names - made.lists if name.startswith("_"))
    return lalr.Parser(made, builders, passing).parse(text, lambda _: None)


def as_ours(tree: Tree[Token] | Token) -> Any:
    if isinstance(tree, Token):
        return lalr.Token(tree.type, str(tree), tree.start_pos or 0, tree.end_pos or 0)
    name = tree.data.value if isinstance(tree.data, Token) else tree.data
    return name, [as_ours(child) for child in tree.children]


@given(planned)
@settings(max_examples=100, deadline=None)
def test_a_text_has_the_tree_that_lark_gives_it(text: str) -> None:
    assert our_tree(text) == as_ours(LARK.parse(text))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_so_has_every_example(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert our_tree(text) == as_ours(LARK.parse(text))


def test_so_has_every_function_of_the_prelude() -> None:
    text = grammar_text("prelude.lrs")
    assert our_tree(text) == as_ours(LARK.parse(text))


@pytest.mark.parametrize(
    "text",
    ["lr =", "0.1 until", "(0.1", "0.1)", "cosine(", "let 3", "0.1 then then", "train"],
)
def test_where_lark_gives_up_so_do_these_and_accept_the_same(text: str) -> None:
    with pytest.raises(UnexpectedToken) as expected:
        LARK.parse(text)
    with pytest.raises(lalr.UnexpectedToken) as found:
        our_tree(text)
    assert found.value.token.type == expected.value.token.type
    assert found.value.accepts == (expected.value.accepts or expected.value.expected)


def test_long_chains_and_deep_nesting_take_no_recursion() -> None:
    deep = "(" * 5000 + "0.1" + ")" * 5000
    assert our_tree(deep)
    assert our_tree(" + ".join(["0.1"] * 20_000))


# -- installations -----------------------------------------------------------------------

USES = (
    "import sys; sys.path.insert(0, {folder!r}); import lrdsl; "
    "assert lrdsl.__file__.startswith({folder!r}); "
    "print(lrdsl.loads({text!r}).plan(epochs=3, steps_per_epoch=4).rate(11), "
    "'lark' in sys.modules)"
)


def installed(tmp_path: Path) -> Path:
    """Copy the package as a wheel lays it out, with no byte code in it."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "lrdsl", ignore=ignored)
    shutil.copytree(PACKAGE.parent / "grammars", tmp_path / "lrdsl" / "_grammars")
    return tmp_path


def use(folder: Path, text: str = "0.5 until 1 then 0.25") -> str:
    program = USES.format(folder=str(folder), text=text)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_a_read_only_installation_works_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = installed(tmp_path / "site"), tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = files_of(folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert use(folder) == "0.25 False"
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    assert files_of(folder) == before
    assert list(elsewhere.iterdir()) == []


def test_many_first_runs_at_once_agree(tmp_path: Path) -> None:
    folder = installed(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(use, [folder] * 6)) == {"0.25 False"}


def test_another_grammar_is_obeyed_though_its_tables_are_not_prepared(tmp_path: Path) -> None:
    folder = installed(tmp_path)
    grammar = folder / "lrdsl" / "_grammars" / tables.GRAMMAR
    changed = GRAMMAR.replace("THEN.2: /then(?!\\w)/", "THEN.2: /(?:then|and_then)(?!\\w)/")
    assert changed != GRAMMAR
    grammar.write_text(changed, encoding="utf-8")
    assert use(folder, "0.5 until 1 and_then 0.25") == "0.25 True"


def test_threads_share_one_parser() -> None:
    texts = [" + ".join(["0.1"] * n) for n in range(1, 60)]
    one_by_one = [parse(SourceText(text)) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: parse(SourceText(text)), texts)) == one_by_one
