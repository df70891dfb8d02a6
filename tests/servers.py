"""Servers on loopback that answer byte ranges as real ones do, and stores that count requests.

``serve(directory)`` starts nginx where it is installed and aiohttp's static files otherwise; both
write the same access log, read back as ``Request`` values. ``serve_s3()`` starts moto, signatures
verified. ``serve_faults(directory)`` answers as badly as a test asks. ``counting_registry(urls)``
counts on the client's side. Knows nothing of FLAC, rasters or virtual_flac.

Run as a script this file is the aiohttp server, ``python servers.py DIRECTORY PORT LOG``, or moto,
``python servers.py s3 PORT``.
"""

from __future__ import annotations

import contextlib
import http.server
import itertools
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from obspec_utils.registry import ObjectStoreRegistry
from obspec_utils.wrappers import RequestTrace, TracingReadableStore

HOST = "127.0.0.1"
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One line of a server's access log."""

    method: str
    path: str
    """As sent, percent-encoded, with its leading slash."""
    range: tuple[int | None, int | None] | None
    """Start and exclusive end; ``(start, None)`` has no end, ``(-n, None)`` is the last n bytes."""
    status: int
    bytes_sent: int
    """Of the body, without headers."""


class RangeServer(Protocol):
    """A directory behind HTTP."""

    name: str
    url: str
    """Without a trailing slash; append ``"/" + path``."""
    directory: Path

    def log(self) -> list[Request]:
        """Return every request answered since the start or the last reset, as they ended."""

    def reset(self) -> None:
        """Forget the requests so far."""


# --- HTTP -----------------------------------------------------------------------------------------


def available_servers() -> list[str]:
    """Return the names ``serve`` accepts on this machine, best first."""
    return (["nginx"] if find_nginx() else []) + ["aiohttp"]


@contextlib.contextmanager
def serve(directory: Path | str, server: str | None = None) -> Iterator[RangeServer]:
    """Serve ``directory`` on a free port of loopback until the block ends."""
    directory = Path(directory).resolve()
    commands: dict[str, Callable[[Path, int, Path], list[str]]] = {
        "nginx": _nginx_command,
        "aiohttp": _aiohttp_command,
    }
    name = server or available_servers()[0]
    with tempfile.TemporaryDirectory(prefix="range-server-") as scratch:
        prefix = Path(scratch)

        def command(port: int) -> list[str]:
            return commands[name](directory, port, prefix)

        with _listening(command, prefix) as port:
            yield _LoggingServer(
                name=name,
                url=f"http://{HOST}:{port}",
                directory=directory,
                _log_path=prefix / "access.log",
            )


@dataclass
class _LoggingServer:
    name: str
    url: str
    directory: Path
    _log_path: Path
    _start: int = 0
    _marks: Iterator[int] = field(default_factory=itertools.count)

    def log(self) -> list[Request]:
        return [request for request in self._read() if not request.path.startswith(_MARK)]

    def reset(self) -> None:
        self._read()
        self._start = self._log_path.stat().st_size

    def _read(self) -> list[Request]:
        # A line is written after its body is sent, perhaps just after we ask. A request of our own
        # comes after all that were answered before it; once it stands in the log, so do they.
        mark = f"{_MARK}{next(self._marks)}"
        with contextlib.suppress(urllib.error.HTTPError):  # 404, as it should be
            _get(self.url + mark)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with self._log_path.open("rb") as log:
                log.seek(self._start)
                text = log.read().decode()
            if f" {mark} " in text:
                return [_parse_line(line) for line in text.splitlines()]
            time.sleep(0.005)
        raise TimeoutError(f"{self.name}: {mark} did not reach {self._log_path}")


_MARK = "/.mark-"
_LINE = re.compile(r"(?P<method>\S+) (?P<path>\S+) (?P<range>\S+) (?P<status>\d+) (?P<bytes>\d+)")
_RANGE = re.compile(r"bytes=(?P<start>\d*)-(?P<last>\d*)")


def _parse_line(line: str) -> Request:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of our access log: {line!r}")
    return Request(
        method=match["method"],
        path=match["path"],
        range=_parse_range(match["range"]),
        status=int(match["status"]),
        bytes_sent=int(match["bytes"]),
    )


