"""Options that commands share: stores and what is printed. Knows typer; knows no rasters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from obspec_utils.registry import ObjectStoreRegistry

_STORES = "Stores"

StoreOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--store-option",
        metavar="KEY=VALUE",
        help="Option of the object store, again for each: [b]region=eu-west-1[/b], "
        "[b]endpoint=https://...[/b], [b]client_options.timeout=30s[/b]. Keys are better kept in "
        "the environment, which other users of the machine do not see.",
        rich_help_panel=_STORES,
    ),
]
Anonymous = Annotated[
    bool,
    typer.Option(
        "--anonymous", help="Do not sign requests: for public buckets.", rich_help_panel=_STORES
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


def registry_of(
    sources: str | Sequence[str], store_options: Sequence[str] | None, anonymous: bool
) -> ObjectStoreRegistry[Any] | None:
    """Stores as the options want them; None, for the usual ones, without options.

    Raises
    ------
    typer.BadParameter
        When an option is not of the form KEY=VALUE.
    SourceError
        When a store does not know an option.
    """
    options = options_of(store_options, anonymous)
    if not options:
        return None
    from ..io.stores import registry_for

    return registry_for(sources, **options)


def options_of(store_options: Sequence[str] | None, anonymous: bool) -> dict[str, Any]:
    """Arguments of `virtual_flac.registry_for`."""
    options = parse_store_options(store_options or [])
    return {**options, "skip_signature": True} if anonymous else options


def parse_store_options(words: Sequence[str]) -> dict[str, Any]:
    """``a=1`` and ``b.c=true`` to ``{"a": "1", "b": {"c": True}}``."""
    options: dict[str, Any] = {}
    for word in words:
        key, separator, value = word.partition("=")
        *path, name = key.strip().split(".")
        if not separator or not all([*path, name]):
            # The word itself may be a secret.
            raise typer.BadParameter("expected KEY=VALUE", param_hint="--store-option")
        here = options
        for part in path:
            here = here.setdefault(part, {})
            if not isinstance(here, dict):
                raise typer.BadParameter(
                    f"{part} has a value of its own", param_hint="--store-option"
                )
        # obstore reads the rest, numbers too, from text; nested options want their own types.
        here[name] = _typed(value, nested=bool(path))
    return options


def _typed(value: str, *, nested: bool) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if nested and value.isdigit():
        return int(value)
    return value
