"""A headless Chromium, spoken to over a pipe by its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser."""

    def __init__(self, address: str, profile: Path) -> None:
        assert PROGRAM is not None
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "browser", PROGRAM),
                *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
                *("--disable-dev-shm-usage", "--no-first-run", f"--user-data-dir={profile}"),
                *("--no-proxy-server", "--disable-background-networking"),
                "--window-size=1100,900",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        target = self._ask("Target.createTarget", url=address)["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        result = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30.0) -> float:
        """Wait until an expression is true; return how long that took."""
        start = time.monotonic()
        while not self.evaluate(f"document.body && ({script})"):
            assert time.monotonic() - start < seconds, (
                script,
                self.evaluate("document.body.innerText"),
            )
            time.sleep(0.02)
        return time.monotonic() - start

    def screenshot(self, path: Path) -> None:
        data = self._ask("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            while b"\0" in self._rest:
                found, _, self._rest = self._rest.partition(b"\0")
                answer = json.loads(found)
                if answer.get("id") == self._number:
                    # Until the page has begun to load there is nothing to evaluate in.
                    is_early = "execution context" in answer.get("error", {}).get("message", "")
                    assert "error" not in answer or is_early, answer
                    result: dict[str, Any] = answer.get("result", {"result": {}})
                    return result
            if select.select([self._read], [], [], 0.5)[0]:
                self._rest += os.read(self._read, 1 << 16)
        raise TimeoutError(method)
