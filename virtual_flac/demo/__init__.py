"""What this project does, on a real raster and this machine alone, in functions one can call.

`run_demo` makes, serves, opens, compares, references and stacks; `serve` is its server. Knows
everything below; prints nothing.
"""

from .rasters import make_dem, make_sunlight
from .result import DemoResult
from .run import run_demo
from .server import serve

__all__ = ["DemoResult", "make_dem", "make_sunlight", "run_demo", "serve"]
