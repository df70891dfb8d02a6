"""Predicted tiles: the C core against a plain decoder written after the specification."""

from __future__ import annotations

import numpy as np
import predicted_reference
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from predicted_writer import random_tile

from zarr_flac import (
    ConfigurationError,
    CorruptFlacError,
    FlacError,
    TileSpec,
    UnsupportedFlacError,
    _native,
    decode,
    decode_tile,
    encode_tile,
    frame_encoder,
    native_calls,
)
from zarr_flac.blocks import Head, pack_head, parse_head

PREDICTED = {"GEOSPATIAL_PIXEL_ORDER": "predicted"}
KERNELS = [1, *_native.kernels()]
DTYPES = predicted_reference.DTYPES


def decoded_plainly(tile: bytes) -> np.ndarray:
    head = parse_head(tile)
    assert head.description is not None
    numbers = decode(tile)[0]
    return predicted_reference.decode(head.description, numbers, head.streaminfo.bits_per_sample)


def resealed(tile: bytes, description: bytes | None, **changes: str | None) -> bytes:
    """The tile with another description and other comments."""
    head = parse_head(tile)
    comments = {**head.comments, **changes}
    kept = {key: text for key, text in comments.items() if text is not None}
    return pack_head(head.streaminfo, kept, head.vendor, description) + tile[head.frames_offset :]


# --- Against the specification --------------------------------------------------------------------