def _parse_range(header: str) -> tuple[int | None, int | None] | None:
    if header == "-":
        return None
    match = _RANGE.fullmatch(header)
    if match is None:
        raise ValueError(f"not a single byte range: {header!r}")
    if not match["start"]:
        return -int(match["last"]), None
    return int(match["start"]), int(match["last"]) + 1 if match["last"] else None


def find_nginx() -> str | None:
    """Return the path of nginx; Debian keeps it where ordinary users do not look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


# One process under our own user, so that it may read pytest's private directories.
_NGINX_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    log_format ranges '$request_method $request_uri $range_sent $status $body_bytes_sent';
    map $http_range $range_sent {{ "" -; default $http_range; }}
    access_log access.log ranges;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server {{
        listen {host}:{port};
        location / {{ root "{directory}"; }}
    }}
}}
"""


def _nginx_command(directory: Path, port: int, prefix: Path) -> list[str]:
    nginx = find_nginx()
    if nginx is None:
        raise FileNotFoundError("nginx is not installed; try serve(directory, 'aiohttp')")
    config = prefix / "nginx.conf"
    config.write_text(_NGINX_CONFIG.format(host=HOST, port=port, directory=directory))
    return [nginx, "-p", f"{prefix}/", "-c", str(config), "-e", str(prefix / "error.log")]


def _aiohttp_command(directory: Path, port: int, prefix: Path) -> list[str]:
    return [sys.executable, __file__, str(directory), str(port), str(prefix / "access.log")]


def _run_aiohttp(directory: str, port: str, log: str) -> None:
    import logging

    from aiohttp import web
    from aiohttp.abc import AbstractAccessLogger

    logger = logging.getLogger("access")
    logger.addHandler(logging.FileHandler(log))
    logger.setLevel(logging.INFO)
    logger.propagate = False

    class AccessLogger(AbstractAccessLogger):
        def log(self, request: Any, response: Any, time: float) -> None:
            range_ = request.headers.get("Range", "-")
            # aiohttp's body_length counts the response's headers too
            sent = 0 if request.method == "HEAD" else response.headers.get("Content-Length", 0)
            logger.info(f"{request.method} {request.raw_path} {range_} {response.status} {sent}")

    app = web.Application()
    app.router.add_static("/", directory)
    web.run_app(
        app, host=HOST, port=int(port), access_log_class=AccessLogger, access_log=logger, print=None
    )


