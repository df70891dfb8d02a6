"""The servers in servers.py behave as the tests that lean on them assume."""

import pickle
import urllib.error
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest
import servers
from obstore.exceptions import AlreadyExistsError
from obstore.exceptions import BaseError as StoreError
from obstore.store import HTTPStore, S3Store, from_url
from servers import Request, available_servers, counting_registry, serve, url_of

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module", params=["nginx", "aiohttp"])
def server(request, tmp_path_factory):
    if request.param not in available_servers():
        pytest.skip(f"skipped: {request.param} is not installed")
    directory = tmp_path_factory.mktemp("served with a blank")
    (directory / "a.bin").write_bytes(CONTENT)
    (directory / "sub").mkdir()
    (directory / "sub" / "a b.bin").write_bytes(b"blank")
    with serve(directory, request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh_log(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").reset()


def store_for(server) -> HTTPStore:
    return HTTPStore.from_url(server.url, client_options={"allow_http": True})


@pytest.mark.parametrize(
    ("header", "start", "end", "logged"),
    [
        ("bytes=10-19", 10, 20, (10, 20)),
        ("bytes=0-0", 0, 1, (0, 1)),
        ("bytes=255990-", 255_990, 256_000, (255_990, None)),
        ("bytes=-7", 255_993, 256_000, (-7, None)),
        ("bytes=255990-999999", 255_990, 256_000, (255_990, 1_000_000)),
    ],
)
def test_a_range_is_answered_with_206_and_exactly_its_bytes(server, header, start, end, logged):
    status, headers, body = servers._get(f"{server.url}/a.bin", {"Range": header})
    assert status == 206
    assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert body == CONTENT[start:end]
    assert server.log() == [Request("GET", "/a.bin", logged, 206, end - start)]


def test_the_whole_file(server):
    status, headers, body = servers._get(f"{server.url}/a.bin")
    assert (status, body) == (200, CONTENT)
    assert headers["ETag"]
    assert server.log() == [Request("GET", "/a.bin", None, 200, len(CONTENT))]


@pytest.mark.parametrize(
    ("path", "header", "status"), [("a.bin", "bytes=256000-", 416), ("none.bin", "bytes=0-9", 404)]
)
def test_refusals_are_logged_too(server, path, header, status):
    with pytest.raises(urllib.error.HTTPError) as error:
        servers._get(f"{server.url}/{path}", {"Range": header})
    error.value.close()
    assert error.value.code == status
    [logged] = server.log()
    assert (logged.path, logged.status) == (f"/{path}", status)


def test_paths_with_blanks(server):
    url = url_of(server, server.directory / "sub" / "a b.bin")
    assert url == f"{server.url}/sub/a%20b.bin" == url_of(server, "sub/a b.bin")
    assert servers._get(url)[2] == b"blank"
    assert server.log()[0].path == "/sub/a%20b.bin"


def test_obstore_gets_the_head_with_size_and_etag_in_one_request(server):
    head = store_for(server).get("a.bin", options={"range": (0, 100)})
    assert bytes(head.bytes()) == CONTENT[:100]
    assert head.meta["size"] == len(CONTENT)
    assert head.meta["e_tag"]
    assert server.log() == [Request("GET", "/a.bin", (0, 100), 206, 100)]


def test_the_log_is_complete_after_many_requests_at_once(server):
    store = store_for(server)
    starts = range(0, 200_000, 1000)
    with ThreadPoolExecutor(8) as pool:
        pieces = list(pool.map(lambda at: store.get_range("a.bin", start=at, length=100), starts))
    assert [bytes(piece) for piece in pieces] == [CONTENT[at : at + 100] for at in starts]
    log = server.log()
    assert sorted(request.range for request in log) == [(at, at + 100) for at in starts]
    assert sum(request.bytes_sent for request in log) == 100 * len(starts)
    server.reset()
    assert server.log() == []


def test_a_head_request_sends_no_body(server):
    assert store_for(server).head("a.bin")["size"] == len(CONTENT)
    assert server.log() == [Request("HEAD", "/a.bin", None, 200, 0)]


def test_counts_in_the_client_agree_with_the_log(server):
    url = f"{server.url}/a.bin"
    registry, trace = counting_registry(url)
    store, path = registry.resolve(url)
    store.get(path, options={"range": (0, 64)}).bytes()
    store.get_range(path, start=1000, end=1500)
    assert [(record.start, record.end) for record in trace.requests] == [(0, 64), (1000, 1500)]
    assert trace.total_requests == len(server.log()) == 2
    assert trace.total_bytes == sum(request.bytes_sent for request in server.log()) == 564


def test_counting_local_files(tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    url = f"file://{tmp_path / 'a.bin'}"  # not as_uri: obstore takes the path literally
    registry, trace = counting_registry(url)
    store, path = registry.resolve(url)
    assert bytes(store.get(path, options={"range": (5, 9)}).bytes()) == CONTENT[5:9]
    assert trace.total_bytes == 4
    copy, path = pickle.loads(pickle.dumps(registry)).resolve(url)
    assert bytes(copy.get_range(path, start=5, length=4)) == CONTENT[5:9]


@pytest.fixture(scope="module")
def options(s3_server):
    return s3_server.upload("rasters", {"dir/a.bin": CONTENT})


class TestS3:
    def test_reads_ranges_with_etag(self, options):
        store = from_url("s3://rasters", **options)
        head = store.get("dir/a.bin", options={"range": (10, 20)})
        assert bytes(head.bytes()) == CONTENT[10:20]
        assert head.meta["size"] == len(CONTENT)
        assert head.meta["e_tag"]

    def test_counts(self, options):
        registry, trace = counting_registry("s3://rasters/dir/a.bin", **options)
        store, path = registry.resolve("s3://rasters/dir/a.bin")
        store.get_range(path, start=3, length=4)
        assert (path, trace.total_requests, trace.total_bytes) == ("dir/a.bin", 1, 4)

    def test_one_of_several_gets_a_free_key(self, options):
        store = from_url("s3://rasters", **options)

        def put(number):
            try:
                obstore.put(store, f"{number // 8}", b"mine", mode="create")
            except AlreadyExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(put, range(160))) == 20

    @pytest.mark.parametrize(
        "wrong",
        [
            {"secret_access_key": "not-the-secret"},
            {"access_key_id": "AKIANOBODY"},
            {"skip_signature": True},
        ],
    )
    def test_refuses_who_cannot_sign(self, options, wrong):
        store = S3Store("rasters", **(options | wrong))
        with pytest.raises((StoreError, PermissionError)):
            obstore.get(store, "dir/a.bin", options={"range": (0, 10)})


def test_a_server_ends_with_its_block(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    for name in available_servers():
        with serve(tmp_path, name) as server:
            assert servers._get(f"{server.url}/a")[2] == b"a"
        with pytest.raises(OSError, match=r"refused|reset"):
            servers._get(f"{server.url}/a")
