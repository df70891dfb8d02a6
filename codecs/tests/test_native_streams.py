"""Every kind of stream that RFC 9639 knows: the samples it was made of, as libFLAC finds them too.

The streams come from the tests' own writer (`bitwriter`), which does what no encoder does, and from
encoders: libFLAC's and ours. All are decoded in all ways there are: frame by frame, and several at
once with each kernel.
"""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import bitwriter as bw
import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_decoding import LANES, decode, decode_all_ways

from zarr_flac import (
    CorruptFlacError,
    TileSpec,
    decode_tile,
    encode_tile,
    frame_encoder,
    native_calls,
)
from zarr_flac.blocks import pack_head

MANY = settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SOME = settings(MANY, max_examples=40)


def right(stream):
    """Check a valid stream against its samples, and the writer against libFLAC."""
    data = bytes(stream)
    verdict = oracle.judge(data, md5=stream.known_md5)
    assert verdict.errors == []
    assert verdict.md5_ok
    np.testing.assert_array_equal(verdict.samples, stream.samples)
    np.testing.assert_array_equal(decode_all_ways(data), stream.samples)


@given(bw.streams())
@SOME
def test_any_stream(stream):
    right(stream)


@pytest.mark.exhaustive
@given(bw.streams())
@MANY
def test_many_streams(stream):
    right(stream)


@given(
    bw.streams(
        sizes=st.sampled_from([64, 65, 96, 128, 192, 256, 300]),
        frames=st.integers(3, 26),
        channels=st.sampled_from([1, 1, 1, 2, 3]),
    )
)
@SOME
def test_many_frames_at_once(stream):
    right(stream)


@given(bw.streams(sizes=bw.LARGE_BLOCK_SIZES, frames=st.integers(1, 2), channels=st.integers(1, 2)))
@settings(SOME, max_examples=5)
def test_large_blocks(stream):
    right(stream)


def one(planes, *codings, frames=1, bits=16, **options):
    """Return a stream of equal frames."""
    rest = {name: options.pop(name) for name in ("stereo", "block_size_bits") if name in options}
    frame = bw.Frame(np.asarray(planes).tolist(), codings or (bw.Coding(),), **rest)
    return bw.Stream((frame,) * frames, bits_per_sample=bits, **options)


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 255, 256, 257, 65534, 65535])
def test_every_block_size(size):
    planes = bw.texture("ramp", 1, size, 16, 0)
    runs = [(1, False), (1, True), (2, True), (2, size < 16)]
    for written_out in (0, 8, 16) if size < 1000 else (0,):
        for frames, variable in runs if size < 1000 else runs[:1]:
            options = {"frames": frames, "variable": variable, "block_size_bits": written_out}
            right(one(planes, bw.Coding("fixed", 1), **options))


@pytest.mark.parametrize("size", bw.BLOCK_SIZE_CODES)
def test_block_sizes_with_a_code(size):
    right(one(bw.texture("small", 1, size, 16, 0), bw.Coding("fixed", 2), frames=2))


@pytest.mark.parametrize("order", range(1, 33))
def test_every_lpc_order(order):
    for precision, shift in ((1, 0), (5, 4), (12, 9), (15, 14), (15, 15)):
        top = 1 << (precision - 1)
        taps = np.random.default_rng(order).integers(-top, top, order)
        coding = bw.Coding(
            "lpc", order=order, coefficients=tuple(taps.tolist()), precision=precision, shift=shift
        )
        for kind in ("noise", "smooth", "extremes"):
            right(one(bw.texture(kind, 1, 96, 16, order), coding, frames=9))


@pytest.mark.parametrize("stereo", [bw.INDEPENDENT, *bw.STEREO_CODES])
def test_every_depth_and_stereo_mode(stereo):
    """The extremes need one bit more in a side channel: 33 for a depth of 32."""
    codings = [bw.Coding("verbatim"), bw.Coding("fixed", 1), bw.Coding("fixed", 0, method=1)]
    for bits in range(4, 33):
        planes = bw.texture("extremes", 2, 64, bits, bits).tolist()
        for coding in codings:
            # Depths without a code are never in a header.
            for in_header in (True, False) if bits in bw.DEPTH_CODES else (False,):
                frame = bw.Frame(planes, (coding,), stereo, depth_in_header=in_header)
                right(bw.Stream((frame,) * 4, bits_per_sample=bits))


@pytest.mark.parametrize("stereo", bw.STEREO_CODES)
@pytest.mark.parametrize("flat", [(True, True), (True, False), (False, True)])
def test_constant_channels_of_a_pair(stereo, flat):
    planes = bw.texture("noise", 2, 64, 16, 1)
    for channel, is_flat in enumerate(flat):
        if is_flat:
            planes[channel] = planes[channel, 0]
    frame = bw.Frame(planes.tolist(), (bw.Coding("constant"),), stereo)
    right(bw.Stream((frame,) * 9))


