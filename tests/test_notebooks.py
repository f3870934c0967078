"""The example notebook, run as a person would; and how things show themselves in one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lrdsl
from lrdsl.showing import in_words

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"
STYLES = re.compile(r"\x1b\[[0-9;]*m")


# -- What shows itself ----------------------------------------------------------------------


def test_a_plan_is_a_picture_and_one_line() -> None:
    plan = lrdsl.loads("warmup(5) then cosine(max=0.1)").plan(epochs=90, steps_per_epoch=390)
    found = plan._repr_mimebundle_(include=None, exclude=None)
    assert set(found) == {"image/svg+xml", "text/plain"}
    assert "<svg" in found["image/svg+xml"]
    assert found["text/plain"] == in_words(plan)
    assert found["text/plain"] == (
        "<text>: 90 epochs of 390 steps = 35,100 steps; lr first 0, peak 0.1, last 2.245e-10"
    )


@pytest.mark.parametrize(
    ("text", "assumed"),
    [
        ("train 9 epochs  lr = 0.1", None),
        ("0.1", "drawn for 100 epochs: the text does not say how long training is"),
        ("train 9 epochs  lr = cosine()", "in units of base, the optimizer's own rate"),
        (
            "train 9 epochs  lr = 0.1  momentum = base",
            "the optimizer's own `momentum` taken as 0.9",
        ),
        (
            "train 9 epochs  lr = 0.1 until 500 steps then 0.2",
            "an epoch of 100 steps",
        ),
    ],
)
def test_what_a_programs_picture_assumes_is_told(text: str, assumed: str | None) -> None:
    found = lrdsl.loads(text)._repr_mimebundle_()
    if assumed is None:
        assert "image/svg+xml" in found
        assert "(" not in found["text/plain"]
    else:
        assert found["text/html"].startswith("<svg")
        assert assumed.replace("'", "&#x27;") in found["text/html"]
        assert found["text/plain"].endswith(f"({assumed})")


def test_a_program_that_cannot_be_drawn_says_why() -> None:
    found = lrdsl.loads("0.1 until 200 then 0.2")._repr_mimebundle_()
    assert "text/plain" in found
    negative = lrdsl.loads("0.1 - 0.01 * epoch")._repr_mimebundle_()
    assert set(negative) == {"text/plain"}
    assert "no curve to show: the rate" in negative["text/plain"]


def test_an_error_shows_the_users_line_and_the_place_in_the_schedule() -> None:
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.loads("cosin(max=0.1)  # here")
    text = STYLES.sub("", "\n".join(caught.value._render_traceback_()))
    assert text.startswith("line ")
    assert ': lrdsl.loads("cosin(max=0.1)  # here")\n\nerror[LRS202]' in text
    assert "\n1 | cosin(max=0.1)  # here\n  | ^^^^^ no such curve\n" in text


# -- `%%lrs` --------------------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("IPython")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "lrdsl")
    yield shell
    InteractiveShell.clear_instance()


def test_a_cell_is_bound_to_its_name_with_its_lets_replaced(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("%%lrs resnet peak=0.5 --epochs 9\nlet peak = 0.1\nlr = peak").raise_error()
    program = shell.user_ns["resnet"]
    assert isinstance(program, lrdsl.Program)
    assert program.lets == {"peak": "0.5"}
    assert capsys.readouterr().out.startswith("resnet: 9 epochs; lr first 0.5")
    shell.run_cell("%%lrs\n0.25").raise_error()
    assert shell.user_ns["schedule"].plan(epochs=1, steps_per_epoch=1).rate(0) == 0.25


def test_an_error_has_the_line_of_the_cell_and_binds_nothing(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%%lrs resnet\nwarmup(5) then\n  cosin(max=0.1)")
    assert isinstance(result.error_in_exec, lrdsl.LrsError)
    assert "resnet" not in shell.user_ns
    out = STYLES.sub("", capsys.readouterr().out)
    assert out.startswith("error[LRS202]: `cosin` does not exist\n --> resnet:3:3\n")
    assert "Traceback" not in out


def test_what_the_plan_warns_of_is_told(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%lrs --epochs 30\ncosine(max=0.1) for 60").raise_error()
    assert "warning[LRS503]" in capsys.readouterr().err


def test_wrong_use_of_the_magic_is_told(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%%lrs one two\n0.1")
    assert "%%lrs takes one name of a variable, not `one two`" in capsys.readouterr().err


def test_ipython_is_imported_by_the_extension_alone() -> None:
    code = (
        "import lrdsl, lrdsl.showing, sys; lrdsl.loads('0.1'); print('IPython' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# -- The example ----------------------------------------------------------------------------


def words(notebook: Any) -> list[tuple[str, str]]:
    """Return what a notebook shows in words: each cell's id, and its texts and pictures."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            match output.output_type:
                case "error":
                    found.append((cell.id, STYLES.sub("", "\n".join(output.traceback))))
                case "stream":
                    found.append((cell.id, output.text))
                case _:
                    kinds = " ".join(sorted(output.data))
                    found.append((cell.id, f"{kinds}: {output.data['text/plain']}"))
    return found


def test_example_notebook_shows_what_it_did_when_it_was_kept(
    request: pytest.FixtureRequest,
) -> None:
    pytest.importorskip("keras")
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    kept = nbformat.read(NOTEBOOK, as_version=4)
    ran = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parents[1])}}
    client = nbclient.NotebookClient(
        ran, timeout=240, kernel_name="python3", resources=resources
    )
    client.execute()
    for cell in ran.cells:
        cell.metadata.pop("execution", None)
        # TensorFlow talks of the machine that it is on.
        outputs = cell.get("outputs", [])
        cell.update(outputs=[one for one in outputs if one.get("name") != "stderr"])
        if cell.cell_type != "code":
            del cell["outputs"]
    ran.metadata = kept.metadata
    if request.config.getoption("--update-goldens"):
        nbformat.write(ran, NOTEBOOK)
        kept = ran
    assert words(ran) == words(kept)
    assert sum("svg" in text or "html" in text for _, text in words(ran)) == 3
    assert NOTEBOOK.stat().st_size < 400_000
