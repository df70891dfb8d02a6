#!/usr/bin/env bash
# What users install works without this clone: wheels built from the source distributions, the
# command in an empty environment, and published references read with nothing of ours but the codec.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The same Python outside of the clone, where another one may answer to `python3`.
python=$(python3 -c 'import sys; print(sys.executable)')
uv() { "$python" -m uv "$@"; }
version=${UV_PYTHON:-$(cat .python-version)}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The default of uv: first the source distribution, then the wheel from that alone.
uv build --quiet --all-packages --out-dir "$folder/dist"
cd "$folder"
if [ "$(ls dist/*.whl dist/*.tar.gz | wc -l)" != 4 ] || ! ls dist/zarr_flac-*-abi3-*.whl >/dev/null; then
    echo "expected two wheels, the codec's for every Python (abi3), and two source distributions:" >&2
    ls dist >&2
    exit 1
fi
codec=$(ls dist/zarr_flac-*.whl)
package=$(ls dist/virtual_flac-*.whl)

install() { # ENVIRONMENT REQUIREMENT...
    uv venv --quiet --python "$version" "$1"
    uv pip install --quiet --python "$1" "${@:2}"
}

echo "the package with all extras: help, demo, info, Icechunk"
install everything "$codec" "$package[all]"
everything/bin/virtual-flac --help >/dev/null
everything/bin/virtual-flac demo -o demo >/dev/null
everything/bin/virtual-flac info demo/dem.flac >/dev/null
everything/bin/virtual-flac virtualize --quiet demo/dem.flac -o dem.icechunk
everything/bin/python - <<'PYTHON'
import numpy as np
import rasterio
import virtual_flac

assert "site-packages" in virtual_flac.__file__, virtual_flac.__file__
with rasterio.open("demo/dem.tif") as source:
    np.save("expected.npy", source.read())
PYTHON

echo "the package without extras: the engine flac"
install lean "$codec" "$package"
lean/bin/python - <<'PYTHON'
import numpy as np
import xarray as xr

with xr.open_dataset("demo/dem.flac", engine="flac") as ds:
    assert np.array_equal(ds.band_data, np.load("expected.npy"))
PYTHON

echo "the codec alone: references of kerchunk and Icechunk, and an array of its own"
install codec "$codec" xarray kerchunk icechunk
codec/bin/python - <<'PYTHON'
from importlib.util import find_spec
from pathlib import Path

import icechunk
import numpy as np
import xarray as xr
import zarr

assert find_spec("virtual_flac") is None
assert find_spec("pyflac") is None
expected = np.load("expected.npy")
with xr.open_dataset("demo/refs.json", engine="kerchunk") as ds:
    assert np.array_equal(ds.band_data, expected)
local_files = icechunk.Credentials.LocalFileSystemAccess()
access = icechunk.containers_credentials({f"{Path('demo').resolve().as_uri()}/": local_files})
icechunk.set_logs_filter("error")  # it would warn of folders: two writers at once need a bucket
repository = icechunk.Repository.open(
    icechunk.local_filesystem_storage("dem.icechunk"), authorize_virtual_chunk_access=access
)
store = repository.readonly_session("main").store
with xr.open_zarr(store, consolidated=False) as ds:
    assert np.array_equal(ds.band_data, expected)

from zarr_flac import FlacCodec

pixels = expected[0]
array = zarr.create_array({}, data=pixels, chunks=(100, 100), compressors=FlacCodec())
assert np.array_equal(array[:], pixels)
assert array.nbytes_stored() < pixels.nbytes
PYTHON
echo "packaging: all three environments read the pixels of the source"
