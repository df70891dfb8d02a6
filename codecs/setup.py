"""Builds `zarr_flac._native`, the decoder in C. Everything else stands in pyproject.toml.

No flags beyond the compiler's own baseline: what a CPU can do more is found out when it runs.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

flags = ["/O2", "/std:c11"] if sys.platform == "win32" else ["-O3", "-std=c11"]
sources = sorted(str(path) for path in Path("c").glob("*.c"))
headers = sorted(str(path) for path in Path("c").glob("*.h"))

setup(
    ext_modules=[
        Extension(
            "zarr_flac._native",
            sources,
            depends=headers,
            extra_compile_args=flags,
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp312"}},
)
