"""Imports point one way: a module may import only what stands in an earlier layer than its own.

The files are read, not run, so imports inside functions and under ``if TYPE_CHECKING`` count too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# One line per layer, lowest first. Rooms of one line do not import each other; modules of one room
# may, but not in a circle. A new room gets a name here, on the lowest line above what it imports.
CODEC_LAYERS = [
    "errors origin brief",
    "_native streaminfo samples fill whole_numbers",
    "blocks stream_facts flac_raster_map native_calls",
    "checksum",
    "spec seek_table mapping_loss frame_search frame_decoder frame_encoder",
    "headless output tolerant tile_comments",
    "predicted",
    "tile_plan",
    "tile_decoder stream",
    "tile_encoder",
    "zarr_v2 zarr_v3",
]
LAYERS = [
    "redaction",
    "errors",
    "model",
    "io layouts",
    "gdal reading writing",
    "rasters engine virtual",
    "geotiff cube references",
    "publish reports",
    "demo",
    "cli",
]
# The front doors re-export what lies below; nothing below may come in through them.
PACKAGES = {
    "zarr_flac": (ROOT / "codecs" / "zarr_flac", CODEC_LAYERS),
    "virtual_flac": (ROOT / "virtual_flac", LAYERS),
}
# Heavy or exchangeable libraries live in a room of their own: who, with its submodules, may import
# them when run.
ROOMS = {
    "pyflac": set(),
    "rasterio": {"virtual_flac.demo", "virtual_flac.gdal", "virtual_flac.geotiff"},
    "rioxarray": {"virtual_flac.geotiff"},
    "virtualizarr": {
        "virtual_flac.cube",
        "virtual_flac.references",
        "virtual_flac.virtual",
    },
    # Moves between minor versions.
    "zarr.core": {"virtual_flac.virtual", "zarr_flac.zarr_v3"},
    "matplotlib": {"virtual_flac.demo", "virtual_flac.reports.preview"},
    "click": {"virtual_flac.cli"},
}


@dataclass(frozen=True)
class Import:
    importer: str
    """Full name of the module that imports."""
    name: str
    """Full name of what it imports: a module, or a module's attribute."""
    line: int
    runtime: bool
    """False under ``if TYPE_CHECKING``."""

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.name}"


def modules(package: str) -> dict[str, Path]:
    folder, _ = PACKAGES[package]
    return {
        _module_name(package, folder, path): path
        for path in sorted(folder.rglob("*.py*"))
        if path.suffix in (".py", ".pyi")  # a .pyi stands for a module in C
    }


