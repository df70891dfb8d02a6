"""The front door: the exact public names, and what opening it costs."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import pkgutil
import subprocess
import sys

import pytest

import virtual_flac

PUBLIC = {
    # errors
    "FlacError",
    # reading
    "FLACParser",
    "TileIndex",
    "read_index",
    "registry_for",
    "extract",
    "info",
    "query",
    "spatial_info",
    # writing
    "write_flac",
    "write_geotiff",
    # checking
    "compare",
    "preview",
    "verify",
    # many files, references
    "open_references",
    "stack",
    "write_icechunk",
    "write_kerchunk",
    "__version__",
}
HEAVY = ["dask", "icechunk", "kerchunk", "matplotlib", "rasterio", "rioxarray", "virtualizarr"]


def test_public_names_are_exactly_these():
    assert set(virtual_flac.__all__) == PUBLIC
    assert len(virtual_flac.__all__) == len(PUBLIC)


def test_dir_shows_the_public_names():
    assert set(dir(virtual_flac)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(virtual_flac, name)
    assert isinstance(value, str) if name == "__version__" else value.__doc__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such_name"):
        virtual_flac.no_such_name  # noqa: B018


def test_version_is_the_distributions():
    assert virtual_flac.__version__ == importlib.metadata.version("virtual-flac")


@pytest.mark.parametrize("package", ["virtual_flac", "virtual_flac.engine.plugin", "zarr_flac"])
def test_importing_wakes_no_heavy_library(package):
    # xarray imports every engine's module to list them: the engine's must be as light.
    code = f"import sys, {package}; print(*(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_no_module_takes_a_public_name():
    # Importing virtual_flac.x sets the attribute x: a module named like a function would hide it.
    modules = {module.name for module in pkgutil.iter_modules(virtual_flac.__path__)}
    assert not modules & PUBLIC, "give the module another name than the function's"


def test_both_packages_are_typed():
    for package in ("virtual_flac", "zarr_flac"):
        assert importlib.resources.files(package).joinpath("py.typed").is_file()


def test_entry_points():
    [engine] = importlib.metadata.entry_points(group="xarray.backends", name="flac")
    assert engine.value == "virtual_flac.engine.plugin:FlacBackendEntrypoint"
    assert isinstance(engine.load(), type)
    [command] = importlib.metadata.entry_points(group="console_scripts", name="virtual-flac")
    assert callable(command.load())
