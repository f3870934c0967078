"""Two processes on this machine that train one model, and what each of them printed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCRIPT = HERE / "on_two_machines.py"


class Ended:
    """How a process ended."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text


def run_two(
    folder: Path,
    commands: Sequence[Sequence[str]],
    *,
    timeout: float = 180,
    more: dict[str, str] | None = None,
) -> list[Ended]:
    """Run a command as each worker of a cluster of two, and wait for both."""
    addresses = [f"127.0.0.1:{_free_port()}" for _ in commands]
    processes = []
    for index, command in enumerate(commands):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        log = (folder / f"log-{index}").open("w")
        processes.append(
            subprocess.Popen(
                command,
                cwd=folder,
                env={**environment(), **(more or {}), "TF_CONFIG": json.dumps(config)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        )
    end = time.monotonic() + timeout
    for process in processes:
        try:
            process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it prints where it hangs
    statuses = [process.wait() for process in processes]
    texts = [(folder / f"log-{index}").read_text() for index in range(len(commands))]
    return [Ended(status, text) for status, text in zip(statuses, texts, strict=True)]


def environment() -> dict[str, str]:
    """Return the environment of a process that trains."""
    return {
        **os.environ,
        "PYTHONPATH": str(HERE.parents[1]),
        "KERAS_BACKEND": "tensorflow",
        "PYTHONFAULTHANDLER": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }


def train_on_two(folder: Path, **options: Any) -> list[Ended]:
    """Run the script of these tests on two workers."""
    command = [sys.executable, str(SCRIPT), str(folder), json.dumps(options)]
    return run_two(folder, [command] * 2)


def results(folder: Path) -> list[dict[str, Any]]:
    """Return what each worker says of its training."""
    return [json.loads((folder / f"worker-{i}.json").read_text()) for i in range(2)]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
