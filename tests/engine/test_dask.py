"""Cubes as dask arrays: a dask chunk is a tile, and other processes compute what numpy computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import distributed
import icechunk
import numpy as np
import pytest
import rasterio
import servers
import xarray as xr
from fresh_process import run_python
from rasters import write_tif

import virtual_flac

TILE = 64
SHAPE = (100, 170)
#: Tiles of 64 pixels over 100 x 170, the last ones cut.
CHUNKS = {"band": (1,), "y": (64, 36), "x": (64, 64, 42)}
DATES = [f"2026-{month:02d}-05" for month in range(1, 9)]
READERS = ("flac", "kerchunk", "parquet", "icechunk")


@dataclass
class Files:
    """Rasters of eight dates on a server, three kinds of references, and the pixels."""

    server: servers.RangeServer
    urls: list[str]
    folder: Path
    pixels: Any
    """(time, band, y, x)"""

    @property
    def tile_bytes(self) -> int:
        levels = [virtual_flac.read_index(url).levels[0] for url in self.urls]
        return sum(int(level.lengths.sum()) for level in levels)

    def open(self, reader: str, stack: ExitStack, **options: Any) -> xr.Dataset:
        if reader == "flac":
            times = xr.Variable("time", np.array(DATES, "datetime64[ns]"))
            parts = [
                stack.enter_context(
                    xr.open_dataset(url, engine="flac", mask_and_scale=False, **options)
                )
                for url in self.urls
            ]
            return xr.concat(parts, times, join="exact", combine_attrs="override")
        if reader == "icechunk":
            path = self.folder / "cube.icechunk"
            access = icechunk.containers_credentials(
                {f"{self.server.url}/": icechunk.Credentials.HttpAccess()}
            )
            repository = icechunk.Repository.open(
                icechunk.local_filesystem_storage(str(path)), authorize_virtual_chunk_access=access
            )
            session = repository.readonly_session("main")
            return stack.enter_context(
                xr.open_zarr(session.store, consolidated=False, **{"chunks": None, **options})
            )
        path = self.folder / f"cube.{reader.replace('kerchunk', 'json')}"
        return stack.enter_context(xr.open_dataset(str(path), engine="kerchunk", **options))


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory,
    range_server: Callable[..., servers.RangeServer],
) -> Files:
    folder = tmp_path_factory.mktemp("cube")
    rng = np.random.default_rng(24)
    pixels = rng.integers(0, 4000, (len(DATES), 1, *SHAPE)).astype(np.uint16)
    for date, values in zip(DATES, pixels, strict=True):
        tif = write_tif(folder / f"{date}.tif", values)
        virtual_flac.write_flac(tif, folder / f"{date}.flac", tile_size=TILE)
    server = range_server(folder)
    urls = [f"{server.url}/{date}.flac" for date in DATES]
    references = tmp_path_factory.mktemp("references")
    cube = virtual_flac.stack(urls)
    for suffix in ("json", "parquet"):
        virtual_flac.write_kerchunk(cube, references / f"cube.{suffix}")
    virtual_flac.write_icechunk(cube, references / "cube.icechunk")
    stacked = []
    for date in DATES:  # the judge is what rasterio reads
        with rasterio.open(folder / f"{date}.tif") as source:
            stacked.append(source.read())
    return Files(server, urls, references, np.stack(stacked))


@pytest.mark.parametrize("reader", READERS)
def test_dask_chunks_are_tiles(reader: str, files: Files) -> None:
    with ExitStack() as stack:
        cube = files.open(reader, stack, chunks={})["band_data"]
        assert dict(cube.chunksizes) == {"time": (1,) * len(DATES), **CHUNKS}
        files.server.reset()
        one = cube.isel(time=3, band=0).data.blocks[1, 2].compute(scheduler="synchronous")
        log = files.server.log()
        assert {(asked.method, asked.path) for asked in log} == {("GET", f"/{DATES[3]}.flac")}
        tile = virtual_flac.read_index(files.urls[3]).levels[0].lengths[0, 1, 2]
        assert sum(asked.bytes_sent for asked in log) == tile
        assert len(log) == 1
        np.testing.assert_array_equal(one, files.pixels[3, 0, 64:, 128:])


@pytest.mark.parametrize("reader", READERS)
def test_a_chunk_of_dask_may_be_many_tiles(reader: str, files: Files) -> None:
    with ExitStack() as stack:
        cube = files.open(reader, stack, chunks={"y": 128, "x": 128})["band_data"]
        assert cube.chunksizes["y"] == (100,)
        assert cube.chunksizes["x"] == (128, 42)
        np.testing.assert_array_equal(cube.isel(time=[0, 7]), files.pixels[[0, 7]])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            host="127.0.0.1", worker_dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        client.wait_for_workers(2, timeout=60)
        yield client


COMPUTE = """
import pickle, sys
import numpy as np
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        np.save(path + ".npy", pickle.load(file).compute(scheduler="synchronous"))
"""


def test_another_process_computes_the_median_of_a_cube(files: Files, tmp_path: Path) -> None:
    paths = [tmp_path / reader for reader in READERS]
    with ExitStack() as stack:
        for path in paths:
            cube = files.open(path.name, stack, chunks={})["band_data"]
            path.write_bytes(cloudpickle.dumps(cube.chunk(time=-1).median("time")))
        files.server.reset()
        run_python(COMPUTE, *paths)
        log = files.server.log()
    for path in paths:
        computed = np.load(path.with_suffix(".npy"))
        np.testing.assert_array_equal(computed, np.median(files.pixels, axis=0))
    # Every tile once by each; nothing is opened again.
    assert sum(request.bytes_sent for request in log) == len(READERS) * files.tile_bytes
    assert len(log) == len(READERS) * len(DATES) * 6


# Not parquet: every task of a worker would read the whole table of references anew.
@pytest.mark.exhaustive
@pytest.mark.parametrize("reader", ["flac", "kerchunk", "icechunk"])
def test_two_processes_compute_the_median_of_a_cube(
    reader: str, files: Files, cluster: Any
) -> None:
    processes = cluster.run(os.getpid)
    assert len({*processes.values(), os.getpid()}) == 3
    with ExitStack() as stack:
        cube = files.open(reader, stack, chunks={})["band_data"]
        files.server.reset()
        median = cube.chunk(time=-1).median("time")
        # Which worker does what is the scheduler's to choose, unless it is told.
        halves = [median[..., :TILE], median[..., TILE:]]
        parts = [
            cluster.compute(half, workers=[worker])
            for half, worker in zip(halves, processes, strict=True)
        ]
        computed = np.concatenate(cluster.gather(parts), axis=-1)
        log = files.server.log()
    np.testing.assert_array_equal(computed, np.median(files.pixels, axis=0))
    # Every tile once, whichever worker asks; nothing is opened again.
    assert sum(request.bytes_sent for request in log) == files.tile_bytes
    assert len(log) == len(DATES) * 6
