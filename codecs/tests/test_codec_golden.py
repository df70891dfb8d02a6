"""Golden tiles: files of every version we ever released decode to the same pixels for ever.

Run this file as a script to write the ones that are missing; never rewrite an old one.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from zarr_flac import TileSpec, decode_tile, encode_tile

GOLDEN = Path(__file__).parent / "golden"


def ramp(shape, dtype, step=7919, modulus=65536):
    return (np.arange(np.prod(shape)) * step % modulus).astype(dtype).reshape(shape)


NAN = np.array([0x7FC00001, 0xFF800001, 0x80000000, 0x7F800000], "<u4").view("<f4")

# name: (array or None when another program wrote the file, spec it was encoded with,
#        spec to decode with, SHA-256 of the file, SHA-256 of the decoded pixels)
CASES = {
    "uint16": (
        ramp((20, 30), "uint16"),
        TileSpec(),
        TileSpec((20, 30), "uint16"),
        "bf345e50ad3b8e1de3d84b2fe5880726e40b1e4d91a2b4debb76634aca3510a1",
        "be93ff6254ac836bc90c5a0ac4aff452dc24ae3d387cac3569754a257d7a9122",
    ),
    "uint16_edge": (
        ramp((13, 17), "uint16"),
        TileSpec((1, 16, 20), "uint16"),
        TileSpec((1, 16, 20), "uint16", fill_value=9),
        "",
        "",
    ),
    "uint16_12_bits": (
        ramp((20, 30), "uint16", modulus=4096),
        TileSpec(bits_per_sample=12, block_size=192, level=8),
        TileSpec(),
        "",
        "",
    ),
    "uint8_three_channels": (
        ramp((3, 20, 30), "uint8", modulus=256),
        TileSpec(channels=3),
        TileSpec((3, 20, 30), "uint8", 3),
        "",
        "",
    ),
    "int16": (ramp((20, 30), "int16"), TileSpec(), TileSpec(), "", ""),
    "int32": (ramp((20, 30), "int32", 7919191), TileSpec(), TileSpec(), "", ""),
    "uint32": (ramp((20, 30), "uint32", 7919191, 2**32), TileSpec(), TileSpec(), "", ""),
    "int64": (ramp((10, 12), "int64", 2**53 + 1, 2**63 - 1), TileSpec(), TileSpec(), "", ""),
    "uint64": (ramp((10, 12), "uint64", 2**53 + 1, 2**63 - 1), TileSpec(), TileSpec(), "", ""),
    "float16": (ramp((20, 30), "uint16").view("<f2"), TileSpec(), TileSpec(), "", ""),
    "float32": (np.tile(NAN, (4, 5)), TileSpec(), TileSpec(), "", ""),
    "float64": (ramp((10, 12), "int64", 2**53 + 1).view("<f8"), TileSpec(), TileSpec(), "", ""),
    "bool": (ramp((20, 30), "uint16") > 30000, TileSpec(), TileSpec(), "", ""),
    "flac_raster_0_1_2": (  # written by flac-raster 0.1.2's converter
        ramp((13, 17), "uint16", modulus=7001) + np.uint16(3),
        None,
        TileSpec((16, 20), "uint16", mapping="flac-raster", fill_value=3),
        "",
        "",
    ),
}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", CASES)
def test_golden(name):
    array, _, spec, file_hash, pixel_hash = CASES[name]
    data = (GOLDEN / f"{name}.flac").read_bytes()
    assert sha256(data) == file_hash
    decoded = decode_tile(data, spec)
    assert sha256(decoded.tobytes()) == pixel_hash
    if array is not None:
        height, width = array.shape[-2:]
        assert decoded[..., :height, :width].tobytes() == array.tobytes()


def test_no_golden_file_is_forgotten():
    assert {path.stem for path in GOLDEN.glob("*.flac")} == set(CASES)


if __name__ == "__main__":
    for name, (array, encoder_spec, decoder_spec, *hashes) in CASES.items():
        path = GOLDEN / f"{name}.flac"
        if not path.exists():
            path.write_bytes(encode_tile(array, encoder_spec, verify=True))
        data = path.read_bytes()
        found = [sha256(data), sha256(decode_tile(data, decoder_spec).tobytes())]
        if found != hashes:
            print(name, *found, sep="\n    ")
