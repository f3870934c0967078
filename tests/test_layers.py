"""Which module may import which, and what an import costs: checked in a child interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lrdsl

PACKAGE = Path(lrdsl.__file__).parent

LAYERS = (
    # Each may import what stands above it, and its own line.
    ("records",),
    ("source", "limits", "vocabulary", "resources", "suggest", "targets"),
    ("prelude", "metrics"),
    ("catalogue",),
    ("diagnostics",),
    ("log_text",),
    ("metric_log",),
    ("syntax.nodes", "syntax.lalr", "syntax.prepared"),
    ("syntax.habits",),
    ("syntax.errors", "syntax.tables", "syntax.documents"),
    ("syntax.parser", "syntax.printer", "core", "numeric.constants"),
    ("conversion",),
    ("analysis.problems", "analysis.scope"),
    ("analysis.arguments", "analysis.names", "analysis.kinds", "analysis.terms"),
    ("analysis.places",),
    ("analysis.calls",),
    ("analysis.expand",),
    ("analysis.check",),
    ("numeric.functions", "numeric.noise", "numeric.exact"),
    ("numeric.curves", "numeric.blocks"),
    ("planning.formula", "planning.horizon"),
    ("planning.shapes",),
    ("planning.evaluate", "planning.times", "planning.bounds", "planning.sample"),
    ("planning.instants", "planning.filling"),
    ("planning.turns", "planning.frames", "planning.stalls"),
    ("planning.conditions", "planning.courses"),
    ("planning.layout", "planning.sizes"),
    ("planning.values",),
    ("planning.survey", "planning.dues", "planning.bind", "planning.verify"),
    ("planning.causes",),
    ("planning.reactions",),
    ("reading",),
    ("program",),
    ("plan",),
    ("planner",),
    ("standalone",),
    ("export",),
)
OF = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(name: str) -> list[str]:
    """Return the modules of the package that one imports when it is itself imported."""
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[str] = []
    for node in tree.body:  # imports inside functions and under TYPE_CHECKING come later
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lrdsl"):
            module = (node.module or "").removeprefix("lrdsl").removeprefix(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".removeprefix(".")
                found.append(inner if inner in OF else module)
    return found


@pytest.mark.parametrize("name", OF)
def test_a_module_imports_only_what_stands_above_it(name: str) -> None:
    for other in imports(name):
        assert other in OF, f"{name} imports {other}, which has no layer"
        assert OF[other] < OF[name] or other.rpartition(".")[0] == name.rpartition(".")[0]


def test_every_module_of_the_core_has_a_layer() -> None:
    folders = ("syntax", "analysis", "planning", "numeric")
    modules = {f"{f}.{p.stem}" for f in folders for p in (PACKAGE / f).glob("*.py")}
    assert {m for m in modules if not m.endswith("__init__")} <= set(OF)


HEAVY = ("tensorflow", "keras", "matplotlib")


def loaded(code: str) -> set[str]:
    """Return the modules that a child interpreter holds after running some code."""
    report = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("code", "never"),
    [
        ("import lrdsl", (*HEAVY, "numpy", "lark")),
        ("import lrdsl.diagnostics, lrdsl.source", (*HEAVY, "numpy", "lark")),
        ("import lrdsl.syntax.parser, lrdsl.syntax.printer", (*HEAVY, "numpy", "lark")),
        ("import lrdsl.analysis.check", (*HEAVY, "numpy", "lark")),
        ("import lrdsl; lrdsl.loads('cosine(max=0.1)')", (*HEAVY, "numpy", "lark")),
        (
            "import lrdsl; lrdsl.loads('warmup(5) then cosine(max=0.1) until 30 then 0.1 until "
            "40 then linear()').plan(epochs=50, steps_per_epoch=9).segments[1].end_value",
            (*HEAVY, "numpy", "lark"),
        ),
        ("import lrdsl; lrdsl.loads('0.1').plan(epochs=1, steps_per_epoch=9).values()", HEAVY),
        ("import lrdsl; lrdsl.from_keras({'boundaries': [5], 'values': [1, 2]})", HEAVY),
        ("import lrdsl; lrdsl.read_metrics", (*HEAVY, "numpy", "lark")),
        (
            "import lrdsl; from lrdsl.preview import preview; "
            "plan = lrdsl.loads('plateau(from=0.1)').plan(epochs=30); "
            "preview(plan, 80, unicode=True, colour=False)",
            HEAVY,
        ),
        ("import lrdsl.cli.check", HEAVY),
        ("import lrdsl.cli.curves", (*HEAVY, "numpy", "lark")),
        ("import lrdsl.cli.values", HEAVY),
        ("import lrdsl.cli.plot", HEAVY),
        ("import lrdsl.cli.diff", HEAVY),
        ("import lrdsl.cli.show; import lrdsl.stamp", (*HEAVY, "numpy", "lark")),
        ("import lrdsl.cli.watch, lrdsl.watching.page", HEAVY),
    ],
)
def test_an_import_brings_no_more_than_it_needs(code: str, never: tuple[str, ...]) -> None:
    assert not loaded(code) & set(never)
