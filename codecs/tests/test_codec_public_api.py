"""The front door: exact names, cheap import, one direction of imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zarr_flac

NAMES = [
    "ConfigurationError",
    "CorruptFlacError",
    "Flac",
    "FlacCodec",
    "FlacError",
    "FlacInfo",
    "FlacRasterLoss",
    "Frame",
    "FrameHeader",
    "FrameScanner",
    "Head",
    "LossyTileError",
    "SampleRangeError",
    "SeekPoint",
    "StreamFacts",
    "StreamInfo",
    "TileDecoder",
    "TileOptions",
    "TileSpec",
    "UnsupportedDtypeError",
    "UnsupportedFlacError",
    "__version__",
    "check_crc32",
    "count_ambiguous",
    "crc32",
    "decode",
    "decode_tile",
    "encode_tile",
    "flac_raster_loss",
    "head_end",
    "iter_frames",
    "read_frame_header",
    "read_info",
    "read_tile_info",
    "set_origin",
]

LAYERS = [
    "errors origin brief", "_native streaminfo samples fill whole_numbers",
    "blocks stream_facts flac_raster_map native_calls",
    "checksum",
    "spec seek_table mapping_loss frame_search frame_decoder frame_encoder",
    "headless output tolerant tile_comments", "predicted", "tile_plan", "tile_decoder stream",
    "tile_encoder",
    "zarr_v2 zarr_v3", "__init__",
]  # fmt: skip


def test_exported_names():
    assert sorted(zarr_flac.__all__) == sorted(NAMES)
    for name in NAMES:
        assert getattr(zarr_flac, name) is not None
    assert set(NAMES) <= set(dir(zarr_flac))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = zarr_flac.nonsense


def test_import_is_cheap():
    code = (
        "import sys, zarr_flac; "
        "assert not {'zarr', 'numcodecs', 'pyflac', 'numpy'} & set(sys.modules); "
        "zarr_flac.encode_tile; assert 'zarr' not in sys.modules; "
        "zarr_flac.Flac; assert 'zarr' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_error_is_a_builtin_too():
    for name in NAMES:
        value = getattr(zarr_flac, name)
        if isinstance(value, type) and issubclass(value, Exception) and name != "FlacError":
            assert issubclass(value, zarr_flac.FlacError)
            assert issubclass(value, ValueError | TypeError)
            assert name in zarr_flac.errors.__doc__


def imports(path):
    """(module of ours, or top-level name of another package) that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            if node.level and node.module is None:
                yield from ((alias.name, True) for alias in node.names)
            else:
                yield (node.module or "").split(".")[0], bool(node.level)
        elif isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], False) for alias in node.names)


def test_imports_point_one_way():
    rank = {name: i for i, layer in enumerate(LAYERS) for name in layer.split()}
    folder = Path(zarr_flac.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} == set(rank) - {"_native"}
    homes = {"pyflac": set(), "zarr": {"zarr_v3"}, "numcodecs": {"zarr_v2"}}
    for path in folder.glob("*.py"):
        for name, ours in imports(path):
            if ours:
                assert rank[path.stem] > rank[name], f"{path.stem} imports {name}"
            elif name in homes:
                assert path.stem in homes[name], f"{path.stem} imports {name}"
