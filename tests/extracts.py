"""What the tests of `extract` share: rasterio as the judge of pixels, place and metadata."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window as RasterioWindow

from virtual_flac.gdal.describe import describe

TILE = 64


def opened(path: Path, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasterio.open(path, **options)


def check(
    result: Path, source: Path, window: Any, bands: list[int] | None = None, **options: Any
) -> None:
    """Pixels, place and metadata are those of rasterio's window of the source."""
    with opened(source, **options) as theirs, opened(result) as ours:
        place = RasterioWindow(*window)
        chosen = bands or list(theirs.indexes)
        np.testing.assert_array_equal(ours.read(), theirs.read(chosen, window=place))
        assert ours.crs == theirs.crs
        if not theirs.gcps[0]:
            expected = theirs.window_transform(place)
            np.testing.assert_allclose(ours.transform, expected, rtol=1e-14, atol=1e-9)
        found, wanted = describe(ours), describe(theirs, bands=chosen)
        assert (found.dtype, found.tags) == (wanted.dtype, wanted.tags)
        assert repr(found.nodata) == repr(wanted.nodata)
        for band, expected_band in zip(found.bands, wanted.bands, strict=True):
            # The first band of a TIFF always says what its colour is, others cannot be gray.
            if expected_band.color_interpretation in ("undefined", "gray"):
                color = expected_band.color_interpretation
                assert band.color_interpretation in ("undefined", "gray")
                band = replace(band, color_interpretation=color)
            assert band == expected_band
