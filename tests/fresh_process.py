"""Fresh processes: what they print, the memory they take, references read without our package."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np

READER = textwrap.dedent(
    """
    import sys, warnings
    sys.modules["virtual_flac"] = None
    # xarray says that it could not load the engine of this package: that is the point.
    warnings.filterwarnings("ignore", message="Engine 'flac' loading failed")
    import numpy as np, xarray as xr, rioxarray

    def open_it(path, **options):
        if not path.endswith(".icechunk"):
            return xr.open_dataset(path, engine="kerchunk", **options)
        import icechunk as ic
        storage = ic.local_filesystem_storage(path)
        config = ic.Repository.fetch_config(storage)
        makers = {"file": ic.Credentials.LocalFileSystemAccess, "http": ic.Credentials.HttpAccess}
        access = {p: makers[p.split(":")[0]]() for p in config.virtual_chunk_containers}
        repo = ic.Repository.open(
            storage, authorize_virtual_chunk_access=ic.containers_credentials(access)
        )
        store = repo.readonly_session("main").store
        return xr.open_zarr(store, consolidated=False, chunks=None, **options)

    for path in sys.argv[1:]:
        ds = open_it(path)
        raw = open_it(path, mask_and_scale=False)
        np.savez(
            path + ".npz", decoded=ds.band_data, stored=raw.band_data, band=ds.band,
            spatial_ref=ds.spatial_ref, crs=ds.rio.crs.to_wkt(), transform=ds.rio.transform()[:6],
            **{k: ds[k] for k in ("x", "y") if k in ds.variables},
        )
    # Runtimes of other libraries (Icechunk's) have crashed at times while the interpreter ends.
    import os
    os._exit(0)
    """
)

PEAK = """
def peak():
    # Not ru_maxrss, which a process inherits from the one that starts it.
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) * 1024
"""


def run_python(code: str, *arguments: object) -> str:
    """Run code in a new process and return what it prints.

    There ``peak()`` is the most memory that the process has had, in bytes (Linux).
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_elsewhere(paths: list[Path]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", READER, *map(str, paths)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = []
    for path in paths:
        with np.load(f"{path}.npz") as arrays:
            seen.append(dict(arrays))
    return seen
