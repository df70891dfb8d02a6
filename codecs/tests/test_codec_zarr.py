"""The codec in its hosts: zarr v3 and v2, numcodecs, kerchunk references, fresh processes."""

import asyncio
import json
import pickle
import shutil
import subprocess
import sys

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import default_buffer_prototype
from zarr.registry import get_codec_class

from zarr_flac import (
    ConfigurationError,
    CorruptFlacError,
    Flac,
    FlacCodec,
    TileSpec,
    UnsupportedDtypeError,
    encode_tile,
    set_origin,
)
from zarr_flac.samples import DTYPES

SHAPE = (3, 37, 50)
CHUNKS = (2, 16, 20)


def pixels(dtype):
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE) % 251
    return (values % 2 == 1) if dtype == "bool" else values.astype(dtype)


def make(dtype, path=None, **options):
    store = zarr.storage.MemoryStore() if path is None else path
    array = zarr.create_array(store, shape=SHAPE, chunks=CHUNKS, dtype=dtype, **options)
    array[:] = pixels(np.dtype(dtype).newbyteorder("=").name)
    return array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("options", [{}, {"level": 8}, {"channels": 2}])
def test_v3_compressor(dtype, options):
    array = make(dtype, compressors=FlacCodec(**options))
    np.testing.assert_array_equal(array[:], pixels(dtype))
    codec = array.metadata.codecs[-1]
    assert codec.spec.dtype == np.dtype(dtype)
    assert codec.spec.chunk_shape is None  # that of each chunk, never that of the array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("order", "place", "endian"),
    [("C", "compressors", "<"), ("C", "filters", ">"), ("F", "compressors", ">"),
     ("F", "filters", "<")],
)  # fmt: skip
def test_v2(dtype, order, place, endian):
    for codec in (Flac(), Flac(level=1), Flac(chunk_shape=CHUNKS, dtype=dtype, fill_value=1)):
        options = {"compressors": None, place: codec if place == "compressors" else [codec]}
        stored = np.dtype(dtype).newbyteorder(endian)
        array = make(stored, zarr_format=2, order=order, **options)
        np.testing.assert_array_equal(array[:], pixels(dtype))


def test_v3_sharding_transpose_and_dates():
    values = np.arange(SHAPE[0] * SHAPE[1] * SHAPE[2]).reshape(SHAPE)
    array = zarr.create_array(
        zarr.storage.MemoryStore(), shape=SHAPE, chunks=(1, 8, 10), shards=(2, 16, 20),
        dtype="int32", compressors=FlacCodec(), filters=zarr.codecs.TransposeCodec(order=(2, 0, 1)),
    )  # fmt: skip
    array[:] = values
    np.testing.assert_array_equal(array[:], values)
    dates = make("datetime64[s]", compressors=FlacCodec())
    assert dates[:].astype(int).max() == 250


def test_v3_big_endian_bytes_are_exact():
    serializer = zarr.codecs.BytesCodec(endian="big")
    array = make("float32", compressors=FlacCodec(), serializer=serializer)
    np.testing.assert_array_equal(array[:], pixels("float32"))


def test_v3_refuses_what_flac_cannot_hold():
    with pytest.raises(UnsupportedDtypeError, match="complex64"):
        zarr.create_array({}, shape=(4,), chunks=(4,), dtype="c8", compressors=FlacCodec())
    codec = FlacCodec(dtype="uint8")
    with pytest.raises(ConfigurationError, match="uint8"):
        zarr.create_array({}, shape=(4,), chunks=(4,), dtype="int16", compressors=codec)
    array = zarr.create_array(
        {}, shape=(4, 4), chunks=(2, 4), dtype="int16", compressors=FlacCodec(chunk_shape=(4, 4))
    )
    with pytest.raises(ConfigurationError, match="chunk_shape"):
        array[:] = 1


SPECS = [
    TileSpec(),
    TileSpec((1, 16, 16), "uint16", fill_value=65535, compression=8),
    TileSpec((16, 16), "float32", fill_value=float("nan")),
    TileSpec((16, 16), "int16", mapping="flac-raster"),
    TileSpec((3, 16, 16), "uint8", 3),
]


