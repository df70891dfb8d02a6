"""The table in docs of what flac-raster loses is what its script prints today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_docs_say_what_the_script_measures() -> None:
    pytest.importorskip("flac_raster")
    script = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "flac_raster_loss.py"))
    table = script["table"]()
    assert table in (ROOT / "docs" / "flac-raster.md").read_text("utf-8")
    # Whatever the raster, our own files lose nothing.
    assert all(line.endswith("| 0 % |") for line in table.splitlines()[2:])