@pytest.mark.parametrize("wasted", range(31))
def test_wasted_bits(wasted):
    planes = bw.texture("noise", 2, 64, 32, wasted) >> wasted << wasted
    for stereo in (bw.INDEPENDENT, bw.MID_SIDE):
        for kind in ("verbatim", "fixed", "constant"):
            coding = bw.Coding(kind, order=2 * (kind == "fixed"), wasted=wasted)
            right(one(planes, coding, frames=3, bits=32, stereo=stereo))


@pytest.mark.parametrize("partition_order", range(16))
def test_every_partition_order(partition_order):
    size = max(64, 1 << partition_order) if partition_order < 15 else 32768
    codings = [
        bw.Coding(order=0, method=m, partition_order=partition_order, escapes=e, deltas=(0, 3, -1))
        for m in (0, 1)
        for e in ((None,), (None, 0, 2), (3,))
    ]
    planes = bw.texture("runs", 1, size, 16, 3)
    for coding in codings if partition_order < 10 else codings[1:2]:
        right(one(planes, coding, frames=3))


@pytest.mark.parametrize("parameter", range(31))
def test_every_rice_parameter(parameter):
    """Residuals around the parameter, and one far out: a long row of zeros."""
    scale = 1 << min(parameter, 28)
    values = np.random.default_rng(parameter).integers(-2 * scale, 2 * scale, (1, 128))
    values[0, 77] = min(scale * 900, 2**30)
    for delta in (-2, 0, 2):
        right(one(values, bw.Coding(order=0, method=1, deltas=(delta,)), frames=9, bits=32))


def test_escapes_of_every_width():
    for width in range(32):
        values = np.zeros((1, 64), np.int64)
        if width:
            values[0, ::3] = -(1 << (width - 1))
            values[0, 1::3] = (1 << (width - 1)) - 1
        right(one(values, bw.Coding(order=0, escapes=(0,)), frames=4, bits=32))


def test_numbers_of_every_length():
    """A run cut out of a longer stream does not start at frame 0. Alone it is not a stream."""
    frame = bw.Frame([[1, 2, 3] * 20])
    for number in (1, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 2**21, 2**26, 2**31 - 1, 2**35):
        octets = bw.write_frame(frame, 16, number, variable=number >= 2**31)
        assert bw.coded_number(number) in octets
        with pytest.raises(CorruptFlacError):
            decode(bw.Stream((frame,)).head() + octets, 1, 60)


def test_many_frames_need_longer_numbers():
    stream = bw.Stream((bw.Frame([[5] * 16]),) * 2100)
    right(stream)
    right(replace(stream, variable=True))


def test_a_long_stream_of_every_kind():
    """Groups of frames that fall apart at every place."""
    size = 192
    ways = [
        bw.Coding("constant"),
        bw.Coding("verbatim"),
        bw.Coding(order=1, partition_order=3, escapes=(None, None, 0)),
        bw.Coding(order=4),
        bw.Coding("lpc", order=2, coefficients=(16, -8), precision=6, shift=3),
        bw.Coding(order=2, wasted=3),
    ]
    textures = ["constant", "noise", "runs", "smooth", "smooth", "small"]
    random = np.random.default_rng(4)
    frames = []
    for at in range(240):
        pick = int(random.integers(6)) if at // 40 % 2 else at // 7 % 6
        planes = (
            bw.texture(textures[pick], 1, size, 16, at) >> (4 * (pick == 5)) << (4 * (pick == 5))
        )
        frames.append(bw.Frame(planes.tolist(), (ways[pick],)))
    right(bw.Stream(tuple(frames)))
    for count in range(1, 30):
        right(bw.Stream(tuple(frames[100 : 100 + count])))
        right(bw.Stream((*frames[100 : 100 + count], bw.Frame([[1, 2, 3]]))))


def test_bytes_behind_the_last_frame():
    stream = one(bw.texture("smooth", 1, 64, 16, 0), frames=9)
    data = bytes(stream)
    for tail in (b"\0", b"\xff", b"\xff\xf8", b"\xff\xf8\xff\xff" * 9, b"rubbish" * 99):
        np.testing.assert_array_equal(decode_all_ways(data + tail), stream.samples)
        unknown = replace(stream, known_total=False)
        np.testing.assert_array_equal(decode_all_ways(bytes(unknown) + tail), stream.samples)


# --- libFLAC's encoder ----------------------------------------------------------------------------

