"""`lrdsl ensemble`: what it lists, scores and writes, and how it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result

import lrdsl
from lrdsl.cli.main import cli
from lrdsl.training.manifest import MANIFEST

from .test_ensemble import classifier

OWN_LAYERS = """
import keras

@keras.saving.register_keras_serializable("mine")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["ensemble", *words])


def listed(count: int = 3, **changes: object) -> None:
    """Write a list of snapshots as a training leaves it, without their files."""
    entries = [
        {
            "file": f"snapshot-{n:02}-epoch-{10 * n:03}.keras",
            "index": n,
            "epoch": 10 * n,
            "step": 40 * n - 1,
            "rate": 0.001,
            "metrics": {"loss": 0.5 / n, "val_accuracy": 0.9},
            "sha256": "0" * 64,
            "metrics_epoch": 10 * n,
            **changes,
        }
        for n in range(1, count + 1)
    ]
    Path("models").mkdir()
    Path("models", MANIFEST).write_text(json.dumps({"format": 1, "snapshots": entries}))


def test_list_shows_each_snapshot_with_its_share_and_metrics() -> None:
    listed()
    done = run("models", "--weights", "loss")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "snapshot  epoch   rate  share    loss  val_accuracy",
        "1            10  0.001  16.7%     0.5           0.9",
        "2            20  0.001  33.3%    0.25           0.9",
        "3            30  0.001  50.0%  0.1667           0.9",
    ]


def test_metrics_measured_after_the_model_was_saved_are_marked() -> None:
    listed(1, epoch=9.5)
    assert run("models").stdout.splitlines() == [
        "snapshot  epoch   rate   share  measured at  loss  val_accuracy",
        "1           9.5  0.001  100.0%           10   0.5           0.9",
    ]


def test_listing_imports_no_keras() -> None:
    listed()
    code = (
        "import sys; from lrdsl.cli.main import cli\n"
        "try: cli(['ensemble', 'models'])\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert not {'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)


def test_members_are_chosen_by_number_or_from_the_end() -> None:
    listed()
    for words, first in ((["--members", "1,3"], ["1", "3"]), (["--last", "2"], ["2", "3"])):
        lines = run("models", *words).stdout.splitlines()[1:]
        assert [line.split()[0] for line in lines] == first


def test_one_model_is_written_that_gives_the_average() -> None:
    _, x, y = classifier(Path("run/snapshots"))
    np.savez("test.npz", x=x, y=y)
    done = run("run", "--weights", "val_accuracy", "--data", "test.npz", "-o", "one.keras")
    assert done.exit_code == 0, done.output
    assert "wrote one.keras: the average of the probabilities of 3 snapshots" in done.stderr
    ensemble = lrdsl.Ensemble.load("run", weights="val_accuracy")
    model = keras.saving.load_model("one.keras")
    np.testing.assert_allclose(
        model.predict(x, verbose=0), ensemble.predict(x, verbose=0), atol=1e-6
    )
    assert str(ensemble.evaluate(x, y, verbose=0)) in done.stdout
    assert [path.name for path in Path().glob("*.keras")] == ["one.keras"]
    again = run("run", "-o", "one.keras")
    assert again.exit_code == 2
    assert "`one.keras` exists; --force replaces it" in again.output
    assert run("run", "-o", "one.keras", "--force").exit_code == 0


def test_layers_of_ones_own_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("my_layers.py").write_text(OWN_LAYERS)
    monkeypatch.syspath_prepend(".")
    from my_layers import Twice  # type: ignore[import-not-found]

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), Twice()])
    model.compile("sgd", "mse", jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = "models"
    model.fit(np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=[callback])
    words = [sys.executable, "-m", "lrdsl", "ensemble", "models", "-o", "one.keras"]
    done = [
        subprocess.run([*words, *more], capture_output=True, text=True, timeout=240)
        for more in ([], ["--import", "nothing"], ["--import", "my_layers"])
    ]
    assert [one.returncode for one in done] == [2, 2, 0], done
    assert "or import the module that registers them with Keras" in done[0].stderr
    assert "cannot import `nothing`" in done[1].stderr
    assert "wrote one.keras: the average of the outputs of 2 snapshots" in done[2].stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "no snapshots in `nowhere`: it has no `snapshots.json`"),
        (["models", "-o", "one.h5"], "`one.h5` is not the name of a model: end it in .keras"),
        (["models", "--last", "9"], "the folder has 3 snapshots"),
        (["models", "--last", "1", "--members", "1"], "contradict each other"),
        (["models", "--members", "first"], "expected numbers, such as `1,3`, not `first`"),
        (["models", "--weights", "val_f1"], "snapshot 1 has no metric `val_f1`"),
        (["models", "-o", "one.keras"], "is listed in `snapshots.json` and missing"),
        (["models", "--data", "none.npz"], "none.npz"),
    ],
)
def test_what_cannot_be_done_is_said_with_status_2(words: list[str], message: str) -> None:
    listed()
    done = run(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_data_of_another_form_are_refused() -> None:
    classifier(Path("models"))
    np.savez("other.npz", images=np.ones(3))
    Path("text.npz").write_text("x,y")
    for name in ("other.npz", "text.npz"):
        done = run("models", "--data", name)
        assert done.exit_code == 2
        assert f"cannot read `{name}`" in done.output
        assert "it needs the arrays `x` and `y`" in done.output


def test_folder_that_cannot_be_written_is_named() -> None:
    classifier(Path("models"))
    done = run("models", "-o", "missing/one.keras")
    assert done.exit_code == 2
    assert "cannot write `missing/one.keras`: No such file or directory" in done.output
