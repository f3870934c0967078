from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from lrdsl.catalogue import pages
from lrdsl.cli import curves as module
from lrdsl.cli.main import cli
from lrdsl.render import display_width
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse

ESCAPE_CODE = re.compile(r"\x1b\[[0-9;]*m")


def run(*args: str, columns: int = 80, charset: str = "utf-8") -> tuple[int, str, str]:
    runner = CliRunner(charset=charset, env={"COLUMNS": str(columns)})
    result = runner.invoke(cli, ["curves", *args], prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


def shown(*args: str, columns: int = 80, charset: str = "utf-8") -> str:
    status, out, err = run(*args, columns=columns, charset=charset)
    assert (status, err) == (0, "")
    return out


def test_the_list_is_as_it_was_agreed_to(golden: Callable[[str, str], None]) -> None:
    golden("curves/list.txt", shown())


@pytest.mark.parametrize("name", ["exp", "warm_restarts"])
def test_a_page_is_as_it_was_agreed_to(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"curves/{name}.txt", shown(name))


def test_the_list_has_every_curve_under_its_section() -> None:
    section, found = "", []
    for line in shown(columns=300).splitlines()[:-1]:
        if line and not line.startswith(" "):
            section = line
        elif match := re.match(r"  (\w+)\(", line):
            found.append((section, match[1]))
    assert list(dict.fromkeys(found)) == [(p.section, n) for n, p in pages().items()]


def test_a_wide_terminal_has_room_for_summaries_beside_the_signatures() -> None:
    rows = shown(columns=140).splitlines()
    page = pages()["rex"]
    assert f"  {page.signatures[0]:<54}{page.summary}" in rows
    # The two ways to write it, and one summary.
    first = next(i for i, row in enumerate(rows) if row.startswith("  exp(rate"))
    assert rows[first].endswith(pages()["exp"].summary)
    assert rows[first + 1] == f"  {pages()['exp'].signatures[1]}"


@pytest.mark.parametrize("charset", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [1, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, charset: str) -> None:
    for args in [(), *((name,) for name in pages())]:
        lines = shown(*args, columns=columns, charset=charset).splitlines()
        assert max(map(display_width, lines)) <= max(columns, 20), args
        assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("charset", ["ascii", "latin-1"])
def test_an_encoding_without_braille_gets_ascii_with_every_sign_spelled_out(
    charset: str,
) -> None:
    for args in [(), *((name,) for name in pages())]:
        out = shown(*args, charset=charset)
        assert out.isascii()
        assert "\\u" not in out
        assert "\\x" not in out
    assert "to + (from - to)*(1 + cos pi*p) / 2" in shown("cosine", charset=charset)
    assert "to + (from - to)*(1 - sqrt(p))" in shown("one_minus_sqrt", charset=charset)
    assert "floor(tau/every)" in shown("noise", charset=charset)


def test_a_pipe_gets_no_colours_and_a_terminal_nothing_but_colours_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = [shown(), shown("exp"), shown("exp", columns=40)]
    monkeypatch.setattr(module, "has_colour", lambda _: True)
    coloured = [shown(), shown("exp"), shown("exp", columns=40)]
    assert "\x1b[1mexp\x1b[0m(rate" in coloured[0]
    for before, after in zip(plain, coloured, strict=True):
        assert "\x1b" not in before
        assert ESCAPE_CODE.sub("", after) == before


@pytest.mark.parametrize("name", pages())
def test_a_definition_that_is_broken_into_lines_means_the_same(name: str) -> None:
    page = pages()[name]
    code = shown(name, columns=40).partition("\nDefinition\n")[2]
    definition, _, rest = code.partition("Example\n")
    if page.definition is not None:
        assert parse(SourceText(definition)) == parse(SourceText(page.definition))
        assert parse(SourceText(rest.partition("\n\n")[0])) == parse(SourceText(page.example))


def test_a_page_draws_its_example_over_a_hundred_epochs() -> None:
    out = shown("one_cycle")
    assert "\nExample     one_cycle(0.1)\n\nlr\n" in out
    assert " 0.1 ┤" in out
    assert re.search(r"\nepoch +0 .* 100\n step +0 .* 1,000\n", out)


def test_a_page_says_what_its_words_mean() -> None:
    text = shown("linear")
    assert "τ is the time since its segment began, p = τ / its length" in text
    assert "`entry` is what was in force before the segment" in text
    assert "what stands after `*` is given by name" in text
    assert "a time is" not in text
    assert "a time is" in shown("decay")
    assert "`entry`" not in shown("wsd")
    assert "given by name" not in shown("const")


def test_a_curve_that_reacts_to_metrics_is_drawn_as_the_range_of_what_may_happen() -> None:
    out = shown("plateau")
    assert out.startswith("plateau: falls by a factor whenever a metric stalls\n")
    assert "⠤ if val_loss never stalls   ∙ if val_loss stalls from the start   ░ between" in out
    assert "o if val_loss stalls from the start" in shown("plateau", charset="ascii")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("cosin", "cosine"),
        ("Cosine", "cosine"),
        ("sgdr", "warm_restarts"),
        ("CosineAnnealingWarmRestarts", "warm_restarts"),
        ("MultiStepLR", "multistep"),
        ("OneCycleLR", "one_cycle"),
        ("1cycle", "one_cycle"),
        ("CyclicLR", "triangular"),
        ("InverseTimeDecay", "inverse"),
        ("rsqrt", "inverse_sqrt"),
        ("inverse_sqrt_schedule", "inverse_sqrt"),
        ("trapezoid", "wsd"),
        ("transformer", "noam"),
        ("ulmfit", "slanted_triangular"),
        ("flat_cos", "flat_cosine"),
        ("tristage", "tri_stage"),
        ("TanhLRScheduler", "tanh_decay"),
    ],
)
def test_a_name_that_is_mistyped_or_of_another_library_gets_a_suggestion(
    name: str, meant: str
) -> None:
    status, out, err = run(name)
    assert (status, out) == (2, "")
    assert err.endswith(f"Error: there is no curve `{name}`. Did you mean `{meant}`?\n")


@pytest.mark.parametrize("name", ["zzz", "", "sqrt", "a" * 100])
def test_a_name_that_is_like_no_other_gets_none(name: str) -> None:
    status, out, err = run(name)
    assert (status, out) == (2, "")
    assert f"there is no curve `{name}`. `lrdsl curves` lists those there are." in err


def test_one_curve_is_explained_at_a_time() -> None:
    assert run("exp", "cosine")[0] == 2
