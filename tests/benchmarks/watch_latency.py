"""How long after a save `lrdsl watch` has drawn it: python tests/benchmarks/watch_latency.py.

From the rename that saves to the last byte of the frame with the new curve, on a terminal of
24 lines, for each example: the median and the longest of 15 saves.  Where metrics decide about
the curve, a second frame follows with the range of what may happen: the last two columns.
"""

from __future__ import annotations

import os
import pty
import select
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAVES = 15
END = b"\x1b[?2026l"


def until_drawn(terminal: int, seconds: float) -> tuple[float, float]:
    """Return the times at which the first frame and the final one were there."""
    found, end = b"", time.perf_counter() + seconds
    first = 0.0
    while time.perf_counter() < end:
        if select.select([terminal], [], [], 0.5)[0]:
            found += os.read(terminal, 1 << 16)
            if END in found:
                first = first or time.perf_counter()
                if b"saved at" in found and found.endswith(END):
                    return first, time.perf_counter()
    raise TimeoutError(found)


def measure(text: str, folder: Path) -> list[tuple[float, float]]:
    """Return the seconds of each save of a text, changed a little each time, to both frames."""
    file = folder / "watched.lrs"
    file.write_text(text)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        words = [sys.executable, "-m", "lrdsl", "watch", "watched.lrs"]
        words += [] if "train" in text else ["--epochs", "60", "--base", "0.1"]
        os.execve(sys.executable, words, environment)
    until_drawn(terminal, 30)
    found = []
    for number in range(SAVES + 1):
        time.sleep(0.1)
        beside = folder / "beside"
        beside.write_text(f"{text}\n# {number}\n")
        start = time.perf_counter()
        beside.rename(file)
        first, last = until_drawn(terminal, 30)
        found.append((first - start, last - start))
    os.write(terminal, b"q")
    os.waitpid(process, 0)
    os.close(terminal)
    return found[1:]  # the first imports what only drawing again needs


def main() -> None:
    """Print a line for each example."""
    for path in sorted((ROOT / "examples").glob("*.lrs")):
        with tempfile.TemporaryDirectory() as folder:
            columns = zip(*measure(path.read_text(), Path(folder)), strict=True)
        told = [
            f"{1e3 * statistics.median(one):5.0f} ms, at most {1e3 * max(one):5.0f} ms"
            for one in columns
        ]
        print(f"{path.stem:28} {'   '.join(told if told[0] != told[1] else told[:1])}")


if __name__ == "__main__":
    main()
