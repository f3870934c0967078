"""Logs of metrics, as Keras and others write them: read, or refused with the reason."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from pathlib import Path

import pytest

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.log_text import MOST_BYTES
from lrdsl.metric_log import parse_metrics, read_metrics
from lrdsl.render import render_full
from lrdsl.source import SourceText

ROWS = ({"loss": 0.9, "val_loss": 1.1}, {"loss": 0.7, "val_loss": 1.0})


def parsed(text: str) -> list[dict[str, float]]:
    return [dict(row) for row in parse_metrics(SourceText(text, "log"))]


def refusal(text: str) -> str:
    with pytest.raises(LrsError) as caught:
        parse_metrics(SourceText(text, "log"))
    (problem,) = caught.value.diagnostics
    assert problem.code == "LRS112"
    assert problem.help
    return render_full(problem, caught.value.source)


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,val_loss\n0,0.9,1.1\n1,0.7,1.0\n",
        "epoch,loss,val_loss\r\n0,0.9,1.1\r\n1,0.7,1.0",
        "epoch;loss;val_loss\n0;0.9;1.1\n1;0.7;1.0\n",
        "epoch\tloss\tval_loss\n0\t0.9\t1.1\n1\t0.7\t1.0\n",
        "epoch|loss|val_loss\n0|0.9|1.1\n1|0.7|1.0\n",
        '\n epoch , "loss","val_loss"\n\n0 , 0.9,"1.1"\n 1,7e-1, 1 \n\n',
        "loss,val_loss\n0.9,1.1\n0.7,1.0\n",
        ",loss,val_loss\n0,0.9,1.1\n1,0.7,1.0\n",
        "epoch,name,loss,val_loss\n0,sgd,0.9,1.1\n1,NA,0.7,1.0\n",
        '{"loss": [0.9, 0.7], "val_loss": [1.1, 1]}',
        '{"epoch": [0, 1], "loss": [0.9, 0.7], "val_loss": [1.1, 1], "words": ["a"]}',
        '{"epoch": [0, 1], "history": {"loss": [0.9, 0.7], "val_loss": [1.1, 1]}}',
        '[{"loss": 0.9, "val_loss": 1.1}, {"loss": 0.7, "val_loss": 1}]',
        '[{"epoch": 1, "loss": 0.7, "val_loss": 1}]'.replace(
            "[{", '[{"epoch": 0, "loss": 0.9, "val_loss": 1.1}, {'
        ),
        '{"loss": 0.9, "val_loss": 1.1}\n{"loss": 0.7, "val_loss": 1}\n',
        '{"epoch": 0, "loss": 0.9, "val_loss": 1.1}\n\n{"loss": 0.7, "val_loss": 1}',
        '{\n "loss": [0.9, 0.7],\n "val_loss": [1.1, 1]\n}\n',
        '{"fits": [{"metrics": []}, {"metrics": [{"epoch": 0, "loss": 0.9, "val_loss": 1.1},'
        ' {"epoch": 1, "loss": 0.7, "val_loss": 1.0}]}]}',
    ],
)
def test_every_kind_of_log_gives_the_same_rows(text: str) -> None:
    assert parsed(text) == list(ROWS)


def test_what_keras_writes_is_read_to_the_last_bit(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    import numpy as np

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
    path = tmp_path / "log.csv"
    x = np.random.default_rng(1).normal(size=(8, 2))
    for separator in ",;\t":
        history = model.fit(
            x,
            x[:, 0],
            epochs=4,
            validation_data=(x, x[:, 1]),
            validation_freq=2,
            verbose=0,
            callbacks=[keras.callbacks.CSVLogger(path, separator=separator)],
        ).history
        rows = read_metrics(path)
        assert [row["loss"] for row in rows] == history["loss"]
        assert [row["val_mae"] for row in rows if "val_mae" in row] == history["val_mae"]
        assert len(rows) == 4
    # Of which epochs the two values are, the history itself does not say.
    path.write_text(json.dumps(history))
    with pytest.raises(LrsError, match=r"`val_\w+` and `loss` have 2 and 4 values"):
        read_metrics(path)


def test_what_was_not_measured_is_left_out_and_what_is_not_a_number_stays() -> None:
    rows = parsed("epoch,loss,val_loss\n0,0.9,NA\n1,nan,\n2,inf,1\n")
    assert rows[0] == {"loss": 0.9}
    assert math.isnan(rows[1].pop("loss"))
    assert rows[1:] == [{}, {"loss": math.inf, "val_loss": 1.0}]
    assert parsed('{"loss": [1, null, 3]}') == [{"loss": 1.0}, {}, {"loss": 3.0}]


def test_epochs_that_were_not_logged_are_empty() -> None:
    assert parsed("epoch,loss\n2,0.5\n4,0.4\n") == [{}, {}, {"loss": 0.5}, {}, {"loss": 0.4}]


def test_a_run_appended_to_another_replaces_it_from_its_first_epoch_on() -> None:
    went_on = "epoch,loss\n0,9\n1,8\n2,7\n1,6\n2,5\n"
    assert [row["loss"] for row in parsed(went_on)] == [9, 6, 5]
    anew = "epoch,loss\n0,9\n1,8\n2,7\nepoch,loss\n0,6\n"
    assert parsed(anew) == [{"loss": 6.0}]


def test_rows_of_one_epoch_complete_each_other() -> None:
    rows = parsed("epoch,step,loss,val_loss\n0,9,0.5,\n0,9,,0.7\n1,19,0.4,\n1,19,0.3,0.6\n")
    assert rows == [
        {"step": 9, "loss": 0.5, "val_loss": 0.7},
        {"step": 19, "loss": 0.3, "val_loss": 0.6},
    ]


def test_a_cell_that_is_no_number_is_shown_in_its_place() -> None:
    assert refusal("epoch,loss,val_loss\n0,0.9,1.1\n1,0.7,O.9\n") == (
        "error[LRS112]: `val_loss` of epoch 1 is `O.9`, and no number\n"
        " --> log:3:7\n"
        "  |\n"
        "3 | 1,0.7,O.9\n"
        "  |       ^^^ must be a number\n"
        "  |\n"
        "  = help: write a number such as `0.25`, with a point, or `NA` where the epoch has "
        "none"
    )


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "the log is empty", "--> log\n"),
        ("epoch,loss\n", "the log has no epoch", "--> log\n"),
        ("[]", "the log has no epoch", "--> log\n"),
        ("epoch\n0\n1\n", "the log has no metric", "--> log\n"),
        ("epoch,name\n0,a\n", "the log has no metric", "--> log\n"),
        ("0,0.9\n1,0.8\n", "the first line has numbers, and no names of metrics", "log:1:1"),
        ("epoch,loss,loss\n0,1,2\n", "the column `loss` stands twice", "log:1:12"),
        ("epoch,loss\n0,1,2\n", "this line has 3 cells, and the first has 2", "log:2:1"),
        ("epoch,loss\n0,1\n1", "this line has 1 cell, and the first has 2", "log:3:1"),
        ("epoch,loss\nx,1\n", "`x` is no number of an epoch", "log:2:1"),
        ("epoch,loss\n-1,1\n", "`-1` is no number of an epoch", "log:2:1"),
        ("epoch,loss\n1.5,1\n", "`1.5` is no number of an epoch", "log:2:1"),
        ("epoch,loss\nnan,1\n", "`nan` is no number of an epoch", "log:2:1"),
        ("epoch,loss\n1000000,1\n", "epoch `1000000` is later than any", "log:2:1"),
        ("epoch;loss\n0;0,5\n1;1\n", "`loss` of epoch 0 is `0,5`, and no number", "log:2:3"),
        ("epoch,loss\n0,1\n1,1_0\n", "`loss` of epoch 1 is `1_0`, and no number", "log:3:3"),
        ('epoch,loss\n0,"1\n1,2\n', "a quotation mark has no partner", "log:2:3"),
        ('{"loss": [1, 2}', "this is no JSON: expecting ',' delimiter", "log:1:15"),
        ("[" * 100_000, "this JSON is no log of metrics", "--> log\n"),
        ('{"loss": ' + "9" * 5000 + "}", "this JSON is no log of metrics", "--> log\n"),
        ("[1, 2]", "`1` stands where a row of metrics is needed", "--> log\n"),
        ('{"loss": 1}\n{"loss": x}\n', "this is no JSON: expecting value", "log:2:10"),
        ('{"loss": 1}\n[]\n', "`[]` stands where a row of metrics is needed", "log:2:1"),
        ('{"loss": [1, "x"]}', "`loss` of epoch 1 is `x`, and no number", "--> log\n"),
        ('{"loss": [1, true]}', "`loss` of epoch 1 is `true`, and no number", "--> log\n"),
        ('{"loss": [1, 2], "acc": [1]}', "`acc` and `loss` have 1 and 2 values", "--> log\n"),
        ('[{"epoch": -1, "loss": 1}]', "`-1` is no number of an epoch", "--> log\n"),
        ('{"fits": [{"metrics": []}]}', "the run has no metrics", "--> log\n"),
        (
            '{"fits": [{"metrics": [{"loss": 1}]}, {"metrics": [{"loss": 1}]}]}',
            "the run has the metrics of 2 fits",
            "--> log\n",
        ),
    ],
)
def test_a_log_that_cannot_be_read_says_what_and_where(
    text: str, message: str, place: str
) -> None:
    told = refusal(text)
    assert message in told
    assert place in told


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for data, message in (
        (b"epoch,loss\n0,\xff", "line 2 holds the byte 0xff"),
        ("epoch,loss\n0,1\n".encode("utf-16"), "it begins as UTF-16 does"),
        (b"epoch,loss\n0,\0", "it holds a NUL character"),
        (b"1" * (MOST_BYTES + 1), "larger than 32 MiB"),
    ):
        path.write_bytes(data)
        with pytest.raises(LrsError, match=message) as caught:
            lrdsl.read_metrics(path)
        assert caught.value.source.name == str(path)
    path.write_bytes(b"\xef\xbb\xbfepoch,loss\n0,1\n")
    assert lrdsl.read_metrics(str(path)) == ({"loss": 1.0},)
    with pytest.raises(FileNotFoundError):
        lrdsl.read_metrics(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "text",
    [
        "a," * 1_000_000,
        'a\n"' + '""' * 1_000_000,
        "a\n" + " " * 1_000_000 + "x" + " " * 1_000_000 + '"',
        "epoch,loss\n" + "0,1\n999999,1\n" * 50_000,
        "epoch,loss\n" + "".join(f"{i},{i % 7}\n" for i in range(100_000)),
    ],
)
def test_the_time_to_read_grows_with_the_length_alone(text: str) -> None:
    start = time.perf_counter()
    with suppress(LrsError):
        parsed(text)
    assert time.perf_counter() - start < 20
