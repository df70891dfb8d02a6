"""Options that several commands share, and how their words become values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import SelectionError
from .help_text import option

if TYPE_CHECKING:
    from obspec_utils.registry import ObjectStoreRegistry

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_STORES = "Object stores"
_AREA = "Area: one of these; the whole raster by default"


class Numbers(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """Numbers with commas between them, `count` of them or any number."""

    name = "numbers"

    def __init__(self, metavar: str, kind: type = int, count: int | None = None) -> None:
        self._metavar, self._kind, self._count = metavar, kind, count

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the numbers in the help text."""
        return self._metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a tuple of numbers."""
        if not isinstance(value, str):
            return value
        try:
            numbers = [self._kind(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if not numbers or self._count not in (None, len(numbers)):
            kind = "whole numbers" if self._kind is int else "numbers"
            wanted = kind if self._count is None else f"{self._count} {kind}"
            self.fail(f"{value!r} is not a list of {wanted} like {self._metavar}", param, ctx)
        return tuple(numbers)


#: A file to write.
local_file = click.Path(path_type=Path)
json_option = option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet_option = option("--quiet", "-q", is_flag=True, help="Print errors only.")
force_option = option("--force", "-f", is_flag=True, help="Replace OUT if it exists.")
workers_option = option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Threads; one per core by default."
)
bands_option = option(
    "--bands", type=Numbers("N,..."), help="Only these bands, in this order: 4,3,2."
)


allow_local_option = option(
    "--allow-local", is_flag=True, help="Let references at a URL name files of this machine."
)


def output_option(
    help: str, endings: Sequence[str] = (), *, required: bool = False, type: Any = local_file
) -> Decorator:
    """``--output``, what to write; where there are endings, its own says of what kind."""

    def check(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        ending = Path(str(value).rstrip("/")).suffix.lower()
        if value is not None and endings and ending not in endings:
            raise click.BadParameter(f"{value} must end in {' or '.join(endings)}", param_hint="-o")
        return value

    return option(
        "--output", "-o", metavar="OUT", type=type, required=required, help=help, callback=check
    )  # fmt: skip


def known_to(module: str, check: str) -> Callable[..., Any]:
    """Let a function of a module judge an option's word, which is imported when one is given."""

    def callback(ctx: click.Context, param: click.Parameter, word: str | None) -> str | None:
        if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
            try:
                getattr(import_module(f"virtual_flac.{module}"), check)(word)
            except SelectionError as error:
                raise click.BadParameter(str(error), ctx, param) from None
        return word

    return callback


def source_argument(metavar: str = "SOURCE") -> Decorator:
    """A path or URL to read."""
    return click.argument("source", metavar=metavar)


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of object stores; the function gets them as a dictionary `stores`."""

    @option(
        "--store-option", "words", metavar="KEY=VALUE", multiple=True, section=_STORES,
        help="Option of the object store, repeatable: region=eu-west-1, endpoint=https://..., "
        "client_options.timeout=30s. Keep keys in the environment, which other users of the "
        "machine do not see.",
    )  # fmt: skip
    @option(
        "--anonymous", is_flag=True, section=_STORES, help="Do not sign requests: public buckets."
    )
    @functools.wraps(function)
    def with_stores(*, words: Sequence[str], anonymous: bool, **arguments: Any) -> Any:
        stores = parse_store_options(words)
        if anonymous:
            stores["skip_signature"] = True
        return function(stores=stores, **arguments)

    return with_stores


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of object stores, and how to print the result."""
    return store_options(json_option(quiet_option(function)))


def registry_of(
    sources: str | Sequence[str], stores: dict[str, Any]
) -> ObjectStoreRegistry[Any] | None:
    """Stores with these options; None, for the usual ones, without options."""
    if not stores:
        return None
    from ..io.stores import registry_for

    return registry_for(sources, **stores)


def parse_store_options(words: Sequence[str]) -> dict[str, Any]:
    """``a=1`` and ``b.c=true`` to ``{"a": "1", "b": {"c": True}}``."""
    options: dict[str, Any] = {}
    for word in words:
        key, separator, value = word.partition("=")
        *path, name = key.strip().split(".")
        if not separator or not all([*path, name]):
            # The word itself may be a secret.
            raise click.BadParameter("expected KEY=VALUE", param_hint="--store-option")
        here = options
        for part in path:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                raise click.BadParameter(f"{part} already has a value", param_hint="--store-option")
        # obstore parses text itself, numbers too; nested options need their own types.
        here[name] = _typed(value, nested=bool(path))
    return options


def _typed(value: str, *, nested: bool) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if nested and value.isdigit():
        return int(value)
    return value


bbox_option = option(
    "--bbox",
    "-b",
    type=Numbers("XMIN,YMIN,XMAX,YMAX", float, 4),
    section=_AREA,
    help="Box in the raster's CRS, rounded to pixels as gdal_translate -projwin does.",
)
tile_id_option = option(
    "--tile-id",
    type=int,
    metavar="N",
    section=_AREA,
    help="A tile by its number, row by row from 0: flac-raster's frame_id.",
)
center_option = option("--center", is_flag=True, section=_AREA, help="The tile in the middle.")
last_option = option("--last", is_flag=True, section=_AREA, help="The last tile.")


def area_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a part; the function gets the area as a dictionary `area`."""

    @bbox_option
    @option(
        "--bbox-crs",
        section=_AREA,
        help="CRS of the box, such as EPSG:4326; x is always longitude or easting.",
    )
    @option(
        "--window", type=Numbers("COL,ROW,WIDTH,HEIGHT", int, 4), section=_AREA,
        help="Pixels of the full resolution, for overviews too.",
    )  # fmt: skip
    @option(
        "--tile", type=Numbers("ROW,COL", int, 2), section=_AREA, help="A tile, counted from 0."
    )
    @tile_id_option
    @center_option
    @last_option
    @option(
        "--overview", "level", type=click.IntRange(min=0), metavar="N", default=0,
        help="Take it from this overview: 1 is the largest.",
    )  # fmt: skip
    @bands_option
    @functools.wraps(function)
    def with_area(**arguments: Any) -> Any:
        names = ("bbox", "bbox_crs", "window", "tile", "tile_id", "center", "last")
        area = {name: arguments.pop(name) for name in names}
        return function(area=area, **arguments)

    return with_area
