"""Without rasterio FLAC rasters are read as ever; what needs it says what to install."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np

from virtual_flac.model.index import RasterInfo
from virtual_flac.writing.writer import FlacWriter

SCRIPT = textwrap.dedent(
    """
    import sys
    sys.modules["rasterio"] = None  # as if it were not installed
    import virtual_flac
    from virtual_flac import FlacError

    flac, tif = sys.argv[1:]
    attempts = {
        "write_flac": lambda: virtual_flac.write_flac(tif, "out.flac"),
        "write_flac, FLAC": lambda: virtual_flac.write_flac(flac, "out.flac"),
        "write_geotiff": lambda: virtual_flac.write_geotiff(flac, "out.tif"),
        "extract": lambda: virtual_flac.extract(flac, "out.tif"),
        "compare": lambda: virtual_flac.compare(tif, flac),
        "preview": lambda: virtual_flac.preview(tif),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except FlacError as error:
            assert isinstance(error, ImportError), (name, error)
            print(name, "|", error)
        else:
            raise AssertionError(f"{name} did not fail")
    assert virtual_flac.compare(flac, flac).identical
    assert virtual_flac.info(flac)
    assert virtual_flac.preview(flac).level == 0
    """
)


def test_what_needs_rasterio_says_what_to_install(tmp_path):
    flac = tmp_path / "a.flac"
    raster = RasterInfo(width=20, height=20, dtype=np.dtype("uint8"))
    with FlacWriter(flac, raster) as writer:
        writer.write(np.zeros((1, 20, 20), np.uint8))
        writer.finish()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, flac, tmp_path / "b.tif"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines()]
    assert [name for name, _ in lines] == [
        "write_flac", "write_flac, FLAC", "write_geotiff", "extract", "compare", "preview"
    ]  # fmt: skip
    assert {text for _, text in lines} == {
        'rasterio is not installed: pip install "virtual-flac[geotiff]"'
    }
    assert not any(tmp_path.glob("out.*"))