def _module_name(package: str, folder: Path, path: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join([package, *parts]).removesuffix(".__init__")


@cache
def imports_of(module: str, path: Path) -> list[Import]:
    """Return every import in a file, relative ones resolved."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text("utf-8"))
    return list(_imports_under(tree, module, package, runtime=True))


def _imports_under(node: ast.AST, module: str, package: str, runtime: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(module, alias.name, node.lineno, runtime)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            yield Import(module, f"{base}.{alias.name}", node.lineno, runtime)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _imports_under(child, module, package, runtime=False)
        for child in node.orelse:
            yield from _imports_under(child, module, package, runtime)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports_under(child, module, package, runtime)


def level(name: str, layers: list[str]) -> int | None:
    """Return the layer of a module, named without its package: that of its room."""
    room = name.partition(".")[0]
    return next((at for at, line in enumerate(layers) if room in line.split()), None)


def all_imports() -> list[Import]:
    return [
        found
        for package in PACKAGES
        for module, path in modules(package).items()
        for found in imports_of(module, path)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_a_layer(package):
    _, layers = PACKAGES[package]
    unknown = [
        module
        for module in modules(package)
        if module != package and level(module.removeprefix(f"{package}."), layers) is None
    ]
    assert not unknown, (
        f"{', '.join(unknown)}: no layer yet. Add the name in {Path(__file__).name}, "
        f"{'CODEC_LAYERS' if package == 'zarr_flac' else 'LAYERS'}, on the lowest line above "
        "everything it imports."
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package):
    _, layers = PACKAGES[package]
    known = modules(package)
    wrong = []
    for module, path in known.items():
        if module == package:
            continue  # the front door
        own = level(module.removeprefix(f"{package}."), layers)
        for found in imports_of(module, path):
            if found.name.split(".")[0] != package:
                continue
            used = found.name if found.name in known else found.name.rpartition(".")[0]
            if used == package:
                if found.name != f"{package}.__version__":
                    wrong.append(f"{found}: import it from the module that defines it")
                continue
            below = level(used.removeprefix(f"{package}."), layers)
            same_room = used.split(".")[1] == module.split(".")[1]
            if own is not None and below is not None and below >= own and not same_room:
                wrong.append(f"{found}: layer {below} ({layers[below]}), itself in layer {own}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_import_goes_in_a_circle(package):
    known = modules(package)
    uses: dict[str, set[str]] = {
        module: {
            used
            for found in imports_of(module, path)
            for used in [found.name if found.name in known else found.name.rpartition(".")[0]]
            if used in known and used not in (module, package)
        }
        for module, path in known.items()
        if module != package
    }
    while uses:
        leaves = {module for module, used in uses.items() if not used & uses.keys()}
        assert leaves, f"these import each other in a circle: {', '.join(sorted(uses))}"
        uses = {module: used for module, used in uses.items() if module not in leaves}


def test_the_codec_knows_nothing_of_virtual_flac():
    wrong = [
        str(found)
        for found in all_imports()
        if found.importer.startswith("zarr_flac") and found.name.startswith("virtual_flac")
    ]
    assert not wrong, "\n".join(wrong)


def test_virtual_flac_uses_the_codec_through_its_front_door():
    submodules = {name for name in modules("zarr_flac") if name != "zarr_flac"}
    wrong = [
        str(found)
        for found in all_imports()
        if found.importer.startswith("virtual_flac")
        and (found.name in submodules or found.name.rpartition(".")[0] in submodules)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("library", ROOMS)
def test_guests_stay_in_their_rooms(library):
    wrong = [
        f"{found}: only {', '.join(sorted(ROOMS[library]))} may"
        for found in all_imports()
        if found.runtime
        and f"{found.name}.".startswith(f"{library}.")
        and not any(f"{found.importer}.".startswith(f"{room}.") for room in ROOMS[library])
    ]
    assert not wrong, "\n".join(wrong)


#: What VirtualiZarr, xarray and zarr-python keep private and we need.
PRIVATE = re.compile(
    r"\b(?!self\b)\w+(\[.*?\]|\(.*?\))?\._(data|variables|paths|offsets|lengths|inlined|group|registry)\b"
    r"|ArrayV3Metadata|ManifestArray\._|manifestgroup_from|get_executor|virtualizarr\.manifests\.\w"
)


def test_private_parts_of_other_libraries_are_used_in_one_module():
    folder = ROOT / "virtual_flac"
    wrong = [
        f"{path.relative_to(folder)}:{number}: {line.strip()}"
        for path in sorted(folder.rglob("*.py"))
        if path != folder / "virtual" / "manifests.py"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert not wrong, "use virtual/manifests.py:\n" + "\n".join(wrong)


def test_every_module_says_what_it_knows():
    silent = [
        module
        for package in PACKAGES
        for module, path in modules(package).items()
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert not silent, f"no docstring at the head of {', '.join(silent)}"


def test_the_reader_of_imports_sees_them_all(tmp_path):
    path = tmp_path / "b.py"
    path.write_text(
        "from __future__ import annotations\n"
        "import os.path, p.a as c\n"
        "from . import x\n"
        "from .x.y import z\n"
        "from ..q import w\n"
        "if TYPE_CHECKING:\n"
        "    import heavy\n"
        "def f():\n"
        "    try:\n"
        "        from r import s\n"
        "    except ImportError: ...\n"
    )
    found = [(i.name, i.line, i.runtime) for i in imports_of("p.sub.b", path)]
    assert found == [
        ("__future__.annotations", 1, True),
        ("os.path", 2, True),
        ("p.a", 2, True),
        ("p.sub.x", 3, True),
        ("p.sub.x.y.z", 4, True),
        ("p.q.w", 5, True),
        ("heavy", 7, False),
        ("r.s", 10, True),
    ]
    assert level("layouts.tiled", LAYERS) == level("io.stores", LAYERS)
    assert level("layouts.tiled", LAYERS) > level("model.index", LAYERS)
    assert level("nowhere", LAYERS) is None
