"""Damaged files give a clear error or the right pixels: never a wrong one, a crash or a hang."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
from rasters import write_tif

import virtual_flac
from virtual_flac.errors import FlacError

FEW, MANY = 400, 10_000


def write(path: Path, dtype: str, bands: int, interleave: str) -> npt.NDArray[Any]:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:40, 0:50]
    data = (1000 + 10 * x + 7 * y + rng.integers(0, 9, (bands, 40, 50))).astype(dtype)
    tif = write_tif(path.with_suffix(".tif"), data, nodata=7)
    virtual_flac.write_flac(
        tif, path, tile_size=32, interleave=interleave, overviews=[2],
        resampling="nearest",
    )  # fmt: skip
    return data


def damaged(original: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield files cut, with bytes changed, removed, inserted, repeated or moved."""
    rng = np.random.default_rng(seed)
    size = len(original)
    head = 4 + int.from_bytes(original[:4], "big")
    for number in range(count):
        data = bytearray(original)
        # Half of the damage goes into the head, small as it is.
        at = int(rng.integers(0, head if number % 2 else size))
        length = int(rng.integers(1, 40))
        kind = number % 7
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            data[at] = int(rng.integers(0, 256))
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = rng.bytes(length)
        elif kind == 5:
            data[at : at + length] = data[at : at + length][::-1]
        else:
            data[at : at + length] = b"0123456789"[: length % 10] * 4
        yield bytes(data)


def outcome(path: Path, expected: npt.NDArray[Any]) -> str:
    try:
        with xr.open_dataset(path, engine="flac", mask_and_scale=False) as dataset:
            found = dataset.band_data.to_numpy()
    except FlacError:
        return "refused"
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    return "read"


def try_all(tmp_path: Path, original: bytes, expected: npt.NDArray[Any], count: int) -> None:
    path = tmp_path / "damaged.flac"
    counts = {"read": 0, "refused": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in damaged(original, count, seed=count):
        path.write_bytes(data)
        counts[outcome(path, expected)] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200 * 1024  # KiB
    # Damage to overviews does not touch the full resolution; nearly all else is noticed.
    assert counts["refused"] > count / 2
    assert counts["read"] > 0


@pytest.mark.parametrize(
    ("dtype", "bands", "interleave"),
    [("uint16", 1, "band"), ("uint8", 3, "pixel"), ("float32", 2, "tile")],
)
def test_damaged_files(dtype: str, bands: int, interleave: str, tmp_path: Path) -> None:
    expected = write(tmp_path / "good.flac", dtype, bands, interleave)
    try_all(tmp_path, (tmp_path / "good.flac").read_bytes(), expected, FEW)


@pytest.mark.exhaustive
def test_ten_thousand_damaged_files(tmp_path: Path) -> None:
    expected = write(tmp_path / "good.flac", "uint16", 1, "band")
    try_all(tmp_path, (tmp_path / "good.flac").read_bytes(), expected, MANY)


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    expected = write(tmp_path / "good.flac", "uint16", 1, "band")
    original = (tmp_path / "good.flac").read_bytes()
    path = tmp_path / "cut.flac"
    for end in (*range(200), *range(200, len(original), 97)):
        path.write_bytes(original[:end])
        assert outcome(path, expected) == "refused"


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"\xff" * 5000, b"fLaC" * 999, b"{}" * 999])
def test_other_content_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.flac"
    path.write_bytes(content)
    assert outcome(path, np.zeros(0)) == "refused"
