"""A folder behind HTTP on loopback: byte ranges, HEAD, and a log of every request.

Runs as a process of its own, because a client that waits for an answer may hold the interpreter
that would have to give it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

HOST = "127.0.0.1"
_LOG = "/.requests"


class Request(NamedTuple):
    """One answered request; `bytes_sent` are those of the body."""

    method: str
    path: str
    range: str | None
    """The header ``Range``, such as ``bytes=0-1023``."""
    status: int
    bytes_sent: int


@dataclass(frozen=True, slots=True)
class RangeServer:
    """A running server of a folder; the URL has no slash at its end."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def url_of(self, path: str | os.PathLike[str]) -> str:
        """The URL of a file, named by its path in the folder or by its full path."""
        return f"{self.url}/{quote((self.folder / path).relative_to(self.folder).as_posix())}"

    def requests(self) -> list[Request]:
        """Every request since the server started, in the order of their answers."""
        with urllib.request.urlopen(self.url + _LOG, timeout=30) as response:
            return [Request(*fields) for fields in json.load(response)]


@contextlib.contextmanager
def serve(folder: str | os.PathLike[str]) -> Iterator[RangeServer]:
    """Serve a folder (else NotADirectoryError) on a free port of loopback until the block ends."""
    directory = Path(folder).resolve()
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder")
    from ..errors import needs_extra  # here, because the process has no package

    with needs_extra("cli", "aiohttp"):
        import aiohttp  # noqa: F401
    # As a script, and with -P lest its neighbours here hide modules of the same name.
    command = [sys.executable, "-P", __file__, str(directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process, contextlib.ExitStack() as stack:  # closes the pipes and waits
        stack.callback(process.terminate)
        assert process.stdout
        port = process.stdout.readline()
        # Clients of this process go past the proxies that its environment may name.
        for name in ("NO_PROXY", "no_proxy"):
            before = os.environ.pop(name, None)
            os.environ[name] = f"{before},{HOST}" if before else HOST
            stack.callback(os.environ.update, {name: before} if before else {})
            stack.callback(os.environ.pop, name)
        yield RangeServer(f"http://{HOST}:{int(port)}", directory, process)


def _run(folder: str) -> None:
    from aiohttp import web

    log: list[Request] = []

    async def tell(request: web.Request) -> web.Response:
        return web.json_response(log)

    async def remember(request: web.Request, response: web.StreamResponse) -> None:
        # Before the first byte is sent, so that a client that has the answer finds it in the log.
        if request.path != _LOG:
            size = 0 if request.method == "HEAD" else response.content_length or 0
            asked = request.headers.get("Range")
            log.append(Request(request.method, request.path, asked, response.status, size))

    app = web.Application()
    app.on_response_prepare.append(remember)
    app.router.add_get(_LOG, tell)
    app.router.add_static("/", folder)
    with socket.create_server((HOST, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        # The pipe closes when the parent is gone, however it went.
        threading.Thread(target=lambda: os._exit(len(sys.stdin.read())), daemon=True).start()
        web.run_app(app, sock=listener, print=None, access_log=None, handle_signals=False)


if __name__ == "__main__":
    _run(sys.argv[1])
