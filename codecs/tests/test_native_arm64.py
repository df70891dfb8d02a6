"""The decoder on 64-bit ARM, in an emulator: NEON and scalar code come to the same as here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "fuzz" / "compare_arm64.sh"
TOOLS = ("cc", "aarch64-linux-gnu-gcc", "qemu-aarch64", "flac")


@pytest.mark.skipif(
    not SCRIPT.exists() or not all(map(shutil.which, TOOLS)),
    reason=f"needs {', '.join(TOOLS)} and the source tree",
)
def test_neon_is_exact(tmp_path):
    done = subprocess.run(
        ["sh", str(SCRIPT), str(tmp_path)],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.findall(r"(\w+) checksums: (\d+) streams alike, (\d+) of them good", done.stdout)
    assert [kind for kind, *_ in counts] == ["true", "any"]
    for _, streams, good in counts:
        assert int(streams) - 2 <= int(good) > 250