def check_random_tile(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    description, numbers, depth = random_tile(seed)
    expected = predicted_reference.decode(description, numbers, depth)
    info, frames = frame_encoder.encode(numbers[np.newaxis])
    tile = pack_head(info, PREDICTED, "another program", description) + frames
    for lanes in KERNELS:
        monkeypatch.setattr(native_calls, "MOST_LANES", lanes)
        found = decode_tile(tile, TileSpec())
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes(), (seed, lanes)


def test_tiles_made_at_random(monkeypatch: pytest.MonkeyPatch):
    for seed in range(60):
        check_random_tile(seed, monkeypatch)


@pytest.mark.exhaustive
@pytest.mark.parametrize("hundred", range(1, 30))
def test_many_tiles_made_at_random(hundred: int, monkeypatch: pytest.MonkeyPatch):
    for seed in range(100 * hundred, 100 * (hundred + 1)):
        check_random_tile(seed, monkeypatch)


def anything(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Every bit at random, but some rows all alike, or of values as far apart as can be."""
    rng = np.random.default_rng(11)
    item = np.dtype(dtype).itemsize
    found = rng.integers(0, 256, (*shape[:-1], shape[-1] * item), dtype="u1")
    found[::3] = rng.choice(np.array([0, 127, 128, 255], "u1"))
    signs = rng.choice(np.array([127, 128], "u1"), shape)
    found[1::7, item - 1 :: item] = signs[1::7]
    return found % 2 == 1 if dtype == "bool" else found.view(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_kernel_over_more_rows_than_a_wave(dtype: str, monkeypatch: pytest.MonkeyPatch):
    for array in (smooth(dtype, (75, 133)), anything(dtype, (75, 133)), smooth(dtype, (34, 9))):
        for effort in (0, 5, 8):
            tile = encode_tile(array, TileSpec(order="predicted", compression=effort))
            for lanes in (1, 8, 16):
                monkeypatch.setattr(native_calls, "MOST_LANES", lanes)
                assert decode_tile(tile, TileSpec()).tobytes() == array.tobytes(), (effort, lanes)


@st.composite
def pixels(draw: st.DrawFn) -> np.ndarray:
    """Bands of few rows, of all values or of few, some of them alike."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = tuple(draw(st.integers(1, most)) for most in (3, 6, 9))
    few = draw(st.lists(arrays.from_dtype(np.dtype(dtype)), min_size=1, max_size=4))
    values = draw(st.sampled_from([st.sampled_from(few), arrays.from_dtype(np.dtype(dtype))]))
    found = draw(arrays.arrays(dtype, shape, elements=values, fill=st.nothing()))
    if draw(st.booleans()):
        found[1:] = found[0]
    return found


@given(pixels(), st.integers(0, 8))
@settings(max_examples=60)
def test_what_is_encoded(array: np.ndarray, effort: int):
    tile = encode_tile(array, TileSpec(order="predicted", compression=effort))
    assert decoded_plainly(tile).tobytes() == array.tobytes()
    for lanes in KERNELS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native_calls, "MOST_LANES", lanes)
            assert decode_tile(tile, TileSpec()).tobytes() == array.tobytes()


def smooth(dtype: str, shape: tuple[int, ...] = (2, 37, 70)) -> np.ndarray:
    rng = np.random.default_rng(7)
    steps = rng.integers(-3, 4, shape).cumsum(-1).cumsum(-2) + 500
    return (steps > 500) if dtype == "bool" else steps.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_any_layout(dtype: str):
    array = smooth(dtype)
    swapped = array.astype(array.dtype.newbyteorder(">"))
    for given_array in (array[:, ::-2, 1::3], swapped, array.transpose(0, 2, 1), array[0].T):
        tile = encode_tile(given_array, TileSpec(), verify=True)
        assert parse_head(tile).comments == PREDICTED
        expected = np.ascontiguousarray(given_array, array.dtype)
        assert decode_tile(tile, TileSpec()).tobytes() == expected.tobytes()
        out = np.zeros((*expected.shape[:-1], 2 * expected.shape[-1]), dtype)[..., ::2]
        assert decode_tile(tile, TileSpec(), out) is out
        assert out.tobytes() == expected.tobytes()


def test_smaller_than_rows_and_accepted_by_libflac():
    array = smooth("uint16", (256, 256))
    tile = encode_tile(array, TileSpec())
    assert len(tile) < 0.9 * len(encode_tile(array, TileSpec(order="row")))
    numbers = decode(tile)
    assert numbers.shape[0] == 1
    assert parse_head(tile).streaminfo.md5 != bytes(16)


# --- Where they stand -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "int64"])
def test_edges_and_selections(dtype: str):
    array = smooth(dtype, (4, 30, 41))
    tile = encode_tile(array, TileSpec(channels=4, chunk_shape=(4, 32, 48)))
    for select in (None, (2,), (3, 0)):
        chosen = range(4) if select is None else select
        spec = TileSpec(
            channels=4, select=select, chunk_shape=(len(chosen), 32, 48), dtype=dtype, fill_value=9
        )
        found = decode_tile(tile, spec)
        assert (found[:, :30, :41] == array[list(chosen)]).all()
        assert (found[:, 30:] == 9).all()
        assert (found[:, :, 41:] == 9).all()


def test_many_axes():
    array = smooth("int32", (6, 20, 30)).reshape(2, 3, 20, 30)
    for channels in (1, 2):
        tile = encode_tile(array, TileSpec(channels=channels), verify=True)
        assert (decode_tile(tile, TileSpec(channels=channels)) == array).all()
    spec = TileSpec(channels=2, select=(1,), chunk_shape=(1, 3, 20, 30))
    assert (decode_tile(tile, spec) == array[1:]).all()
    flat = TileSpec(chunk_shape=(array.size,))
    assert (decode_tile(tile, flat) == array.ravel()).all()


def test_order_is_chosen():
    square, line = smooth("uint16", (20, 20)), np.arange(400, dtype="uint16")
    orders = [
        (square, TileSpec(), "predicted"),
        (line, TileSpec(), "row"),
        (line[np.newaxis], TileSpec(), "row"),
        (line[np.newaxis], TileSpec(order="predicted"), "predicted"),
        (square, TileSpec(order="row"), "row"),
        (square, TileSpec(block_size=64), "row"),
        (square, TileSpec(bits_per_sample=16), "row"),
    ]
    for array, spec, expected in orders:
        tile = encode_tile(array, spec, verify=True)
        assert parse_head(tile).comments["GEOSPATIAL_PIXEL_ORDER"] == expected
    with pytest.raises(ConfigurationError, match="two axes or more"):
        encode_tile(line, TileSpec(order="predicted"))
    with pytest.raises(ConfigurationError, match="order = 'hilbert'"):
        TileSpec(order="hilbert")
    with pytest.raises(ConfigurationError, match="block_size = 64"):
        TileSpec(order="predicted", block_size=64)


# --- Damage ---------------------------------------------------------------------------------------


def test_no_flipped_bit_makes_a_wrong_pixel():
    array = smooth("uint8", (2, 12, 16))
    spec = TileSpec(channels=2, chunk_shape=array.shape, dtype="uint8")
    tile = encode_tile(array, spec)
    for bit in range(8 * len(tile)):
        flipped = bytearray(tile)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = decode_tile(flipped, spec)
        except FlacError:
            continue
        assert (found == array).all(), bit


def test_heads_that_contradict():
    array = smooth("uint8", (2, 12, 16))
    tile = encode_tile(array, TileSpec())
    description = parse_head(tile).description
    assert description is not None
    cases = [
        (resealed(tile, None), CorruptFlacError, "has no description"),
        (resealed(tile, description, GEOSPATIAL_PIXEL_ORDER="row"), CorruptFlacError, "is row"),
        (resealed(tile, description, GEOSPATIAL_PIXEL_ORDER=None), CorruptFlacError, "is row"),
        (resealed(tile, description, GEOSPATIAL_WIDTH="15"), CorruptFlacError, "says 16"),
        (resealed(tile, description, GEOSPATIAL_DTYPE="int8"), CorruptFlacError, "says uint8"),
        (resealed(tile, description[:-1]), CorruptFlacError, "Bad description"),
        (resealed(tile, b""), CorruptFlacError, "Bad description"),
    ]
    for data, kind, words in cases:
        with pytest.raises(kind, match=words):
            decode_tile(data, TileSpec())
    for spec in (TileSpec(channels=3), TileSpec(chunk_shape=(3, 12, 16)), TileSpec(dtype="int8")):
        with pytest.raises(FlacError):
            decode_tile(tile, spec)
    with pytest.raises(UnsupportedFlacError, match="predicted"):
        decode_tile(tile, TileSpec(mapping="flac-raster"))


def test_two_descriptions_are_refused():
    tile = encode_tile(smooth("uint8"), TileSpec())
    head = parse_head(tile)
    assert head.description is not None
    block = b"\x02" + (4 + len(head.description)).to_bytes(3, "big") + b"zfpt" + head.description
    with pytest.raises(CorruptFlacError, match="second description"):
        parse_head(tile[:42] + block + tile[42:])
    other = b"\x02" + (8).to_bytes(3, "big") + b"riffabcd"
    assert parse_head(tile[:42] + other + tile[42:]) == Head(
        head.streaminfo, head.comments, head.vendor, head.frames_offset + 12, head.description
    )
