"""What `formats.py` compares: how each format stores a raster, and what codes its tiles.

A raster has the shape (band, y, x). Each function of `FORMATS` returns the smallest way a format
has to store it, or None where it cannot hold it. Nothing counts that does not come back equal.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import numcodecs.blosc
import numpy as np
import numpy.typing as npt
import rasterio
import xarray as xr
import zarr
from numcodecs import Blosc, Zstd
from rasterio.errors import RasterioError
from zarr.codecs import BloscCodec
from zarr_flac import TileDecoder, TileSpec, encode_tile

from virtual_flac import write_flac

try:
    import imagecodecs
except ImportError:
    print("skipped: imagecodecs is not installed; its columns stay empty", file=sys.stderr)
    imagecodecs = None

# Otherwise other threads do the work, whose time is not counted.
numcodecs.blosc.use_threads = False

type Pixels = npt.NDArray[Any]


@dataclass(frozen=True)
class Coder:
    """Tiles as a codec wants them, and the codec."""

    tiles: list[Pixels]
    encode: Callable[[Pixels], Any]
    decode: Callable[[Any, Pixels], Pixels]
    """Bytes to a tile like the one that is given, too: only its shape and dtype are looked at."""

    def checked(self) -> list[Any]:
        """Encode all tiles, and decode them again."""
        encoded = [self.encode(tile) for tile in self.tiles]
        for data, tile in zip(encoded, self.tiles, strict=True):
            check(self.decode(data, tile), tile)
        return encoded


@dataclass(frozen=True)
class Stored:
    """A raster in a format."""

    bytes: int
    """Of the whole file, or of all tiles where the format has no file of tiles."""
    coder: Coder | None
    detail: str = ""
    """Which of the format's ways this is."""


class LossError(Exception):
    """Pixels that were stored do not come back."""


def check(found: Pixels, expected: Pixels) -> None:
    """Compare bit for bit: NaN and negative zero count."""
    same = found.shape == expected.shape and found.dtype == expected.dtype
    if not same or found.tobytes() != expected.tobytes():
        raise LossError(f"{found.dtype} {found.shape}, not the {expected.dtype} {expected.shape}")


