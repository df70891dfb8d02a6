"""A source that changes while it is converted is an error, and nothing is written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from conversions import make_tif
from rasterio.enums import Resampling

import virtual_flac
from virtual_flac.errors import SourceChangedError
from virtual_flac.gdal.raster import GdalSource
from virtual_flac.reading.raster import FlacSource

GDAL_READ, FLAC_READ = GdalSource.read, FlacSource.read


@pytest.fixture
def after_the_first_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Have something done once, when the first pixels have been read."""

    def arrange(change: Callable[[], Any]) -> None:
        todo = [change]
        for kind, read in ((GdalSource, GDAL_READ), (FlacSource, FLAC_READ)):

            def read_and_change(self: Any, *args: Any, _read: Any = read, **options: Any) -> Any:
                pixels = _read(self, *args, **options)
                if todo:
                    todo.pop()()
                return pixels

            monkeypatch.setattr(kind, "read", read_and_change)

    return arrange


def rewrite(path: Path) -> None:
    """As another program does: the same size, and, to make it hard, at the same second."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-100:] = bytes(100)
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))


def changes(path: Path) -> dict[str, Callable[[], Any]]:
    return {
        "its time of change was": lambda: rewrite(path),
        "its size was": lambda: path.write_bytes(path.read_bytes() + b"more"),
        "it is gone": path.unlink,
    }


@pytest.mark.parametrize("said", ["its time of change was", "its size was", "it is gone"])
def test_a_geotiff_that_changes_is_no_source(
    tmp_path: Path, said: str, after_the_first_read: Callable[..., None]
):
    source = make_tif(tmp_path / "source.tif", overviews=([2], Resampling.nearest))
    target = tmp_path / "x.flac"
    target.write_bytes(b"old")
    kept = tmp_path / "kept.tif"
    shutil.copy2(source, kept)
    for function in (virtual_flac.write_flac, virtual_flac.extract):
        after_the_first_read(changes(source)[said])
        with pytest.raises(SourceChangedError, match=rf"source\.tif: changed .* {said}"):
            function(source, target, overwrite=True)
        assert target.read_bytes() == b"old"
        source.unlink(missing_ok=True)
        shutil.copy2(kept, source)
    virtual_flac.write_flac(source, target, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["kept.tif", "source.tif", "x.flac"]


def test_so_is_one_whose_parts_change(tmp_path: Path, after_the_first_read: Callable[..., None]):
    part = make_tif(tmp_path / "part.tif")
    whole = tmp_path / "whole.vrt"
    rasterio.shutil.copy(part, whole, driver="VRT")
    after_the_first_read(lambda: rewrite(part))
    with pytest.raises(SourceChangedError, match=r"part\.tif: changed"):
        virtual_flac.write_flac(whole, tmp_path / "x.flac")
    after_the_first_read(lambda: rewrite(part))
    with rasterio.open(part) as dataset, pytest.raises(SourceChangedError):
        virtual_flac.write_flac(dataset, tmp_path / "x.flac")


def test_so_is_one_on_a_server(
    tmp_path: Path, range_server: Any, after_the_first_read: Callable[..., None]
):
    (tmp_path / "www").mkdir()
    source = make_tif(tmp_path / "www" / "source.tif")
    server = range_server(tmp_path / "www")
    url = f"{server.url}/source.tif"
    target = tmp_path / "x.flac"
    after_the_first_read(lambda: source.write_bytes(source.read_bytes() + b"more"))
    with pytest.raises(SourceChangedError, match=r"source\.tif: changed .* size"):
        virtual_flac.write_flac(url, target)
    assert not target.exists()
    server.reset()
    virtual_flac.write_flac(url, target)
    asked = [request for request in server.log() if request.method == "HEAD"]
    # Twice by us; GDAL asks as well.
    assert 2 <= len(asked) <= 4


def test_so_is_a_flac(tmp_path: Path, after_the_first_read: Callable[..., None]):
    pixels = np.random.default_rng(1).integers(0, 9, (2, 300, 300)).astype("uint8")
    tif = make_tif(tmp_path / "source.tif", pixels)
    source = tmp_path / "source.flac"
    virtual_flac.write_flac(tif, source, tile_size=64)
    for write, name in ((virtual_flac.write_geotiff, "x.tif"), (virtual_flac.write_flac, "x.flac")):
        before = source.read_bytes()
        after_the_first_read(lambda: rewrite(source))
        with pytest.raises(SourceChangedError, match=r"source\.flac: .* changed"):
            write(source, tmp_path / name)
        assert not (tmp_path / name).exists()
        source.write_bytes(before)
