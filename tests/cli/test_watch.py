"""`lrdsl watch` on a terminal, in a pipe, and as a page."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli
from lrdsl.render import display_width
from lrdsl.terminal.ink import Ink
from lrdsl.watching.follow import Content, Follower
from lrdsl.watching.frame import Size, fitted, plain
from lrdsl.watching.page import Page
from lrdsl.watching.sight import Sight, Training

from .browser import PROGRAM, Browser

ROOT = Path(__file__).resolve().parents[2]
GOOD = "train 90 epochs of 390 steps\ncosine(max=0.1, cycles=3) snapshot\n"
WRONG = "train 90 epochs of 390 steps\ncosin(max=0.1)\n"
OTHER = "train 7 epochs of 3 steps\n0.25\n"
COMMAND = [sys.executable, "-m", "lrdsl", "watch"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "PYTHONUTF8": "1"}
for name in ("COLUMNS", "LINES", "NO_COLOR", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
    ENVIRONMENT.pop(name, None)

NOON = datetime(2024, 1, 31, 12, 0, 0)
ENTERED, LEFT = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"
STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.lrs"
    path.write_text(GOOD)
    return path


# -- A terminal -----------------------------------------------------------------------------


class Terminal:
    """`lrdsl watch a.lrs` on a terminal of its own."""

    def __init__(
        self,
        folder: Path,
        *words: str,
        lines: int = 30,
        columns: int = 80,
        command: Sequence[str] = (*COMMAND, "a.lrs"),
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(lines, columns)
        self.mode = termios.tcgetattr(self.slave)
        self.seen = b""

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*command, *words],
            cwd=folder,
            env=ENVIRONMENT,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            preexec_fn=take_terminal,
        )

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, words: str, seconds: float = 30.0) -> str:
        """Wait for a frame with these words, and return what has come since the last wait."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 1 << 16)
            *frames, rest = self.seen.split(b"\x1b[?2026l")
            for number, frame in enumerate(frames):
                if words in STYLES.sub("", frame.decode("utf-8", "replace")):
                    self.seen = b"\x1b[?2026l".join([*frames[number + 1 :], rest])
                    return frame.decode()
        raise AssertionError(f"no frame with {words!r}, only {self.seen!r}")

    def until_bytes(self, words: bytes, seconds: float = 30.0) -> bytes:
        """Wait for some output, and return all that has come since the last wait."""
        end = time.monotonic() + seconds
        while words not in self.seen and time.monotonic() < end:
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 1 << 16)
        assert words in self.seen, self.seen
        found, self.seen = self.seen, b""
        return found

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> tuple[int, bytes]:
        """Wait until it has ended; return its status and the last it wrote."""
        rest = self.seen
        status = None
        limit = time.monotonic() + 30
        while status is None or select.select([self.master], [], [], 0.1)[0]:
            if select.select([self.master], [], [], 0.1)[0]:
                rest += os.read(self.master, 1 << 16)
            status = self.process.poll()
            assert time.monotonic() < limit, f"it goes on, after {rest!r}"
        return status, rest


@pytest.fixture
def started(file: Path) -> Iterator[list[Terminal]]:
    found: list[Terminal] = []
    yield found
    for terminal in found:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


def watch(file: Path, started: list[Terminal], *words: str, **size: int) -> Terminal:
    terminal = Terminal(file.parent, *words, **size)
    started.append(terminal)
    return terminal


def replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def test_each_save_is_drawn_and_an_error_stands_under_the_last_good_curve(
    file: Path, started: list[Terminal]
) -> None:
    terminal = watch(file, started)
    assert "35,100 steps" in terminal.until("saved at")
    file.write_text(WRONG)
    frame = terminal.until("did you mean `cosine`?")
    assert "as it was at" in frame
    curve = [line for line in frame.split("\r\n") if "┤" in line or "│" in line]
    assert len(curve) > 8
    assert all(line.startswith("\x1b[2K\x1b[2m") for line in curve)  # dim
    replace(file, OTHER)
    assert "7 epochs of 3 steps" in terminal.until("saved at")
    file.unlink()
    assert "waiting for it to come back" in terminal.until("as it was at")
    replace(file, GOOD)
    assert "35,100 steps" in terminal.until("saved at")


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (b"\x03", 130),
        (b"q", 0),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
    ],
    ids=["Ctrl-C", "q", "SIGTERM", "SIGHUP"],
)
def test_terminal_is_as_it_was_after_the_end(
    file: Path, started: list[Terminal], end: bytes | signal.Signals, status: int
) -> None:
    terminal = watch(file, started)
    assert ENTERED.decode() in terminal.until("saved at")
    assert termios.tcgetattr(terminal.slave) != terminal.mode  # keys are not shown
    if isinstance(end, bytes):
        terminal.type(end)
    else:
        terminal.process.send_signal(end)
    ended, rest = terminal.end()
    assert ended == status
    assert rest.endswith(LEFT)
    assert termios.tcgetattr(terminal.slave) == terminal.mode


def test_ctrl_z_gives_the_terminal_back_until_fg(file: Path, started: list[Terminal]) -> None:
    # Only under a shell: the system stops no process that nobody could wake.
    shell = ["bash", "--norc", "--noprofile", "-i"]
    terminal = Terminal(file.parent, command=shell)
    started.append(terminal)
    terminal.type(f"{shlex.join(COMMAND)} a.lrs\n".encode())
    terminal.until("saved at")
    terminal.type(b"\x1a")
    rest = terminal.until_bytes(b"Stopped")
    assert rest.index(LEFT) < rest.index(b"Stopped")
    file.write_text(OTHER)
    terminal.type(b"fg\n")
    frame = terminal.until("7 epochs of 3 steps")
    assert ENTERED.decode() in frame
    terminal.type(b"q")
    terminal.until_bytes(LEFT)


def test_what_metrics_may_do_follows_the_curve(file: Path, started: list[Terminal]) -> None:
    terminal = watch(file, started)
    terminal.until("saved at")
    replace(file, "train 30 epochs\nplateau(from=0.1)")
    assert "░" not in terminal.until("working out what may happen")
    assert "░" in terminal.until("saved at")


def test_another_size_is_drawn_for(file: Path, started: list[Terminal]) -> None:
    terminal = watch(file, started)
    terminal.until("saved at")
    terminal.resize(40, 120)
    frame = terminal.until("saved at")
    assert max(len(STYLES.sub("", line)) for line in frame.split("\r\n")) > 100


# -- A frame --------------------------------------------------------------------------------


def sights() -> Iterator[Sight]:
    training = Training({})
    good = Sight("a.lrs").after(Content(GOOD.encode()), training, NOON)
    yield good
    yield good.after(Content(WRONG.encode()), training, NOON)
    yield good.after(Content(("#\n" + WRONG * 9).encode()), training, NOON)
    yield good.after(Content(trouble="No such file or directory"), training, NOON)
    yield Sight("a.lrs").after(Content(WRONG.encode()), training, NOON)
    yield Sight("a.lrs").after(Content(b"\xff\xfe"), training, NOON)
    plateau = b"train 30 epochs\nplateau(from=0.1)  momentum = 0.9"
    yield Sight("a.lrs").after(Content(plateau), training, NOON)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("lines", [3, 12, 24, 60])
def test_a_frame_fills_the_terminal_and_no_more(columns: int, lines: int) -> None:
    for sight in sights():
        for ink in (Ink(True, True), Ink(False, False)):
            found = fitted(sight, Size(columns, lines), "watching a.lrs", ink=ink)
            assert len(found) == lines
            plain_lines = [STYLES.sub("", line) for line in found]
            assert max(map(display_width, plain_lines)) <= columns
            assert plain_lines[-1] == "watching a.lrs"
            assert ink.colour == any("\x1b" in line for line in found)