# --- HTTP that fails ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What a faulty server does instead of answering as it should.

    Parameters
    ----------
    kind : str
        A status code such as ``"503"`` or ``"404"``; ``"silent"``: no answer; ``"creep"``: a byte
        now and then; ``"cut"``: half of the body, then the end of the connection; ``"short"``: less
        than was asked for, and said so; ``"whole"``: 200 and the whole file; ``"flip"``: one wrong
        bit in the middle.
    times : int
        How many requests it meets; those after them are answered well.
    path : str
        The files it meets are those whose path ends so.
    """

    kind: str
    times: int = 1_000_000
    path: str = ""


class FaultyServer:
    """A directory behind HTTP that answers well until `fault` is set; counts requests.

    Runs in threads of this process, so that a test can change its mind in between.
    """

    def __init__(self, directory: Path, *, etags: bool = True) -> None:
        self.directory = directory
        self.etags = etags
        self.fault: Fault | None = None
        self.requests = 0
        self._met = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        handler = type("Handler", (_FaultyHandler,), {"owner": self})
        self._server = http.server.ThreadingHTTPServer((HOST, 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}"

    def fail(self, kind: str, times: int = 1_000_000, path: str = "") -> None:
        """Meet the next requests with a fault."""
        with self._lock:
            self.fault, self._met, self.requests = Fault(kind, times, path), 0, 0

    def heal(self) -> None:
        """Answer well again."""
        self.fault = None

    def _fault_for(self, path: str) -> str | None:
        with self._lock:
            self.requests += 1
            fault = self.fault
            if fault is None or not path.endswith(fault.path) or self._met >= fault.times:
                return None
            self._met += 1
            return fault.kind


class _FaultyHandler(http.server.BaseHTTPRequestHandler):
    owner: FaultyServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        fault = self.owner._fault_for(self.path)
        file = self.owner.directory / unquote(self.path).lstrip("/")
        if fault == "silent":
            self.owner._ended.wait(START_SECONDS)
            self.close_connection = True
            return
        if not file.is_file():
            fault = "404"
        if fault is not None and fault.isdigit():
            body = b"<p>No. You said Authorization: " + str(self.headers).encode() + b"</p>"
            self.send_response(int(fault))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if with_body else b"")
            return
        self._send(file, fault, with_body=with_body)

    def _send(self, file: Path, fault: str | None, *, with_body: bool) -> None:
        content = file.read_bytes()
        unless = self.headers.get("If-Unmodified-Since")
        if unless and file.stat().st_mtime >= parsedate_to_datetime(unless).timestamp() + 1:
            self.send_response(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        span = _parse_range(self.headers.get("Range", "-")) if "Range" in self.headers else None
        start, end = 0, len(content)
        if span is not None and fault != "whole":
            assert span[0] is not None
            start, end = span[0], min(span[1] or end, end)
            if fault == "short":
                end = (start + end) // 2
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = bytearray(content[start:end])
        if fault == "flip":
            body[len(body) // 2] ^= 16
        self.send_header("Content-Length", str(len(body)))
        status = file.stat()
        self.send_header("Last-Modified", self.date_time_string(int(status.st_mtime)))
        if self.owner.etags:
            self.send_header("ETag", f'"{status.st_mtime_ns:x}-{status.st_size:x}"')
        self.end_headers()
        if not with_body:
            return
        with contextlib.suppress(ConnectionError):
            if fault == "cut":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif fault == "creep":
                for value in body:
                    self.wfile.write(bytes([value]))
                    if self.owner._ended.wait(0.2):
                        break
                self.close_connection = True
            else:
                self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serve_faults(directory: Path | str, *, etags: bool = True) -> Iterator[FaultyServer]:
    """Serve ``directory`` on a free port of loopback, as badly as the test asks."""
    server = FaultyServer(Path(directory), etags=etags)
    thread = threading.Thread(target=server._server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server._ended.set()
        server._server.shutdown()
        thread.join()
        server._server.server_close()


# --- S3 -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class S3Server:
    """Moto's S3, with one user who may do everything and whose signatures are verified."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"

    @property
    def store_options(self) -> dict[str, Any]:
        """What obstore needs to read here: ``obstore.store.from_url("s3://bucket", **options)``."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "region": self.region,
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }

    def client(self, service: str = "s3") -> Any:
        """Return a boto3 client with the user's keys."""
        return _boto3_client(
            service, self.endpoint, self.region, self.access_key_id, self.secret_access_key
        )

    def upload(
        self, bucket: str, files: Mapping[str, Path | bytes], *, public: bool = False
    ) -> dict[str, Any]:
        """Create ``bucket`` if need be, put files under their keys, return ``store_options``."""
        client = self.client()
        client.create_bucket(Bucket=bucket)
        if public:
            client.put_bucket_policy(Bucket=bucket, Policy=_PUBLIC.replace("BUCKET", bucket))
        for key, content in files.items():
            body = content if isinstance(content, bytes) else Path(content).read_bytes()
            client.put_object(Bucket=bucket, Key=key, Body=body)
        return self.store_options


_PUBLIC = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", '
    '"Action": "s3:GetObject", "Resource": "arn:aws:s3:::BUCKET/*"}]}'
)
_POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)


@contextlib.contextmanager
def serve_s3(*, verify: bool = True) -> Iterator[S3Server]:
    """Run an S3 server that refuses requests with a wrong or missing signature.

    Moto that verifies signatures knows no anonymous requests at all. Without ``verify`` it takes
    any signature, and asks of requests without one whether the object is public.
    """
    # Moto lets the first n requests pass unsigned: the three that make the user and its key.
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3" if verify else "inf"}
    with tempfile.TemporaryDirectory(prefix="s3-server-") as scratch:

        def command(port: int) -> list[str]:
            return [sys.executable, __file__, "s3", str(port)]

        with _listening(command, Path(scratch), environment) as port:
            endpoint, region = f"http://{HOST}:{port}", S3Server.region
            if not verify:
                yield S3Server(endpoint, "anybody", "anything", region)
                return
            iam = _boto3_client("iam", endpoint, region, "unused", "unused")
            iam.create_user(UserName="tester")
            iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=_POLICY)
            key = iam.create_access_key(UserName="tester")["AccessKey"]
            yield S3Server(endpoint, key["AccessKeyId"], key["SecretAccessKey"], region)


