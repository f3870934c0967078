"""What is told of a training while it runs, without Keras and with a clock of its own."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import lrdsl
from lrdsl.terminal.ink import Ink
from lrdsl.training.display import LiveLines
from lrdsl.training.itinerary import Itinerary, in_hours
from lrdsl.training.progress import Progress, is_one_place

TEXT = "train 6 epochs of 10 steps\nwarmup(2) then cosine(max=0.1) snapshot until 5 then 0.01"


class Run:
    """A training whose batches take so many seconds."""

    def __init__(self, text: str = TEXT, seconds: float = 0.5, stream: Any = None) -> None:
        self.plan = lrdsl.loads(text).plan()
        self.now, self.seconds = 0.0, seconds
        self.said: list[str] = []
        ink = Ink(unicode=True, colour=False)
        self.progress = Progress(self.said.append, stream, ink, lambda: self.now)
        self.progress.begin(lambda: self.plan, self.plan.epochs or 0)

    def batches(self, epoch: int, until: int = 10) -> None:
        for batch in range(until):
            self.progress.at_batch(epoch, batch, {"loss": 0.5, "learning_rate": 0.1})
            self.now += self.seconds

    def epochs(self, first: int, end: int) -> None:
        for epoch in range(first, end):
            self.batches(epoch)
            self.progress.at_epoch_end(epoch, {"loss": 1 / (epoch + 3), "learning_rate": 0.1})


def test_each_epoch_is_told_with_its_last_rate_and_what_comes() -> None:
    run = Run()
    run.epochs(0, 6)
    assert run.said == [
        "epoch 1/6  lr 0.045  loss 0.3333  in warmup(2) until epoch 2  snapshot at epoch 5"
        "  0:25 left",
        "epoch 2/6  lr 0.095  loss 0.25  in cosine(max=0.1) snapshot until"
        " epoch 5  snapshot at epoch 5  0:20 left",
        "epoch 3/6  lr 0.07939  loss 0.2  in cosine(max=0.1) snapshot until"
        " epoch 5  snapshot at epoch 5  0:15 left",
        "epoch 4/6  lr 0.02966  loss 0.1667  in cosine(max=0.1) snapshot until"
        " epoch 5  snapshot at epoch 5  0:10 left",
        "epoch 5/6  lr 2.739e-4  loss 0.1429  in 0.01 to the end  0:05 left",
        "epoch 6/6  lr 0.01  loss 0.125",
    ]


def test_of_short_epochs_one_a_second_is_told_and_what_is_special() -> None:
    run = Run("train 40 epochs of 10 steps\n0.1 until 11 then 0.2", seconds=1 / 32)
    run.epochs(0, 40)
    told = [int(line.split("/")[0].removeprefix("epoch ")) for line in run.said]
    assert told == [1, 5, 9, 11, 15, 19, 23, 27, 31, 35, 39, 40]


def test_a_plan_that_changes_is_followed() -> None:
    run = Run("train 4 epochs of 10 steps\n0.1 until 2 then 0.2")
    run.epochs(0, 1)
    assert "in 0.1 until epoch 2" in run.said[-1]
    run.plan = lrdsl.loads("train 4 epochs of 10 steps\n0.3").plan()
    run.epochs(1, 2)
    assert "lr 0.3" in run.said[-1]
    assert "in 0.3 to the end" in run.said[-1]


def test_the_first_batch_does_not_count_for_the_time_left() -> None:
    run = Run(seconds=1.0)
    run.progress.at_batch(0, 0, None)
    run.now += 3600  # it is compiled
    for batch in range(1, 10):
        run.progress.at_batch(0, batch, None)
        run.now += 1
    run.progress.at_epoch_end(0, {})
    assert run.said[-1].endswith("0:50 left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00"), (59.6, "1:00"), (3725, "1:02:05"), (90000, "1 d 1 h")],
)
def test_time_left_reads_as_a_clock(seconds: float, words: str) -> None:
    assert in_hours(seconds) == words


def test_steps_are_named_where_the_schedule_counts_them() -> None:
    plan = lrdsl.loads("train 100 steps\n0.1 until 30 then linear(to=0) snapshot").plan()
    assert Itinerary(plan).at(29, 29).until == "step 30"
    assert Itinerary(plan).at(30, 30).until is None
    assert Itinerary(plan).at(99, 99).snapshot == "step 100"
    assert Itinerary(plan).at(100, 99).snapshot is None


# -- A terminal -----------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[io.TextIOWrapper, Callable[[], str]]]:
    master, slave = pty.openpty()
    stream = open(slave, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - a file descriptor

    def written() -> str:
        found = b""
        while select.select([master], [], [], 0.3)[0]:  # it comes through the system, in parts
            found += os.read(master, 1 << 16)
        return found.decode()

    yield stream, written
    stream.close()
    os.close(master)


def test_two_lines_change_in_place(terminal: tuple[Any, Callable[[], str]]) -> None:
    stream, written = terminal
    run = Run(stream=stream)
    run.batches(1, 3)
    frames = written().split("\r\x1b[1A\x1b[J")
    assert len(frames) == 3
    assert [line.rstrip("\r") for line in frames[-1].split("\n")] == [
        "epoch 2/6 ━━━━━━━━━─────────────────────────────── step 3/10  0:24 left",
        "lr 0.06  loss 0.5  in warmup(2) until epoch 2  snapshot at epoch 5",
    ]
    run.now += 1
    run.progress.at_validation(None)
    assert "step 3/10, validating" in written()
    run.progress.end()
    assert written().endswith("\r\x1b[1A\x1b[J")
    assert "write" not in vars(stream)


def test_what_the_program_prints_is_never_spoiled(
    terminal: tuple[Any, Callable[[], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, written = terminal
    monkeypatch.setattr(sys, "stdout", stream)
    lines = LiveLines(stream, Ink(unicode=True, colour=False))
    lines.open()
    lines.show(["one", "two"], 80)
    print("mine, and ", end="", flush=True)
    lines.show(["three"], 80)  # in the midst of a line there is no place
    print("whole", flush=True)
    lines.show(["four"], 80)
    lines.close()
    print("after", flush=True)
    assert written().replace("\r\n", "\n") == (
        "one\ntwo\r\x1b[1A\x1b[Jmine, and whole\nfour\r\x1b[Jafter\n"
    )


def test_lines_are_cut_to_the_terminal(terminal: tuple[Any, Callable[[], str]]) -> None:
    stream, written = terminal
    lines = LiveLines(stream, Ink(unicode=True, colour=False))
    lines.show(["x" * 100], 40)
    assert re.findall("x+.?", written()) == ["x" * 38 + "…"]


def test_a_terminal_that_is_gone_is_no_harm(tmp_path: Any) -> None:
    stream = (tmp_path / "gone").open("w")
    lines = LiveLines(stream, Ink(unicode=True, colour=False))
    stream.close()
    lines.show(["one"], 40)
    lines.close()


def test_places_are_told_apart(tmp_path: Any) -> None:
    with (tmp_path / "a").open("w") as one, (tmp_path / "b").open("w") as other:
        assert is_one_place(one, one)
        assert not is_one_place(one, other)
        assert not is_one_place(one, None)
        assert not is_one_place(one, io.StringIO())
