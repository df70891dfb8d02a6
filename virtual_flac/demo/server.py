"""A folder behind HTTP on loopback: byte ranges, HEAD, and a log of every request.

Runs as a process of its own, because a client that waits for an answer may hold the interpreter
that would have to give it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"
_LOG = "/.requests"


class Request(NamedTuple):
    """One answered request."""

    method: str
    path: str
    """Of the file, with a leading slash."""
    range: str | None
    """The header ``Range``, such as ``bytes=0-1023``."""
    status: int
    bytes_sent: int
    """Of the body, without headers."""


@dataclass(frozen=True, slots=True)
class RangeServer:
    """A running server of one folder.

    Parameters
    ----------
    url : str
        Its address, without a trailing slash.
    folder : Path
        What it serves.
    process : subprocess.Popen
        Ends when it is told to, as by Ctrl-C.
    """

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
def serve(folder: str | os.PathLike[str], port: int = 0) -> Iterator[RangeServer]:
    """Serve a folder on loopback until the block ends.

    Parameters
    ----------
    folder : str or path
    port : int
        0 takes a free one.

    Yields
    ------
    RangeServer

    Raises
    ------
    NotADirectoryError
        When there is no such folder.
    OSError
        When the port is taken.

    Examples
    --------
    >>> with serve("virtual-flac-demo") as server:  # doctest: +SKIP
    ...     dataset = xr.open_dataset(server.url_of("dem.flac"), engine="flac")
    """
    directory = Path(folder).resolve()
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder")
    process = subprocess.Popen(
        # As a script, and with -P lest its neighbours here hide modules of the same name.
        [sys.executable, "-P", __file__, str(directory), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, contextlib.ExitStack() as stack:  # closes the pipes and waits
        stack.callback(process.terminate)
        assert process.stdout
        assert process.stderr
        line = process.stdout.readline()
        if not line:
            told = process.stderr.read().strip().rpartition("\n")[2]
            raise OSError(f"no server of {directory} on {HOST}:{port}: {told}")
        stack.enter_context(_past_proxies())
        yield RangeServer(f"http://{HOST}:{int(line)}", directory, process)


@contextlib.contextmanager
def _past_proxies() -> Iterator[None]:
    """Let clients of this process reach loopback where the environment names a proxy."""
    names = ("NO_PROXY", "no_proxy")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update({name: f"{before.get(name, '')},{HOST}".lstrip(",") for name in names})
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)


async def _run(folder: Path, port: int) -> None:
    import asyncio

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
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        print(runner.addresses[0][1], flush=True)
        # The pipe closes when the parent is gone, however it went.
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    import asyncio

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(Path(sys.argv[1]), int(sys.argv[2])))
