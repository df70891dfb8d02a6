"""Write the seed corpus: tiny streams, each with something that the others lack.

    python make_corpus.py [FOLDER]

They come from the tests' own writer, so nothing here depends on a FLAC library. What is named
`found_*` is left alone: the fuzzer found it, once.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from bitwriter import (  # noqa: E402
    LEFT_SIDE,
    MID_SIDE,
    SIDE_RIGHT,
    Coding,
    Frame,
    Stream,
    texture,
)

SLOPE = Coding("lpc", order=2, coefficients=(16, -8), precision=6, shift=3)
EIGHT = Coding("lpc", order=8, coefficients=(900, -300, 60, 9, -9, 5, 1, -1), precision=12, shift=9)


def stream(kind, codings, *, frames=1, size=32, bits=16, channels=1, stereo="independent", **rest):
    """Return a stream of equal frames of one texture."""
    made = tuple(
        Frame(texture(kind, channels, size, bits, at).tolist(), tuple(codings), stereo)
        for at in range(frames)
    )
    return Stream(made, bits_per_sample=bits, **rest)


def seeds():
    """Yield name and stream of each seed."""
    for kind in ("constant", "verbatim"):
        yield kind, stream("constant", [Coding(kind)])
    for order in range(5):
        yield f"fixed_{order}", stream("smooth", [Coding(order=order, partition_order=2)])
    for order in (1, 12, 32):
        yield f"lpc_{order}", stream("smooth", [replace(EIGHT, order=order)], size=64)
    yield "rice_5_bits", stream("noise", [Coding(method=1)], bits=24)
    yield "escapes", stream("small", [Coding(partition_order=3, escapes=(None, 0, 2))])
    yield "escape_of_width_0", stream("constant", [Coding(order=1, escapes=(0,))])
    yield "wasted", stream("constant", [Coding("verbatim", wasted=40)], bits=20)
    yield "long_zeros", stream("small", [Coding(order=1, deltas=(-9,))])
    for stereo in (LEFT_SIDE, SIDE_RIGHT, MID_SIDE):
        yield stereo, stream("smooth", [SLOPE], channels=2, stereo=stereo)
    yield (
        "side_of_33_bits",
        stream("noise", [Coding("verbatim")], channels=2, stereo=MID_SIDE, bits=32, size=8),
    )
    yield "eight_channels", stream("small", [Coding(order=1)], channels=8, size=16)
    for bits in (4, 8, 12, 24, 32):
        yield f"bits_{bits}", stream("smooth", [Coding(order=1)], bits=bits)
    yield (
        "variable",
        replace(stream("small", [Coding(order=2)], frames=3, variable=True), known_total=False),
    )
    yield "no_total", stream("small", [Coding()], frames=3, known_total=False)
    yield "tail", stream("small", [Coding()], tail=b"\xff\xf8tail")
    # Enough equal frames for the lanes, and some left over.
    lanes = {"frames": 11, "size": 64}
    yield "lanes_fixed", stream("smooth", [Coding(order=2)], **lanes)
    yield "lanes_lpc", stream("smooth", [EIGHT], **lanes)
    yield (
        "lanes_mixed",
        stream("runs", [Coding(order=1, partition_order=2, escapes=(None, None, 0))], **lanes),
    )
    yield "lanes_24_bits", stream("smooth", [EIGHT], bits=24, **lanes)
    yield "lanes_stereo", stream("smooth", [SLOPE], channels=2, stereo=MID_SIDE, **lanes)
    yield "lanes_three", stream("small", [Coding(order=3)], frames=3, size=256)
    # A kernel may have sixteen lanes.
    many = {"frames": 19, "size": 64}
    yield "many_lanes_fixed", stream("runs", [Coding(order=1, partition_order=3)], **many)
    yield "many_lanes_lpc", stream("smooth", [EIGHT], **many)
    yield "many_lanes_24_bits", stream("smooth", [EIGHT], bits=24, **many)
    flat = stream("small", [Coding(order=1)], **lanes)
    ways = [Coding("constant"), Coding("verbatim"), Coding(order=4), EIGHT]
    yield (
        "lanes_of_all_kinds",
        replace(
            flat,
            frames=tuple(
                replace(
                    frame,
                    codings=(ways[at % 4],),
                    samples=[[at] * 64] if at % 4 == 0 else frame.samples,
                )
                for at, frame in enumerate(flat.frames)
            ),
        ),
    )
    yield (
        "lanes_last_short",
        replace(flat, frames=(*flat.frames, Frame(texture("small", 1, 9, 16, 99).tolist()))),
    )
    yield "lanes_variable", replace(flat, variable=True)
    yield (
        "wrong_crc16",
        replace(flat, frames=(*flat.frames[:9], replace(flat.frames[9], breaks={"crc16": 0}))),
    )


def main() -> None:
    """Write all seeds."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "corpus")
    folder.mkdir(parents=True, exist_ok=True)
    for name, each in seeds():
        (folder / f"{name}.flac").write_bytes(bytes(each))


if __name__ == "__main__":
    main()
