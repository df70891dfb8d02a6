"""Builds `zarr_flac._native`, the codec in C. Everything else stands in pyproject.toml.

For gcc and clang (MSVC has not their builtins), without flags beyond the baseline: what a CPU can
do more is found out when it runs.
"""

from pathlib import Path

from setuptools import Extension, setup

sources = sorted(str(path) for path in Path("c").rglob("*.c"))
headers = sorted(str(path) for path in Path("c").rglob("*.h"))

setup(
    ext_modules=[
        Extension(
            "zarr_flac._native",
            sources,
            depends=headers,
            include_dirs=["c"],
            # The last one: what is encoded is the same on every CPU.
            extra_compile_args=["-O3", "-std=c11", "-ffp-contract=off"],
            libraries=["m"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp312"}},
)
