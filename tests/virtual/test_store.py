"""The virtual Zarr store merges what zarr-python asks for at one time, and names tiles."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasters
import servers
import xarray as xr
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

import virtual_flac
from virtual_flac.errors import CorruptFlacError

TILE = 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merging")
    for name in ("overviews", "uint16_six_bands"):
        tif = rasters.make(name, folder)
        for interleave in ("band", "tile", "pixel"):
            flac = folder / f"{name}_{interleave}.flac"
            virtual_flac.write_flac(tif, flac, tile_size=TILE, interleave=interleave)
    return folder


def store_of(url: str, **options: Any) -> tuple[Any, Any]:
    registry, trace = servers.counting_registry(url)
    store = virtual_flac.FLACParser(**options)(url, registry)
    trace.clear()
    return store, trace


def opened(store: Any, group: str | None = None) -> xr.DataArray:
    dataset = xr.open_zarr(
        store, group=group, consolidated=False, zarr_format=3, mask_and_scale=False, chunks=None
    )
    return dataset.band_data


@pytest.mark.parametrize("interleave", ["band", "tile", "pixel"])
def test_a_level_comes_with_one_request(made: Path, interleave: str) -> None:
    flac = made / f"overviews_{interleave}.flac"
    store, trace = store_of(flac.as_uri())
    index = virtual_flac.read_index(flac)
    with zarr.config.set({"async.concurrency": 128}):
        for number, group in enumerate([None, "overview_1", "overview_2"]):
            trace.clear()
            pixels = opened(store, group).to_numpy()
            expected = xr.open_dataset(
                made / "overviews.tif", engine="rasterio", mask_and_scale=False,
                **({"open_kwargs": {"overview_level": number - 1}} if number else {}),
            )  # fmt: skip
            np.testing.assert_array_equal(pixels, expected.band_data)
            assert trace.total_requests == 1
            assert trace.total_bytes == index.levels[number].lengths.sum()


def test_what_zarr_holds_back_cannot_merge(made: Path) -> None:
    store, trace = store_of((made / "overviews_band.flac").as_uri(), bands=[1])
    tiles = virtual_flac.read_index(made / "overviews_band.flac").levels[0].lengths[0]
    with zarr.config.set({"async.concurrency": 1}):
        opened(store).to_numpy()
    assert trace.total_requests == tiles.size
    assert trace.total_bytes == tiles.sum()


def test_a_window_costs_a_request_a_tile_row(made: Path) -> None:
    store, trace = store_of((made / "overviews_band.flac").as_uri())
    opened(store)[1, TILE : 4 * TILE, TILE : 4 * TILE].to_numpy()
    assert trace.total_requests == 3


def test_the_store_pickles_after_use(made: Path) -> None:
    store, _ = store_of((made / "overviews_band.flac").as_uri(), bands=[2])
    before = opened(store).to_numpy()
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(opened(copy).to_numpy(), before)


def test_parts_of_chunks(made: Path) -> None:
    flac = made / "uint16_six_bands_tile.flac"
    store, _ = store_of(flac.as_uri())
    prototype = default_buffer_prototype()

    async def get(byte_range: Any) -> bytes:
        buffer = await store.get("band_data/c/3/1/0", prototype, byte_range)
        return bytes(buffer.to_bytes())

    whole = asyncio.run(get(None))
    level = virtual_flac.read_index(flac).levels[0]
    start, length = int(level.offsets[3, 1, 0]), int(level.lengths[3, 1, 0])
    assert whole == flac.read_bytes()[start : start + length]
    assert asyncio.run(get(RangeByteRequest(3, 10))) == whole[3:10]
    assert asyncio.run(get(OffsetByteRequest(20))) == whole[20:]
    assert asyncio.run(get(SuffixByteRequest(5))) == whole[-5:]


def test_who_gives_up_harms_nobody_else(made: Path) -> None:
    flac = made / "overviews_band.flac"
    store, trace = store_of(flac.as_uri())
    prototype = default_buffer_prototype()

    async def run() -> bytes:
        hasty = asyncio.ensure_future(store.get("band_data/c/0/0/0", prototype))
        patient = asyncio.ensure_future(store.get("band_data/c/0/0/1", prototype))
        await asyncio.sleep(0)
        hasty.cancel()
        await asyncio.gather(hasty, return_exceptions=True)
        assert hasty.cancelled()
        return bytes((await patient).to_bytes())

    level = virtual_flac.read_index(flac).levels[0]
    start, length = int(level.offsets[0, 0, 1]), int(level.lengths[0, 0, 1])
    assert asyncio.run(run()) == flac.read_bytes()[start : start + length]
    assert trace.total_requests == 1


@pytest.mark.parametrize("pipeline", ["BatchedCodecPipeline", "FusedCodecPipeline"])
@pytest.mark.parametrize(
    ("case", "bands", "group", "level", "place", "name"),
    [
        ("overviews_band", None, None, 0, (1, 2, 3), "level 0, band 2, tile (2, 3)"),
        ("overviews_band", [2], "overview_1", 1, (1, 1, 2), "level 1, band 2, tile (1, 2)"),
        ("overviews_pixel", [2], None, 0, (0, 1, 0), "level 0, bands 1 to 2, tile (1, 0)"),
    ],
)
def test_damage_is_an_error_that_names_url_and_tile(
    made: Path, tmp_path: Path, case: str, bands: Any, group: str | None, level: int,
    place: tuple[int, int, int], name: str, pipeline: str,
) -> None:  # fmt: skip
    path = f"zarr.core.codec_pipeline.{pipeline}"
    if not hasattr(zarr.core.codec_pipeline, pipeline):
        pytest.skip("skipped: this zarr has no such pipeline")
    here = virtual_flac.read_index(made / f"{case}.flac").levels[level]
    content = bytearray((made / f"{case}.flac").read_bytes())
    content[int(here.offsets[place]) + int(here.lengths[place]) - 5] ^= 1
    broken = tmp_path / "broken.flac"
    broken.write_bytes(content)
    with zarr.config.set({"codec_pipeline.path": path}):
        store, _ = store_of(broken.as_uri(), bands=bands)
        array = opened(store, group)
        with pytest.raises(CorruptFlacError) as error:
            array.to_numpy()
    assert f"{broken}: {name}: " in str(error.value)
