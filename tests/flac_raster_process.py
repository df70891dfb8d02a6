"""flac-raster, the other program that writes FLAC rasters, in one process that stays.

Its imports take seconds, so one process runs many of its commands. As a script this file is that
process: each line it reads is a command as a JSON list, each line it writes is what came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class FlacRaster:
    """The other program that writes FLAC rasters: real files, and a reader of ours."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def create_streaming(self, source: Path, target: Path, tile_size: int = 1024) -> Path:
        """Write ``source`` (GeoTIFF) as a streaming file: index, then one FLAC stream per tile."""
        self("create-streaming", source, "-o", target, "--tile-size", tile_size)
        return target

    def convert(self, source: Path, target: Path, *options: str) -> Path:
        """Convert GeoTIFF to FLAC or back; ``--spatial`` for its third layout."""
        self("convert", source, "-o", target, *options)
        return target

    def extract_streaming(self, source: Path, target: Path, *options: str) -> Path:
        """Extract a tile as GeoTIFF: ``--tile-id=3``, ``--bbox=...``, ``--center``, ``--last``."""
        self("extract-streaming", source, "-o", target, *options)
        return target

    def __call__(self, *arguments: Any) -> str:
        """Run one command and return what it printed; fail the test if it fails."""
        words = [str(argument) for argument in arguments]
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"flac-raster {words} ended its process with {self._process.wait()}"
        status, printed = json.loads(answer)
        assert status == 0, f"flac-raster {words} ended with {status}\n{printed}"
        return str(printed)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _run_commands() -> None:
    # Whatever prints past the runner must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from flac_raster.cli import app
    from typer.testing import CliRunner

    for line in sys.stdin:
        result = CliRunner().invoke(app, json.loads(line))
        answers.write(json.dumps([result.exit_code, result.output]) + "\n")
        answers.flush()


if __name__ == "__main__":
    _run_commands()