def test_what_is_wrong_has_precedence_over_the_curve_and_its_axis_stays() -> None:
    _, wrong, *_ = sights()
    found = fitted(wrong, Size(80, 24), "", ink=Ink(True, False))
    text = "\n".join(found)
    assert text.startswith("a.lrs  as it was at 12:00:00\n")
    assert "epoch  0" in text
    assert text.rstrip().endswith("help: did you mean `cosine`?")
    low = "\n".join(fitted(wrong, Size(80, 10), "", ink=Ink(True, False)))
    assert "help: did you mean `cosine`?" in low


def test_in_a_pipe_the_last_curve_is_not_told_again() -> None:
    good, wrong, *_ = sights()
    assert plain(good, 80, unicode=False, colour=False).startswith("a.lrs  90 epochs")
    text = plain(wrong, 80, unicode=False, colour=False)
    assert text.startswith("error[LRS202]")
    assert "epoch" not in text.splitlines()[-1]


# -- A pipe ---------------------------------------------------------------------------------


def read_until(stream: Any, words: str) -> str:
    text = ""
    while words not in text:
        line = stream.readline()
        assert line, f"no {words!r} in {text!r}"
        text += line
    return text


def test_in_a_pipe_frames_are_plain_lines(file: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "a.lrs"],
        cwd=file.parent,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        text = read_until(process.stdout, "epoch 90")
        file.write_text(WRONG)
        text += read_until(process.stdout, "did you mean `cosine`?")
        replace(file, OTHER)
        text += read_until(process.stdout, "7 epochs of 3 steps")
        assert "\x1b" not in text
        assert "\r" not in text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope.lrs"], "cannot read `nope.lrs`: No such file or directory"),
        (["-"], "there is nothing to watch in standard input: name a file"),
        (["a.lrs", "peak"], "expected NAME=VALUE"),
        (["a.lrs", "--port", "8080"], "it goes with `--open`"),
    ],
)
def test_wrong_use_is_told_with_status_2(
    file: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(file.parent)
    result = CliRunner().invoke(cli, ["watch", *words], prog_name="lrdsl")
    assert result.exit_code == 2
    assert message in result.stderr


# -- Following ------------------------------------------------------------------------------


def news(follower: Follower, looks: int = 40) -> list[Content]:
    found = [follower.look() for _ in range(looks)]
    return [one for one in found if one is not None]


def test_only_another_content_is_news(file: Path) -> None:
    follower = Follower(file)
    assert news(follower) == [Content(GOOD.encode())]
    file.touch()
    assert news(follower) == []
    replace(file, GOOD)
    assert news(follower) == []
    os.utime(file, (0, 0))
    news(follower)
    other = GOOD.replace("0.1", "0.2")
    file.write_text(other)  # as long as before
    os.utime(file, (0, 0))  # and as old
    assert news(follower) == [Content(other.encode())]


def test_half_a_save_is_not_read(file: Path) -> None:
    follower = Follower(file)
    news(follower)
    file.write_text("")
    assert follower.look() is None  # it has changed just now
    file.write_text(OTHER)
    assert news(follower) == [Content(OTHER.encode())]


def test_a_short_absence_is_no_deletion(file: Path) -> None:
    follower = Follower(file)
    news(follower)
    file.unlink()
    assert news(follower, 5) == []
    file.write_text(OTHER)
    assert news(follower) == [Content(OTHER.encode())]
    file.unlink()
    assert news(follower) == [Content(trouble="No such file or directory")]
    file.mkdir()
    assert news(follower) == [Content(trouble="Is a directory")]


# -- The page -------------------------------------------------------------------------------


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    page.start()
    page.show(next(sights()))
    yield page
    page.stop()


def get(page: Page, path: str, **headers: str) -> tuple[int, Any, str]:
    request = urllib.request.Request(page.address + path, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_page_shows_the_curve_and_loads_nothing_from_elsewhere(page: Page) -> None:
    status, headers, text = get(page, "")
    assert status == 200
    assert "EventSource" in text
    assert "http://" not in text
    assert "https://" not in text
    (nonce,) = set(re.findall(r'nonce="([^"]+)"', text))
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'nonce-{nonce}'" in policy
    status, headers, text = get(page, "curve.svg?1")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
    assert "<svg" in text
    assert "#11181f" not in text.lower()
    assert "#11181f" in get(page, "curve.svg?1&dark")[2].lower()
    assert get(page, "etc/passwd")[0] == 404


def test_page_is_bound_to_loopback_and_refuses_the_name_of_another_host(page: Page) -> None:
    assert page._server.server_address[0] == "127.0.0.1"
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1", "localhost:1", ""):
        for path in ("", "events", "curve.svg"):
            status, _, text = get(page, path, Host=host)
            assert status == 421
            assert text == "this page is for this machine alone\n"
    assert get(page, "", Host=f"localhost:{page.port}")[0] == 200


def test_readers_are_told_of_each_change_and_of_the_end(page: Page) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")

    def told() -> dict[str, Any]:
        line = b"\n"
        while not line.startswith(b"data: "):
            line = answer.readline()
            assert line, "the stream has ended"
        found: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return found

    assert told() == {
        "file": "a.lrs",
        "number": 1,
        "drawn": 1,
        "is_current": True,
        "planned": "12:00:00",
        "problems": "",
    }
    _, wrong, _, gone, *_ = sights()
    page.show(wrong)
    found = told()
    assert (found["number"], found["drawn"], found["is_current"]) == (2, 1, False)
    assert "did you mean `cosine`?" in found["problems"]
    page.show(gone.after(Content(OTHER.encode()), Training({}), NOON))
    assert told()["drawn"] == 3
    page.stop()
    assert b"data" not in answer.read()
    page.start = lambda: None  # type: ignore[method-assign]


def test_without_a_curve_there_is_no_picture() -> None:
    page = Page()
    page.start()
    try:
        *_, wrong, _, _ = sights()
        page.show(wrong)
        assert get(page, "curve.svg")[0] == 404
    finally:
        page.stop()


def test_a_port_that_is_taken_is_told(
    file: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    words = ["watch", "a.lrs", "--open", "--port", str(page.port)]
    result = CliRunner().invoke(cli, words, prog_name="lrdsl")
    assert result.exit_code == 2
    assert f"cannot serve at port {page.port}: Address already in use" in result.stderr


def test_the_page_is_opened_in_the_browser(file: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    process = subprocess.Popen(
        [*COMMAND, "a.lrs", "--open"],
        cwd=file.parent,
        env={**ENVIRONMENT, "BROWSER": f"{browser} %s"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told.startswith("showing a.lrs at http://127.0.0.1:")
        assert (tmp_path / "opened").read_text().strip() == told.split()[-1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()


@pytest.mark.heavy
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")
def test_page_in_a_browser_changes_by_itself(file: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "a.lrs", "--open"],
        cwd=file.parent,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    browser = None
    try:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        browser = Browser(address, tmp_path / "profile")
        browser.wait_for("document.body.dataset.drawn == '1'")
        picture = "document.getElementById('picture')"
        assert browser.evaluate(f"{picture}.naturalWidth > 100")
        file.write_text(WRONG)
        browser.wait_for("document.body.className == 'stale'")
        assert "did you mean `cosine`?" in browser.evaluate("document.body.innerText")
        browser.wait_for("getComputedStyle(document.getElementById('curve')).opacity < 0.5")
        replace(file, OTHER)
        browser.wait_for("document.body.dataset.drawn == '3'")
        assert browser.evaluate("document.body.className") == ""
        assert browser.evaluate("document.getElementById('problems').innerText") == ""
        assert "curve.svg?3" in browser.evaluate(f"{picture}.src")
        process.send_signal(signal.SIGINT)
        browser.wait_for("document.body.classList.contains('over')")
        assert "has ended" in browser.evaluate("document.body.innerText")
    finally:
        process.kill()
        process.wait()
        if browser is not None:
            browser.close()
