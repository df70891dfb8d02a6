"""Hostile configurations and heads, in both hosts: a FlacError or the right pixels, and no memory.

The frames are those of golden tiles, and sound; what is said of them is not.
"""

import contextlib
import json
import math
import random
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.core.buffer.cpu import Buffer

from zarr_flac import (
    ConfigurationError,
    CorruptFlacError,
    Flac,
    FlacCodec,
    FlacError,
    StreamInfo,
    TileDecoder,
    TileSpec,
    decode_tile,
    frame_decoder,
    output,
)
from zarr_flac.blocks import pack_head, parse_head

GOLDEN = Path(__file__).parent / "golden"

# Many attacks ask for less than a decoder may pad: here it may pad to less.
PADDED = 2**22
MEMORY = PADDED + 2**21


class Target(NamedTuple):
    """What is truly said of a tile, and what it decodes to: all planes, without padding."""

    config: dict[str, Any]
    data: bytes
    planes: np.ndarray


def target(name, **config):
    data = (GOLDEN / f"{name}.flac").read_bytes()
    meaning = {key: config[key] for key in ("channels", "mapping") if key in config}
    planes = decode_tile(data, TileSpec(**meaning))
    config = {"dtype": planes.dtype.name, "chunk_shape": list(planes.shape), **config}
    return Target(config, data, planes)


def bare_frames():
    """The first ten rows of a tile of twenty, as a chunk of frames."""
    _, data, planes = target("uint16_12_bits")
    sizes = dict.fromkeys(["min_block_size", "max_block_size"], 192)
    stream = {"total_samples": 600, "bits_per_sample": 12, **sizes}
    config = {"dtype": "uint16", "chunk_shape": [1, 10, 30], "stream": stream}
    return Target(config, data[parse_head(data).frames_offset :], planes[:10])


def targets():
    return [
        target("uint16"),
        target("uint16_edge", chunk_shape=[1, 16, 20], fill_value=9),
        target("uint8_three_channels", channels=3),
        target("uint8_three_channels", channels=3, chunk_shape=[2, 20, 30], select=[2, 0]),
        target("float32"),
        target("int64"),
        target("bool"),
        target("flac_raster_0_1_2", mapping="flac-raster"),
        bare_frames(),
    ]


NUMBERS = [
    0, -1, 1, 2, 3, 8, 9, 20, 30, 31, 192, 600, 65535, 65536, 10**5, 2**31, 2**36, 2**53 + 1,
    2**63, 2**64, 10**30, -(2**63) - 1, 0.5, 1e308, -0.0, math.nan, math.inf, -math.inf,
]  # fmt: skip
JUNK = [
    None, True, "", "x", "NaN", "0x7fc00001", "0x", "-Infinity", "\ud800", "\x1b[31m[/red]\0",
    "9" * 10**5, [], {}, [[]], [None], {"a": {}}, [1] * 10**4, {"self": 1},
]  # fmt: skip
VALUES = {
    "chunk_shape": [
        [10**5] * 2, [1, 10**5, 10**5], [2**40], [2**63, 2], [1] * 33, [1] * 1000, [600], [30, 20],
        [1, 1, 20, 30], [64, 64], [2, 300], [4, 20, 30], [1, 17, 21], [20, 30, 1], [1.0, 20, 30],
        [0, 20], ["20", 30],
    ],
    "dtype": [
        "int16", "uint16", "float16", "bool", "uint8", "int8", "float64", "<u2", ">u2", "complex64",
        "O", "V8", "M8[s]", "U999", "a5", "u2,u2", "(1000000000,)u2", ["u2", 3],
        {"names": ["a"], "formats": ["u2"]},
    ],
    "select": [[0], [2, 0], [1, 1], [3], [-1], [0, 1, 2], [[0]], [0.0]],
    "mapping": ["exact", "flac-raster", "Exact"],
    "stream": [{}, {"total_samples": 600}],
}  # fmt: skip
KEYS = [
    "chunk_shape", "dtype", "channels", "select", "mapping", "fill_value", "stream", "level",
    "block_size", "bits_per_sample", "self", "name", "Chunk_shape", "",
]  # fmt: skip


