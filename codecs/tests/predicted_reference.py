"""Predicted tiles decoded as the specification says, in plain Python: slow, and readable.

Takes the description and the numbers of the stream, and gives ordered integers, of which pixels are
made as in the mapping `exact`. Raises `AssertionError` where the specification forbids something.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

TAPS = ("w", "n", "nw", "ne", "ww", "nn")
LINEAR, EVEN_ODD, REFERENCE, WEIGHS = 1, 2, 4, 8
PLAIN_MAP, LINEAR_MAP, RANK_MAP = 0, 1, 2
LONG_RUN, MOST_MAGNITUDE = 65535, 1900
DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@dataclass
class Segment:
    """Numbers that stand together; `runs` is the number of run lengths in front, if any."""

    count: int
    runs: int | None = None


@dataclass
class Plane:
    """How one plane of values is predicted and sorted."""

    flags: int
    origin: int
    taps: dict[str, int] = field(default_factory=dict)
    reference: int = 0
    alpha: int = 0
    shift: int = 0
    thresholds: list[int] = field(default_factory=list)
    """Of the second class and those behind it."""
    segments: list[Segment] = field(default_factory=list)


@dataclass
class Band:
    """How the values of one or two planes become pixels."""

    kind: int
    entries: int = 0
    specials: list[int] = field(default_factory=list)
    base: int = 0
    step: int = 1
    divisor: int = 1
    digits: list[Segment] = field(default_factory=list)
    planes: list[Plane] = field(default_factory=list)


@dataclass
class Tile:
    """What a description says."""

    dtype: str
    width: int
    height: int
    bands: list[Band] = field(default_factory=list)

    @property
    def bits(self) -> int:
        return 8 * np.dtype(self.dtype).itemsize


# --- The description ------------------------------------------------------------------------------


def read_description(data: bytes) -> Tile:
    octets = iter(data[:-4])
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "big")

    def number() -> int:
        shifts = range(0, 70, 7)
        value = 0
        for shift, octet in zip(shifts, octets, strict=False):
            value |= (octet & 127) << shift
            if octet < 128:
                return value
        raise AssertionError("a number without an end")

    def signed() -> int:
        value = number()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1

    def segment() -> Segment:
        value = number()
        if value % 2 == 0:
            return Segment(value >> 1)
        return Segment(number(), value >> 1)

    def plane() -> Plane:
        found = Plane(next(octets), signed())
        if found.flags & LINEAR:
            found.taps = {name: signed() for name in ("w", "nw", "ne", "ww", "nn")}
            found.taps["n"] = 256 - sum(found.taps.values())
        if found.flags & REFERENCE:
            found.reference, found.alpha = number(), signed()
        found.shift, classes = next(octets), next(octets)
        found.thresholds = list(accumulate(number() for _ in range(classes - 1)))
        found.segments = [segment() for _ in range(classes)]
        return found

    def band() -> Band:
        found = Band(next(octets))
        if found.kind == LINEAR_MAP:
            found.entries = number()
            found.specials = [signed() for _ in range(number())]
            found.base, found.step, found.divisor = signed(), number(), number()
        elif found.kind == RANK_MAP:
            found.entries, found.base = number(), signed()
            found.digits = [segment() for _ in range(next(octets))]
        two = found.kind == PLAIN_MAP and tile.bits == 64
        found.planes = [plane() for _ in range(1 + two)]
        return found

    assert next(octets) == 1
    tile = Tile(DTYPES[next(octets)], number(), number())
    tile.bands = [band() for _ in range(number())]
    assert next(octets, None) is None
    return tile


# --- Numbers --------------------------------------------------------------------------------------


def fold(number: int) -> int:
    """Numbers that are never negative stand as 0, -1, 1, -2 ... in the stream."""
    return 2 * number if number >= 0 else -2 * number - 1


def read_segment(numbers: Iterator[int], segment: Segment, length: int, digits: bool) -> list[int]:
    """The numbers of a segment, `length` of them; those of a class go on with zeros for ever."""
    if segment.runs is None:
        found = [next(numbers) for _ in range(segment.count)]
        return [fold(number) for number in found] if digits else found
    runs = [fold(next(numbers)) for _ in range(segment.runs)]
    result: list[int] = []
    left = segment.count
    for run in runs:
        result += [0] * run
        if run < LONG_RUN:
            number = next(numbers)
            left -= 1
            result.append(fold(number) + 1 if digits else number + (number >= 0))
    assert left == 0
    assert not any(result[length:])
    return (result + [0] * (length - len(result)))[:length]


# --- Planes ---------------------------------------------------------------------------------------


def wrap(value: int, depth: int) -> int:
    half = 1 << (depth - 1)
    return (value + half) % (2 * half) - half


def magnitude(e: np.ndarray, x: int, y: int, shift: int) -> int:
    inside = 0 <= x < e.shape[1] and 0 <= y < e.shape[0]
    return min(abs(int(e[y, x])) >> shift, MOST_MAGNITUDE) if inside else 0


def activity(plane: Plane, e: np.ndarray, x: int, y: int, residuals: list[np.ndarray]) -> int:
    """Of a pixel, whose class is the number of thresholds that are not above it."""
    weights = {(-2, -1): 1, (-1, -1): 2, (0, -1): 2, (1, -1): 2, (2, -1): 1}
    weights |= {(-1, -2): 1, (0, -2): 1, (1, -2): 1}
    total = sum(
        weight * magnitude(e, x + dx, y + dy, plane.shift) for (dx, dy), weight in weights.items()
    )
    if plane.flags & WEIGHS:
        of = residuals[plane.reference]
        shift = plane.reference_shift  # type: ignore[attr-defined]
        for dx, dy, weight in [(0, 0, 2), (-1, 0, 1), (1, 0, 1), (0, -1, 1), (0, 1, 1)]:
            total += weight * magnitude(of, x + dx, y + dy, shift)
    if not plane.flags & EVEN_ODD:
        return total
    if x % 2 == 0:
        return 2 * total
    sides = magnitude(e, x - 1, y, plane.shift) + magnitude(e, x + 1, y, plane.shift)
    return total + 5 * sides


def columns(plane: Plane, width: int) -> list[int]:
    """In the order in which the pixels of a row stand in the stream."""
    every = range(width)
    return [*every[::2], *every[1::2]] if plane.flags & EVEN_ODD else list(every)


def class_of(plane: Plane, *where: Any) -> int:
    found = activity(plane, *where)
    return sum(found >= threshold for threshold in plane.thresholds)


def from_reference(plane: Plane, residuals: list[np.ndarray], x: int, y: int) -> int:
    if not plane.flags & REFERENCE:
        return 0
    return (plane.alpha * int(residuals[plane.reference][y, x]) + 128) >> 8


def prediction(plane: Plane, v: np.ndarray, x: int, y: int) -> int:
    if y == 0:
        return int(v[0, x - 1]) if x else plane.origin
    above = v[max(y - 2, 0)]
    near = {"n": v[y - 1, x], "nn": above[x], "ne": v[y - 1, min(x + 1, v.shape[1] - 1)]}
    near["w"] = v[y, x - 1] if x else v[y - 1, 0]
    near["ww"] = v[y, x - 2] if x > 1 else v[y - 1, 0]
    near["nw"] = v[y - 1, x - 1] if x else above[0]
    value = {name: int(number) for name, number in near.items()}
    if plane.flags & LINEAR:
        return (sum(plane.taps[name] * value[name] for name in TAPS) + 128) >> 8
    least, most = sorted((value["n"], value["w"]))
    if value["nw"] >= most:
        return least
    return most if value["nw"] <= least else value["n"] + value["w"] - value["nw"]


def read_plane(
    numbers: Iterator[int], plane: Plane, shape: tuple[int, int], depth: int, residuals: list
) -> np.ndarray:
    height, width = shape
    classes = []
    for segment in plane.segments:
        length = segment.count if segment.runs is None else height * width
        classes.append(iter(read_segment(numbers, segment, length, digits=False)))
    e, r, v = (np.zeros(shape, np.int64) for _ in range(3))
    for y in range(height):
        for x in columns(plane, width):
            e[y, x] = next(classes[class_of(plane, e, x, y, residuals)])
        for x in range(width):
            r[y, x] = wrap(int(e[y, x]) + from_reference(plane, residuals, x, y), depth)
            v[y, x] = wrap(prediction(plane, v, x, y) + int(r[y, x]), depth)
    for segment, rest in zip(plane.segments, classes, strict=True):
        assert not any(rest) if segment.runs is not None else next(rest, None) is None
    residuals.append(r)
    return v


# --- Pixels ---------------------------------------------------------------------------------------


def ordered(value: int, dtype: str) -> Any:
    """The pixel of an ordered integer."""
    bits = 8 * np.dtype(dtype).itemsize
    half = 1 << (bits - 1)
    assert -half <= value < half
    if np.dtype(dtype).kind in "ub":
        value += half
    elif np.dtype(dtype).kind == "f" and value < 0:
        value ^= half - 1
    return np.array(value % (2 * half), f"u{bits // 8}").view("u1" if dtype == "bool" else dtype)


def read_pixels(tile: Tile, band: Band, values: list[np.ndarray], digits: list, depth: int) -> Any:
    if band.kind == PLAIN_MAP:
        if len(values) == 2:
            both = [
                (int(high) << 32) + int(low) + (1 << 31)
                for high, low in zip(values[0].flat, values[1].flat, strict=True)
            ]
        else:
            both = list(map(int, values[0].flat))
        return [ordered(value, tile.dtype) for value in both]
    less = 32768 if depth == 16 and band.entries > 32768 else 0
    indices = [int(value) + less for value in values[0].flat]
    assert all(0 <= index < band.entries for index in indices)
    if band.kind == RANK_MAP:
        gaps = [
            sum(digit << (16 * place) for place, digit in enumerate(places)) + 1
            for places in zip(*digits, strict=True)
        ]
        table = list(accumulate(gaps, initial=band.base))
        return [ordered(table[index], tile.dtype) for index in indices]
    pixels = []
    for index in indices:
        if index < len(band.specials):
            pixels.append(ordered(band.specials[index], tile.dtype))
            continue
        value = band.base + band.step * (index - len(band.specials))
        if np.dtype(tile.dtype).kind == "f":
            with np.errstate(over="ignore"):  # what is too large becomes infinite
                pixels.append(np.float64(value / band.divisor).astype(tile.dtype))
        else:
            pixels.append(ordered(value, tile.dtype))
    return pixels


def decode(description: bytes, numbers: np.ndarray, depth: int) -> np.ndarray:
    """Pixels of shape (band, row, column)."""
    tile = read_description(description)
    shape = tile.height, tile.width
    rest = iter(numbers.tolist())
    residuals: list[np.ndarray] = []
    every: list[Plane] = []
    result = []
    for band in tile.bands:
        digits = [
            read_segment(rest, segment, band.entries - 1, digits=True) for segment in band.digits
        ]
        values = []
        for plane in band.planes:
            if plane.flags & REFERENCE:
                plane.reference_shift = every[plane.reference].shift  # type: ignore[attr-defined]
            every.append(plane)
            values.append(read_plane(rest, plane, shape, depth, residuals))
        result.append(read_pixels(tile, band, values, digits, depth))
    padding = list(rest)
    assert len(padding) < 64
    assert not any(padding)
    dtype = "u1" if tile.dtype == "bool" else tile.dtype
    pixels = np.array(result, dtype).reshape(len(tile.bands), *shape)
    if tile.dtype == "bool":
        assert pixels.max() <= 1
    return pixels.view(tile.dtype)
