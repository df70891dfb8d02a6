"""What this project does, on a real raster and this machine alone, in functions to call.

`run_demo` makes, serves, opens, compares, references and stacks; `serve` is its server. Nothing is
printed.
"""

from .rasters import make_dem, make_sunlight
from .result import DemoResult
from .run import run_demo
from .server import serve

__all__ = ["DemoResult", "make_dem", "make_sunlight", "run_demo", "serve"]