@pytest.mark.parametrize("spec", SPECS)
def test_metadata_of_both_hosts(spec):
    codec = FlacCodec.from_spec(spec)
    metadata = codec.to_dict()
    assert metadata == {"name": "zarr_flac", "configuration": spec.to_config()}
    json.dumps(metadata, allow_nan=False)
    for name in ("zarr_flac", "numcodecs.zarr_flac"):
        assert get_codec_class(name) is FlacCodec
        again = get_codec_class(name).from_dict({**metadata, "name": name})
        assert again == codec
        assert hash(again) == hash(codec)
    assert pickle.loads(pickle.dumps(codec)) == codec

    flac = Flac(**spec.to_config())
    assert flac.get_config() == {"id": "zarr_flac", **spec.to_config()}
    assert numcodecs.get_codec(flac.get_config()) == flac
    assert flac.spec == spec
    assert eval(repr(flac)) == flac
    assert pickle.loads(pickle.dumps(flac)) == flac


def test_metadata_without_configuration():
    assert FlacCodec.from_dict({"name": "zarr_flac"}) == FlacCodec()
    assert FlacCodec.from_dict("zarr_flac") == FlacCodec()  # the short form of Zarr v3


def test_metadata_of_others_is_refused():
    with pytest.raises(ConfigurationError, match="gzip"):
        FlacCodec.from_dict({"name": "gzip", "configuration": {}})
    with pytest.raises(ConfigurationError, match="newer"):
        FlacCodec.from_dict({"name": "zarr_flac", "configuration": {"newer": 1}})
    for wrong in ({"name": "zarr_flac", "configuration": 5}, {"configuration": {}}, {"name": []}):
        with pytest.raises(ConfigurationError):
            FlacCodec.from_dict(wrong)
    with pytest.raises(ConfigurationError, match="newer"):
        numcodecs.get_codec({"id": "zarr_flac", "newer": 1})


@pytest.mark.parametrize("spec", SPECS)
def test_through_virtualizarr(spec):
    """Its kerchunk writer and reader turn one host's metadata into the other's."""
    codecs = pytest.importorskip("virtualizarr.codecs")
    codec = FlacCodec.from_spec(spec)
    v2 = codecs.zarr_codec_config_to_v2(codecs.get_codec_config(codec))
    assert numcodecs.get_codec(dict(v2)).spec == spec
    v3 = codecs.zarr_codec_config_to_v3(v2)
    assert get_codec_class(v3["name"]).from_dict(v3) == codec
    pipeline = codecs.convert_to_codec_pipeline(np.dtype("uint16"), [v3])
    assert pipeline.bytes_bytes_codecs == (codec,)


def reference_store(folder, place, spec, array):
    """A Zarr v2 store as a kerchunk reference makes it look: metadata, and a tile per chunk."""
    codec = {"id": "zarr_flac", **spec.to_config()}
    meta = {
        "zarr_format": 2, "shape": [20, 30], "chunks": [16, 16], "dtype": "<u2", "order": "C",
        "fill_value": None, "filters": [codec] if place == "filters" else None,
        "compressor": codec if place == "compressor" else None,
    }  # fmt: skip
    folder.mkdir()
    (folder / ".zarray").write_text(json.dumps(meta))
    for row in range(2):
        for col in range(2):
            part = array[16 * row : 16 * row + 16, 16 * col : 16 * col + 16]
            (folder / f"{row}.{col}").write_bytes(encode_tile(part, spec))
    return folder


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_edge_tiles_of_a_reference(place, tmp_path):
    array = np.arange(600, dtype="uint16").reshape(20, 30)
    store = reference_store(tmp_path / "x", place, TileSpec((16, 16), "uint16"), array)
    np.testing.assert_array_equal(zarr.open_array(store, mode="r")[:], array)
    data = bytearray((store / "1.1").read_bytes())
    data[-5] ^= 1
    (store / "1.1").write_bytes(data)
    with pytest.raises(CorruptFlacError):
        zarr.open_array(store, mode="r")[:]


FRESH = """
import os, sys, zarr
for path in sys.argv[1:]:
    if not os.fork():
        print(int(zarr.open_array(path, mode="r")[:].sum()), flush=True)
        os._exit(0)
    os.wait()
"""


def test_fresh_processes_find_the_codec_by_name(tmp_path):
    """By entry points: none of these processes imports zarr_flac."""
    array = np.arange(600, dtype="uint16").reshape(20, 30)
    store = reference_store(tmp_path / "v2", "compressor", TileSpec((16, 16), "uint16"), array)
    path, other = tmp_path / "v3", tmp_path / "other"
    total = make("int32", path, compressors=FlacCodec())[:].sum()
    shutil.copytree(path, other)
    text = (path / "zarr.json").read_text()
    assert '"zarr_flac"' in text
    (other / "zarr.json").write_text(text.replace('"zarr_flac"', '"numcodecs.zarr_flac"'))
    done = subprocess.run(
        [sys.executable, "-c", FRESH, store, path, other],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(array.sum()), str(total), str(total)]


