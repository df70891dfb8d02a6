"""flac-raster's spatial files, whose pixels are lost: recognised, and refused by every reader."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rasters import write_tif
from servers import url_of
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.errors import LayoutError, LostPixelsError


@pytest.fixture(scope="module")
def spatial(tmp_path_factory: pytest.TempPathFactory, flac_raster: Any) -> Path:
    folder = tmp_path_factory.mktemp("spatial")
    pixels = np.random.default_rng(1).integers(0, 256, (3, 150, 150)).astype("uint8")
    tif = write_tif(folder / "tiles.tif", pixels)
    flac_raster.convert(tif, folder / "tiles.flac", "--spatial", "--tile-size", "64")
    return folder / "tiles.flac"


def test_every_reader_refuses_them(spatial: Path, range_server: Any, tmp_path: Path) -> None:
    url = url_of(range_server(spatial.parent), spatial.name)
    registry = virtual_flac.registry_for(url)
    parser = virtual_flac.FLACParser()
    readers = {
        "read_index": lambda: virtual_flac.read_index(url),
        "info": lambda: virtual_flac.info(url),
        "engine": lambda: xr.open_dataset(url, engine="flac"),
        "parser": lambda: open_virtual_dataset(url, parser=parser, registry=registry),
        "stack": lambda: virtual_flac.stack([url, url], values=[1, 2], dim="t"),
        "write_geotiff": lambda: virtual_flac.write_geotiff(url, tmp_path / "back.tif"),
        "verify": lambda: virtual_flac.verify(url),
    }
    for name, read in readers.items():
        with pytest.raises(LostPixelsError, match="virtual-flac convert") as caught:
            read()
        assert "flac-raster convert --spatial" in str(caught.value), name
        assert url in str(caught.value), name
    assert issubclass(LostPixelsError, LayoutError)
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_short_is_a_damaged_one(spatial: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.flac"
    path.write_bytes(spatial.read_bytes()[:300])
    with pytest.raises(LayoutError):
        virtual_flac.read_index(path)
