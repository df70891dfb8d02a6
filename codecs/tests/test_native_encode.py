"""Our encoder: the same bytes by every way to encode; libFLAC finds the same samples in them."""

import hashlib
import shutil
import subprocess
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import bitwriter as bw
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_decoding import decode_all_ways

from zarr_flac import (
    ConfigurationError,
    SampleRangeError,
    TileSpec,
    _native,
    decode_tile,
    encode_tile,
    frame_encoder,
    native_calls,
)
from zarr_flac.blocks import pack_head, parse_head
from zarr_flac.frame_encoder import DEPTHS_IN_FRAMES

LOOPS = range(_native.loops())
EFFORTS = range(9)
SOME = settings(max_examples=40)
MANY = settings(SOME, max_examples=1500)


def encode_all_ways(planes, bits=None, **options):
    """A stream of the planes, by every way that this CPU has; insist that they agree."""
    streams = []
    with pytest.MonkeyPatch.context() as patch:
        for skipped in LOOPS:
            patch.setattr(native_calls, "SKIPPED_LOOPS", skipped)
            info, frames = frame_encoder.encode(planes, bits, **options)
            streams.append(pack_head(info, {}, "zarr-flac") + frames)
    assert streams == streams[:1] * len(LOOPS)
    return streams[0]


def right(samples, bits, **options):
    """Encode in all ways; what our decoder and libFLAC find in it are the samples."""
    data = encode_all_ways(samples, bits, **options)
    np.testing.assert_array_equal(decode_all_ways(data), samples)
    verdict = oracle.judge(data, md5=parse_head(data).streaminfo.md5 != bytes(16))
    assert verdict.errors == []
    assert verdict.md5_ok
    assert verdict.depths == {bits}
    np.testing.assert_array_equal(verdict.samples, samples)
    return data