def cut(pixels: Pixels, tile: int, together: bool = False) -> list[Pixels]:
    """Tiles (band, y, x), of one band unless `together`; those at the edge are smaller."""
    count, height, width = pixels.shape
    bands = [slice(None)] if together else [slice(band, band + 1) for band in range(count)]
    return [
        np.ascontiguousarray(pixels[band, top : top + tile, left : left + tile])
        for band in bands
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def by_pixel(tiles: Iterable[Pixels]) -> list[Pixels]:
    """Tiles (y, x, band), or (y, x) where there is one."""
    moved = (tile[0] if len(tile) == 1 else np.moveaxis(tile, 0, -1) for tile in tiles)
    return [np.ascontiguousarray(tile) for tile in moved]


def smallest(found: Iterable[Stored | None]) -> Stored | None:
    """The one of fewest bytes, if any."""
    return min((one for one in found if one), key=lambda one: one.bytes, default=None)


# --- virtual-flac ---------------------------------------------------------------------------------


def flac(pixels: Pixels, tile: int) -> Stored:
    """Ours, with all that is default but the size of tiles."""
    with tempfile.TemporaryDirectory() as folder:
        tif, target = Path(folder) / "source.tif", Path(folder) / "target.flac"
        harness.write_tif(tif, pixels)
        index = write_flac(tif, target, tile_size=tile)
        with xr.open_dataset(target, engine="flac", mask_and_scale=False) as dataset:
            check(dataset["band_data"].to_numpy(), pixels)
        size = target.stat().st_size
    together = index.interleave == "pixel"
    # As write_flac does: the file's header has a CRC-32 of each tile.
    spec = TileSpec(channels=len(pixels) if together else 1, md5=False)
    decoder = TileDecoder(spec)
    coder = Coder(
        cut(pixels, tile, together),
        lambda tile: encode_tile(tile, spec),
        lambda data, tile: decoder.decode(data).reshape(tile.shape),
    )
    return Stored(size, coder, index.interleave)


# --- GeoTIFF --------------------------------------------------------------------------------------


def geotiff(pixels: Pixels, tile: int) -> Stored | None:
    """The smallest GeoTIFF of all compressions, predictors and ways to interleave."""
    return smallest(geotiffs(pixels, tile))


def geotiffs(pixels: Pixels, tile: int) -> Iterator[Stored]:
    """GeoTIFFs as GDAL writes them at its default efforts."""
    predictors = [1, 2, 3] if pixels.dtype.kind == "f" else [1, 2]
    ways: list[tuple[str, dict[str, Any]]] = [("LERC_ZSTD", {"max_z_error": 0})]
    for compress, predictor in itertools.product(("DEFLATE", "ZSTD", "LZW"), predictors):
        ways.append((compress, {"predictor": predictor}))
    interleaves = ["band", "pixel"] if len(pixels) > 1 else ["band"]
    for (compress, options), interleave in itertools.product(ways, interleaves):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "target.tif"
            layout = {"blockxsize": tile, "blockysize": tile, "interleave": interleave}
            try:
                harness.write_tif(path, pixels, tiled=True, compress=compress, **layout, **options)
                with rasterio.open(path) as source:
                    check(source.read(), pixels)
            except (RasterioError, LossError):
                continue  # a codec that this GDAL, or this dtype, does not have
            size = path.stat().st_size
        predictor = options.get("predictor", 1)
        together = interleave == "pixel" and len(pixels) > 1
        coder = tiff_coder(by_pixel(cut(pixels, tile, together)), compress, predictor)
        yield Stored(size, coder, compress + (f" {predictor}" if predictor > 1 else ""))


def tiff_coder(tiles: list[Pixels], compress: str, predictor: int) -> Coder | None:
    """Do what GDAL does to a tile, with the same libraries at the same levels."""
    if imagecodecs is None:
        return None
    if compress == "LERC_ZSTD":
        return working(
            tiles,
            lambda tile: imagecodecs.lerc_encode(
                tile, level=0, compression="zstd", compressionargs={"level": 9}
            ),
            lambda data, _: imagecodecs.lerc_decode(data),
        )
    pack, unpack = {
        "DEFLATE": (
            lambda raw: imagecodecs.deflate_encode(raw, level=6),
            imagecodecs.deflate_decode,
        ),
        "ZSTD": (lambda raw: imagecodecs.zstd_encode(raw, level=9), imagecodecs.zstd_decode),
        "LZW": (imagecodecs.lzw_encode, imagecodecs.lzw_decode),
    }[compress]
    dtype = tiles[0].dtype
    # Predictor 2 takes differences of the bits, of floats too.
    bits = np.dtype(f"u{dtype.itemsize}") if predictor == 2 else dtype

    def encode(tile: Pixels) -> Any:
        values = tile.view(bits)
        if predictor == 2:
            values = imagecodecs.delta_encode(values, axis=1)
        elif predictor == 3:
            values = imagecodecs.floatpred_encode(values, axis=1)
        return pack(values)

    def decode(data: Any, tile: Pixels) -> Pixels:
        values = np.frombuffer(unpack(data, out=tile.nbytes), bits).reshape(tile.shape)
        if predictor == 2:
            values = imagecodecs.delta_decode(values, axis=1)
        elif predictor == 3:
            values = imagecodecs.floatpred_decode(values, axis=1)
        return values.view(dtype)

    return working(tiles, encode, decode)


# --- Codecs of pictures ---------------------------------------------------------------------------


def jpeg_ls(pixels: Pixels, tile: int) -> Stored | None:
    """JPEG-LS, tile by tile and band by band."""
    return pictures(
        cut(pixels, tile), lambda tile: imagecodecs.jpegls_encode(tile), "jpegls_decode"
    )


def jpeg_xl(pixels: Pixels, tile: int) -> Stored | None:
    """JPEG XL at effort 3; three or four bands also as colours, whichever is smaller."""

    def encode(tile: Pixels) -> Any:
        return imagecodecs.jpegxl_encode(tile, lossless=True, effort=3, numthreads=1)

    ways = [False, True] if len(pixels) in (3, 4) else [False]
    cuts = (cut(pixels, tile, together) for together in ways)
    return smallest(pictures(tiles, encode, "jpegxl_decode", numthreads=1) for tiles in cuts)


def pictures(
    tiles: list[Pixels], encode: Callable[[Pixels], Any], decoder: str, **options: Any
) -> Stored | None:
    """All tiles together, without a file. What is signed has its sign bit turned to be unsigned."""
    if imagecodecs is None:
        return None
    dtype = tiles[0].dtype
    decode = getattr(imagecodecs, decoder)
    if dtype.kind == "i":
        unsigned = np.dtype(f"u{dtype.itemsize}")
        half = unsigned.type(1 << (8 * dtype.itemsize - 1))
        coder = working(
            by_pixel(tiles),
            lambda tile: encode(tile.view(unsigned) ^ half),
            lambda data, _: (decode(data, **options) ^ half).view(dtype),
        )
    else:
        coder = working(by_pixel(tiles), encode, lambda data, _: decode(data, **options))
    return coder and Stored(sum(map(len, coder.checked())), coder)


def working(
    tiles: list[Pixels],
    encode: Callable[[Pixels], Any],
    decode: Callable[[Any, Pixels], Pixels],
) -> Coder | None:
    """A codec of imagecodecs if it can hold such tiles."""
    coder = Coder(tiles, encode, decode)
    try:
        coder.checked()
    except (RuntimeError, ValueError, LossError):
        return None
    return coder


# --- Zarr -----------------------------------------------------------------------------------------


def zarr_zstd(pixels: Pixels, tile: int) -> Stored:
    """Zarr as it comes."""
    return zarr_array(pixels, tile, "auto", Zstd(level=0))


def zarr_blosc(pixels: Pixels, tile: int) -> Stored:
    """Zarr with Blosc: bytes shuffled, then zstd."""
    codec = Blosc("zstd", clevel=5, shuffle=Blosc.SHUFFLE)
    return zarr_array(pixels, tile, BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"), codec)


def zarr_array(pixels: Pixels, tile: int, compressors: Any, codec: Any) -> Stored:
    """All files of an array, and the codec that Zarr calls."""
    with tempfile.TemporaryDirectory() as folder:
        array = zarr.create_array(
            folder, shape=pixels.shape, chunks=(1, tile, tile), dtype=pixels.dtype,
            compressors=compressors,
        )  # fmt: skip
        array[:] = pixels
        check(np.asarray(array[:]), pixels)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    coder = Coder(
        cut(pixels, tile),
        codec.encode,
        lambda data, tile: np.frombuffer(codec.decode(data), tile.dtype).reshape(tile.shape),
    )
    return Stored(size, coder)


FORMATS: dict[str, Callable[[Pixels, int], Stored | None]] = {
    "virtual-flac": flac,
    "best GeoTIFF": geotiff,
    "JPEG-LS": jpeg_ls,
    "JPEG XL": jpeg_xl,
    "Zarr zstd": zarr_zstd,
    "Zarr Blosc": zarr_blosc,
}
