"""Every way in which a program can reach `fit`, on a stand-in for Keras."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def watch(folder: Path, script: str, *arguments: str) -> list[str]:
    """Return the lines that the watched `script` prints, but for Keras's greeting."""
    (folder / "train.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, str(HERE / "watch.py"), "train.py", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE / "fake")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if line != "keras is executed"]


@pytest.mark.parametrize(
    ("call", "others"),
    [
        ("fit()", ""),
        ("fit(None, None, 8, 2, 0)", None),
        ("fit(callbacks=None)", ""),
        ("fit(callbacks=[])", ""),
        ("fit(callbacks=[Mine()])", "Mine"),
        ("fit(callbacks=(Mine(), Mine()))", "Mine Mine"),
        ("fit(callbacks=Mine())", "Mine"),
        ("fit(callbacks=[[Mine()], {'a': Mine()}])", "Mine Mine"),
        ("fit(None, None, 8, 2, 'auto', [Mine()])", "Mine"),
    ],
)
def test_callback_is_added_in_front_of_those_given(
    tmp_path: Path, call: str, others: str | None
) -> None:
    script = f"""
    import keras

    class Mine(keras.callbacks.Callback):
        pass

    keras.Sequential().{call}
    """
    default = "History ProgbarLogger" if others is not None else "History"
    expected = " ".join(["fit", "Ours", *(others or "").split(), default])
    assert watch(tmp_path, script) == ["around train.py:7", expected, "over"]


def test_callback_list_is_opened_so_that_all_in_it_hear_of_the_epochs(tmp_path: Path) -> None:
    script = """
    import keras

    class Mine(keras.callbacks.Callback):
        def on_train_begin(self):
            print(self.params)

    given = keras.callbacks.CallbackList([Mine()], add_history=True)
    keras.Model().fit(callbacks=given, epochs=3)
    """
    assert watch(tmp_path, script) == [
        "around train.py:9",
        "{'epochs': 3, 'steps': 4}",
        "fit Ours Mine History",  # and no progress bar, as it would have had none
        "over",
    ]


@pytest.mark.parametrize(
    "reach",
    [
        "import keras\nModel = keras.Model",
        "from keras import Model",
        "from keras.model import Model",
        "import importlib.util\nimportlib.util.find_spec('keras')\nfrom keras import Model",
        "import importlib\nModel = importlib.import_module('keras').Model",
        "import importlib, keras\nModel = importlib.reload(keras).Model",
    ],
)
def test_every_way_to_import_keras_is_seen(tmp_path: Path, reach: str) -> None:
    lines = watch(tmp_path, f"{reach}\nModel().fit()")
    assert lines == [
        f"around train.py:{reach.count(chr(10)) + 2}",
        "fit Ours History ProgbarLogger",
        "over",
    ]


def test_subclass_with_its_own_fit_gets_one_callback(tmp_path: Path) -> None:
    script = """
    import keras

    class Mine(keras.Model):
        def fit(self, *args, **kwargs):
            print("own")
            return super().fit(*args, **kwargs)

    Mine().fit(epochs=2)
    """
    assert watch(tmp_path, script) == [
        "own",
        "around train.py:9",
        "fit Ours History ProgbarLogger",
        "over",
    ]


def test_fit_inside_a_fit_is_left_alone_and_said(tmp_path: Path) -> None:
    script = """
    import keras

    class Probe(keras.callbacks.Callback):
        def on_train_begin(self):
            keras.Model().fit()

    keras.Model().fit(callbacks=[Probe()])
    keras.Model().fit()
    """
    assert watch(tmp_path, script) == [
        "around train.py:8",
        "inside train.py:6",
        "fit History ProgbarLogger",
        "fit Ours Probe History ProgbarLogger",
        "over",
        "around train.py:9",
        "fit Ours History ProgbarLogger",
        "over",
    ]


def test_fit_that_is_to_be_left_alone_runs_as_written(tmp_path: Path) -> None:
    script = "import keras\nkeras.Model().fit(callbacks=[])"
    assert watch(tmp_path, script, "--leave") == [
        "around train.py:2",
        "fit History ProgbarLogger",
    ]


def test_wrong_arguments_of_fit_are_told_by_python(tmp_path: Path) -> None:
    lines = watch(tmp_path, "import keras\nkeras.Model().fit(nonsense=1)")
    assert lines[-1] == "TypeError: Trainer.fit() got an unexpected keyword argument 'nonsense'"
    assert not any("around" in line for line in lines)
    assert not any("attach.py" in line for line in lines)


def test_error_inside_fit_shows_the_script_and_no_frame_of_ours(tmp_path: Path) -> None:
    script = """
    import keras

    class Bad(keras.callbacks.Callback):
        def on_train_begin(self):
            raise ValueError("bad data")

    keras.Model().fit(callbacks=Bad())
    """
    lines = watch(tmp_path, script)
    assert lines[-1] == "ValueError: bad data"
    assert any("train.py" in line and "line 8" in line for line in lines)
    assert not any("lrdsl" in line for line in lines if "File" in line)


def test_call_through_a_library_is_placed_in_the_script(tmp_path: Path) -> None:
    script = """
    import functools, keras
    from concurrent.futures import ThreadPoolExecutor

    def job():
        keras.Model().fit()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(job).result()
    """
    assert watch(tmp_path, script)[0] == "around train.py:6"


def test_forked_child_trains_without_us(tmp_path: Path) -> None:
    script = """
    import keras, multiprocessing, sys

    def job():
        keras.Model().fit()
        sys.stdout.flush()

    child = multiprocessing.get_context("fork").Process(target=job)
    child.start()
    child.join()
    """
    assert watch(tmp_path, script) == ["fit History ProgbarLogger"]


def test_fit_keeps_its_name_signature_and_text(tmp_path: Path) -> None:
    script = """
    import inspect, keras
    fit = keras.Model.fit
    print(fit.__name__, fit.__doc__, list(inspect.signature(fit).parameters)[:3])
    print(type(keras.__loader__).__name__, keras.__spec__.name)
    """
    expected = ["fit Train. ['self', 'x', 'y']", "SourceFileLoader keras"]
    assert watch(tmp_path, script) == expected


def test_failed_import_of_keras_can_be_tried_again(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text("raise ImportError('not today')")
    script = """
    import pathlib, sys
    try:
        import keras
    except ImportError as error:
        print(error)
    pathlib.Path("keras.py").unlink()
    import importlib
    importlib.invalidate_caches()
    import keras
    keras.Model().fit()
    """
    assert watch(tmp_path, script) == [
        "not today",
        "around train.py:11",
        "fit Ours History ProgbarLogger",
        "over",
    ]
