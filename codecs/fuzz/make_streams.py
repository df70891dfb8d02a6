"""Write streams for `replay`, larger than those of the corpus.

    python make_streams.py FOLDER

Most come from the command `flac`. The others are written by the tests' own writer, so that each
predictor of the lanes has a stream that needs it. What else an encoder never writes is in the
corpus.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bitwriter import Coding, Frame, Stream, texture


def terrain(rng: np.random.Generator, count: int, bits: int, channels: int) -> np.ndarray:
    """Return samples of shape (count, channels) that look like rows of a DEM, with flat runs."""
    half = 1 << (bits - 1)
    walk = np.cumsum(rng.normal(0, half / 300, (count, channels)), axis=0)
    walk[count // 3 : count // 2] = walk[count // 3]
    return np.clip(walk, -half, half - 1).astype(np.int64)


def streams(rng: np.random.Generator):
    """Yield name, samples (count, channels), bits and the encoder's options of each stream."""
    for bits in (8, 16, 24, 32):
        for level in (0, 5, 8):
            yield f"mono_{bits}_{level}", terrain(rng, 60_000, bits, 1), bits, [f"-{level}"]
    for bits in (8, 16, 24):
        for level in (2, 8):
            yield f"stereo_{bits}_{level}", terrain(rng, 30_000, bits, 2), bits, [f"-{level}"]
    twins = terrain(rng, 30_000, 16, 1)
    twins = np.clip(np.hstack([twins, twins + rng.integers(-9, 9, twins.shape)]), -32768, 32767)
    yield "alike", twins, 16, ["-8"]
    yield "three", terrain(rng, 20_000, 16, 3), 16, ["-5"]
    for size in (16, 63, 64, 192, 256, 257, 1000, 4608, 16384):
        yield f"block_{size}", terrain(rng, 60_000, 16, 1), 16, ["--lax", "-b", str(size)]
    # Frames over, and a last one that is short.
    for frames in (2, 3, 7, 8, 9, 17):
        samples = terrain(rng, frames * 576 - 100, 16, 1)
        yield f"frames_{frames}", samples, 16, ["-8", "-b", "576"]
    for order in (4, 8, 12, 32):
        for bits in (16, 24):
            options = ["--lax", "-l", str(order), "-q", "15", "-b", "1024"]
            yield f"order_{order}_{bits}", terrain(rng, 30_000, bits, 1), bits, options
    yield "partitions", terrain(rng, 40_000, 16, 1), 16, ["--lax", "-b", "4096", "-r", "8,12"]
    yield "wasted", terrain(rng, 40_000, 16, 1) >> 5 << 5, 16, ["-8", "-b", "1024"]
    yield "wasted_24", terrain(rng, 40_000, 24, 2) >> 7 << 7, 24, ["-8", "-b", "1024"]
    yield "constant", np.full((40_000, 1), -77), 16, ["-b", "1024"]
    yield "noise", rng.integers(-32768, 32768, (40_000, 1)), 16, ["-b", "1024"]
    yield "extremes", rng.choice([-32768, 32767], (40_000, 1)), 16, ["-8", "-b", "1024"]
    nodata = terrain(rng, 40_000, 16, 1)
    nodata[rng.integers(0, 40_000, 300)] = -32768
    yield "nodata", nodata, 16, ["-8", "-b", "1024"]


def written(rng: np.random.Generator):
    """Yield name and stream of each order: samples of 16 bits; sums of 32, and of more bits."""
    for kind in ("small", "smooth", "runs", "noise"):
        for order in (0, 1, 2, 3, 4, 5, 6, 9, 10, 12, 13, 14, 17, 31, 32):
            for how, bits, shift in (("narrow", 16, 5), ("middle", 24, 5), ("wide", 24, 11)):
                taps = np.r_[2 << shift, -1 << shift, rng.choice([-1, 1], 30)]
                taps[2:] <<= shift - 5
                lpc = ("lpc", order, tuple(taps[:order].tolist()), 14, shift)
                coding = Coding(*(lpc if order > 4 else ("fixed", order)), method=bits // 24)
                samples = (texture(kind, 1, 311 - at % 2, bits, at) for at in range(9))
                frames = [Frame(each.tolist(), (coding,), block_size_bits=16) for each in samples]
                yield f"{how}_{kind}_{order}", Stream(tuple(frames), bits, variable=True)


def main() -> None:
    """Write all streams."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, stream in written(np.random.default_rng(2)):
        (folder / f"{name}.flac").write_bytes(bytes(stream))
    for name, samples, bits, options in streams(np.random.default_rng(3)):
        raw = samples.astype("<i4").view("u1").reshape(*samples.shape, 4)[..., : bits // 8]
        command = ["flac", "--silent", "--force", "--no-padding", "--no-seektable", *options]
        command += ["--force-raw-format", "--endian=little", "--sign=signed", "--sample-rate=44100"]
        command += [f"--channels={samples.shape[1]}", f"--bps={bits}"]
        command += ["-o", str(folder / f"{name}.flac"), "-"]
        subprocess.run(command, input=raw.tobytes(), check=True)


if __name__ == "__main__":
    main()