def forged(config, rng):
    """Change one to three things in a configuration."""
    config = json.loads(json.dumps(config))
    for _ in range(rng.randint(1, 3)):
        where, key = config, rng.choice(KEYS)
        if key == "stream" and isinstance(config.get("stream"), dict) and rng.random() < 0.8:
            where = config["stream"]
            key = rng.choice([*where, "data_min", "data_max", "x"])
        shape = config.get("chunk_shape")
        if rng.random() < 0.15:
            where.pop(key, None)
        elif key == "chunk_shape" and isinstance(shape, list) and shape and rng.random() < 0.3:
            shape[rng.randrange(len(shape))] = rng.choice(NUMBERS)
        else:
            likely = rng.random() < 0.7
            where[key] = rng.choice(VALUES.get(key, NUMBERS) if likely else NUMBERS + JUNK)
    return config


def through_zarr(config, data, chunk_shape, dtype):
    """Read an array of one chunk, whose codec is configured so."""
    codec = {"name": "zarr_flac", "configuration": config}
    grid = {"name": "regular", "configuration": {"chunk_shape": chunk_shape}}
    metadata = {
        "zarr_format": 3, "node_type": "array", "shape": chunk_shape, "data_type": dtype,
        "chunk_grid": grid, "chunk_key_encoding": {"name": "default"}, "fill_value": 0,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, codec],
    }  # fmt: skip
    files = {
        "zarr.json": Buffer.from_bytes(json.dumps(metadata).encode()),
        "/".join(["c", *"0" * len(chunk_shape)]): Buffer.from_bytes(data),
    }
    return zarr.open_array(zarr.storage.MemoryStore(files), mode="r")[...]


def through_numcodecs(config, data, chunk_shape, dtype):
    return numcodecs.get_codec({**config, "id": "zarr_flac"}).decode(data)


def into_an_array(config, data, chunk_shape, dtype):
    out = np.empty(chunk_shape, dtype)
    assert numcodecs.get_codec({**config, "id": "zarr_flac"}).decode(data, out) is out
    return out


HOSTS = (through_zarr, through_numcodecs, into_an_array)


def check_pixels(found, config, truth):
    """The pixels that were decoded, unless the configuration says that they mean others."""
    true = truth.config
    if any(config.get(key) != true.get(key) for key in ("dtype", "mapping", "stream")):
        return
    planes = truth.planes
    if config.get("select") is not None:
        planes = planes[config["select"]]
    if "stream" in true or found.size == planes.size:  # in another shape
        most = min(found.size, planes.size)
        np.testing.assert_array_equal(found.ravel()[:most], planes.ravel()[:most])
    else:
        height, width = planes.shape[-2:]
        found = found[..., :height, :width]
        np.testing.assert_array_equal(found.ravel(), planes.ravel())


def survive(host, config, data, truth):
    """Decode with little memory; returns the pixels, or None after a FlacError of few words."""
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    found, message = None, ""
    try:
        found = host(config, data, truth.config["chunk_shape"], truth.config["dtype"])
    except FlacError as error:
        message = str(error)
    _, peak = tracemalloc.get_traced_memory()
    assert peak - before < MEMORY, config
    assert len(message) < 1000
    return found


@pytest.fixture
def little_padding(monkeypatch):
    monkeypatch.setattr(output, "MOST_PADDED", PADDED)
    tracemalloc.start()
    yield
    tracemalloc.stop()


def attack_configurations(rounds):
    every = targets()
    for seed in range(rounds):
        rng = random.Random(seed)
        truth = rng.choice(every)
        config = forged(truth.config, rng)
        for host in HOSTS:
            found = survive(host, config, truth.data, truth)
            if found is not None:
                check_pixels(found, config, truth)


@pytest.mark.usefixtures("little_padding")
def test_forged_configurations():
    attack_configurations(250)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("little_padding")
def test_many_forged_configurations():
    attack_configurations(5000)


