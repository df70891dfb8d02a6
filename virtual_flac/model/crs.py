"""Coordinate reference systems as text: the one place where pyproj is asked what it means."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import LayoutError, shortened

if TYPE_CHECKING:
    import pyproj

#: The longest in PROJ's own database takes a tenth of it.
MAX_WKT_LENGTH = 1 << 18
_WKT_START = re.compile(r"\s*[A-Z][A-Z_]+\s*[\[(]")
_QUOTED = re.compile(r'"[^"]*"')


def check_wkt(wkt: str, name: str) -> None:
    """Refuse text that cannot be WKT, by its looks alone: PROJ is slow to load.

    Raises
    ------
    LayoutError
        When it is too long, does not begin as WKT, or its brackets do not match.
    """
    if len(wkt) > MAX_WKT_LENGTH:
        raise LayoutError(
            f"{name} has {len(wkt)} characters; more than {MAX_WKT_LENGTH} are refused"
        )
    rest = _QUOTED.sub("", wkt)
    balanced = all(rest.count(left) == rest.count(right) for left, right in ("[]", "()"))
    if not _WKT_START.match(wkt) or '"' in rest or not balanced:
        raise LayoutError(f"{name} is {shortened(wkt)!r}, which is not WKT")


def parse_wkt(wkt: str) -> pyproj.CRS:
    """The CRS that a text in WKT means.

    Raises
    ------
    LayoutError
        When PROJ does not understand it.
    """
    import pyproj

    with _explained(wkt):
        return pyproj.CRS.from_wkt(wkt) if "{" not in wkt else _with_braces(wkt)


def parse_crs(text: str) -> pyproj.CRS:
    """The CRS that an authority code, WKT or a PROJ string means.

    Raises
    ------
    LayoutError
        When PROJ does not understand it.
    """
    import pyproj

    with _explained(text):
        if "{" in text and _WKT_START.match(text):
            return _with_braces(text)
        return pyproj.CRS.from_user_input(text)


def crs_name(wkt: str) -> str:
    """Authority and name of a CRS: ``EPSG:4326, WGS 84``.

    Raises
    ------
    LayoutError
        When PROJ does not understand it.
    """
    crs = parse_wkt(wkt)
    code = crs.to_authority()
    return f"{':'.join(code)}, {crs.name}" if code else crs.name


def _with_braces(wkt: str) -> pyproj.CRS:
    """The CRS of WKT with a brace in a name, which pyproj would take for JSON if it were text."""
    import pyproj

    return pyproj.CRS.from_user_input(_Wkt(wkt))


class _Wkt:
    """Another library's CRS, as far as pyproj asks."""

    def __init__(self, wkt: str) -> None:
        self._wkt = wkt

    def to_wkt(self) -> str:
        return self._wkt


@contextlib.contextmanager
def _explained(text: str) -> Iterator[None]:
    from pyproj.exceptions import CRSError

    try:
        yield
    except CRSError as error:
        raise LayoutError(
            f"the CRS is {shortened(text)!r}, which PROJ does not understand"
        ) from error
