"""Benchmarks share `harness` beside them, as scripts and under pytest."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