TEXTS = [
    "", "0", "1", "13", "17", "21", "320", "100000", "999999999", "9" * 5000, "-1", "1e3", "nan",
    "1e400", "-inf", "1_0", "uint8", "uint16", "float64", "row", "predicted", "1,13,17", "13,17",
    ",".join("1" * 31) + ",13,17", "\0", "\x1b[31m", "FLAC-Raster 0.1.2",
]  # fmt: skip
COMMENTS = ["WIDTH", "HEIGHT", "SHAPE", "DTYPE", "PIXEL_ORDER", "DATA_MIN", "DATA_MAX"]


def forged_head(data, rng):
    """Change comments of a tile, and what its STREAMINFO says."""
    head = parse_head(data)
    comments, info = dict(head.comments), head.streaminfo
    for _ in range(rng.randint(1, 3)):
        key = rng.choice([*(f"GEOSPATIAL_{name}" for name in COMMENTS), "ENCODER"])
        if rng.random() < 0.2:
            comments.pop(key, None)
        else:
            comments[key] = rng.choice(TEXTS)
    if rng.random() < 0.5:
        name = rng.choice([field.name for field in fields(StreamInfo) if field.name != "md5"])
        value = rng.choice([0, 1, 2, 8, 16, 221, 320, 65535, 2**20 - 1, 2**35, 2**36 - 1])
        with contextlib.suppress(CorruptFlacError):
            info = replace(info, **{name: value})
    vendor = rng.choice([head.vendor, ""])
    return pack_head(info, comments, vendor) + data[head.frames_offset :]


def attack_heads(rounds):
    every = [truth for truth in targets() if "stream" not in truth.config]
    for seed in range(rounds):
        rng = random.Random(seed)
        truth = rng.choice(every)
        config = dict(truth.config)
        for key in ("chunk_shape", "dtype"):
            if key in config and "select" not in config and rng.random() < 0.5:
                del config[key]
        data = forged_head(truth.data, rng)
        for host in (through_numcodecs, into_an_array):
            survive(host, config, data, truth)


@pytest.mark.usefixtures("little_padding")
def test_forged_heads():
    attack_heads(200)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("little_padding")
def test_many_forged_heads():
    attack_heads(5000)


# What these attacks found, one by one -------------------------------------------------------------


def test_a_chunk_shape_that_is_not_the_arrays():
    """100,000 x 100,000 pixels, of which an edge tile holds 13 x 17: 20 GB."""
    truth = target("uint16_edge", chunk_shape=[1, 10**5, 10**5])
    for chunk_shape in ([1, 16, 20], [16, 20], [10**5, 10**4]):
        with pytest.raises(ConfigurationError, match=r"chunks are .* leave chunk_shape out"):
            through_zarr(truth.config, truth.data, chunk_shape, "uint16")
    with pytest.raises(ConfigurationError, match="decode into an array"):
        through_numcodecs(truth.config, truth.data, None, None)
    with pytest.raises(ConfigurationError, match="array's chunk has 640"):
        into_an_array(truth.config, truth.data, [1, 16, 20], "uint16")


def test_axes_of_length_1_may_differ():
    truth = target("uint16_edge", chunk_shape=[1, 16, 20], fill_value=9)
    found = through_zarr(truth.config, truth.data, [1, 1, 16, 20], "uint16")
    np.testing.assert_array_equal(found[0, 0, :13, :17], truth.planes)
    found = through_zarr(truth.config, truth.data, [16, 20], "uint16")
    np.testing.assert_array_equal(found[:13, :17], truth.planes)
    with pytest.raises(ConfigurationError, match="chunks are"):
        through_zarr(truth.config, truth.data, [20, 16], "uint16")


def test_padding_where_somebody_else_says_the_size(monkeypatch):
    """A chunk of any size is padded when the array has it, or the caller's memory."""
    truth = target("uint16_edge", chunk_shape=[1, 1000, 1000], fill_value=9)
    monkeypatch.setattr(output, "MOST_PADDED", 1000)
    for host in (through_zarr, into_an_array):
        found = host(truth.config, truth.data, [1, 1000, 1000], "uint16")
        np.testing.assert_array_equal(found[0, :13, :17], truth.planes)
        assert (found[:, 13:] == 9).all()
    with pytest.raises(ConfigurationError, match="padded to at most 1000 bytes"):
        through_numcodecs(truth.config, truth.data, None, None)
    # A tile that is larger than that is still decoded: its bytes can hold as much.
    whole = target("uint16")
    assert through_numcodecs(whole.config, whole.data, None, None).nbytes == 1200


