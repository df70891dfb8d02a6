"""Ways to read a window through time, and a mean over time, from the same cube on a server.

Each reader starts cold, with whatever its users have at hand: URLs of files, STAC items, or
references on the local disk. Knows no benchmark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import kerchunk.utils
import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
import zarr

import virtual_flac

THREADS = 8
#: GDAL's advice for COGs over HTTP.
GDAL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}

type Pixels = npt.NDArray[Any]
type Window = tuple[slice, slice]
"""Rows and columns."""
type Chunks = dict[str, int]


@dataclass(frozen=True)
class Cube:
    """The same rasters as FLAC and as COG behind one address, and references to them."""

    url: str
    """Of the server's root."""
    names: tuple[str, ...]
    """Of the files, without their endings."""
    times: tuple[datetime, ...]
    shape: tuple[int, int]
    tile: int
    references: Path
    """A folder of our own."""

    def urls(self, ending: str) -> list[str]:
        return [f"{self.url}/{name}.{ending}" for name in self.names]


@dataclass(frozen=True)
class Reader:
    """Two functions, each from nothing to pixels."""

    window: Callable[[Window], Pixels]
    """(time, y, x)"""
    mean: Callable[[], Pixels]
    """(y, x), float64"""


def readers(cube: Cube) -> dict[str, Reader]:
    """Those whose packages are installed, after writing the references they need."""
    json, folder = _flac_references(cube, "flac.json"), _flac_references(cube, "flac.icechunk")
    lazy: dict[str, Callable[[Any], Any]] = {
        "FLAC, kerchunk": partial(_kerchunk, json),
        "FLAC, Icechunk": partial(_icechunk, cube, folder),
        "FLAC, open_references of kerchunk": partial(_open_references, json),
        "FLAC, open_references of Icechunk": partial(_open_references, folder),
        "FLAC, files": partial(_engine, cube),
        "COG, rioxarray": partial(_rioxarray, cube),
    }
    if find_spec("odc") and find_spec("odc.stac"):
        lazy["COG, odc-stac"] = partial(_odc, cube)
    if find_spec("virtual_tiff"):
        json, folder = _tiff_references(cube)
        lazy["COG, virtual-tiff, kerchunk"] = partial(_kerchunk, json)
        lazy["COG, virtual-tiff, Icechunk"] = partial(_icechunk, cube, folder)
    found = {
        name: _lazy(opened, cube, dask_window=not name.endswith(("kerchunk", "Icechunk")))
        for name, opened in lazy.items()
    }
    if find_spec("async_geotiff"):
        found["COG, async-geotiff"] = Reader(
            lambda window: asyncio.run(_async_geotiff(cube, window)),
            lambda: asyncio.run(_async_geotiff(cube, None)).mean(axis=0),
        )
    return found


def _lazy(opened: Callable[[Chunks | None], Any], cube: Cube, *, dask_window: bool) -> Reader:
    """A reader of an xarray (time, y, x), for the mean by dask in rows of tiles.

    A window needs no dask where the reader itself asks for many chunks at once, as Zarr does. For
    a mean dask costs more time than decoding, but holds no more than it needs at a time.
    """

    def window(part: Window) -> Pixels:
        with opened({"y": cube.tile, "x": cube.tile} if dask_window else None) as data:
            values: Pixels = data.isel(y=part[0], x=part[1]).to_numpy()
        return values

    def mean() -> Pixels:
        with opened({"y": cube.tile, "x": cube.shape[1]}) as data:
            values: Pixels = data.mean("time").to_numpy()
        return values

    return Reader(window, mean)


# --- References -----------------------------------------------------------------------------------


def _flac_references(cube: Cube, name: str) -> Path:
    target = cube.references / name
    stacked = virtual_flac.stack(cube.urls("flac"), values=list(cube.times))
    if target.suffix == ".json":
        virtual_flac.write_kerchunk(stacked, target)
    else:
        virtual_flac.write_icechunk(stacked, target)
    return target


def _tiff_references(cube: Cube) -> tuple[Path, Path]:
    import icechunk
    from virtual_tiff import VirtualTIFF
    from virtualizarr import open_virtual_dataset

    urls = cube.urls("tif")
    registry = virtual_flac.registry_for(urls)
    opened = [open_virtual_dataset(url, registry, VirtualTIFF(ifd=0)) for url in urls]
    stacked = xr.concat(
        opened, dim="time", coords="minimal", compat="override", combine_attrs="override"
    )
    json, folder = cube.references / "tiff.json", cube.references / "tiff.icechunk"
    # Format 2 has no place for the codec of a predictor.
    stacked.vz.to_kerchunk(str(json), format="json", zarr_format=3)
    icechunk.set_logs_filter("error")
    config = icechunk.RepositoryConfig.default()
    prefix = f"{cube.url}/"
    store = icechunk.http_store(opts={"allow_http": "true"})
    config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(prefix, store))
    repository = icechunk.Repository.create(
        icechunk.local_filesystem_storage(str(folder)), config=config
    )
    repository.save_config()
    session = repository.writable_session("main")
    stacked.vz.to_icechunk(session.store)
    session.commit("COGs")
    return json, folder


def _data(dataset: xr.Dataset) -> xr.DataArray:
    """The one variable with pixels, as (time, y, x)."""
    [data] = [array for array in dataset.data_vars.values() if array.ndim > 2]
    extra = {dim: 0 for dim in data.dims if dim not in ("time", "y", "x")}
    return data.isel(extra)


