"""Whatever public functions are given: a FlacError, or a TypeError where the type is wrong."""

from __future__ import annotations

import inspect
import io
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hostile_arguments
import numpy as np
import pytest
import xarray as xr
from rasters import write_tif
from virtualizarr import open_virtual_dataset

import virtual_flac
from virtual_flac.errors import FlacError
from virtual_flac.model.arguments import KINDS

type Call = tuple[Callable[..., Any], dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a raster as GeoTIFF, as FLAC and as references."""
    path = tmp_path_factory.mktemp("arguments")
    pixels = np.arange(2000, dtype=np.int16).reshape(1, 40, 50)
    tif = write_tif(path / "in.tif", pixels)
    virtual_flac.write_flac(tif, path / "in.flac", tile_size=32)
    virtual_flac.write_kerchunk(virtual(path), path / "in.json")
    return path


def virtual(folder: Path) -> xr.Dataset:
    flac = folder / "in.flac"
    parser, registry = virtual_flac.FLACParser(), virtual_flac.registry_for(flac)
    return open_virtual_dataset(flac.as_uri(), parser=parser, registry=registry)


def calls(folder: Path, out: Path) -> dict[str, Call]:
    """Each public function, and arguments with which it works."""
    vf, flac, tif = virtual_flac, str(folder / "in.flac"), folder / "in.tif"
    registry, vds = vf.registry_for(flac), virtual(folder)

    def parse(**options: Any) -> Any:
        return vf.FLACParser(**options)(flac, registry)

    parse.__signature__ = inspect.signature(vf.FLACParser)  # type: ignore[attr-defined]
    return {
        "FLACParser": (parse, {}),
        "FLACParser.__call__": (vf.FLACParser(), {"url": flac, "registry": registry}),
        "compare": (vf.compare, {"a": flac, "b": tif}),
        "open_references": (vf.open_references, {"target": folder / "in.json"}),
        "extract": (vf.extract, {"source": flac, "target": out / "e.tif"}),
        "info": (vf.info, {"source": flac}),
        "query": (vf.query, {"source": flac}),
        "preview": (vf.preview, {"source": flac, "target": out / "p.png", "size": 32}),
        "read_index": (vf.read_index, {"url": flac}),
        "registry_for": (vf.registry_for, {"urls": [flac]}),
        "spatial_info": (vf.spatial_info, {"source": flac}),
        "stack": (vf.stack, {"urls": [flac, flac], "dim": "time", "values": [1, 2]}),
        "verify": (vf.verify, {"source": flac}),
        "write_flac": (vf.write_flac, {"source": tif, "target": out / "w.flac", "tile_size": 32}),
        "write_geotiff": (vf.write_geotiff, {"source": flac, "target": out / "g.tif"}),
        "write_icechunk": (vf.write_icechunk, {"vds": vds, "target": out / "i.icechunk"}),
        "write_kerchunk": (vf.write_kerchunk, {"vds": vds, "target": out / "k.json"}),
    }


#: What else is public are values and their types.
NAMES = sorted(
    {*virtual_flac.__all__, "FLACParser.__call__"} - {"FlacError", "TileIndex", "__version__"}
)


def hostile(call: Call, bad: list[Any]) -> Iterator[dict[str, Any]]:
    """The good arguments with one replaced."""
    function, good = call
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            for value in itertools.chain(hostile_arguments.values(), bad):
                yield good | {name: value}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("name", NAMES)
def test_hostile_arguments(
    name: str, step: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names without a folder are written here
    monkeypatch.setenv("ICECHUNK_LOG", "off")
    bad = hostile_arguments.files(tmp_path, (folder / "in.flac").read_bytes())
    bad = [*bad, io.StringIO("a"), virtual(folder), xr.Dataset()]
    out = tmp_path / "out"
    function, _ = call = calls(folder, out)[name]
    refused = 0
    for arguments in itertools.islice(hostile(call, bad), None, None, step):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        try:
            function(**arguments)
        except (FlacError, TypeError):
            refused += 1
        except Exception as error:
            given = {key: repr(value)[:99] for key, value in arguments.items()}
            pytest.fail(f"{name} of {given} is a {type(error).__name__}: {error}")
    assert refused


def test_every_argument_has_a_kind() -> None:
    """One that is added later, too. Three are of several types, and judged where they are used."""
    several = {"bbox", "window", "values"}
    for name in virtual_flac.__all__:
        function = getattr(virtual_flac, name)
        if hasattr(function, "__wrapped__"):
            parameters = inspect.signature(function).parameters.values()
            given = {each.name for each in parameters if each.kind != each.VAR_KEYWORD}
            assert given - several <= KINDS.keys(), name