def test_into_an_array_of_another_size_or_kind():
    truth = target("uint16")
    for out in (np.empty(600, "u2")[::2], np.empty((20, 31), "u2"), bytearray(10)):
        with pytest.raises(ConfigurationError, match="array's chunk has"):
            Flac(**truth.config).decode(truth.data, out)
        with pytest.raises(ConfigurationError, match="array's chunk has"):
            Flac().decode(truth.data, out)
    out = np.empty((20, 60), "u2")[:, ::2]
    Flac(**truth.config).decode(truth.data, out)
    np.testing.assert_array_equal(out, truth.planes)


def test_numbers_that_cannot_be_printed():
    """Python prints integers of up to 4,300 digits."""
    for key in KEYS:
        for value in (10**5000, [10**5000, 2]):
            for codec in (Flac, FlacCodec):
                with pytest.raises(FlacError):
                    codec(**{"channels": 2, "chunk_shape": [2, 5], "dtype": "float32", key: value})


def test_the_codec_of_another_name():
    for given in ("gzip", {"name": "gzip"}, {"name": ["zarr_flac"]}, {}, [], None, "x" * 10**6):
        with pytest.raises(ConfigurationError, match="expected one named") as error:
            FlacCodec.from_dict(given)
        assert len(str(error.value)) < 300
    with pytest.raises(ConfigurationError, match="expected an object"):
        FlacCodec.from_dict({"name": "zarr_flac", "configuration": [1]})


def test_bits_of_a_float_are_hexadecimal_digits():
    for text in ("0x7fc_0001", "0x7fc0001 ", "0x 7fc0001", "0x\u0667fc0000", "0x7fc0000"):
        with pytest.raises(ConfigurationError, match="hexadecimal digits"):
            TileSpec(fill_value=text)


def test_axes_of_a_tile_are_counted():
    """More than an array can have; the last of them were ignored."""
    truth = target("uint16_edge")
    head = parse_head(truth.data)
    for axes in (62, 64, 10**5):
        comments = {**head.comments, "GEOSPATIAL_SHAPE": ",".join("1" * axes) + ",13,17"}
        data = pack_head(head.streaminfo, comments, head.vendor) + truth.data[head.frames_offset :]
        with pytest.raises(CorruptFlacError, match="at most 32 axes"):
            Flac().decode(data)


def test_what_a_stream_can_hold():
    """The smallest frames there are: a constant, or residuals of no bits, in every channel."""
    for channels, bits, smallest in [(1, 4, 10), (1, 16, 11), (1, 32, 11), (2, 8, 12), (8, 24, 31)]:
        info = StreamInfo(
            min_block_size=16, max_block_size=4096, channels=channels, bits_per_sample=bits
        )
        head = parse_head(pack_head(info, {}, ""))
        for frames in (0, 1, 7):
            size = head.frames_offset + frames * smallest
            assert frame_decoder.most_samples(size, head) == frames * 4096
            assert frame_decoder.most_samples(size + smallest - 1, head) == frames * 4096
    assert frame_decoder.most_samples(0, head) == 0


def test_long_comments_are_not_remembered():
    truth = target("uint16")
    head = parse_head(truth.data)
    decoder = TileDecoder(TileSpec())
    for number in range(3):
        comments = {**head.comments, "X": str(number) * 10**4}
        data = pack_head(head.streaminfo, comments, head.vendor) + truth.data[head.frames_offset :]
        np.testing.assert_array_equal(decoder.decode(data), truth.planes)
    tracemalloc.start()
    for number in range(3):
        comments = {**head.comments, "X": str(number) * 10**6}
        data = pack_head(head.streaminfo, comments, head.vendor) + truth.data[head.frames_offset :]
        decoder.decode(data)
    del comments, data
    assert tracemalloc.get_traced_memory()[0] < 10**6
    tracemalloc.stop()
