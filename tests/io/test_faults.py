"""Servers that fail: the data after bounded retries, or an error that says where; never a hang.

Every fault meets every way to read: a cube of files through the engine ``flac``, `TileReader`, the
virtual Zarr with zarr-python, and references read by other people's stores.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import pytest
import xarray as xr
from rasters import write_tif
from servers import FaultyServer, serve_faults

import virtual_flac
from virtual_flac import FlacError
from virtual_flac.errors import (
    CorruptFlacError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourcePermissionError,
)
from virtual_flac.io import stores

FILES, SIZE, TILE = 8, 64, 32
#: Whatever happens, nothing lasts longer: requests of half a second that are tried for 4 s.
OPTIONS: dict[str, Any] = {
    "client_options": {"read_timeout": "400ms", "timeout": "500ms"},
    "retry_config": {
        "max_retries": 3,
        "retry_timeout": timedelta(seconds=4),
        "backoff": {
            "init_backoff": timedelta(milliseconds=10),
            "max_backoff": timedelta(milliseconds=50),
            "base": 2,
        },
    },
}
SECONDS = 20.0
BAD = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cube")
    for number in range(FILES):
        tif = write_tif(folder / f"{number:02}.tif", pixels(number)[None])
        virtual_flac.write_flac(tif, folder / f"{number:02}.flac", tile_size=TILE)
    return folder


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(1, 60_000, (SIZE, SIZE), dtype=np.uint16)


CUBE = np.stack([pixels(number) for number in range(FILES)])


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[FaultyServer]:
    with serve_faults(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def _healthy(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").heal()


def urls(server: FaultyServer) -> list[str]:
    return [f"{server.url}/{number:02}.flac" for number in range(FILES)]


def by_engine(server: FaultyServer, chunks: Any = None) -> Callable[[], np.ndarray]:
    registry = virtual_flac.registry_for(urls(server), **OPTIONS)
    layers = [
        xr.open_dataset(
            url, engine="flac", registry=registry, mask_and_scale=False, chunks=chunks
        ).band_data[0]
        for url in urls(server)
    ]
    # Not the layers themselves, which would remember their pixels.
    return lambda: np.stack([layer[:, :].to_numpy() for layer in layers])


def by_dask(server: FaultyServer) -> Callable[[], np.ndarray]:
    return by_engine(server, chunks={})


def by_zarr(server: FaultyServer) -> Callable[[], np.ndarray]:
    registry = virtual_flac.registry_for(urls(server), **OPTIONS)
    layers = [
        xr.open_zarr(
            virtual_flac.FLACParser()(url, registry),
            consolidated=False, zarr_format=3, mask_and_scale=False, chunks=None,
        ).band_data[0]
        for url in urls(server)
    ]  # fmt: skip
    # Not the layers themselves, which would remember their pixels.
    return lambda: np.stack([layer[:, :].to_numpy() for layer in layers])


def by_kerchunk(server: FaultyServer) -> Callable[[], np.ndarray]:
    return by_references(server, "cube.json", virtual_flac.write_kerchunk, store_options=OPTIONS)


def by_icechunk(server: FaultyServer) -> Callable[[], np.ndarray]:
    # Repositories remember how long a request may take.
    write = partial(virtual_flac.write_icechunk, store_options=OPTIONS)
    return by_references(server, "cube.icechunk", write)


def by_references(
    server: FaultyServer, name: str, write: Callable[..., Any], **options: Any
) -> Callable[[], np.ndarray]:
    target = server.directory / name
    if not target.exists():
        registry = virtual_flac.registry_for(urls(server), **OPTIONS)
        cube = virtual_flac.stack(urls(server), dim="run", values=range(FILES), registry=registry)
        write(cube, target)
    ours = virtual_flac.open_references(target, mask_and_scale=False, cache=False, **options)
    return lambda: ours.band_data[:, 0].to_numpy()


#: Ways to read, and what an error about the file `BAD` begins with.
WAYS: dict[Callable[..., Callable[[], np.ndarray]], str] = {
    by_engine: "{url}: level 0, band 1, tile (",
    by_zarr: "{url}: level 0, band 1, tile (",
    by_kerchunk: f"{{url}}: band_data, chunk ({BAD}, 0, ",
    by_icechunk: f"{{folder}}/cube.icechunk: band_data, chunk ({BAD}, 0, ",
}


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Callable[..., Callable[[], np.ndarray]]:
    found: Callable[..., Callable[[], np.ndarray]] = request.param
    return found


@pytest.fixture(scope="module")
def read(way: Callable[..., Any], server: FaultyServer) -> Callable[[], np.ndarray]:
    """The cube, opened once and while the server was well; calling it reads all pixels."""
    opened: Callable[[], np.ndarray] = way(server)
    return opened


def outcome(read: Callable[[], np.ndarray]) -> np.ndarray | Exception:
    began = time.monotonic()
    try:
        return read()
    except Exception as error:
        return error
    finally:
        assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize("fault", ["503", "500", "silent", "cut", "creep"])
def test_what_passes_is_tried_again(
    server: FaultyServer, read: Callable[[], np.ndarray], fault: str
) -> None:
    server.fail(fault, times=2, path=f"{BAD:02}.flac")
    found = outcome(read)
    if isinstance(found, Exception):
        raise found
    np.testing.assert_array_equal(found, CUBE)


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("503", SourceError, "503"),
        ("silent", SourceError, ""),
        ("creep", SourceError, ""),
        ("cut", SourceError, ""),
        ("short", SourceError, ", got "),
        ("403", SourcePermissionError, "access denied"),
        ("401", SourcePermissionError, "access denied"),
        ("404", SourceNotFoundError, "no such file"),
        ("flip", CorruptFlacError, ""),
    ],
)
def test_what_stays_is_an_error_that_names_url_and_tile(
    server: FaultyServer,
    way: Callable[..., Any],
    read: Callable[..., Any],
    fault: str,
    kind: type[Exception],
    says: str,
) -> None:
    server.fail(fault, path=f"{BAD:02}.flac")
    found = outcome(read)
    assert isinstance(found, kind), found
    assert isinstance(found, FlacError)
    message = str(found)
    url = f"{server.url}/{BAD:02}.flac"
    assert message.startswith(WAYS[way].format(url=url, folder=server.directory))
    if way is not by_icechunk:  # which has words of its own
        assert says in message
    assert server.requests < 400
    assert "<p>" not in message
    if fault == "cut":  # nothing stays broken
        server.heal()
        np.testing.assert_array_equal(read(), CUBE)


def test_small_files_of_a_server_without_ranges_are_read_whole(
    server: FaultyServer, way: Callable[..., Any], read: Callable[[], np.ndarray]
) -> None:
    server.fail("whole")
    found = outcome(read)
    if way is by_icechunk:  # which does not
        assert isinstance(found, SourceError)
    else:
        np.testing.assert_array_equal(found, CUBE)


def test_dask_reads_as_the_engine_does(server: FaultyServer) -> None:
    read = by_dask(server)
    server.fail("503", times=2, path=f"{BAD:02}.flac")
    np.testing.assert_array_equal(read(), CUBE)
    server.fail("404", path=f"{BAD:02}.flac")
    found = outcome(read)
    assert isinstance(found, SourceNotFoundError)
    assert f"{server.url}/{BAD:02}.flac: level 0, band 1, tile (" in str(found)


@pytest.mark.parametrize("way", [by_engine, by_zarr])
def test_without_etags_a_body_that_broke_off_is_asked_for_again(
    folder: Path, way: Callable[..., Any]
) -> None:
    with serve_faults(folder, etags=False) as server:
        read = way(server)
        server.fail("cut", times=2, path=f"{BAD:02}.flac")
        np.testing.assert_array_equal(read(), CUBE)
        server.fail("cut", path=f"{BAD:02}.flac")
        assert isinstance(outcome(read), SourceError)
        assert server.requests < 100


@pytest.mark.parametrize(
    ("way", "same_size", "etags"),
    [(by_engine, True, True), (by_engine, False, False), (by_zarr, True, False)],
)
def test_a_replaced_file_is_noticed(
    folder: Path, tmp_path: Path, way: Callable[..., Any], same_size: bool, etags: bool
) -> None:
    copy_rasters(folder, tmp_path)
    target = tmp_path / f"{BAD:02}.flac"
    with serve_faults(tmp_path, etags=etags) as server:
        read = way(server)
        if not same_size:
            shutil.copy2(folder / "02.flac", target)
        os.utime(target, (1, 1_900_000_000))  # the same bytes: only the version can tell
        found = outcome(read)
        assert isinstance(found, SourceChangedError), found
        assert f"{server.url}/{target.name}: level 0, band 1, tile (0, 0)" in str(found)
        # Opened again, it is another file.
        expected = CUBE.copy()
        expected[BAD] = pixels(BAD if same_size else 2)
        np.testing.assert_array_equal(way(server)(), expected)


@pytest.mark.parametrize(
    ("way", "kind"), [(by_kerchunk, FlacError), (by_icechunk, SourceChangedError)]
)
def test_references_to_a_replaced_file_are_an_error(
    folder: Path, tmp_path: Path, way: Callable[..., Any], kind: type[Exception]
) -> None:
    copy_rasters(folder, tmp_path)
    with serve_faults(tmp_path) as server:
        read = way(server)
        target = tmp_path / f"{BAD:02}.flac"
        flat = write_tif(tmp_path / "flat.tif", np.full((1, SIZE, SIZE), 7, dtype=np.uint16))
        virtual_flac.write_flac(flat, target, tile_size=TILE, overwrite=True)
        os.utime(target, (1, 1_900_000_000))
        found = outcome(read)
        # Kerchunk's references cannot tell, but tiles of other lengths are no tiles.
        assert isinstance(found, kind), found
        url = f"{server.url}/{target.name}"
        assert str(found).startswith(WAYS[way].format(url=url, folder=tmp_path))


def copy_rasters(folder: Path, target: Path) -> None:
    for number in range(FILES):
        shutil.copy2(folder / f"{number:02}.flac", target)


def test_a_replaced_local_file_is_noticed(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.flac"
    shutil.copy(folder / "00.flac", target)
    registry = virtual_flac.registry_for(target)
    ours = xr.open_dataset(target, engine="flac", registry=registry, mask_and_scale=False)
    shutil.copy(folder / "01.flac", target)
    with pytest.raises(SourceChangedError, match=r"a\.flac: level 0, band 1, tile \(0, 0\)"):
        ours.band_data.to_numpy()
    # The registry's memory of the header went with it.
    again = xr.open_dataset(target, engine="flac", registry=registry, mask_and_scale=False)
    np.testing.assert_array_equal(again.band_data[0], CUBE[1])


def test_a_replaced_object_is_noticed(folder: Path, s3_server: Any) -> None:
    options = s3_server.upload("changing", {"a.flac": folder / "00.flac"})
    url = "s3://changing/a.flac"
    ours = xr.open_dataset(url, engine="flac", mask_and_scale=False, store_options=options)
    s3_server.upload("changing", {"a.flac": folder / "01.flac"})
    with pytest.raises(SourceChangedError, match=r"changing/a\.flac: level 0, band 1"):
        ours.band_data.to_numpy()


# --- Opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["503", "silent", "cut", "403", "404"])
def test_opening_fails_in_time_and_names_the_url(server: FaultyServer, fault: str) -> None:
    url = urls(server)[BAD]
    server.fail(fault)
    found = outcome(lambda: virtual_flac.read_index(url, virtual_flac.registry_for(url, **OPTIONS)))
    assert isinstance(found, SourceError)
    assert url in str(found)
    server.fail(fault, times=1)
    if not fault.startswith("40"):
        virtual_flac.read_index(url, virtual_flac.registry_for(url, **OPTIONS))


def test_a_header_that_broke_off_is_asked_for_again(folder: Path) -> None:
    with serve_faults(folder, etags=False) as server:
        url = f"{server.url}/{BAD:02}.flac"
        registry = virtual_flac.registry_for(url, **OPTIONS)
        server.fail("cut", times=1)
        assert virtual_flac.read_index(url, registry).raster.count == 1
        assert server.requests == 2
        server.fail("cut")
        with pytest.raises(SourceError, match=url):
            virtual_flac.read_index(url, registry)


def test_a_bug_of_ours_is_not_an_error_of_the_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(meta: Any) -> None:
        raise KeyError("size")

    monkeypatch.setattr("virtual_flac.io.file_reader.FileVersion.of", wrong)
    with pytest.raises(KeyError):
        virtual_flac.read_index(folder / "00.flac")


def test_nobody_listens() -> None:
    url = "http://127.0.0.1:9/a.flac"
    found = outcome(lambda: virtual_flac.read_index(url, virtual_flac.registry_for(url, **OPTIONS)))
    assert isinstance(found, SourceError)
    assert url in str(found)


def test_defaults_are_bounded_and_give_way() -> None:
    assert stores.RETRY_CONFIG["retry_timeout"] <= timedelta(seconds=60)
    registry = virtual_flac.registry_for("http://a.example/x", client_options={"timeout": "7s"})
    store, _ = registry.resolve("http://a.example/x")
    assert store.client_options["timeout"] == "7s"
    assert store.client_options["read_timeout"] == stores.CLIENT_OPTIONS["read_timeout"]
    assert store.retry_config.items() >= stores.RETRY_CONFIG.items()


# --- Who may read ---------------------------------------------------------------------------------


def anonymous(options: dict[str, Any]) -> dict[str, Any]:
    kept = {key: options[key] for key in ("endpoint", "region", "client_options")}
    return kept | {"skip_signature": True, "virtual_hosted_style_request": False}


def test_anonymous_readers_may_read_public_buckets_only(folder: Path, lenient_s3: Any) -> None:
    files = {"a.flac": folder / "00.flac"}
    options = anonymous(lenient_s3.upload("open-data", files, public=True))
    ours = xr.open_dataset(
        "s3://open-data/a.flac", engine="flac", mask_and_scale=False, store_options=options
    )
    np.testing.assert_array_equal(ours.band_data[0], CUBE[0])
    lenient_s3.upload("private-data", files)
    with pytest.raises(SourcePermissionError, match=r"s3://private-data/a\.flac.*skip_signature"):
        xr.open_dataset("s3://private-data/a.flac", engine="flac", store_options=options)


SECRET = "wJalrXUtnFEMI-not-a-key"


def test_secrets_stay_secret(
    folder: Path, s3_server: Any, server: FaultyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    right = s3_server.upload("secrets", {"a.flac": folder / "00.flac"})
    for options in (right, right | {"secret_access_key": SECRET}):
        for name in ("a", "absent"):
            url = f"s3://secrets/{name}.flac"
            registry = virtual_flac.registry_for(url, **options)
            said.append(repr(registry))
            try:
                ours = xr.open_dataset(url, engine="flac", registry=registry)
                said += [repr(ours), repr(ours.encoding), repr(ours.band_data.variable._data)]
                said.append(str(virtual_flac.FLACParser()(url, registry)))
                vds = ours_virtual(url, registry)
                target = folder / "secret.json"
                virtual_flac.write_kerchunk(vds, target)
                said.append(target.read_text())
            except FlacError as error:
                said += [str(error), repr(error), *traceback.format_exception(error)]
    token = {"default_headers": {"Authorization": f"Bearer {SECRET}"}}
    url = urls(server)[0]
    for fault in ("401", "403", "404", "503", "silent", "cut"):
        server.fail(fault)
        options = OPTIONS | {"client_options": OPTIONS["client_options"] | token}
        registry = virtual_flac.registry_for(url, **options)
        with pytest.raises(SourceError) as caught:
            virtual_flac.read_index(url, registry)
        said += [str(caught.value), repr(caught.value)]
        said += traceback.format_exception(caught.value)
    said += [record.getMessage() for record in caplog.records if record.name[:4] != "boto"]
    for text in said:
        assert SECRET not in text
        assert s3_server.secret_access_key not in text


def ours_virtual(url: str, registry: Any) -> xr.Dataset:
    from virtualizarr import open_virtual_dataset

    return open_virtual_dataset(url, parser=virtual_flac.FLACParser(), registry=registry)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(SourceError, match="holds a user name, a password") as error:
        virtual_flac.read_index(f"https://me:{SECRET}@example.com/a.flac")
    assert SECRET not in str(error.value)
    assert "https://***@example.com/a.flac" in str(error.value)


# --- References, read by stores that are not ours -------------------------------------------------


@pytest.fixture(scope="module", params=[by_kerchunk, by_icechunk], ids=["kerchunk", "icechunk"])
def by_snippet(
    request: pytest.FixtureRequest, folder: Path, server: FaultyServer
) -> Callable[[], np.ndarray]:
    """Three dates by the same references, without this package but its codec."""
    server.heal()
    request.param(server)
    if request.param is by_kerchunk:
        ours = xr.open_dataset(
            str(folder / "cube.json"), engine="kerchunk", mask_and_scale=False, cache=False
        )
    else:
        access = {f"{server.url}/": icechunk.Credentials.HttpAccess()}
        repository = icechunk.Repository.open(
            icechunk.local_filesystem_storage(str(folder / "cube.icechunk")),
            authorize_virtual_chunk_access=icechunk.containers_credentials(access),
        )
        store = repository.readonly_session("main").store
        ours = xr.open_dataset(
            store,  # type: ignore[arg-type]
            engine="zarr", consolidated=False, mask_and_scale=False, cache=False,
        )  # fmt: skip
    return lambda: ours.band_data[BAD - 1 : BAD + 2, 0].to_numpy()


@pytest.mark.parametrize("fault", ["401", "403", "404", "500", "503", "cut", "short", "flip"])
def test_references_never_give_fill_values_for_what_is_not_there(
    server: FaultyServer, by_snippet: Callable[[], np.ndarray], fault: str
) -> None:
    # zarr-python takes a chunk that a store calls absent for one full of fill values.
    server.fail(fault, path=f"{BAD:02}.flac")
    found = outcome(by_snippet)
    assert isinstance(found, Exception)
    server.heal()
    np.testing.assert_array_equal(by_snippet(), CUBE[BAD - 1 : BAD + 2])