def chunk_spec(shape, dtype):
    array = zarr.create_array({}, shape=shape, dtype=dtype)
    return ArraySpec(
        shape, array.metadata.data_type, 0, ArrayConfig.from_dict({}),
        default_buffer_prototype(),
    )  # fmt: skip


def test_errors_begin_with_the_origin_of_the_bytes():
    spec = chunk_spec((4, 5), "uint16")
    damaged = spec.prototype.buffer.from_bytes(b"fLaC, or not")
    with pytest.raises(CorruptFlacError) as unnamed:
        FlacCodec()._decode_sync(damaged, spec)
    set_origin(damaged, "https://example.com/a.flac: tile (0, 1)")
    with pytest.raises(CorruptFlacError) as named:
        FlacCodec()._decode_sync(damaged, spec)
    assert str(named.value) == f"https://example.com/a.flac: tile (0, 1): {unnamed.value}"


@pytest.mark.parametrize("codec", [FlacCodec(), FlacCodec(chunk_shape=(4, 5), dtype="uint16")])
def test_sync_and_async_paths_agree(codec):
    array = np.arange(20, dtype="uint16").reshape(4, 5)
    spec = chunk_spec((4, 5), "uint16")
    raw = spec.prototype.buffer.from_bytes(array.tobytes())
    encoded = codec._encode_sync(raw, spec)
    assert encoded.to_bytes() == encode_tile(array, TileSpec((4, 5)))

    async def both():
        made = await codec._encode_single(raw, spec)
        return made, await codec._decode_single(made, spec)

    made, decoded = asyncio.run(both())
    assert made.to_bytes() == encoded.to_bytes()
    assert decoded.to_bytes() == codec._decode_sync(encoded, spec).to_bytes() == array.tobytes()
    batch = asyncio.run(codec.decode([(made, spec)] * 3))
    assert [part.to_bytes() for part in batch] == [array.tobytes()] * 3
    assert codec.is_fixed_size is False
    with pytest.raises(NotImplementedError):
        codec.compute_encoded_size(40, spec)


def test_numcodecs_buffers():
    array = np.arange(600, dtype="int32").reshape(20, 30)
    codec = Flac()
    data = codec.encode(array)
    assert codec.decode(np.frombuffer(data, "u1")).tobytes() == array.tobytes()
    out = np.empty_like(array)
    codec.decode(data, out=out)
    np.testing.assert_array_equal(out, array)
    flat = bytearray(array.nbytes)
    codec.decode(data, out=flat)
    assert flat == array.tobytes()
    known = Flac(chunk_shape=(20, 30), dtype="int32")
    assert known.encode(array.tobytes()) == known.encode(array) == data
    with pytest.raises(ConfigurationError, match="whole number"):
        known.encode(b"12345")
    raw = bytes(range(256))
    assert codec.decode(codec.encode(raw)).tobytes() == raw
    for view in (array[::2, ::3], array.T, np.asfortranarray(array), array.astype(">i4")):
        memory = view if view.flags.forc else np.ascontiguousarray(view)
        assert codec.decode(codec.encode(view)).tobytes() == memory.tobytes(order="A")


@pytest.mark.parametrize("spec", [{}, {"chunk_shape": (16, 20), "dtype": "uint16"}])
def test_numcodecs_decodes_into_any_array(spec):
    pixels = np.arange(320, dtype="uint16").reshape(16, 20)
    codec = Flac(**spec)
    data = codec.encode(pixels)
    for out in (
        np.empty((16, 20), "uint16"),
        np.empty((20, 16), "int16"),
        np.empty(640, "u1"),
        np.empty((2, 320), "i1"),
        np.empty((16, 20), "uint16", order="F"),
        bytearray(640),
    ):
        codec.decode(data, out)
        order = "F" if getattr(out, "flags", None) is not None and out.flags.fnc else "C"
        found = np.asarray(out).reshape(-1, order=order).view("u2")
        np.testing.assert_array_equal(found, pixels.ravel())
    for out in (np.empty(641, "u1"), np.empty(600, "u1")):
        with pytest.raises(ValueError):
            codec.decode(data, out)
    read_only = np.zeros((16, 20), "uint16")
    read_only.flags.writeable = False
    with pytest.raises(ValueError):
        codec.decode(data, read_only)
    assert not read_only.any()