def _run_moto(port: str) -> None:
    import moto.server

    lock, answer = threading.Lock(), moto.server.DomainDispatcherApplication.__call__

    def one_at_a_time(*request: Any) -> Any:
        # Moto looks whether a key is free and takes it then: two that want a free one would get it.
        with lock:
            return answer(*request)

    moto.server.DomainDispatcherApplication.__call__ = one_at_a_time
    moto.server.main(["-H", HOST, "-p", port])


def _boto3_client(service: str, endpoint: str, region: str, key: str, secret: str) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


# --- Processes ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _listening(
    command: Callable[[int], list[str]], scratch: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """Start ``command(port)`` on a free port and wait until it accepts connections."""
    output = scratch / "output.txt"
    for _ in range(5):  # somebody else may take the port between our look and the server's
        port = _free_port()
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command(port),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=scratch,
            )
        try:
            if _accepts(process, port):
                yield port
                return
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    raise RuntimeError(f"{command(0)[0]} did not start:\n{output.read_text(errors='replace')}")


def _accepts(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None  # and not another process that listens there
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Message, bytes]:
    """Return status, headers and body, without looking at any proxy that the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers=dict(headers or {}))
    with opener.open(request, timeout=START_SECONDS) as response:
        return response.status, response.headers, response.read()


# --- Counting in the client -----------------------------------------------------------------------


class CountingStore(TracingReadableStore):
    """obspec-utils' tracing store, but a ``get`` counts its range and not the whole object."""

    def get(self, path: str, *, options: Any = None) -> Any:
        with self._record(path, "get") as record:
            result = self._store.get(path, options=options)
            record.update(_extent(result))
            return result

    async def get_async(self, path: str, *, options: Any = None) -> Any:
        with self._record(path, "get") as record:
            result = await self._store.get_async(path, options=options)
            record.update(_extent(result))
            return result

    def __reduce__(self) -> Any:
        # Without this, unpickling asks __getattr__ for a _store that is not there yet, for ever.
        return type(self), (self._store, self._trace)


def _extent(result: Any) -> Any:
    start, end = result.range
    return {"start": start, "length": end - start}


def counting_registry(
    urls: str | Iterable[str], **store_options: Any
) -> tuple[ObjectStoreRegistry[Any], RequestTrace]:
    """Return a registry for ``urls`` and the trace of all that is read through it.

    One store for each host or bucket (``s3://bucket``, ``http://host:port``), one for all local
    files. ``trace.total_requests``, ``trace.total_bytes`` and ``trace.requests`` tell;
    ``trace.clear()`` resets.
    """
    from obstore.store import from_url

    trace = RequestTrace()
    registry: ObjectStoreRegistry[Any] = ObjectStoreRegistry()
    urls = [urls] if isinstance(urls, str) else urls
    for prefix in dict.fromkeys(map(_prefix, urls)):
        options = dict(store_options)
        if prefix.startswith("http:"):
            options["client_options"] = {"allow_http": True, **options.get("client_options", {})}
        registry.register(prefix, CountingStore(from_url(prefix, **options), trace))
    return registry, trace


def _prefix(url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme:
        raise ValueError(f"{url!r} has no scheme; for a local file pass path.as_uri()")
    return f"{parts.scheme}://{parts.netloc}" + ("/" if parts.scheme == "file" else "")


def url_of(server: RangeServer, path: str | Path) -> str:
    """Return the URL under which ``server`` serves ``path``, relative or inside its directory."""
    path = Path(path)
    relative = path.relative_to(server.directory) if path.is_absolute() else path
    return f"{server.url}/{quote(relative.as_posix())}"


if __name__ == "__main__":
    if sys.argv[1] == "s3":
        _run_moto(sys.argv[2])
    else:
        _run_aiohttp(*sys.argv[1:])