@st.composite
def samples_of(draw):
    """Samples of any depth: a texture in parts of the block, spoilt and with bits wasted."""
    bits = draw(st.integers(4, 32))
    channels = draw(st.integers(1, 8))
    count = draw(st.integers(1, 3000))
    seed = draw(st.integers(0, 2**32 - 1))
    parts = draw(st.lists(st.sampled_from(bw.TEXTURES), min_size=1, max_size=3))
    ends = [count * (part + 1) // len(parts) for part in range(len(parts))]
    planes = np.empty((channels, count), np.int64)
    for kind, begin, end in zip(parts, [0, *ends], ends, strict=False):
        planes[:, begin:end] = bw.texture(kind, channels, count, bits, seed)[:, begin:end]
    if channels > 1 and draw(st.booleans()):  # bands that resemble each other
        planes[1] = planes[0] + draw(st.integers(-3, 3))
        np.clip(planes, -(1 << (bits - 1)), (1 << (bits - 1)) - 1, out=planes)
    wasted = draw(st.sampled_from([0, 0, 0, 1, 3, bits - 1]))
    return (planes >> wasted << wasted).astype(np.int32), bits


block_sizes = st.sampled_from([16, 17, 31, 192, 255, 256, 576, 1000, 1024, 2048, 4096, 65535])


@given(samples_of(), st.sampled_from(EFFORTS), block_sizes, st.booleans())
@SOME
def test_any_samples(made, effort, block_size, md5):
    right(*made, compression=effort, block_size=block_size, md5=md5)


@pytest.mark.exhaustive
@given(samples_of(), st.sampled_from(EFFORTS), block_sizes, st.booleans())
@MANY
def test_many_samples(made, effort, block_size, md5):
    right(*made, compression=effort, block_size=block_size, md5=md5)


@pytest.mark.parametrize("effort", EFFORTS)
def test_every_effort_on_every_texture(effort):
    for bits in (4, 8, 16, 17, 24, 32):
        for kind in bw.TEXTURES:
            right(bw.texture(kind, 2, 1300, bits, 5).astype(np.int32), bits, compression=effort)


@pytest.mark.parametrize("effort", [0, 5, 8])
def test_the_worst_samples_take_no_more_than_plain_ones(effort):
    """Noise over all bits, and steps from end to end: verbatim, with heads of some 20 bytes."""
    for bits in (4, 16, 32):
        for kind in ("noise", "extremes"):
            for channels in (1, 2):
                samples = bw.texture(kind, channels, 4096, bits, 3).astype(np.int32)
                data = right(samples, bits, compression=effort)
                assert len(data) <= samples.size * bits / 8 + 90


@pytest.mark.parametrize("effort", EFFORTS)
def test_silence_and_constants_take_bytes(effort):
    for value in (0, -1, -(2**31), 2**31 - 1):
        samples = np.full((3, 40_000), value, np.int32)
        assert len(right(samples, 32, compression=effort)) < 400


def test_wasted_bits_are_not_stored():
    fine = bw.texture("smooth", 1, 20_000, 12, 1).astype(np.int32)
    sizes = [len(right(fine << wasted, 24)) for wasted in (0, 1, 7, 12)]
    assert max(sizes) - min(sizes) < 60


@pytest.mark.parametrize("bits", range(4, 33))
def test_no_md5_only_where_frames_say_the_depth(bits):
    samples = bw.texture("smooth", 2, 500, bits, 2).astype(np.int32)
    info, _ = frame_encoder.encode(samples, bits, md5=False)
    size = -(-bits // 8)
    raw = np.ascontiguousarray(samples.T).astype("<i4").view("u1").reshape(-1, 4)[:, :size]
    expected = hashlib.md5(raw.tobytes()).digest()
    assert info.md5 == (bytes(16) if bits in DEPTHS_IN_FRAMES else expected)
    assert frame_encoder.encode(samples, bits)[0].md5 == expected
    assert frame_encoder.encode(samples, bits)[0].bits_per_sample == bits


def test_tiles_without_an_md5():
    pixels = np.arange(2000, dtype="u2").reshape(40, 50)
    tile = encode_tile(pixels, TileSpec(md5=False), verify=True)
    assert parse_head(tile).streaminfo.md5 == bytes(16)
    np.testing.assert_array_equal(decode_tile(tile, TileSpec()), pixels)
    assert TileSpec.from_config(TileSpec(md5=False).to_config()).md5 is False
    assert "md5" not in TileSpec().to_config()
    with pytest.raises(ConfigurationError, match="md5 = 'no'"):
        TileSpec(md5="no")


@pytest.mark.skipif(not shutil.which("flac"), reason="the flac program is not installed")
def test_the_program_flac_gives_the_samples(tmp_path):
    made = {}
    for bits in (4, 8, 12, 16, 20, 24, 32):
        for effort in (0, 5, 8):
            path = tmp_path / f"{bits}_{effort}.flac"
            made[path] = bw.texture("smooth", 2, 5000, bits, effort).astype(np.int32), bits
            path.write_bytes(encode_all_ways(*made[path], compression=effort))
    subprocess.run(["flac", "-t", "-s", "-w", *made], check=True, capture_output=True)
    options = ["-d", "-s", "-c", "--force-raw-format", "--endian=little", "--sign=signed"]
    for path, (samples, bits) in made.items():
        if bits % 8:  # their raw bytes are shifted, by versions apart
            continue
        raw = subprocess.run(["flac", *options, path], check=True, capture_output=True).stdout
        wanted = np.ascontiguousarray(samples.T).astype("<i4").view("u1").reshape(-1, 4)
        assert raw == wanted[:, : bits // 8].tobytes()


# --- Always the same ------------------------------------------------------------------------------


def hilly(size, seed, depth=16):
    """Something like terrain: walks along rows and columns, and noise."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-40, 41, (4, size, size))
    slopes = np.cumsum(np.cumsum(steps[0], axis=0) + np.cumsum(steps[1], axis=1), axis=1) // 64
    heights = slopes + steps[2] // 8 + np.cumsum(steps[3], axis=0) // 4
    return np.clip(heights, -(1 << (depth - 1)), (1 << (depth - 1)) - 1).astype(np.int32)


DIGESTS = {
    0: "a2ab45229789684e",
    3: "6870ca29b56ae0de",
    5: "e5086fa5e8bb6bea",
    8: "24a79a5e7e334177",
}


@pytest.mark.parametrize("effort", DIGESTS)
def test_the_same_bytes_on_every_machine(effort):
    """Change these when the encoder chooses better; never because of another CPU or compiler."""
    data = encode_all_ways(hilly(128, 1).reshape(1, -1), 16, compression=effort)
    assert hashlib.sha256(data).hexdigest()[:16] == DIGESTS[effort]


def test_threads_write_the_same():
    tiles = [hilly(160, seed).reshape(1, -1) for seed in range(4)]
    alone = [frame_encoder.encode(tile, 16) for tile in tiles]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda tile: frame_encoder.encode(tile, 16), tiles * 6))
    assert together == alone * 6


# --- Against libFLAC's encoder --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["terrain", "deep", "collar", "classes"])
def test_no_larger_than_libflac(kind):
    """At most 1 % at an effort of the same number; no larger at the highest."""
    libflac = pytest.importorskip("libflac", exc_type=ImportError)
    bits = 24 if kind == "deep" else 16
    samples = hilly(192, 7, 16)
    if kind == "deep":
        samples = samples * 200 + hilly(192, 8, 8)
    elif kind == "collar":
        samples[np.add.outer(np.arange(192), np.arange(192)) < 150] = -(2**15)
    elif kind == "classes":
        samples = samples // 4096
    samples = samples.reshape(1, -1)
    for effort in EFFORTS:
        options = {"compression": effort, "block_size": 4096}
        theirs = libflac.encode(samples, bits, stereo=True, **options)[1]
        ours = frame_encoder.encode(samples, bits, **options)[1]
        assert len(ours) <= len(theirs) * (1 if effort == 8 else 1.01)


# --- Any array ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bool", "i1", "u2", "i4", "u4", "f2", "f4", "i8", "u8", "f8"])
def test_any_strides(name):
    """The bytes are those of a contiguous copy."""
    rng = np.random.default_rng(2)
    base = rng.integers(0, 2 if name == "bool" else 100, (4, 12, 14)).astype(name)
    unaligned = np.frombuffer(b"\0" + base.tobytes(), "u1")[1:].view(name).reshape(base.shape)
    views = {
        "rows with gaps": base[:, :, 2:11],
        "every other pixel": base[:, ::2, ::3],
        "upside down": base[:, ::-1],
        "backwards": base[::-1, ::-1, ::-1],
        "transposed": base.transpose(0, 2, 1),
        "columns first": np.asfortranarray(base),
        "planes last": np.moveaxis(np.ascontiguousarray(np.moveaxis(base, 0, 2)), 2, 0),
        "one pixel over and over": np.broadcast_to(base[0, 0, 0], base.shape),
        "one row over and over": np.broadcast_to(base[:, :1], base.shape),
        "other byte order": base.astype(base.dtype.newbyteorder(">")),
        "of four axes": base.reshape(4, 3, 4, 14)[:, ::2, ::-1],
        "unaligned": unaligned,
    }
    for what, view in views.items():
        before = view.tobytes()
        copy = np.ascontiguousarray(view, dtype=view.dtype.newbyteorder("="))
        assert encode_all_ways(view) == encode_all_ways(copy), what
        assert view.tobytes() == before
        read_only = view[...]
        read_only.flags.writeable = False
        assert frame_encoder.encode(read_only) == frame_encoder.encode(copy), what


def test_pixels_are_not_copied():
    """What encoding takes is room for the frames, however odd the strides."""
    base = np.zeros((1, 1500, 3000), "i2")
    base[0] = np.arange(3000) // 9
    view = base[:, ::-1, ::2]
    tracemalloc.start()
    try:
        frames = frame_encoder.encode(view, md5=False)[1]
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < view.nbytes * 1.1
    assert kept < len(frames) + 20_000 < view.nbytes / 8


@pytest.mark.parametrize("count", [1, 15, 16, 17, 4095, 4096, 4097])
def test_block_sizes_in_the_head(count):
    """As large as the stream, where that is shorter: a decoder takes memory for them."""
    info, _ = frame_encoder.encode(np.arange(count, dtype="i2")[None])
    wanted = min(max(count, 16), 4096)
    assert (info.min_block_size, info.max_block_size) == (wanted, wanted)
    assert info.total_samples == count


@pytest.mark.parametrize(
    ("planes", "options", "error"),
    [
        (np.zeros((9, 4), "u2"), {}, "9 channels"),
        (np.zeros((5, 4), "f8"), {}, "10 channels"),
        (np.zeros((0, 4), "u2"), {}, "0 channels"),
        (np.zeros((1, 0), "u2"), {}, "of 0 samples"),
        (np.zeros((1, 4), "u2"), {"bits_per_sample": 3}, "bits_per_sample = 3"),
        (np.zeros((1, 4), "u2"), {"bits_per_sample": 17}, "bits_per_sample = 17"),
        (np.zeros((1, 4), "f4"), {"bits_per_sample": 24}, "bits_per_sample = 24"),
        (np.zeros((1, 4), "i8"), {"bits_per_sample": 16}, "bits_per_sample = 16"),
    ],
)
def test_what_no_stream_holds(planes, options, error):
    with pytest.raises(ConfigurationError, match=error):
        frame_encoder.encode(planes, **options)


@pytest.mark.parametrize("where", [0, 4999, 9999])
@pytest.mark.parametrize(("name", "low", "high"), [("i2", -512, 511), ("u2", 0, 1023)])
def test_values_of_more_bits(name, low, high, where):
    pixels = np.full((1, 10_000), low, name)
    pixels[0, where] = high
    decoded = encode_all_ways(pixels, 10)
    assert decode_all_ways(decoded).max() == 511
    pixels[0, where] = high + 1
    with pytest.raises(SampleRangeError, match=f"run from {low} to {high + 1}; 10 bits"):
        frame_encoder.encode(pixels, 10)


@pytest.mark.parametrize(
    "arguments",
    [
        (np.zeros(4, "i2"), 0, False, 16, 4096, 5, True, True, 0),  # one axis
        (np.zeros((1, 1, 4), "i2"), 0, False, 17, 4096, 5, True, True, 0),
        (np.zeros((1, 1, 4), "i2"), 0, False, 3, 4096, 5, True, True, 0),
        (np.zeros((1, 1, 4), "i2"), 0, False, 16, 15, 5, True, True, 0),
        (np.zeros((1, 1, 4), "i2"), 0, False, 16, 65536, 5, True, True, 0),
        (np.zeros((1, 1, 4), "i1"), 2, False, 8, 4096, 5, True, True, 0),  # floats of 8 bits
        (np.zeros((1, 1, 4), "c16"), 2, False, 32, 4096, 5, True, True, 0),
        (np.zeros((9, 1, 4), "i2"), 0, False, 16, 4096, 5, True, True, 0),
        (np.zeros((5, 1, 4), "i8"), 0, False, 32, 4096, 5, True, True, 0),
        (np.zeros((1, 0, 4), "i2"), 0, False, 16, 4096, 5, True, True, 0),
    ],
)
def test_the_module_checks_what_it_is_given(arguments):
    with pytest.raises(ValueError, match=r"an array|block size"):
        _native.encode(*arguments)


def test_the_module_takes_buffers_only():
    with pytest.raises(TypeError):
        _native.encode([1, 2], 0, False, 16, 4096, 5, True, True, 0)
