"""FLAC as a lossless codec for Zarr chunks. The front door: names only, nothing is done here.

Every name is fetched from its own module when it is first asked for, so `import zarr_flac`
imports neither zarr nor the decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .blocks import Head, head_end
    from .checksum import check_crc32, crc32
    from .errors import (
        ConfigurationError,
        CorruptFlacError,
        FlacError,
        LossyTileError,
        SampleRangeError,
        UnsupportedDtypeError,
        UnsupportedFlacError,
    )
    from .frame_search import FrameHeader
    from .mapping_loss import FlacRasterLoss, flac_raster_loss
    from .origin import set_origin
    from .predicted import read_tile_info
    from .seek_table import SeekPoint
    from .spec import TileOptions, TileSpec
    from .stream import (
        FlacInfo,
        Frame,
        FrameScanner,
        decode,
        iter_frames,
        read_frame_header,
        read_info,
    )
    from .stream_facts import StreamFacts
    from .streaminfo import StreamInfo
    from .tile_decoder import TileDecoder, count_ambiguous, decode_tile
    from .tile_encoder import encode_tile
    from .zarr_v2 import Flac
    from .zarr_v3 import FlacCodec

__version__ = "0.1.0"

__all__ = [
    "ConfigurationError",
    "CorruptFlacError",
    "Flac",
    "FlacCodec",
    "FlacError",
    "FlacInfo",
    "FlacRasterLoss",
    "Frame",
    "FrameHeader",
    "FrameScanner",
    "Head",
    "LossyTileError",
    "SampleRangeError",
    "SeekPoint",
    "StreamFacts",
    "StreamInfo",
    "TileDecoder",
    "TileOptions",
    "TileSpec",
    "UnsupportedDtypeError",
    "UnsupportedFlacError",
    "__version__",
    "check_crc32",
    "count_ambiguous",
    "crc32",
    "decode",
    "decode_tile",
    "encode_tile",
    "flac_raster_loss",
    "head_end",
    "iter_frames",
    "read_frame_header",
    "read_info",
    "read_tile_info",
    "set_origin",
]

_HOMES = {
    "blocks": ("Head", "head_end"),
    "checksum": ("check_crc32", "crc32"),
    "errors": (
        "ConfigurationError",
        "CorruptFlacError",
        "FlacError",
        "LossyTileError",
        "SampleRangeError",
        "UnsupportedDtypeError",
        "UnsupportedFlacError",
    ),
    "stream": (
        "FlacInfo",
        "Frame",
        "FrameScanner",
        "decode",
        "iter_frames",
        "read_frame_header",
        "read_info",
    ),
    "streaminfo": ("StreamInfo",),
    "mapping_loss": ("FlacRasterLoss", "flac_raster_loss"),
    "frame_search": ("FrameHeader",),
    "origin": ("set_origin",),
    "seek_table": ("SeekPoint",),
    "spec": ("TileOptions", "TileSpec"),
    "stream_facts": ("StreamFacts",),
    "predicted": ("read_tile_info",),
    "tile_decoder": ("TileDecoder", "count_ambiguous", "decode_tile"),
    "tile_encoder": ("encode_tile",),
    "zarr_v2": ("Flac",),
    "zarr_v3": ("FlacCodec",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
