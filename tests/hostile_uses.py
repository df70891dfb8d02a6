"""Everything that can be done with a hostile file, and what may come of it.

Runs in a process of its own, so that its memory can be told: see `layouts/test_resealed_headers`.
"""

from __future__ import annotations

import json
import pickle
import random
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_headers
import numpy as np
import rasterio
import rioxarray  # noqa: F401  (the accessor .rio)
import xarray as xr
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.errors import FlacError

#: Of the process, on all its threads: a busy machine takes no more.
SECONDS = 2.0
BYTES = 300 << 20
#: Pixels that are read at most, of one file.
PIXELS = 1 << 20

type Pixels = np.ndarray[Any, Any] | None


def corner(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel({dim: slice(1024) for dim in ("x", "y")}, missing_dims="ignore").isel(
        band=slice(3)
    )


def pixels_of(ds: xr.Dataset) -> Pixels:
    if ds.band_data.size <= PIXELS:
        found: Pixels = ds.band_data.to_numpy()
        return found
    corner(ds).load()
    return None


def open_(path: Path, out: Path) -> Pixels:
    with xr.open_dataset(path, engine="flac") as ds:
        repr(ds)
        pickle.loads(pickle.dumps(ds))
        assert ds.rio.transform() is not None
        assert ds.rio.crs is None or ds.rio.crs.to_wkt()
        corner(ds).load()
    xr.open_datatree(path, engine="flac")
    return None


def read(path: Path, out: Path) -> Pixels:
    with xr.open_dataset(path, engine="flac", mask_and_scale=False) as ds:
        return pixels_of(ds)


def info(path: Path, out: Path) -> Pixels:
    json.dumps(virtual_flac.info(path).to_dict(), allow_nan=False).encode()
    json.dumps(virtual_flac.spatial_info(path).to_dict(100), allow_nan=False).encode()
    return None


def query(path: Path, out: Path) -> Pixels:
    json.dumps(virtual_flac.query(path, center=True).to_dict(), allow_nan=False)
    left, bottom, right, top = virtual_flac.info(path).bounds
    box = (min(left, right), min(bottom, top), max(left, right), max(bottom, top))
    virtual_flac.query(path, bbox=box)
    virtual_flac.query(path, bbox=(13, 45, 14, 46), bbox_crs="EPSG:4326")
    return None


def preview(path: Path, out: Path) -> Pixels:
    virtual_flac.preview(path, out / "p.png", size=64)
    return None


def verify(path: Path, out: Path) -> Pixels:
    json.dumps(virtual_flac.verify(path).to_dict(), allow_nan=False).encode()
    return None


def virtualize(path: Path, out: Path) -> Pixels:
    parser, registry = virtual_flac.FLACParser(), virtual_flac.registry_for(path)
    with open_virtual_dataset(path.as_uri(), parser=parser, registry=registry) as vds:
        virtual_flac.write_kerchunk(vds, out / "v.json")
    with virtual_flac.open_references(out / "v.json", mask_and_scale=False) as ds:
        xr.decode_cf(corner(ds)).load()
        return pixels_of(ds)


def extract(path: Path, out: Path) -> Pixels:
    virtual_flac.extract(path, out / "e.tif", center=True)
    return None


def to_geotiff(path: Path, out: Path) -> Pixels:
    virtual_flac.write_geotiff(path, out / "c.tif", tile_size=32)
    with rasterio.open(out / "c.tif") as tif:
        found: Pixels = tif.read()
        return found


def to_flac(path: Path, out: Path) -> Pixels:
    virtual_flac.write_flac(path, out / "c.flac", tile_size=32)
    return read(out / "c.flac", out)


USES: list[Callable[[Path, Path], Pixels]] = [
    *(open_, read, info, query, preview, verify, virtualize, extract, to_geotiff, to_flac),
]


class Attacks:
    """Attacks on the rasters of a folder, by number; `peak` is the process's most memory so far."""

    def __init__(self, folder: Path, seed: int, peak: Callable[[], int]) -> None:
        with open(folder / "victims.pickle", "rb") as file:
            self.victims: list[hostile_headers.Victim] = pickle.load(file)
        self.folder, self.seed, self.peak = folder, seed, peak
        self.seen: Counter[str] = Counter()
        warnings.simplefilter("ignore")
        for victim in self.victims:  # all of it works; and what is imported counts for nobody
            self.pixels: dict[str, Pixels] = {}
            for use in USES:
                fault = self._fault(use, victim, victim.file(victim.header))
                assert not fault, fault
        assert self.seen.total() == self.seen["read done"] * len(USES)
        self.seen.clear()
        self.most = peak() + BYTES

    def run(self, number: int) -> None:
        """Try one file, and print a line of JSON for each finding."""
        victim = self.victims[number % len(self.victims)]
        data = hostile_headers.attack(victim, random.Random(f"{self.seed} {number}"))
        self.pixels = {}
        for use in USES:
            began = time.process_time()
            fault = self._fault(use, victim, data)
            if (took := time.process_time() - began) > SECONDS:
                self.seen["slow"] += 1
                print(json.dumps({"slow": f"{number}, {use.__name__}: {took:.1f} s"}))
            if self.peak() > self.most:
                fault = f"{(self.peak() - self.most + BYTES) >> 20} MB; {fault}"
                self.most = self.peak() + BYTES
            if fault:
                kept = self.folder / f"{number}-{victim.name}.flac"
                kept.write_bytes(data)
                print(json.dumps({"finding": f"{kept.name}, {use.__name__}: {fault}"}))

    def _fault(self, use: Callable[[Path, Path], Pixels], victim: Any, data: bytes) -> str | None:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            path = Path(scratch) / "hostile.flac"
            path.write_bytes(data)
            try:
                found = use(path, Path(scratch))
            except FlacError as error:
                str(error).encode()
                self.seen[f"{use.__name__} refused"] += 1
                return None
            except BaseException as error:
                return "".join(traceback.format_exception(error))
        self.seen[f"{use.__name__} done"] += 1
        if found is None:
            return None
        self.pixels[use.__name__] = found
        expected = self.pixels.get("read")
        if use is read and (found.shape, found.dtype) == (victim.pixels.shape, victim.pixels.dtype):
            expected = victim.pixels
        # References have tiles and no header: where the engine refuses a tile that is smaller than
        # the header says, they take it for the edge of a larger raster.
        if expected is None or np.array_equal(expected, found, equal_nan=found.dtype.kind == "f"):
            return None
        return "other pixels"


def main(peak: Callable[[], int], folder: str, seed: str, first: str, count: str) -> None:
    """Try some files; the last line says how many uses were done and refused."""
    attacks = Attacks(Path(folder), int(seed), peak)
    for number in range(int(first), int(first) + int(count)):
        attacks.run(number)
    print(json.dumps(attacks.seen))
