"""Fresh processes: what they print, the memory they take, references read without our package."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: Runs code where `import virtual_flac` fails, and saves the dictionary `seen` or the variables of
#: the dataset `ds` that it leaves. Says for each what went wrong, or an empty text.
_ELSEWHERE = """
import json, os, sys, traceback, warnings
sys.modules["virtual_flac"] = None
# xarray says that it could not load the engine of this package: that is the point.
warnings.filterwarnings("ignore", message="Engine 'flac' loading failed")
import numpy as np
for line in sys.stdin:
    target, folder, environment, code = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    fault, names = "", {}
    try:
        exec(code, names)
        seen = names.get("seen") or {k: v.to_numpy() for k, v in names["ds"].variables.items()}
        np.savez(target, **seen)
        names.clear()
    except BaseException:
        fault = traceback.format_exc()
    print(json.dumps(fault), flush=True)
# Runtimes of other libraries (Icechunk's) have crashed at times while the interpreter ends.
os._exit(0)
"""

#: Opens references in `path`, decoded and as they are stored.
_OPEN_REFERENCES = """
import numpy as np, xarray as xr, rioxarray

def open_it(**options):
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

decoded, raw = open_it(), open_it(mask_and_scale=False)
seen = dict(
    decoded=decoded.band_data, stored=raw.band_data, band=decoded.band,
    spatial_ref=decoded.spatial_ref, crs=decoded.rio.crs.to_wkt(),
    transform=decoded.rio.transform()[:6],
    **{k: decoded[k] for k in ("x", "y") if k in decoded.variables},
)
"""


class Elsewhere:
    """A process that has the codec and not our package; it stays, for its imports take seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", _ELSEWHERE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(
        self, code: str, folder: Path | None = None, *, environment: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run code in a folder; return its `seen`, or the variables of its `ds`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        target = str(self._folder / f"{next(self._numbers)}.npz")
        there = [target, str(folder or self._folder), dict(environment or os.environ), code]
        print(json.dumps(there), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"the process ended with {self._process.wait()}"
        fault = json.loads(answer)
        assert not fault, fault
        with np.load(target) as arrays:
            return dict(arrays)

    def read(self, path: Path) -> dict[str, Any]:
        """Open references."""
        return self.run(f"path = {str(path)!r}\n{_OPEN_REFERENCES}")

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


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
