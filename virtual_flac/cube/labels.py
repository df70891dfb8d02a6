"""Labels of a raster along the new dimensions: from its file name, or as given."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SelectionError, UnknownLayoutError
from ..io.addresses import object_path

#: Eight digits in a row, or four, two and two apart: 20260714, 2026-07-14, 2026_07_14.
DATE_PATTERN = r"(?<!\d)(\d{4})[-_]?(\d{2})[-_]?(\d{2})(?!\d)"

BAND = "band"
TIME = "time"

#: What `datetime.strptime` understands, as regular expressions.
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "j": r"\d{3}", "H": r"\d{2}",
    "M": r"\d{2}", "S": r"\d{2}", "f": r"\d{1,6}", "b": r"[A-Za-z]{3}",
}  # fmt: skip
_PART_NAMES = {"year": "Y", "month": "m", "day": "d", "hour": "H", "minute": "M", "second": "S"}
_PREFIX = "strptime_"
_DATE_GROUPS = (TIME, "date", "datetime")


def labels_from_names(
    urls: Sequence[str],
    pattern: str | None,
    dims: Sequence[str] | None,
    *,
    optional: bool = False,
) -> dict[str, list[Any]]:
    """Values of the new dimensions that file names hold: moments, numbers or text.

    `pattern` is that of `stack`; it is searched for in the whole path when it holds a ``/``. Groups
    may be named ``year``, ``month``, ``day`` ... too. Without `dims`, all that it finds are the
    dimensions, ``band`` last; the one of `dims` that no group is named after gets the date. There
    may be no labels where they are `optional`, neither `pattern` nor `dims` is given and no name
    holds a date.

    Raises
    ------
    SelectionError
        When the pattern is not valid, does not match a name, or finds no date there.
    UnknownLayoutError
        When a name without a match is that of a TIFF.
    """
    compiled = _compile(pattern or DATE_PATTERN)
    paths = [object_path(url) for url in urls]
    names = paths if "/" in compiled.pattern else [PurePosixPath(path).name for path in paths]
    matches = [compiled.search(name) for name in names]
    if optional and pattern is None and dims is None and not any(matches):
        return {}
    pattern = pattern or DATE_PATTERN
    parts = [name for name in compiled.groupindex if name.startswith(_PREFIX)]
    groups = [name for name in compiled.groupindex if not name.startswith(_PREFIX)]
    has_date = bool(parts) or not groups
    if dims is None:
        named = [name for name in groups if name != BAND]
        dims = [*([TIME] if has_date else []), *named, *([BAND] if BAND in groups else [])]
    rest = [dim for dim in dims if dim not in groups]
    if len(rest) > (1 if has_date else 0):
        held = ["a date"] * has_date + groups
        raise SelectionError(
            f"the pattern (--pattern) {pattern} finds {', '.join(held)}; there is nothing for "
            f"{rest[-1]!r}. Name a group after it: (?P<{rest[-1]}>...)"
        )
    found: list[tuple[str, re.Match[str]]] = []
    for url, name, match in zip(urls, names, matches, strict=True):
        if match is None:
            if name.lower().endswith((".tif", ".tiff")):
                raise UnknownLayoutError(
                    f"{url}: a TIFF, by its name, and FLAC rasters are stacked; turn it into FLAC "
                    "with `virtual-flac convert`"
                )
            what = "match" if groups else "date"
            raise SelectionError(
                f"{url}: no {what} in the name {name!r} (pattern {pattern}). Give another pattern "
                "(--pattern), or the values yourself: --values (values=[...]). Rasters beside "
                "each other need none: --mosaic (mosaic=True)."
            )
        found.append((url, match))
    labels: dict[str, list[Any]] = {}
    for dim in dims:
        if dim in rest:
            labels[dim] = [_date_of_parts(match, parts, url) for url, match in found]
        elif dim in _DATE_GROUPS:
            labels[dim] = [_date_of_text(match[dim], url) for url, match in found]
        else:
            labels[dim] = _alike([match[dim] for _, match in found])
    return labels


def _compile(pattern: str) -> re.Pattern[str]:
    text = _expand(pattern)
    try:
        compiled = re.compile(text)
    except re.error as error:
        raise SelectionError(
            f"the pattern (--pattern) {pattern!r} is not a regular expression: {error}"
        ) from None
    unnamed = compiled.groups - len(compiled.groupindex)
    if not compiled.groupindex and unnamed != 3:
        raise SelectionError(
            f"the pattern (--pattern) {pattern!r} has {unnamed} groups; expected three, for year, "
            "month and day, or groups with names, (?P<band>B..), or parts of a date, %Y%m%d"
        )
    return compiled


def _expand(pattern: str) -> str:
    """`%Y` and its like, and groups named ``year`` and so on, as groups of our own names."""
    seen: set[str] = set()

    def directive(match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "%":
            return "%"
        if letter not in _DIRECTIVES:
            raise SelectionError(
                f"the pattern (--pattern) {pattern!r} holds %{letter}; known are "
                f"{', '.join('%' + known for known in _DIRECTIVES)} and %% for a percent sign"
            )
        if letter in seen:
            return f"(?P={_PREFIX}{letter})"
        seen.add(letter)
        return f"(?P<{_PREFIX}{letter}>{_DIRECTIVES[letter]})"

    text = re.sub("%(.)", directive, pattern)
    for name, letter in _PART_NAMES.items():
        text = text.replace(f"(?P<{name}>", f"(?P<{_PREFIX}{letter}>")
    return text


def _date_of_parts(match: re.Match[str], parts: Sequence[str], url: str) -> datetime:
    texts = [match[part] for part in parts] or list(match.groups())
    template = " ".join("%" + part.removeprefix(_PREFIX) for part in parts) or "%Y %m %d"
    try:
        return datetime.strptime(" ".join(texts), template)
    except (TypeError, ValueError) as error:
        raise SelectionError(f"{url}: {match.group()!r} is not a date: {error}") from None


def _date_of_text(text: str, url: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("_", "-"))
    except (TypeError, ValueError, AttributeError) as error:
        raise SelectionError(f"{url}: {text!r} is not a date: {error}") from None


def _alike(texts: list[str]) -> list[Any]:
    """All whole numbers, all numbers, or text."""
    for kind in (int, float):
        try:
            return [kind(text) for text in texts]
        except (TypeError, ValueError):
            continue
    return texts


def as_coordinate(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Values of a dimension as an array; moments as ``datetime64[ns]`` in UTC."""
    if values and all(isinstance(value, datetime) for value in values):
        values = [
            value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            for value in values
        ]
        return np.asarray(values, dtype="datetime64[ns]")
    coordinate = np.asarray(values)
    if coordinate.dtype.kind == "O" and all(isinstance(value, int) for value in values):
        raise SelectionError(f"values up to {max(values)}: numbers of 64 bits are the largest")
    return coordinate.astype("datetime64[ns]") if coordinate.dtype.kind == "M" else coordinate


def given_labels(
    values: Sequence[Any] | Mapping[str, Sequence[Any]], dims: Sequence[str] | None, count: int
) -> dict[str, list[Any]]:
    """Values as the caller gave them: of one dimension, or by name of several.

    Raises
    ------
    SelectionError
        When there are not as many as rasters, or they belong to other dimensions.
    """
    if not isinstance(values, Mapping):
        if dims is not None and len(dims) != 1:
            raise SelectionError(
                f"values of the dimensions {', '.join(dims)}: give them by name, --values NAME=A,B "
                "for each (values={name: [...], ...})"
            )
        values = {dims[0] if dims else TIME: values}
    elif dims is not None and set(values) != set(dims):
        raise SelectionError(f"values of {sorted(values)} for the dimensions {sorted(dims)}")
    for dim, found in values.items():
        if len(found) != count:
            raise SelectionError(f"{len(found)} values of {dim} for {count} rasters")
    return {dim: list(values[dim]) for dim in (dims or values)}
