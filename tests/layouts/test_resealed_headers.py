"""Hostile headers with a right checksum: errors of ours or the right pixels, in little memory.

Every one of them is tried with everything that can be done with a file.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from pathlib import Path

import hostile_headers
import pytest
from fresh_process import run_python

SEED = 20_261_121
FEW, MANY, BATCH = 40, 5000, 500
TESTS = Path(__file__).parents[1]


def attack(folder: Path, first: int, count: int) -> list[str]:
    """Try some files; gives the slow ones."""
    with open(folder / "victims.pickle", "wb") as file:
        pickle.dump(hostile_headers.victims(folder), file)
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import hostile_uses
        hostile_uses.main(peak, *sys.argv[2:])
    """
    printed = run_python(code, TESTS, folder, SEED, first, count)
    *lines, last = map(json.loads, printed.splitlines())
    findings = [line["finding"] for line in lines if "finding" in line]
    assert not findings, "\n\n".join(findings[:5])
    # Neither is everything refused, nor everything taken.
    seen = Counter(last)
    assert seen["read done"] > count / 10
    assert seen["read refused"] > count / 3
    return [line["slow"] for line in lines if "slow" in line]


def test_hostile_headers(tmp_path: Path) -> None:
    attack(tmp_path, 0, FEW)


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", range(FEW, FEW + MANY, BATCH))
def test_five_thousand_hostile_headers(first: int, tmp_path: Path) -> None:
    assert not attack(tmp_path, first, BATCH)
