"""Predicted tiles that no encoder writes: every map, flag, weight and form of segment, at random.

The choices mean nothing; what they say of the pixels is exact. Uses the functions of the plain
decoder that both directions share (activity, prediction), and nothing of zarr_flac.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import predicted_reference as plain
from predicted_reference import (
    DTYPES,
    EVEN_ODD,
    LINEAR,
    LINEAR_MAP,
    LONG_RUN,
    PLAIN_MAP,
    RANK_MAP,
    REFERENCE,
    WEIGHS,
    Band,
    Plane,
    Segment,
    Tile,
)


def unfold(number: int) -> int:
    return number // 2 if number % 2 == 0 else -(number + 1) // 2


def write_segment(items: list[int], *, runs: bool, digits: bool) -> tuple[Segment, list[int]]:
    """Numbers of a class, or digits, and how they stand in the stream."""
    if not runs:
        return Segment(len(items)), [unfold(item) for item in items] if digits else items
    lengths, nonzeros, zeros = [], [], 0
    for item in items:
        if not item:
            zeros += 1
            continue
        lengths += [LONG_RUN] * (zeros // LONG_RUN) + [zeros % LONG_RUN]
        nonzeros.append(unfold(item - 1) if digits else item - (item > 0))
        zeros = 0
    return Segment(len(nonzeros), len(lengths)), [*map(unfold, lengths), *nonzeros]


def random_plane(rng: np.random.Generator, number: int) -> Plane:
    plane = Plane(0, int(rng.integers(-300, 300)))
    if rng.random() < 0.6:
        plane.flags |= LINEAR
        taps = rng.integers(-1024, 1025, 5) if rng.random() < 0.3 else rng.integers(-100, 150, 5)
        plane.taps = dict(zip(("w", "nw", "ne", "ww", "nn"), map(int, taps), strict=True))
        plane.taps["n"] = 256 - sum(plane.taps.values())
        if abs(plane.taps["n"]) > 1024:
            plane.taps = {"w": 0, "nw": 0, "ne": 0, "ww": 0, "nn": 0, "n": 256}
    if rng.random() < 0.6:
        plane.flags |= EVEN_ODD
    if number and rng.random() < 0.6:
        plane.flags |= REFERENCE | (WEIGHS if rng.random() < 0.5 else 0)
        plane.reference = int(rng.integers(number))
        plane.alpha = int(rng.choice([256, 0, -256, 77, -32768, 32767]))
    plane.shift = int(rng.choice([0, 0, 0, 1, 5, 24]))
    count = int(rng.integers(1, 17))
    most = int(rng.choice([30, 400, 60000]))
    plane.thresholds = sorted({int(item) for item in rng.integers(1, most, count - 1)})
    return plane


def limits(tile: Tile) -> tuple[int, int]:
    """Of the ordered integers of a dtype."""
    half = 1 << (tile.bits - 1)
    return -half, 1 - half if tile.dtype == "bool" else half - 1


def random_band(rng: np.random.Generator, tile: Tile, depth: int, first: int) -> Band:
    dtype, bits = tile.dtype, tile.bits
    least, most = limits(tile)
    band = Band(int(rng.integers(3)))
    if band.kind == PLAIN_MAP and bits == 64 and depth == 16:
        band.kind = RANK_MAP
    if band.kind != PLAIN_MAP:
        band.entries = min(int(rng.choice([1, 2, 7, 200, 40000])), most - least + 1)
        if band.kind == RANK_MAP:
            band.entries = min(band.entries, 30, tile.width * tile.height)
    if band.kind == LINEAR_MAP:
        count = int(rng.integers(4))
        band.specials = [int(rng.integers(least, most, endpoint=True)) for _ in range(count)]
        if np.dtype(dtype).kind == "f":
            band.base, band.step = int(rng.integers(-5000, 5000)), int(rng.integers(1, 9))
            band.divisor = int(rng.choice([1, 3, 10, 256, 10**9]))
        else:
            room = (most - least) // max(band.entries, 1)
            band.step = int(rng.integers(1, max(2, min(room, 2**40))))
            last = band.step * max(band.entries - 1 - count, 0)
            band.base = int(rng.integers(least, most - last, endpoint=True))
    planes = 2 if band.kind == PLAIN_MAP and bits == 64 else 1
    band.planes = [random_plane(rng, first + i) for i in range(planes)]
    return band


def random_values(rng: np.random.Generator, tile: Tile, band: Band, depth: int) -> list[np.ndarray]:
    """Values of the band's planes: smooth, flat, or anything that is allowed."""
    shape = tile.height, tile.width
    low, high = -(1 << (depth - 1)), (1 << (depth - 1)) - 1
    if band.kind == PLAIN_MAP:
        if tile.bits <= 32:
            low, high = max(low, limits(tile)[0]), min(high, limits(tile)[1])
    else:
        low = -32768 if depth == 16 and band.entries > 32768 else 0
        high = low + band.entries - 1
    result = []
    for _ in band.planes:
        wide = min(high, low + int(rng.choice([0, 1, 40, 2**32])))
        values = rng.integers(low, wide, shape, endpoint=True)
        if rng.random() < 0.5:
            values[:, tile.width // 2 :] = low
        result.append(values)
    return result


def write_plane(
    rng: np.random.Generator,
    plane: Plane,
    v: np.ndarray,
    depth: int,
    residuals: list[np.ndarray],
) -> list[int]:
    e, r = np.zeros_like(v), np.zeros_like(v)
    for y, x in np.ndindex(*v.shape):
        r[y, x] = plain.wrap(int(v[y, x]) - plain.prediction(plane, v, x, y), depth)
        from_reference = plain.from_reference(plane, residuals, x, y)
        e[y, x] = plain.wrap(int(r[y, x]) - from_reference, depth)
    classes: list[list[int]] = [[] for _ in range(len(plane.thresholds) + 1)]
    for y in range(v.shape[0]):
        for x in plain.columns(plane, v.shape[1]):
            classes[plain.class_of(plane, e, x, y, residuals)].append(int(e[y, x]))
    residuals.append(r)
    numbers: list[int] = []
    for items in classes:
        segment, part = write_segment(items, runs=rng.random() < 0.5, digits=False)
        plane.segments.append(segment)
        numbers += part
    return numbers


def write_ranks(rng: np.random.Generator, tile: Tile, band: Band) -> list[int]:
    """Choose the gaps between the values that have a rank."""
    least, most = limits(tile)
    widest = max(1, min((most - least) // band.entries, int(rng.choice([1, 9, 2**17, 2**58]))))
    gaps = [int(rng.integers(widest)) for _ in range(band.entries - 1)]
    room = most - least - sum(gaps) - len(gaps)
    band.base = least + int(rng.integers(min(room, 2**62), endpoint=True))
    places = max(-(-max(gap.bit_length() for gap in gaps) // 16), 1) if gaps else 0
    numbers: list[int] = []
    for place in range(places):
        digits = [gap >> (16 * place) & 65535 for gap in gaps]
        runs = bool(rng.random() < 0.5)
        segment, part = write_segment(digits, runs=runs, digits=True)
        band.digits.append(segment)
        numbers += part
    return numbers


def random_tile(seed: int) -> tuple[bytes, np.ndarray, int]:
    """A description, the numbers of the stream, and their depth."""
    rng = np.random.default_rng(seed)
    depth = int(rng.choice([16, 32]))
    tile = Tile(str(rng.choice(DTYPES)), int(rng.integers(1, 70)), int(rng.integers(1, 12)))
    if rng.random() < 0.1:
        tile.width, tile.height = tile.height, tile.width
    numbers: list[int] = []
    residuals: list[np.ndarray] = []
    planes: list[Plane] = []
    for _ in range(int(rng.integers(1, 4))):
        band = random_band(rng, tile, depth, len(planes))
        tile.bands.append(band)
        if band.kind == RANK_MAP:
            numbers += write_ranks(rng, tile, band)
        for plane, values in zip(band.planes, random_values(rng, tile, band, depth), strict=True):
            if plane.flags & REFERENCE:
                plane.reference_shift = planes[plane.reference].shift  # type: ignore[attr-defined]
            planes.append(plane)
            numbers += write_plane(rng, plane, values, depth, residuals)
    padding = max(int(rng.integers(64)), not numbers)
    held = np.array(numbers + [0] * padding, np.int64)
    held = ((held + (1 << (depth - 1))) % (1 << depth)) - (1 << (depth - 1))
    return write_description(tile), held.astype(f"i{depth // 8}"), depth


# --- The description ------------------------------------------------------------------------------


def write_description(tile: Tile) -> bytes:
    out = bytearray([1, DTYPES.index(tile.dtype)])

    def number(*values: int) -> None:
        for value in values:
            while value > 127:
                out.append(value & 127 | 128)
                value >>= 7
            out.append(value)

    def signed(*values: int) -> None:
        number(*(2 * value if value >= 0 else -2 * value - 1 for value in values))

    def segments(found: Iterable[Segment]) -> None:
        for segment in found:
            if segment.runs is None:
                number(2 * segment.count)
            else:
                number(2 * segment.runs + 1, segment.count)

    number(tile.width, tile.height, len(tile.bands))
    for band in tile.bands:
        out.append(band.kind)
        if band.kind == LINEAR_MAP:
            number(band.entries, len(band.specials))
            signed(*band.specials, band.base)
            number(band.step, band.divisor)
        elif band.kind == RANK_MAP:
            number(band.entries)
            signed(band.base)
            out.append(len(band.digits))
            segments(band.digits)
        for plane in band.planes:
            out.append(plane.flags)
            signed(plane.origin)
            if plane.flags & LINEAR:
                signed(*(plane.taps[name] for name in ("w", "nw", "ne", "ww", "nn")))
            if plane.flags & REFERENCE:
                number(plane.reference)
                signed(plane.alpha)
            out += bytes([plane.shift, len(plane.thresholds) + 1])
            number(*np.diff([0, *plane.thresholds]).tolist())
            segments(plane.segments)
    return bytes(out) + zlib.crc32(out).to_bytes(4, "big")
