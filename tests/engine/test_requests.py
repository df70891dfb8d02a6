"""What reading costs, and what servers can do wrong: counted and tried on real ones."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from fresh_process import run_python
from heads import write_sentinel
from rasters import write_tif
from servers import counting_registry, url_of
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.errors import SourceError, SourceNotFoundError, SourcePermissionError
from virtual_flac.io import file_reader as fetch
from virtual_flac.model.grid import Window
from virtual_flac.reading.header import PREFIX_BYTES
from virtual_flac.reading.tiles import TileReader

TILE = 64


def write(path: Path, height: int, width: int, **options: Any) -> tuple[Path, Any]:
    data = np.random.default_rng(5).integers(0, 5000, (1, height, width), dtype=np.uint16)
    tif = write_tif(path.with_suffix(".tif"), data)
    virtual_flac.write_flac(tif, path, **{"tile_size": TILE} | options)
    return path, data


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, range_server: Any) -> Any:
    folder = tmp_path_factory.mktemp("served")
    flac, data = write(folder / "grid.flac", 8 * TILE, 8 * TILE - 10)
    return range_server(folder), flac, data


def test_opening_costs_one_request(served: Any) -> None:
    server, flac, _ = served
    server.reset()
    xr.open_dataset(url_of(server, flac.name), engine="flac")
    (request,) = server.log()
    assert (request.method, request.status) == ("GET", 206)
    assert request.range == (0, PREFIX_BYTES)
    server.reset()
    url = url_of(server, flac.name)
    open_virtual_dataset(
        url, parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(url)
    )
    assert len(server.log()) == 1


def test_a_large_index_costs_two(tmp_path: Path, range_server: Any) -> None:
    # 6,400 tiles: more than the first request's bytes.
    flac, data = write(tmp_path / "many.flac", 16 * 80, 16 * 80, tile_size=16)
    index_size = int.from_bytes(flac.read_bytes()[:4], "big")
    server = range_server(tmp_path)
    ours = xr.open_dataset(url_of(server, flac.name), engine="flac", mask_and_scale=False)
    first, second = server.log()
    assert index_size > PREFIX_BYTES
    assert first.range == (0, PREFIX_BYTES)
    assert second.range == (PREFIX_BYTES, 4 + index_size)
    np.testing.assert_array_equal(ours.band_data[0, :20, :20], data[0, :20, :20])


def test_a_window_costs_its_tiles_and_no_other_byte(served: Any) -> None:
    server, flac, data = served
    url = url_of(server, flac.name)
    level = virtual_flac.read_index(flac).levels[0]
    server.reset()
    ours = xr.open_dataset(url, engine="flac", mask_and_scale=False)
    window = ours.band_data[0, TILE + 5 : 3 * TILE + 20, 2 * TILE : 4 * TILE + 1].to_numpy()
    np.testing.assert_array_equal(
        window, data[0, TILE + 5 : 3 * TILE + 20, 2 * TILE : 4 * TILE + 1]
    )
    opening, *tiles = server.log()
    assert opening.range == (0, PREFIX_BYTES)
    starts, lengths = level.offsets[0, 1:4, 2:5], level.lengths[0, 1:4, 2:5]
    rows = zip(starts[:, 0], starts[:, -1] + lengths[:, -1], strict=True)
    assert {request.range for request in tiles} == {(int(a), int(b)) for a, b in rows}


@pytest.mark.parametrize(
    ("selection", "tiles"),
    [
        (np.s_[0, ::-1, 0], [np.s_[0, :, 0]]),
        (np.s_[0, [3, 3, 200], [1, 500]], [np.s_[0, 0, ::7], np.s_[0, 3, ::7]]),
        (np.s_[:, 10:400:150, -1:], [np.s_[0, 0, 7], np.s_[0, 2, 7], np.s_[0, 4, 7]]),
        (np.s_[:, 4:4, :], []),
    ],
)  # fmt: skip
def test_any_selection_reads_the_tiles_it_touches(
    served: Any, selection: Any, tiles: list[Any]
) -> None:
    server, flac, data = served
    ours = xr.open_dataset(url_of(server, flac.name), engine="flac", mask_and_scale=False)
    server.reset()
    values = ours.band_data[selection].to_numpy()
    expected = xr.DataArray(data)[selection]
    np.testing.assert_array_equal(values, expected)
    lengths = virtual_flac.read_index(flac).levels[0].lengths
    assert sum(request.bytes_sent for request in server.log()) == sum(
        int(lengths[tile].sum()) for tile in tiles
    )


@pytest.mark.parametrize(
    ("size", "tile_size", "least_tiles", "requests"),
    [(10_980, 1024, 171, 1), (10_980, 512, 500, 1), (47 * 512, 512, 2_900, 1),
     (60 * 512, 512, 4_800, 2)],
)  # fmt: skip
def test_opening_costs_one_request_of_32_kib_for_3000_tiles(
    size: int, tile_size: int, least_tiles: int, requests: int, tmp_path: Path, range_server: Any
) -> None:
    assert least_tiles <= write_sentinel(tmp_path / "a.flac", size, tile_size)
    server = range_server(tmp_path)
    url = url_of(server, "a.flac")
    for opened in (virtual_flac.read_index, virtual_flac.info):
        server.reset()
        opened(url)
        first, *more = server.log()
        assert first.bytes_sent <= 32 * 1024
        assert len(more) == requests - 1


def test_a_tree_of_all_levels_costs_one_request(tmp_path: Path, range_server: Any) -> None:
    flac, _ = write(tmp_path / "levels.flac", 8 * TILE, 8 * TILE, overviews=[2, 4])
    url = url_of(range_server(tmp_path), flac.name)
    registry, trace = counting_registry(url)
    tree = xr.open_datatree(url, engine="flac", registry=registry)
    assert list(tree.children) == ["full", "overview_1", "overview_2"]
    assert trace.total_requests == 1
    # Each opening asks the store: nothing is remembered behind the caller's back.
    xr.open_dataset(url, engine="flac", registry=registry)
    assert trace.total_requests == 2


MEASURE = """
import sys
import xarray as xr
data = xr.open_dataset(sys.argv[1], engine="flac", mask_and_scale=sys.argv[2] == "masked").band_data
data[0, :10, :10].to_numpy()
before = peak()
pixels = data[0].to_numpy()
print(peak() - before - pixels.nbytes)
"""


@pytest.mark.parametrize(
    ("size", "tile", "mebibytes"),
    [(2100, 192, 32), pytest.param(10_980, 1024, 80, marks=pytest.mark.exhaustive)],
)
def test_a_band_of_121_tiles_costs_12_requests_and_80_mib(
    size: int, tile: int, mebibytes: int, tmp_path: Path, range_server: Any
) -> None:
    rng = np.random.default_rng(3)
    # Noise of 11 bits: larger than real scenes, so that requests and memory have to be bounded.
    data = rng.integers(0, 2048, (1, size, size), dtype=np.uint16)
    tif = write_tif(tmp_path / "band.tif", data, tiled=True)
    flac = tmp_path / "band.flac"
    virtual_flac.write_flac(tif, flac, tile_size=tile, compression=0)
    server = range_server(tmp_path)
    url = url_of(server, flac.name)
    ours = xr.open_dataset(url, engine="flac", mask_and_scale=False)
    np.testing.assert_array_equal(ours.band_data, data)
    lengths = virtual_flac.read_index(flac).levels[0].lengths
    assert lengths.size == 121
    log = server.log()
    assert len(log) <= 12
    assert sum(request.bytes_sent for request in log) <= PREFIX_BYTES + int(lengths.sum())
    del ours, data
    # Masked pixels need more; each way starts a process.
    for how in ("stored", "masked") if size > 5000 else ("masked",):
        assert int(run_python(MEASURE, url, how)) <= mebibytes * 2**20


def test_a_whole_band_costs_every_tile_once(served: Any) -> None:
    server, flac, data = served
    url = url_of(server, flac.name)
    registry, trace = counting_registry(url)
    ours = xr.open_dataset(url, engine="flac", registry=registry, mask_and_scale=False)
    np.testing.assert_array_equal(ours.band_data, data)
    level = virtual_flac.read_index(flac).levels[0]
    # All tiles lie together.
    assert trace.total_requests == 2
    assert trace.total_bytes == PREFIX_BYTES + int(level.lengths.sum())


def reader(server: Any, flac: Path) -> fetch.FileReader:
    url = url_of(server, flac.name)
    return fetch.FileReader(url, virtual_flac.registry_for(url))


def test_pieces_that_touch_come_with_one_request_and_no_other_byte(served: Any) -> None:
    server, flac, _ = served
    content = flac.read_bytes()
    starts, lengths = [500, 10, 20, 700, 25], [100, 10, 30, 50, 5]
    server.reset()
    pieces = reader(server, flac).read(starts, lengths)
    assert [bytes(piece) for piece in pieces] == [
        content[start : start + length] for start, length in zip(starts, lengths, strict=True)
    ]
    assert {request.range for request in server.log()} == {(10, 50), (500, 600), (700, 750)}
    assert pieces[1].obj is pieces[2].obj


def test_requests_are_bounded_in_size(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server, flac, _ = served
    monkeypatch.setattr(fetch, "MAX_REQUEST_BYTES", 1000)
    monkeypatch.setattr(fetch, "MAX_PENDING_BYTES", 2000)
    content = flac.read_bytes()
    starts = list(range(0, 6000, 300))
    server.reset()
    pieces = reader(server, flac).read(starts, [300] * len(starts))
    assert b"".join(pieces) == content[:6000]
    # They run at the same time, so the log has them in any order.
    assert sorted(request.bytes_sent for request in server.log()) == [600] + [900] * 6


@pytest.mark.parametrize("where", ["aligned", "unaligned"])
def test_windows_of_a_tile_reader_cost_a_request_a_tile_row(served: Any, where: str) -> None:
    server, flac, data = served
    url = url_of(server, flac.name)
    index = virtual_flac.read_index(url)
    shift = 0 if where == "aligned" else 7
    window = Window(2 * TILE + shift, TILE + shift, 3 * TILE - shift, 3 * TILE - shift)
    server.reset()
    with ThreadPoolExecutor(2) as pool:
        pixels = TileReader(url, index, None, pool).read(window)
    col, row, width, height = window
    np.testing.assert_array_equal(pixels, data[:, row : row + height, col : col + width])
    log = server.log()
    assert len(log) == 3
    assert sum(request.bytes_sent for request in log) == index.levels[0].lengths[0, 1:4, 2:5].sum()


def test_tiles_are_decoded_by_the_cores_of_this_process(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, flac, data = served
    asked = []

    def one() -> int:
        asked.append(True)
        return 1

    monkeypatch.setattr("virtual_flac.reading.tiles.available_cores", one)
    monkeypatch.setattr("os.cpu_count", lambda: pytest.fail("counts cores of others, too"))
    pixels = TileReader(flac, virtual_flac.read_index(flac)).read(Window(0, 0, 2 * TILE, TILE))
    np.testing.assert_array_equal(pixels, data[:, :TILE, : 2 * TILE])
    assert asked


def test_references_cost_tiles_only(served: Any, tmp_path: Path) -> None:
    server, flac, data = served
    url = url_of(server, flac.name)
    vds = open_virtual_dataset(
        url, parser=virtual_flac.FLACParser(), registry=virtual_flac.registry_for(url)
    )
    virtual_flac.write_kerchunk(vds, tmp_path / "refs.json")
    server.reset()
    ours = xr.open_dataset(str(tmp_path / "refs.json"), engine="kerchunk")
    np.testing.assert_array_equal(ours.band_data[0, :10, :10], data[0, :10, :10])
    (request,) = server.log()
    index = virtual_flac.read_index(flac)
    assert request.range is not None
    assert request.range[0] == int(index.levels[0].offsets[0, 0, 0])


def test_s3_with_signatures(served: Any, s3_server: Any) -> None:
    _, flac, data = served
    options = s3_server.upload("rasters", {"a/grid.flac": flac})
    url = "s3://rasters/a/grid.flac"
    ours = xr.open_dataset(url, engine="flac", mask_and_scale=False, store_options=options)
    np.testing.assert_array_equal(ours.band_data, data)
    with pytest.raises(SourceNotFoundError, match="absent"):
        virtual_flac.read_index(
            "s3://rasters/absent.flac",
            virtual_flac.registry_for("s3://rasters/absent.flac", **options),
        )
    wrong = options | {"secret_access_key": "wrong-secret-of-mine"}
    with pytest.raises(SourcePermissionError, match="access denied") as error:
        virtual_flac.read_index(url, virtual_flac.registry_for(url, **wrong))
    assert "wrong-secret-of-mine" not in str(error.value)


def test_absent_files_are_named(served: Any) -> None:
    server, *_ = served
    url = url_of(server, "absent.flac")
    with pytest.raises(SourceNotFoundError, match=r"absent\.flac"):
        virtual_flac.read_index(url)
    with pytest.raises(SourceError, match="registry has no store"):
        virtual_flac.read_index(url, virtual_flac.registry_for("s3://other", region="x"))


@pytest.fixture
def deaf_server(tmp_path: Path) -> Iterator[str]:
    """Python's own server, which answers 200 to every range."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_without_ranges_is_told_apart(deaf_server: str, tmp_path: Path) -> None:
    small, _ = write(tmp_path / "small.flac", 40, 40)
    large, _ = write(tmp_path / "large.flac", 400, 400)
    assert small.stat().st_size < PREFIX_BYTES < large.stat().st_size
    assert virtual_flac.read_index(f"{deaf_server}/small.flac").raster.width == 40
    with pytest.raises(SourceError, match=r"large\.flac.*range requests"):
        virtual_flac.read_index(f"{deaf_server}/large.flac")
