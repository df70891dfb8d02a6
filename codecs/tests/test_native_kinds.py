"""The kinds of files that decoders are tested with: `decode` gives what libFLAC gives, or refuses.

Named after the IETF's FLAC decoder test bench (subset, uncommon, faulty), whose files are not here:
streams of the same kinds are made by the tests' own writer and by the program flac. libFLAC's API
judges each: what it decodes without an error and with the right MD5 must come out the same. What we
refuse, `flac -d` must refuse, too.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace

import bitwriter as bw
import numpy as np
import oracle
import pytest

import zarr_flac
from zarr_flac import FlacError

needs_flac = pytest.mark.skipif(
    not shutil.which("flac"), reason="skipped: the flac program is not installed"
)


# --- Streams --------------------------------------------------------------------------------------


def frames(count=6, size=192, channels=2, bits=16, kind="smooth", coding=None, **options):
    """Frames of some texture."""
    coding = coding or bw.Coding(order=2)
    return tuple(
        bw.Frame(bw.texture(kind, channels, size, bits, at).tolist(), (coding,), **options)
        for at in range(count)
    )


PLAIN = bw.Stream(frames())
PARTS = PLAIN.frame_bytes()
STREAMINFO = (0, bw.pack_streaminfo(PLAIN.facts))
VORBIS = (4, b"\4\0\0\0test\1\0\0\0\5\0\0\0a=b=c")
CUT = bw.Stream(frames(), first_number=5)
#: As Flake 0.11 wrote them: block sizes vary, and headers count frames all the same.
OLD = bw.Stream(
    frames(9) + frames(3, 300) + frames(9, 192) + frames(2, 64), streaminfo={"min_block_size": 64}
)


def stream(*some, **options):
    return bytes(bw.Stream(sum(some, ()), **options))


def claiming(known_md5=True, **fields):
    """Frames as they were, STREAMINFO otherwise."""
    return bytes(replace(PLAIN, known_md5=known_md5, streaminfo=fields))


def changing(*kinds):
    """Frames of one depth and number of channels, numbered on in another."""
    number, parts = 0, []
    for some, bits in kinds:
        for frame in some:
            parts.append(bw.write_frame(frame, bits, number, variable=False))
            number += 1
    first, bits = kinds[0]
    return bw.Stream(
        first, bits_per_sample=bits, known_md5=False, streaminfo={"total_samples": 192 * number}
    ).head() + b"".join(parts)


def headed(*blocks, parts=PARTS, sizes=()):
    """Metadata blocks, right or wrong, in front of frames; with lengths that they do not have."""
    head = b"fLaC"
    for at, (kind, body) in enumerate(blocks):
        size = dict(sizes).get(at, len(body))
        head += bytes([kind | 0x80 * (at == len(blocks) - 1)]) + size.to_bytes(3, "big") + body
    return head + b"".join(parts)


def comment(text=b"a=b=c", count=1, length=None, vendor=4, tail=b""):
    length = len(text) if length is None else length
    return (4, struct.pack("<I4sII", vendor, b"test", count, length) + text + tail)


DEPTHLESS = b"".join(bw.Stream(frames(depth_in_header=False)).frame_bytes())
WASTED = tuple(
    bw.Frame((bw.texture("noise", 2, 192, 16, at) >> 3 << 3).tolist(), (bw.Coding(wasted=3),))
    for at in range(3)
)
PICTURE = (6, bytes(32) + bytes(range(256)) * 60_000)

DECODED = {
    "subset: block size 16": lambda: stream(frames(size=16)),
    "subset: block sizes that vary": lambda: stream(frames(3), frames(3, 300), variable=True),
    "subset: only verbatim": lambda: stream(frames(kind="noise", coding=bw.Coding("verbatim"))),
    "subset: partition order 8, escaped": lambda: stream(
        frames(2, 4096, coding=bw.Coding(partition_order=8, escapes=(None, 0)))
    ),
    "subset: wasted bits": lambda: stream(WASTED),
    "subset: 8 channels": lambda: stream(frames(channels=8)),
    "subset: 12 bits": lambda: stream(frames(bits=12), bits_per_sample=12),
    "subset: 20 bits": lambda: stream(frames(bits=20), bits_per_sample=20),
    "subset: 24 bits": lambda: stream(frames(bits=24), bits_per_sample=24),
    "subset: total samples unknown": lambda: bytes(replace(PLAIN, known_total=False)),
    "subset: no MD5": lambda: bytes(replace(PLAIN, known_md5=False)),
    "subset: no padding": lambda: headed(STREAMINFO),
    "subset: many metadata blocks": lambda: headed(
        STREAMINFO, *[(1, bytes(7)), (2, b"appl")] * 300
    ),
    "subset: a picture of 15 MB": lambda: headed(STREAMINFO, PICTURE),
    "subset: reserved metadata block": lambda: headed(STREAMINFO, (77, b"hey")),
    "subset: all sample rate codes": lambda: stream(
        *(frames(1, sample_rate_code=code) for code in range(15))
    ),
    "uncommon 01: changing sample rate": lambda: stream(frames(3), frames(3, sample_rate_code=10)),
    "uncommon 05: 32 bits": lambda: stream(frames(bits=32), bits_per_sample=32),
    "uncommon 05: 32 bits, nothing predicted": lambda: stream(
        frames(9, channels=1, bits=32, coding=bw.Coding(order=0, method=1)), bits_per_sample=32
    ),
    "uncommon 06: 768 kHz": lambda: claiming(sample_rate=768_000),
    "uncommon 07: 15 bits": lambda: stream(frames(bits=15), bits_per_sample=15),
    "uncommon 08: block size 65535": lambda: stream(frames(2, 65535, 1)),
    "uncommon 09: partition order 15": lambda: stream(
        frames(2, 32768, 1, coding=bw.Coding(order=0, partition_order=15))
    ),
    "uncommon 10: starting at a frame": lambda: b"".join(PARTS),
    "subset 27: sizes vary, frames counted": lambda: bytes(OLD),
    "subset 27: the same, without MD5": lambda: bytes(replace(OLD, known_md5=False)),
    "subset 27: the same, with a large maximum": lambda: bytes(
        replace(OLD, streaminfo={"min_block_size": 16, "max_block_size": 4608})
    ),
    "faulty 08: minimum of 0": lambda: claiming(min_block_size=0),
    "faulty 08: minimum of 0, maximum of 65535": lambda: claiming(
        min_block_size=0, max_block_size=65535
    ),
    "uncommon 10: starting at a later frame": lambda: b"".join(CUT.frame_bytes()),
    "uncommon 10: a later frame behind a head": lambda: bytes(CUT),
    "uncommon 10: a later sample behind a head": lambda: bytes(
        replace(CUT, variable=True, first_number=960)
    ),
    "faulty 01: maximum block size too small": lambda: claiming(
        min_block_size=100, max_block_size=100
    ),
    "faulty 01: minimum too small as well": lambda: claiming(min_block_size=16, max_block_size=191),
    "faulty 01: maximum block size too large": lambda: claiming(max_block_size=4096),
    "faulty 01: minimum above maximum": lambda: claiming(min_block_size=4096),
    "faulty 01: block sizes of 0": lambda: claiming(min_block_size=0, max_block_size=0),
    "faulty 02: wrong frame sizes": lambda: claiming(min_frame_size=9, max_frame_size=20),
    "faulty 03: wrong depth": lambda: claiming(bits_per_sample=24),
    "faulty 03: wrong depth, no MD5": lambda: claiming(False, bits_per_sample=24),
    "faulty 04: wrong number of channels": lambda: claiming(channels=1),
    "faulty 04: wrong number of channels, no MD5": lambda: claiming(False, channels=5),
    "faulty 05: too few samples": lambda: claiming(total_samples=700),
    "faulty 05: a whole frame too few": lambda: claiming(total_samples=960),
    "faulty 05: too few samples, no MD5": lambda: claiming(False, total_samples=960),
    "faulty 05: too many samples": lambda: claiming(total_samples=2000),
    "faulty 06: no STREAMINFO": lambda: headed(VORBIS),
    "faulty 07: STREAMINFO second": lambda: headed(VORBIS, STREAMINFO),
    "faulty 07: STREAMINFO in the middle": lambda: headed(VORBIS, STREAMINFO, (1, bytes(20))),
    "faulty 07: STREAMINFO twice": lambda: headed(STREAMINFO, STREAMINFO),
    "faulty 07: STREAMINFO too long": lambda: headed((0, STREAMINFO[1] + b"xx")),
    "faulty 09: block size 1": lambda: stream(frames(size=1, coding=bw.Coding(order=0))),
    "faulty 09: block size 1, as STREAMINFO says": lambda: stream(
        frames(size=1, coding=bw.Coding(order=0)),
        streaminfo={"min_block_size": 1, "max_block_size": 1},
    ),
    "faulty 10: comment too long": lambda: headed(STREAMINFO, comment(length=99)),
    "faulty 10: too many comments": lambda: headed(STREAMINFO, comment(count=255)),
    "faulty 10: vendor too long": lambda: headed(STREAMINFO, comment(vendor=255)),
    "faulty 10: no equals sign": lambda: headed(STREAMINFO, comment(b"abbbc")),
    "faulty 10: not UTF-8": lambda: headed(STREAMINFO, comment(b"a=\xff\xfec")),
    "faulty 10: bytes left over": lambda: headed(STREAMINFO, comment(tail=b"zzz")),
    "faulty 10: empty": lambda: headed(STREAMINFO, (4, b"")),
    "faulty: forbidden metadata block": lambda: headed(STREAMINFO, (127, b"hey")),
}

REFUSED = {
    "uncommon 02: more channels": lambda: changing((frames(3, channels=1), 16), (frames(3), 16)),
    "uncommon 03: fewer channels": lambda: changing((frames(3), 16), (frames(3, channels=1), 16)),
    "uncommon 04: changing depth": lambda: changing((frames(3), 16), (frames(3, bits=24), 24)),
    "uncommon 10: starting at a frame without depth": lambda: DEPTHLESS,
    "uncommon 11: unparsable data in front": lambda: b"junk " * 1000 + bytes(PLAIN),
    "uncommon 11: starting within a frame": lambda: b"".join(PARTS)[9:],
    "faulty 01: block sizes that make frames seem missing": lambda: claiming(
        min_block_size=4096, max_block_size=4096
    ),
    "faulty 05: too many samples, no MD5": lambda: claiming(False, total_samples=2000),
    "faulty 05: as many as there can be": lambda: claiming(False, total_samples=2**36 - 1),
    "faulty 06: no STREAMINFO nor depth": lambda: headed(VORBIS, parts=[DEPTHLESS]),
    "faulty 07: STREAMINFO too short": lambda: headed((0, STREAMINFO[1][:-2])),
    "faulty 08: block size 65536": lambda: (
        PLAIN.head()
        + bw.write_frame(
            bw.Frame([[0] * 192] * 2, breaks={"block_size": 65535, "block_size_code": 7}),
            16, 0, variable=False,
        )
    ),
    "faulty 11: metadata block too short": lambda: headed(
        STREAMINFO, (1, bytes(60)), sizes=[(1, 20)]
    ),
    "faulty 11: metadata block too long": lambda: headed(
        STREAMINFO, (1, bytes(20)), sizes=[(1, 60)]
    ),
    "faulty 11: metadata block behind the end": lambda: headed(
        STREAMINFO, (1, bytes(20)), sizes=[(1, 2**24 - 1)]
    ),
    "faulty: a frame missing": lambda: PLAIN.head() + b"".join(PARTS[:2] + PARTS[3:]),
    "faulty: the first frame missing": lambda: PLAIN.head() + b"".join(PARTS[1:]),
    "faulty: a frame missing where sizes vary": lambda: (
        OLD.head() + b"".join(OLD.frame_bytes()[:4] + OLD.frame_bytes()[5:])
    ),
    "faulty: a frame twice": lambda: PLAIN.head() + b"".join(PARTS[:3] + PARTS[2:]),
    "faulty: a frame behind the last": lambda: bytes(PLAIN) + PARTS[0],
    "faulty: garbage between frames": lambda: (
        PLAIN.head() + b"".join([*PARTS[:3], b"garbage", *PARTS[3:]])
    ),
    "faulty: frames of a variable stream, counted": lambda: (
        bw.Stream(frames(3) + frames(3, 300)).head()
        + b"".join(bw.Stream(frames(3) + frames(3, 300)).frame_bytes())
    ),
    "faulty: truncated": lambda: bytes(PLAIN)[:-10],
    "faulty: truncated between frames": lambda: bytes(PLAIN)[: -len(PARTS[-1])],
    "faulty: no frames": lambda: PLAIN.head(),
    "faulty: sample rate code 15": lambda: stream(
        frames(3), frames(3, breaks={"sample_rate_code": 15})
    ),
    "faulty: empty": lambda: b"",
    "faulty: rubbish": lambda: b"rubbish" * 100,
}  # fmt: skip


@pytest.mark.parametrize("kind", DECODED)
def test_decoded_as_libflac_does(kind):
    data = DECODED[kind]()
    verdict = oracle.judge(data, md5=True)
    assert verdict.errors == []
    assert verdict.md5_ok
    np.testing.assert_array_equal(zarr_flac.decode(data), verdict.samples)
    out = np.empty_like(verdict.samples)
    assert zarr_flac.decode(data, out) is out
    np.testing.assert_array_equal(out, verdict.samples)
    for shape in ((1, 1), (out.shape[0], out.shape[1] + 1), (out.shape[0] + 1, out.shape[1])):
        with pytest.raises(FlacError):
            zarr_flac.decode(data, np.empty(shape, np.int32))


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    with pytest.raises(FlacError, match=r"\."):
        zarr_flac.decode(REFUSED[kind]())


@needs_flac
@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_flac_too(kind):
    done = subprocess.run(
        ["flac", "--decode", "--stdout", "--silent", "-"],
        input=REFUSED[kind](), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0


def test_blocks_of_65536_samples():
    """RFC 9639 forbids them. libFLAC 1.4.2 reads them, 1.4.3 does not."""
    coding = bw.Coding("constant")
    large = tuple(bw.Frame([[value] * 65536], (coding,)) for value in (7, -9))
    stream = bw.Stream((*large, *frames(1, 100, 1)))
    parts, samples = stream.frame_bytes(), stream.samples
    for least, most in ((0, 0), (0, 65535), (16, 65535), (65535, 65535)):
        sizes = {"min_block_size": least, "max_block_size": most}
        for known_md5 in (True, False):
            head = replace(stream, known_md5=known_md5, streaminfo=sizes).head()
            data = head + b"".join(parts)
            np.testing.assert_array_equal(zarr_flac.decode(data), samples)
            if shutil.which("flac"):
                done = subprocess.run(
                    ["flac", "-dcs", "--force-raw-format", "--endian=little", "--sign=signed", "-"],
                    input=data, capture_output=True, check=False,
                )  # fmt: skip
                refused = done.returncode != 0
                assert refused or done.stdout == samples.T.astype("<i2").tobytes()
            with pytest.raises(FlacError):
                zarr_flac.decode(head + b"".join(parts[1:]))
            with pytest.raises(FlacError):  # tiles are read strictly
                zarr_flac.decode_tile(data, zarr_flac.TileSpec(samples.shape[1:], "int16"))


def test_a_stream_of_nothing():
    nothing = replace(PLAIN, known_total=False, known_md5=False)
    assert zarr_flac.decode(nothing.head()).shape == (2, 0)
    with pytest.raises(FlacError):
        zarr_flac.decode(replace(nothing, known_md5=True).head())


def test_a_wrong_bit_in_the_head():
    """Whatever bit of fLaC or STREAMINFO is wrong: an error, or the samples as they were."""
    for at in range(42 * 8):
        data = bytearray(bytes(PLAIN))
        data[at >> 3] ^= 1 << (at & 7)
        try:
            samples = zarr_flac.decode(data)
        except FlacError:
            continue
        np.testing.assert_array_equal(samples, PLAIN.samples, err_msg=f"bit {at}")


# --- Files by flac --------------------------------------------------------------------------------

SETTINGS = {
    **{
        f"block size {size}": ["--lax", f"--blocksize={size}"]
        for size in (4096, 16, 192, 254, 512, 725, 1000, 1937, 2304, 4608)
    },
    **{f"predictor order {order}": ["-l", str(order)] for order in (0, 1, 2, 4, 8, 12)},
    **{f"partition order {order}": ["-r", f"{order},{order}"] for order in range(9)},
    "precision search": ["-8", "--qlp-coeff-precision-search"],
    "no padding": ["--no-padding"],
    "padding of 1 MB": ["--padding=1000000"],
    "seek points": ["--seekpoint=100x"],
    "many comments": [f"--tag=NUMBER{at}={'x' * at}" for at in range(200)],
}
FORMATS = {
    "16 bit": (2, 16, 44100),
    "8 bit": (2, 8, 22050),
    "12 bit": (1, 12, 8000),
    "20 bit": (2, 20, 96000),
    "24 bit": (2, 24, 192000),
    "8 channels": (8, 16, 48000),
    "39 kHz": (1, 16, 39000),
    "37.01 kHz": (1, 16, 37010),
    "44.097 kHz": (1, 16, 44097),
    "1 Hz": (1, 16, 1),
}


def by_flac(samples, bits, rate, options):
    width = -(-bits // 8)
    raw = np.ascontiguousarray((samples << (8 * width - bits)).T.astype("<i4"))
    done = subprocess.run(
        ["flac", "-s", "-c", "-f", "--lax", "--force-raw-format", "--endian=little",
         "--sign=signed", f"--channels={len(samples)}", f"--bps={8 * width}",
         f"--sample-rate={rate}", *options, "-"],
        input=raw.view("u1").reshape(-1, 4)[:, :width].tobytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_flac
@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
def test_settings_of_flac(options):
    samples = bw.texture("smooth", 2, 9001, 16, 1)
    data = by_flac(samples, 16, 44100, options)
    np.testing.assert_array_equal(zarr_flac.decode(data, verify_md5=True), samples)
    np.testing.assert_array_equal(oracle.judge(data, md5=True).samples, samples)


@needs_flac
@pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
def test_formats_of_flac(made):
    channels, bits, rate = made
    samples = bw.texture("smooth", channels, 9001, bits, 2)
    data = by_flac(samples, bits, rate, [])
    decoded = zarr_flac.decode(data, verify_md5=True)
    np.testing.assert_array_equal(decoded, oracle.judge(data, md5=True).samples)
    np.testing.assert_array_equal(decoded, samples << (-bits % 8))
    assert zarr_flac.read_info(data).streaminfo.sample_rate == rate
