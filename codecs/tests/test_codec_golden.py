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


def surface(shape, dtype, steepness=7):
    """Hills, with a flat corner: whole numbers only, so the same everywhere."""
    *plane, row, col = np.indices(shape)
    hills = (row - 20) ** 2 * steepness // 9 + (col - 33) ** 2 * 5 // 7 + row * col // 4
    hills += (row * 7919 + col * 104729) % 11 + sum(plane) * 3
    return np.where((row > 25) & (col > 40), 0, hills).astype(dtype)


NAN = np.array([0x7FC00001, 0xFF800001, 0x80000000, 0x7F800000], "<u4").view("<f4")

# name: (array or None when another program wrote the file, spec it was encoded with,
#        spec to decode with, SHA-256 of the file, SHA-256 of the decoded pixels)
CASES = {
    "uint16": (
        ramp((20, 30), "uint16"),
        TileSpec(order="row"),
        TileSpec((20, 30), "uint16"),
        "bf345e50ad3b8e1de3d84b2fe5880726e40b1e4d91a2b4debb76634aca3510a1",
        "be93ff6254ac836bc90c5a0ac4aff452dc24ae3d387cac3569754a257d7a9122",
    ),
    "uint16_edge": (
        ramp((1, 13, 17), "uint16"),
        TileSpec((1, 16, 20), "uint16"),
        TileSpec((1, 16, 20), "uint16", fill_value=9),
        "767dc6642b33c647de2e5ea255ee1154effe667cec3222e20396e1c6afd0c841",
        "077923abb127795ff660e39c0b74b367b102649bf526cc009d97d98c2a209e1e",
    ),
    "uint16_12_bits": (
        ramp((20, 30), "uint16", modulus=4096),
        TileSpec(bits_per_sample=12, block_size=192, compression=8),
        TileSpec(),
        "a36f09bb1d6b6099a3ce056867f4b967b0fc579f9ac368fc700c4c89240f9962",
        "85826b15e84f7653c29e401f99defc2db7cb466921b88de4bb85aecf6b5c9823",
    ),
    "uint8_three_channels": (
        ramp((3, 20, 30), "uint8", modulus=256),
        TileSpec(channels=3),
        TileSpec((3, 20, 30), "uint8", 3),
        "8b1117a783d71dad0c9216aaa224c36cd35ea8a6f8e5aa1eb93611480b32cc42",
        "1ef0e76e981a82255c79b7e878746d9288f00c7a1801db2342902523ea92f60b",
    ),
    "int16": (
        ramp((20, 30), "int16"),
        TileSpec(order="row"),
        TileSpec(),
        "0df98f55dd1e3fbcadac7ccad56b978c17b59d1bb7970177f1873077daea00cf",
        "be93ff6254ac836bc90c5a0ac4aff452dc24ae3d387cac3569754a257d7a9122",
    ),
    "int32": (
        ramp((20, 30), "int32", 7919191),
        TileSpec(order="row"),
        TileSpec(),
        "886b5b8dff440044049fc96243b98f1af9cc87deacb0348515082d3ec1f115a6",
        "c54f9df9bd6ec544b874efd52173d31722d4abdd5d304b45ff9fa274c5f9080a",
    ),
    "uint32": (
        ramp((20, 30), "uint32", 7919191, 2**32),
        TileSpec(order="row"),
        TileSpec(),
        "fa9203e195a7aa9b57493020aa81e2dec546a0cfac0343aa6479e3d50840b30f",
        "249975491d6abffdddca97cc1f64d41535c6f13e680e49be4fe18953e70de912",
    ),
    "int64": (
        ramp((10, 12), "int64", 2**53 + 1, 2**63 - 1),
        TileSpec(order="row"),
        TileSpec(),
        "300249a990ed05ce01f665adbcedf387b0050438e7c81d85f83f6f613b703e4b",
        "14e6306cbcd5f1f47314b0a681446239f91a0c65289d4e1372a2afd4b23a9dbf",
    ),
    "uint64": (
        ramp((10, 12), "uint64", 2**53 + 1, 2**63 - 1),
        TileSpec(order="row"),
        TileSpec(),
        "53102f6762fb5392cee32b10143ed07b28250cbd634bcf5b6a4925d586b3d383",
        "14e6306cbcd5f1f47314b0a681446239f91a0c65289d4e1372a2afd4b23a9dbf",
    ),
    "float16": (
        ramp((20, 30), "uint16").view("<f2"),
        TileSpec(order="row"),
        TileSpec(),
        "2d4231a4c8bfe80192131117f08b5d43cad90dcd3ffe86006bcccd965b17211f",
        "be93ff6254ac836bc90c5a0ac4aff452dc24ae3d387cac3569754a257d7a9122",
    ),
    "float32": (
        np.tile(NAN, (4, 5)),
        TileSpec(order="row"),
        TileSpec(),
        "0a94ed67cad050830068f0f03cefb45d4077870d4cb87c72d2d1e663c88f4274",
        "6dd232f55f8747ae992d956a45ff894837cae20fbc07926e4e9189001cb580ba",
    ),
    "float64": (
        ramp((10, 12), "int64", 2**53 + 1).view("<f8"),
        TileSpec(order="row"),
        TileSpec(),
        "fdbeb5363daa517c00811fb8822cf56f1878ff3c2f4eabedf420084563200504",
        "fc256ff91ecfd419717ef3077f33d0d67c0cd9056b3975a8f9a3b4c2ba50bb10",
    ),
    "bool": (
        ramp((20, 30), "uint16") > 30000,
        TileSpec(),
        TileSpec(),
        "83f2b0eb5a1f55796a8738bdde6ba622bb50c857da64e325e7f1f057b76611c6",
        "3ce2d733a16b8b89efd42ddcde92adadade897277920af42358ffb74610a9afc",
    ),
    "predicted_int16": (
        surface((40, 60), "int16"),
        TileSpec(compression=8),
        TileSpec((40, 60), "int16"),
        "dcb9c3892a337f09370336c75a2f66fa5f514f33b515bdef7f9b98a6a1f17160",
        "0cb2774ecf268ab08ce43d068fb0ec0e28796bd8967d0bfd282cae6b7ac1a94e",
    ),
    "predicted_edge": (
        surface((1, 37, 53), "uint16"),
        TileSpec((1, 40, 60), "uint16"),
        TileSpec((1, 40, 60), "uint16", fill_value=9),
        "25e8b24afe79699c8f8146c088611ae91b48f1426c6e9cfb5df8784c5d502d18",
        "ca69bdb3e1ce2f06ad593181035ac5d2b4d1ef5afc8cdf49b5a805d176091cfc",
    ),
    "predicted_colours": (
        surface((3, 40, 60), "uint8", 1),
        TileSpec(channels=3),
        TileSpec((3, 40, 60), "uint8", 3),
        "55b2530611420a12793af0847968e584ba85153ae14a5912ef0923ac1bbbf7b7",
        "03f6c57106ff0f1fd7539b5df39de2985694a5baa0860e03f9a7277cf3770521",
    ),
    "predicted_classes": (
        surface((40, 60), "uint32") // 400 * 1000,
        TileSpec(),
        TileSpec(),
        "1b25bbab0a7fe6f45c22b993b42c0e05f8ac7ad7fbed89e4944d40c1b5d3b5cf",
        "2dab96c89805a21b4b41342c2de1a6ebd72e4e33e37fa8f97bca773a4c3c2429",
    ),
    "predicted_bool": (
        surface((40, 60), "int32") > 900,
        TileSpec(),
        TileSpec(),
        "5428d6c635524c7f7bd2c358f52e65e9b14a10f961dc45d5d6abe51c7ce2e016",
        "3187906eb810c4de59d87e419e1507355d221a3972a9f9273c7f11249aa46b12",
    ),
    "predicted_int32": (
        surface((40, 60), "int32") * 65_537,
        TileSpec(),
        TileSpec(),
        "7d9441a4d4b6b59bdf41026c286eff137a8e0013886f9c4b025cc297aba3b0b4",
        "a1fe5f06ec7bcd618f3dd65f270866b79cbc4a317f31202f4075e7b8aa9fce7c",
    ),
    "predicted_int64": (
        surface((2, 20, 60), "int64") * 2**40 - 1,
        TileSpec(channels=2),
        TileSpec(channels=2),
        "a95b2e6a9cd295c96bb51999489d34915cf4ccc9f5a645123b40775e07dc2418",
        "b493513864dca62ef067bdb6ceee23907949ce4fdcef06941af274bddf47615e",
    ),
    "predicted_float16": (
        surface((40, 60), "int32").astype("<f2") / 8,
        TileSpec(),
        TileSpec(),
        "621a416cbd81847849c4f50fb1b32c202c3e90cb18b6bcaafa841ee7825a4f9c",
        "7d4bce6495a875ab80f11800d238beed13f88aa317b738284d9e6047bb863b58",
    ),
    "predicted_float32": (
        np.where(surface((40, 60), "int32") == 0, np.nan, surface((40, 60), "int32") / 16).astype(
            "<f4"
        ),
        TileSpec(),
        TileSpec(),
        "57a064741d8bdbf2eaed7f621ce651c2ac59be77b2f77158ab8297cf8c025137",
        "f16d9f201bed6d0d283d8661cf5f7f6d4496a5170754b6dfc11b63c31bdf0cf4",
    ),
    "predicted_float64": (
        surface((40, 60), "int32") / 7.0,
        TileSpec(),
        TileSpec(),
        "0393cc6e43f08e63bedbc2b5ed63beb461d496b5ca7cad02ae104c9f90452fbe",
        "a9abbba76c6ca97a9234a8a82b2374c53beae3e9d163ac1e56a866cc72b79a12",
    ),
    "flac_raster_0_1_2": (  # written by flac-raster 0.1.2's converter
        ramp((13, 17), "uint16", modulus=7001) + np.uint16(3),
        None,
        TileSpec((16, 20), "uint16", mapping="flac-raster", fill_value=3),
        "997da227d46fdbfddcf8466314ca82c87544ccbdacc58c90c371d20dc94ea1cd",
        "49340e3f4b84bd179d5b577ebcbfcb2a76f6c8bad270fa0d29e42e3aa8327cb6",
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
