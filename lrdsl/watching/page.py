"""A page with the curve, on this machine alone, that changes by itself at each save."""

from __future__ import annotations

import json
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lrdsl.render import render_full

if TYPE_CHECKING:
    from lrdsl.watching.sight import Sight

HOST = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_STILL_THERE = 10.0
"""Seconds between two signs of life, by which a reader that is gone is noticed."""


class Page:
    """Serves the newest sight to the browsers of this machine.

        /           the page
        /events     what there is to see, each time that it changes (Server-Sent Events)
        /curve.svg  the last good curve, and with ?dark on a dark ground

    A page of a stranger, in the same browser, gets nothing: the browser lets it read no
    other origin, and where its name is made to point here (DNS rebinding), the request names
    a host that we are not.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, port: int = 0) -> None:
        self._changed = threading.Condition()
        self._sight: Sight | None = None
        self._is_over = False
        self._drawing = threading.Lock()  # matplotlib draws one picture at a time
        self._curves: dict[str, tuple[int, bytes]] = {}  # by theme
        self._server = _Server((HOST, port), _Handler)
        self._server.page = self
        # The interval is that of looking whether to end; requests are answered at once.
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it is served at."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """What to type into a browser."""
        return f"http://{HOST}:{self.port}/"

    def start(self) -> None:
        """Answer from now on, in threads of our own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def show(self, sight: Sight) -> None:
        """Tell all readers what there is to see now."""
        with self._changed:
            self._sight = sight
            self._changed.notify_all()

    def next_after(self, number: int) -> Sight | None:
        """Wait for a sight after this one; None if there is none for a while."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_over or self._number() != number, _STILL_THERE
            )
            is_news = not self._is_over and self._number() != number
            return self._sight if is_news else None

    @property
    def is_over(self) -> bool:
        """Whether there will be nothing more."""
        return self._is_over

    def curve(self, theme: str) -> bytes | None:
        """Return the picture of the last good text, None if there has been none."""
        from lrdsl.picture import as_svg

        with self._drawing:
            sight = self._sight
            if sight is None or sight.plan is None:
                return None
            drawn, curve = self._curves.get(theme, (0, b""))
            if drawn != sight.drawn:
                curve = as_svg(sight.plan, theme).encode()
                self._curves[theme] = (sight.drawn, curve)
            return curve

    def _number(self) -> int:
        return 0 if self._sight is None else self._sight.number


def as_json(sight: Sight) -> dict[str, Any]:
    """Return what the page is told of a sight."""
    problems = ""
    if sight.trouble is not None:
        problems = f"cannot read {sight.file}: {sight.trouble}"
    elif sight.error is not None:
        source = sight.error.source
        problems = "\n\n".join(render_full(one, source) for one in sight.error.diagnostics)
    elif sight.plan is not None:
        source = sight.plan.program.source
        problems = "\n\n".join(render_full(one, source) for one in sight.plan.warnings)
    return {
        "file": sight.file,
        "number": sight.number,
        "drawn": sight.drawn,
        "is_current": sight.is_current,
        "planned": None if sight.planned is None else f"{sight.planned:%H:%M:%S}",
        "problems": problems,
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # on Windows it would share a port with somebody else
    page: Page

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a reader that has left: the terminal shows the curve."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "lrdsl"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60  # a reader that asks for nothing

    def do_GET(self) -> None:
        """Answer a request."""
        if not self._is_for_us():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this page is for this machine alone")
            return
        wanted = urlsplit(self.path)
        match wanted.path:
            case "/":
                nonce = secrets.token_urlsafe(16)
                page = _template().replace("NONCE", nonce)
                self._send(page.encode(), "text/html; charset=utf-8", nonce)
            case "/events":
                self._tell()
            case "/curve.svg":
                is_dark = "dark" in wanted.query.split("&")
                curve = self.server.page.curve("dark" if is_dark else "light")
                if curve is None:
                    self._refuse(HTTPStatus.NOT_FOUND, "there is no curve yet")
                else:
                    self._send(curve, "image/svg+xml")
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the curve."""

    def _is_for_us(self) -> bool:
        host = (self.headers.get("Host") or "").lower()
        return host in {f"{name}:{self.server.page.port}" for name in _NAMES}

    def _tell(self) -> None:
        """Send what changes until the reader is gone or all is over."""
        page = self.server.page
        self.close_connection = True
        self._head(HTTPStatus.OK, "text/event-stream; charset=utf-8", None, None)
        number = -1
        try:
            while not page.is_over:
                sight = page.next_after(number)
                if sight is None:
                    self.wfile.write(b": still there\n\n")
                else:
                    number = sight.number
                    self.wfile.write(f"data: {json.dumps(as_json(sight))}\n\n".encode())
                self.wfile.flush()
        except OSError:
            pass  # it has left

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._send(f"{why}\n".encode(), "text/plain; charset=utf-8", status=status)

    def _send(
        self,
        body: bytes,
        kind: str,
        nonce: str | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self._head(status, kind, nonce, len(body))
        self.wfile.write(body)

    def _head(
        self, status: HTTPStatus, kind: str, nonce: str | None, length: int | None
    ) -> None:
        own = f"'nonce-{nonce}'" if nonce else "'none'"
        style = own if nonce else "'unsafe-inline'"  # that of a picture
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src {own}; style-src {style}; img-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
        self.end_headers()


def _template() -> str:
    return files("lrdsl.watching").joinpath("page.html").read_text(encoding="utf-8")
