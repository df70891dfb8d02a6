"""Axes too long for memory: x and y are computed, and behave as those that pandas indexes."""

from __future__ import annotations

import base64
import functools
import pickle
import random
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from heads import a_head
from xarray.indexes import PandasIndex

from virtual_flac.engine import pixel_index
from virtual_flac.engine.pixel_index import PixelIndex
from virtual_flac.errors import SelectionError
from virtual_flac.model.georef import GeoReference
from virtual_flac.reading.tiles import empty_pixels

SIZE = 40
TRANSFORMS = [
    Affine(10, 0, 399_960, 0, -10, 5_000_040),
    Affine(-0.1, 0, 0.3, 0, 1 / 3, -7),
    Affine(1e-9, 0, 1e6, 0, -1e-10, 1e6),  # neighbours share a label
    Affine(0, 0, 5, 0, -1, 0),
]


def pair(transform: Affine, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The same data with a `PixelIndex`, also of short parts, and with one of pandas."""
    monkeypatch.setattr(pixel_index, "LONG_AXIS", 2)
    axes = GeoReference(transform=transform).axes(width=SIZE, height=SIZE)
    axis = axes[0 if name == "x" else 1]
    index = PixelIndex(axis, name, name)
    data = xr.Dataset({"data": (name, np.arange(SIZE))})
    lazy = data.assign_coords(xr.Coordinates(index.create_variables(), {name: index}))
    return lazy, data.assign_coords({name: axis.values()})


def outcome(dataset: xr.Dataset, do: Any) -> Any:
    """What an operation gives: data and labels, or the kind of error."""
    try:
        found = do(dataset)
    except (KeyError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        return type(error)
    return found.drop_attrs().load()


def assert_alike(lazy: xr.Dataset, plain: xr.Dataset, do: Any) -> None:
    ours, theirs = outcome(lazy, do), outcome(plain, do)
    if isinstance(theirs, type) or isinstance(ours, type):
        assert ours == theirs
        return
    xr.testing.assert_identical(ours, theirs)
    assert set(ours.indexes) == set(theirs.indexes)
    for name in theirs.indexes:
        assert ours.indexes[name].equals(theirs.indexes[name])


PARTS: list[Any] = [
    *(slice(None), slice(3, 9), slice(30, None, 4), slice(None, None, -1), slice(35, 2, -5)),
    *(slice(9, 9), 0, -1, SIZE, [0, 5, 5, -2], np.array([True] * 10 + [False] * 30), []),
    *(xr.Variable("z", [3, 1]), xr.DataArray([[3, 1]], dims=("a", "b"))),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", ["x", "y"])
def test_parts_and_their_parts(transform: Affine, name: str, monkeypatch: Any) -> None:
    lazy, plain = pair(transform, name, monkeypatch)
    assert_alike(lazy, plain, lambda ds: ds)
    for part in PARTS:
        assert_alike(lazy, plain, lambda ds, part=part: ds.isel({name: part}))
        for inner in (slice(1, None, 2), slice(None, None, -3), [1, 0], 1):
            assert_alike(
                lazy, plain, lambda ds, p=part, i=inner: ds.isel({name: p}).isel({name: i})
            )


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_labels_are_found_as_pandas_finds_them(transform: Affine, monkeypatch: Any) -> None:
    rng = random.Random(1)
    name = rng.choice(["x", "y"]) if transform.a else "x"
    whole = pair(transform, name, monkeypatch)
    for part in PARTS[:5]:
        lazy, plain = (ds.isel({name: part}) for ds in whole)
        values = plain[name].values.tolist()
        step = abs(values[1] - values[0]) or 1.0
        unique = len(set(values)) == len(values)

        def label(values: list[float] = values, step: float = step) -> float:
            between = rng.uniform(min(values) - 2 * step, max(values) + 2 * step)
            return rng.choice([rng.choice(values), between])

        for _ in range(25):
            several = [label() for _ in range(rng.randrange(4))]
            labels = rng.choice(
                [
                    label(),
                    slice(*rng.sample([None, label(), label()], 2), rng.choice([None, 1, 3, -1])),
                    # pandas looks for these nowhere where any label occurs twice.
                    *([several, xr.DataArray(several, dims="p")] if unique else []),
                    rng.choice([float("nan"), "5", None, [True] * len(values)]),
                ]
            )
            options: dict[str, Any] = {}
            if unique and not isinstance(labels, slice):
                options["method"] = rng.choice([None, "nearest", "pad", "backfill"])
                options["tolerance"] = rng.choice([None, step / 4]) if options["method"] else None
            do = functools.partial(xr.Dataset.sel, indexers={name: labels}, **options)
            assert_alike(lazy, plain, do)


@pytest.mark.parametrize("transform", TRANSFORMS[:2])
@pytest.mark.parametrize("name", ["x", "y"])
def test_whole_datasets(transform: Affine, name: str, monkeypatch: Any) -> None:
    lazy, plain = pair(transform, name, monkeypatch)
    first, middle, last = slice(0, 15), slice(15, 16), slice(16, None)

    def put_together(ds: xr.Dataset, *parts: slice) -> xr.Dataset:
        return xr.concat([ds.isel({name: part}) for part in parts], name)

    for do in (
        lambda ds: put_together(ds, first, middle, last),
        lambda ds: put_together(ds, first, last),
        lambda ds: put_together(ds, last, first),
        lambda ds: put_together(ds, middle, last),
        lambda ds: put_together(ds.isel({name: slice(None, None, -2)}), first, slice(15, None)),
        lambda ds: xr.concat([ds, ds + 1], "n", join="exact"),
        lambda ds: xr.concat([ds, ds.isel({name: last})], "n", join="outer"),
        lambda ds: ds + ds,
        lambda ds: ds - ds.isel({name: slice(3, 30)}),
        lambda ds: pickle.loads(pickle.dumps(ds)),
        lambda ds: ds.copy(deep=True),
        lambda ds: ds.rename({name: "other"}).isel(other=last).rename(other=name),
        lambda ds: ds.rename_vars({name: "label"}).isel({name: last}),
        lambda ds: ds.rename_dims({name: "place"}),
        lambda ds: ds.roll({name: 3}, roll_coords=True),
        lambda ds: ds.sortby(name),
        lambda ds: ds.reindex({name: ds[name].values[::2]}),
        lambda ds: ds.coarsen({name: 4}).mean(),
        lambda ds: ds.chunk({name: 7}).isel({name: last}),
        lambda ds: ds.groupby_bins(name, 3).sum().drop_vars(f"{name}_bins"),
        lambda ds: ds.drop_vars(name),
        lambda ds: ds.where(ds[name] > ds[name].mean()),
        lambda ds: ds.set_xindex(name) if name not in ds.xindexes else ds.drop_indexes(name),
    ):
        assert_alike(lazy, plain, do)
    for part in (lazy, lazy.isel({name: last}), put_together(lazy, first, middle.start and last)):
        repr(part)
        part._repr_html_()
    assert isinstance(lazy.isel({name: last}).xindexes[name], PixelIndex)
    assert isinstance(put_together(lazy, first, slice(15, None)).xindexes[name], PixelIndex)
    assert isinstance(pickle.loads(pickle.dumps(lazy)).xindexes[name], PixelIndex)
    assert type(lazy.isel({name: slice(0, 2)}).xindexes[name]) is PandasIndex


def claim(path: Path, width: int, height: int, **changes: Any) -> Path:
    """A file that says that it has so many pixels, in one tile; the tile is not there."""
    length = width * height // 6553 + 1
    level = {
        "width": width,
        "height": height,
        "sizes": base64.b64encode(zlib.compress(length.to_bytes(4, "little"))).decode(),
    }
    head = a_head(
        width=width, height=height, tile_size=max(width, height), levels=[level], **changes
    )
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + length)
    return path


def test_opening_costs_nothing_however_long_axes_are(tmp_path: Path) -> None:
    transform = [0.1, 0, 3, 0, -0.3, 7, 0, 0, 1]
    wide = claim(tmp_path / "wide.flac", 10**8, 1, dtype="uint8", transform=transform)
    tall = claim(tmp_path / "tall.flac", 1, 2**31 - 1, dtype="uint8", transform=transform)
    xr.open_dataset(wide, engine="flac")
    tracemalloc.start()
    with xr.open_dataset(wide, engine="flac") as ds:
        assert ds.sizes == {"band": 1, "y": 1, "x": 10**8}
        assert ds.x[-1] == pytest.approx(0.1 * (10**8 - 0.5) + 3, rel=1e-15)
        part = ds.sel(x=slice(1e6, 1e6 + 100))
        assert part.sizes["x"] == 1000
        assert ds.sel(x=slice(10, None, 7)).xindexes["x"].axis.pixels[0] == 70
        assert ds.isel(x=slice(None, None, 10**4)).x.size == 10**4
        repr(ds)
        pickle.loads(pickle.dumps(ds))
    with xr.open_dataset(tall, engine="flac", chunks={}) as ds:
        assert ds.sel(y=-1e8, method="nearest").y == pytest.approx(-1e8, abs=0.2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 << 20


def test_more_pixels_than_memory_are_an_error_of_ours() -> None:
    for shape in ((1, 2**31, 2**30), (1, 2**40, 2**40)):
        with pytest.raises(SelectionError, match="more memory than there is"):
            empty_pixels(shape, np.dtype("f8"))
