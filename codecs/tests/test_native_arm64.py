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


pytestmark = pytest.mark.skipif(
    not SCRIPT.exists() or not all(map(shutil.which, TOOLS)),
    reason=f"needs {', '.join(TOOLS)} and the source tree",
)


def compare(folder: Path) -> list[tuple[str, int, int]]:
    """Run the comparison; for each kind of checksum, the streams and how many of them are good."""
    done = subprocess.run(
        ["sh", str(SCRIPT), str(folder)],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ hundred random streams encoded alike$", done.stdout, re.MULTILINE)
    assert re.search(r"^\d+ hundred random predicted tiles alike$", done.stdout, re.MULTILINE)
    found = re.findall(r"(\w+) checksums: (\d+) streams alike, (\d+) of them good", done.stdout)
    return [(kind, int(streams), int(good)) for kind, streams, good in found]


@pytest.mark.exhaustive
def test_neon_is_exact(tmp_path):
    counts = compare(tmp_path)
    assert [kind for kind, *_ in counts] == ["true", "any"]
    for _, streams, good in counts:
        assert streams - 2 <= good > 250