OPTIONS = [
    *([f"-{level}"] for level in range(9)),
    ["-8", "-p"],
    ["-8", "-e"],
    ["--lax", "-l", "32", "-b", "4096"],
    ["--lax", "-l", "32", "-q", "15", "-b", "576", "-r", "0,8"],
    ["--lax", "-b", "65535", "-l", "12"],
    ["--lax", "-b", "16", "-l", "0"],
    ["--lax", "-b", "1024", "-l", "8", "-q", "5"],
    ["--lax", "-r", "8,8", "-b", "4096"],
    ["-8", "-A", "subdivide_tukey(5)", "-b", "1152"],
    ["-A", "bartlett;hann;flattop", "-l", "12", "-b", "512"],
    ["-A", "tukey(0.5);partial_tukey(2);punchout_tukey(3);gauss(0.2)", "-l", "8"],
    ["-m", "-5"],
    ["-M", "-3"],
    ["--no-mid-side", "-8"],
    ["--disable-constant-subframes", "--lax", "-5"],
    ["--disable-fixed-subframes", "--lax", "-5"],
]


@pytest.mark.skipif(not shutil.which("flac"), reason="the flac program is not installed")
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_encoder_options(options, bits):
    width = -(-bits // 8)
    for channels, kind in ((1, "smooth"), (2, "smooth"), (2, "runs"), (1, "noise"), (7, "small")):
        samples = bw.texture(kind, channels, 9001, bits, bits).astype("<i4")
        raw = np.ascontiguousarray(samples.T).view("u1").reshape(-1, 4)[:, :width].tobytes()
        done = subprocess.run(
            ["flac", "-s", "-c", "-f", "--force-raw-format", "--endian=little", "--sign=signed",
             f"--channels={channels}", f"--bps={bits}", "--sample-rate=44100", *options, "-"],
            input=raw, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(decode_all_ways(done.stdout), samples)


@given(
    bits=st.integers(4, 32),
    channels=st.integers(1, 8),
    count=st.integers(1, 6000),
    level=st.integers(0, 8),
    block_size=st.sampled_from([16, 63, 64, 100, 192, 256, 576, 1024, 4096]),
    kind=st.sampled_from(bw.TEXTURES),
    seed=st.integers(0, 2**32 - 1),
)
@settings(MANY, max_examples=100)
def test_encoder_levels_and_depths(bits, channels, count, level, block_size, kind, seed):
    samples = bw.texture(kind, channels, count, bits, seed).astype(np.int32)
    info, frames = frame_encoder.encode(samples, bits, compression=level, block_size=block_size)
    data = pack_head(info, {}, "zarr-flac") + frames
    np.testing.assert_array_equal(decode_all_ways(data), samples)


@pytest.mark.parametrize("level", [0, 2, 5, 8])
def test_steps_that_are_no_residuals(level):
    """A raster of 32 bits whose nodata is the least of all: one step is more than a residual.

    libFLAC's own encoder lets them wrap.
    """
    samples = bw.texture("runs", 1, 5000, 32, 0).astype(np.int32)
    info, frames = frame_encoder.encode(samples, 32, compression=level, block_size=63)
    data = pack_head(info, {}, "zarr-flac") + frames
    verdict = oracle.judge(data, md5=True)
    assert verdict.errors == []
    np.testing.assert_array_equal(verdict.samples, samples)
    np.testing.assert_array_equal(decode_all_ways(data), samples)


# --- Tiles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "i2", "<u2", "<i4", "<f4", "<i8"])
def test_every_kernel_gives_the_same_pixels(dtype, monkeypatch):
    """Samples straight to pixels, of edge tiles and of chosen bands too; as the codec calls it."""
    rng = np.random.default_rng(1)
    pixels = np.cumsum(rng.integers(-3, 4, (2, 90, 70)), axis=2).astype(dtype)
    spec = TileSpec(chunk_shape=(2, 96, 80), dtype=np.dtype(dtype), channels=2)
    tile = encode_tile(pixels, spec)
    for chosen in (spec, replace(spec, chunk_shape=(1, 96, 80), select=(1,))):
        expected = pixels if chosen is spec else pixels[1:]
        for lanes in LANES:
            monkeypatch.setattr(native_calls, "MOST_LANES", lanes)
            found = decode_tile(tile, chosen)
            np.testing.assert_array_equal(found[:, :90, :70], expected)
            assert not found[:, 90:].any()
            assert not found[:, :90, 70:].any()


# --- Threads --------------------------------------------------------------------------------------


def test_eight_threads_decode_right():
    streams = [one(bw.texture("runs", 1, 4096, 16, at), frames=20) for at in range(4)]
    wanted = [stream.samples for stream in streams] * 8
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decode_all_ways, [bytes(stream) for stream in streams] * 8))
    for result, samples in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(result, samples)