@contextmanager
def _kerchunk(path: Path, chunks: Chunks | None) -> Iterator[xr.DataArray]:
    # fsspec keeps what it has opened, references and all; a new user has nothing.
    fsspec.get_filesystem_class("reference").clear_instance_cache()
    zarr_format = 3 if "/zarr.json" in path.read_text() else 2
    store = kerchunk.utils.refs_as_store(str(path))  # as xarray's engine `kerchunk`, of format 2
    with xr.open_zarr(
        store, consolidated=False, zarr_format=zarr_format,
        chunks=chunks and {"time": 1, **chunks}, mask_and_scale=False,
    ) as dataset:  # fmt: skip
        yield _data(dataset)


@contextmanager
def _open_references(path: Path, chunks: Chunks | None) -> Iterator[xr.DataArray]:
    tiles = chunks and {"time": 1, **chunks}
    before = zarr.config.get("async.concurrency")
    with virtual_flac.open_references(path, chunks=tiles, mask_and_scale=False) as dataset:
        yield _data(dataset)
    # Of the whole process: the other readers keep Zarr's own.
    zarr.config.set({"async.concurrency": before})


@contextmanager
def _icechunk(cube: Cube, path: Path, chunks: Chunks | None) -> Iterator[xr.DataArray]:
    import icechunk

    access = icechunk.containers_credentials({f"{cube.url}/": icechunk.Credentials.HttpAccess()})
    repository = icechunk.Repository.open(
        icechunk.local_filesystem_storage(str(path)), authorize_virtual_chunk_access=access
    )
    store = repository.readonly_session("main").store
    with xr.open_zarr(
        store,
        consolidated=False,
        zarr_format=3,
        chunks=chunks and {"time": 1, **chunks},
        mask_and_scale=False,
    ) as dataset:
        yield _data(dataset)


# --- Files ----------------------------------------------------------------------------------------


@contextmanager
def _files(cube: Cube, ending: str, opened: Callable[[str], xr.DataArray]) -> Iterator[Any]:
    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(opened, cube.urls(ending)))
        for part in parts:
            stack.callback(part.close)
        times = xr.Variable("time", np.array(cube.times, "datetime64[ns]"))
        yield xr.concat(
            [part.isel(band=0, drop=True) for part in parts],
            times, join="override", combine_attrs="override", coords="minimal", compat="override",
        )  # fmt: skip


def _engine(cube: Cube, chunks: Chunks) -> Any:
    registry = virtual_flac.registry_for(cube.url)

    def opened(url: str) -> xr.DataArray:
        return xr.open_dataset(
            url, engine="flac", chunks=chunks, mask_and_scale=False,
            registry=registry,
        )["band_data"]  # fmt: skip

    return _files(cube, "flac", opened)


@contextmanager
def _gdal(cube: Cube) -> Iterator[None]:
    with rasterio.Env(CPL_VSIL_CURL_NON_CACHED=f"/vsicurl/{cube.url}", **GDAL):
        yield


@contextmanager
def _rioxarray(cube: Cube, chunks: Chunks) -> Iterator[xr.DataArray]:
    import rioxarray

    def opened(url: str) -> xr.DataArray:
        with _gdal(cube):  # GDAL's settings belong to a thread
            found = rioxarray.open_rasterio(url, chunks=chunks, lock=False)
        assert isinstance(found, xr.DataArray)
        return found

    with _gdal(cube), _files(cube, "tif", opened) as data:
        yield data


@contextmanager
def _odc(cube: Cube, chunks: Chunks) -> Iterator[xr.DataArray]:
    import odc.stac

    odc.stac.configure_rio(**GDAL, CPL_VSIL_CURL_NON_CACHED=f"/vsicurl/{cube.url}")
    dataset = odc.stac.load(_items(cube), bands=["pixels"], chunks=chunks)
    yield dataset["pixels"]


def _items(cube: Cube) -> list[Any]:
    """STAC items that say all that odc-stac would else ask the files for."""
    import pystac
    from rasterio.warp import transform_geom

    height, width = cube.shape
    west, north, pixel = 4e5, 5e6, 10.0
    east, south = west + pixel * width, north - pixel * height
    corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    polygon = {"type": "Polygon", "coordinates": [corners]}
    footprint = transform_geom("EPSG:32633", "EPSG:4326", polygon)
    longitudes, latitudes = zip(*footprint["coordinates"][0], strict=True)
    bbox = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    items = []
    for name, moment, url in zip(cube.names, cube.times, cube.urls("tif"), strict=True):
        item = pystac.Item(name, footprint, bbox, moment, properties={"proj:code": "EPSG:32633"})
        item.stac_extensions = [
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ]
        fields = {
            "proj:shape": [height, width],
            "proj:transform": [pixel, 0, west, 0, -pixel, north],
            "raster:bands": [{"data_type": "uint16"}],
        }
        item.add_asset(
            "pixels",
            pystac.Asset(url, media_type=pystac.MediaType.COG, roles=["data"], extra_fields=fields),
        )
        items.append(item)
    return items


async def _async_geotiff(cube: Cube, window: Window | None) -> Pixels:
    import async_geotiff
    from obstore.store import HTTPStore

    store = HTTPStore.from_url(cube.url, client_options={"allow_http": True})
    part = None
    if window is not None:
        rows, columns = window
        part = async_geotiff.Window(
            col_off=columns.start, row_off=rows.start,
            width=columns.stop - columns.start, height=rows.stop - rows.start,
        )  # fmt: skip

    async def read(name: str) -> Pixels:
        source = await async_geotiff.GeoTIFF.open(f"{name}.tif", store=store)
        return np.asarray((await source.read(window=part)).data)[0]

    return np.stack(await asyncio.gather(*(read(name) for name in cube.names)))
