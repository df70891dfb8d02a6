"""One FLAC stream for the whole raster (``flac-raster convert``, 0.1.2). Read only.

Bands are channels. A frame holds 4,096 pixels and may begin anywhere in a row. A tile is some whole
rows; its bytes are those of all frames that hold its pixels, so neighbours may share a frame. The
head does not say where frames begin, unless it has a seek table. So `parse` gives a `PlainStream`,
the raster without its tiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from zarr_flac import FlacInfo, SeekPoint, StreamFacts, StreamInfo, read_frame_header

from ..errors import CorruptFlacError, LayoutError
from ..model.index import Band, Level, RasterInfo, TileIndex
from . import _comments
from ._check import check_tiles
from ._stream import FRAME_HEADER_BYTES

LAYOUT = "flac-raster plain"
OUR_VENDOR = "zarr-flac"
#: Bytes of a tile's pixels: a request's worth, and many times the frames it shares.
TILE_BYTES = 2 * 2**20
#: Where seek points are further apart, in bytes of pixels, the frames are looked for instead.
MAX_TILE_BYTES = 32 * 2**20

_WHERE = "the comments of the stream"


@dataclass(frozen=True, eq=False)
class PlainStream:
    """A raster in one FLAC stream whose frames are still to be found."""

    info: FlacInfo
    raster: RasterInfo
    mapping: Literal["exact", "flac-raster"]
    facts: StreamFacts
    """What the codec has to know."""
    streaminfo: StreamInfo
    """For `zarr_flac.FrameScanner`."""
    file_size: int

    @property
    def frames_offset(self) -> int:
        """Byte at which the first frame begins."""
        return self.info.frames_offset

    @cached_property
    def seek_points(self) -> tuple[SeekPoint, ...]:
        """Seek points, if they cut the raster into tiles of at most `MAX_TILE_BYTES`."""
        points = [SeekPoint(0, 0, self.facts.max_block_size)]
        for point in sorted(self.info.seek_table):
            last = points[-1]
            if point.first_sample > last.first_sample and point.offset > last.offset:
                if point.first_sample < self.facts.total_samples:
                    points.append(point)
            elif point[:2] != last[:2]:
                return ()  # contradicts itself
        starts = [*(point.first_sample for point in points), self.facts.total_samples]
        widest = int(np.diff(starts).max())
        if len(points) < 2 or widest * self._pixel_bytes > MAX_TILE_BYTES:
            return ()
        return tuple(points)

    def index_by_frames(self, frames: npt.NDArray[Any]) -> TileIndex:
        """The tiles, from all frames as `zarr_flac.FrameScanner` gives them.

        Raises
        ------
        LayoutError
            When the frames hold another number of pixels than the raster has.
        """
        found = int(frames["block_size"].sum())
        if found != self.facts.total_samples:
            raise LayoutError(
                f"the frames hold {found} samples per channel, but the comments say "
                f"{self.raster.width} x {self.raster.height} pixels: the file is cut short or "
                "damaged"
            )
        ends = frames["offset"] + frames["length"]
        return self._index(
            frames["first_sample"], frames["offset"], ends, int(frames["block_size"].max())
        )

    def index_by_points(self, headers: Sequence[bytes]) -> TileIndex:
        """The tiles, from the frame headers that the file holds at each of `seek_points`.

        Raises
        ------
        CorruptFlacError
            When a frame is not where its seek point says.
        """
        points = self.seek_points
        size = 1 if self._variable else self.facts.max_block_size
        for point, data in zip(points, headers, strict=True):
            try:
                header = read_frame_header(data)
            except CorruptFlacError:
                header = None
            if header is None or header.number * size != point.first_sample:
                raise CorruptFlacError(
                    f"the seek table says that the frame of sample {point.first_sample} begins at "
                    f"byte {self.frames_offset + point.offset}, where it does not. Make a new one "
                    "with `metaflac --remove --block-type=SEEKTABLE` and `--add-seekpoint`."
                )
        starts = np.array([point.first_sample for point in points], np.int64)
        offsets = np.array([point.offset for point in points], np.int64) + self.frames_offset
        ends = np.append(offsets[1:], self.file_size)
        return self._index(starts, offsets, ends, int(np.diff(starts).max(initial=0)))

    @cached_property
    def _variable(self) -> bool:
        return self.facts.min_block_size != self.facts.max_block_size

    @property
    def _pixel_bytes(self) -> int:
        return self.raster.count * self.raster.dtype.itemsize

    def _index(
        self,
        starts: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        ends: npt.NDArray[np.int64],
        widest: int,
    ) -> TileIndex:
        """Tiles of whole rows over pieces of the file that begin at given samples.

        No piece may have more samples than a tile: the codec finds a tile's place by the first
        multiple of its size behind the start of the first frame.
        """
        width, height = self.raster.width, self.raster.height
        rows = max(TILE_BYTES // (width * self._pixel_bytes), -(-widest // width), 1)
        rows = min(rows, height)
        firsts = np.arange(0, height, rows, dtype=np.int64) * width
        behind = np.minimum(firsts + rows * width, self.facts.total_samples)
        first_piece = np.searchsorted(starts, firsts, "right") - 1
        last_piece = np.searchsorted(starts, behind, "left") - 1
        shape = (1, len(firsts), 1)
        begin = offsets[first_piece]
        level = Level(
            width=width,
            height=height,
            offsets=begin.astype(np.uint64).reshape(shape),
            lengths=(ends[last_piece] - begin).astype(np.uint64).reshape(shape),
        )
        index = TileIndex(
            layout=LAYOUT,
            raster=self.raster,
            tile_shape=(rows, width),
            interleave="pixel",
            mapping=self.mapping,
            levels=(level,),
            stream=self.facts,
        )
        check_tiles(index, data_offset=self.frames_offset, file_size=self.file_size)
        return index


def parse(info: FlacInfo, head: bytes, file_size: int) -> PlainStream | FlacInfo:
    """The raster that the comments of a FLAC stream describe; `info` again where it is audio.

    Raises
    ------
    LayoutError
        When the comments contradict the stream or each other.
    """
    comments, streaminfo = info.comments, info.streaminfo
    if comments.get("GEOSPATIAL_PIXEL_ORDER") == "predicted":
        raise LayoutError(
            "the file is one predicted tile of a raster: `zarr_flac.decode_tile` decodes it. "
            "Open the whole raster, or write this one with `virtual-flac convert --order row`"
        )
    if not {"GEOSPATIAL_WIDTH", "GEOSPATIAL_HEIGHT", "GEOSPATIAL_DTYPE"} <= set(comments):
        return info
    raster = _raster(comments, streaminfo.channels, ours=info.vendor == OUR_VENDOR)
    total = raster.width * raster.height
    if streaminfo.total_samples not in (0, total):
        raise LayoutError(
            f"STREAMINFO says {streaminfo.total_samples} samples per channel, but the comments say "
            f"{raster.width} x {raster.height} pixels: the head is damaged"
        )
    start = info.frames_offset
    try:
        header = read_frame_header(head[start : start + FRAME_HEADER_BYTES])
    except CorruptFlacError as error:
        raise LayoutError(f"no frame begins behind the metadata, at byte {start}") from error
    low, high = streaminfo.min_block_size, streaminfo.max_block_size
    if not header.variable:  # then all frames but the last one are of one size
        low = high = max(high if low == high else header.block_size, 16)
    elif low == high:
        low = 16  # tells the two kinds apart
    exact = info.vendor == OUR_VENDOR
    needs_extremes = not exact and raster.dtype.kind in "iu"
    facts = StreamFacts(
        total_samples=total,
        bits_per_sample=streaminfo.bits_per_sample,
        min_block_size=low,
        max_block_size=high,
        data_min=_extreme(comments, "MIN") if needs_extremes else None,
        data_max=_extreme(comments, "MAX") if needs_extremes else None,
    )
    return PlainStream(
        info=info,
        raster=raster,
        mapping="exact" if exact else "flac-raster",
        facts=facts,
        # The number of samples stays as it is: 0 where the frames are to be counted.
        streaminfo=replace(streaminfo, min_block_size=low, max_block_size=high),
        file_size=file_size,
    )


def _extreme(comments: Mapping[str, str], which: str) -> int:
    return _comments.parse_extreme(comments, f"GEOSPATIAL_DATA_{which}", _WHERE)


def _raster(comments: Mapping[str, str], channels: int, *, ours: bool) -> RasterInfo:
    dtype = _comments.parse_dtype(comments, _WHERE)
    order = comments.get("GEOSPATIAL_PIXEL_ORDER", "row")
    if order != "row":
        raise LayoutError(f"{_WHERE} say pixel order {order[:40]!r}; this version knows 'row'")
    per_band = 2 if ours and dtype.itemsize == 8 else 1
    count = channels // per_band
    said = count
    if not ours and "GEOSPATIAL_COUNT" in comments:
        said = _comments.parse_length(comments, "GEOSPATIAL_COUNT", _WHERE)
    if said != count or channels % per_band:
        raise LayoutError(
            f"{_WHERE} say {said} bands of {dtype.name}, but the stream has {channels} channels"
        )
    width = _comments.parse_length(comments, "GEOSPATIAL_WIDTH", _WHERE)
    height = _comments.parse_length(comments, "GEOSPATIAL_HEIGHT", _WHERE)
    return RasterInfo(
        width=width,
        height=height,
        dtype=dtype,
        georef=_comments.parse_georef(comments, _WHERE, width=width, height=height),
        nodata=_comments.parse_nodata(comments.get("GEOSPATIAL_NODATA"), dtype),
        bands=(Band(),) * count,
    )


def describe_sound(info: FlacInfo) -> str:
    """The error for a FLAC stream that is audio, not a raster."""
    stream = info.streaminfo
    channels = f"{stream.channels} channel" + ("s" if stream.channels > 1 else "")
    length = "of unknown length"
    if stream.total_samples and stream.sample_rate:
        seconds = stream.total_samples / stream.sample_rate
        length = f"{int(seconds // 60)}:{seconds % 60:04.1f} minutes long"
    title = info.comments.get("TITLE")
    return (
        f"the file is an audio FLAC{f' ({title[:60]!r})' if title else ''}: {channels} of "
        f"{stream.bits_per_sample} bits at {stream.sample_rate} Hz, {length}. It lacks the "
        "comments GEOSPATIAL_WIDTH, _HEIGHT and _DTYPE that make it a raster. If it was one, "
        "convert its GeoTIFF with `virtual-flac convert`; sound is read by `zarr_flac.decode`."
    )
