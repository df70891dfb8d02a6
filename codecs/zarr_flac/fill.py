"""The fill value of a product: what JSON, Python and a dtype each make of it.

Knows how Zarr v3 writes special floats (``"NaN"``, ``"Infinity"``, ``"-Infinity"``, and
``"0x7fc00001"`` for the bits of a NaN with payload).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .brief import brief
from .errors import ConfigurationError

FillValue = int | float | str

_BITS = re.compile("0x(?:[0-9a-fA-F]{2})+", re.ASCII)
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_CANONICAL_NAN = {2: 0x7E00, 4: 0x7FC0_0000, 8: 0x7FF8_0000_0000_0000}


def normalise_fill_value(value: Any, dtype: np.dtype[Any] | None) -> FillValue:
    """Bring a fill value into the one form in which equal ones compare equal.

    Parameters
    ----------
    value
        A Python or numpy number, or a string as Zarr v3 writes it; None counts as 0.
    dtype
        The dtype it is for, where known.

    Returns
    -------
    int for integers and bool, float for floats; a string ``0x...`` for the bits of a float that
    no Python number carries safely

    Raises
    ------
    ConfigurationError
        It is not a number, or not one of the dtype.
    """
    if value is None:
        value = 0
    if isinstance(value, np.floating) and np.isnan(value):
        value = _hex_of(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        value = _SPECIAL.get(value, value)
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, str):
        return _normalise_bits(value, dtype)
    if not isinstance(value, int | float):
        raise ConfigurationError(f"fill_value = {brief(value)}; expected a number.")
    if dtype is None:
        # Whole floats and integers are the same number; zero keeps its sign.
        whole = isinstance(value, float) and value.is_integer() and math.copysign(1, value) > 0
        return int(value) if whole and abs(value) < 2**53 else value
    if dtype.kind == "f":
        return _as_float(value, dtype)
    if value != value or value in (math.inf, -math.inf) or value != int(value):
        raise ConfigurationError(
            f"fill_value = {brief(value)} is not a value of {dtype.name}. Choose a whole number."
        )
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not low <= value <= high:
        raise ConfigurationError(
            f"fill_value = {brief(value)} is not a value of {dtype.name}, which goes from {low} to "
            f"{high}."
        )
    return int(value)


def fill_scalar(value: FillValue, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Make a normalised fill value an array of no axes of the dtype, bit for bit.

    Raises
    ------
    ConfigurationError
        It is not one of the dtype.
    """
    value = normalise_fill_value(value, dtype)
    if isinstance(value, str):
        return np.array(int(value, 16), f"<u{dtype.itemsize}").view(dtype)
    return np.array(value).astype(dtype)


def _as_float(value: float, dtype: np.dtype[Any]) -> float:
    try:
        number = float(value)
    except OverflowError as error:
        raise ConfigurationError(
            f"fill_value = {brief(value)} is too large for {dtype.name}."
        ) from error
    with np.errstate(over="ignore"):
        rounded = float(np.float64(number).astype(dtype))
    if math.isinf(rounded) and not math.isinf(number):
        raise ConfigurationError(f"fill_value = {brief(value)} is too large for {dtype.name}.")
    return math.nan if math.isnan(number) else number


def _hex_of(value: np.floating[Any]) -> str | float:
    size = value.dtype.itemsize
    if size not in _CANONICAL_NAN:
        return math.nan
    bits = int(np.array(value).view(f"u{size}")[()])
    return math.nan if bits == _CANONICAL_NAN[size] else f"0x{bits:0{2 * size}x}"


def _normalise_bits(text: str, dtype: np.dtype[Any] | None) -> FillValue:
    size = (len(text) - 2) // 2
    if not _BITS.fullmatch(text) or size not in _CANONICAL_NAN:
        raise ConfigurationError(
            f"fill_value = {brief(text)}; expected a number, one of {sorted(_SPECIAL)}, or "
            "the bits of a float as '0x' and 4, 8 or 16 hexadecimal digits."
        )
    bits = int(text, 16)
    if dtype is not None and (dtype.kind != "f" or dtype.itemsize != size):
        raise ConfigurationError(f"fill_value = {brief(text)} has not the bits of a {dtype.name}.")
    number = np.array(bits, f"<u{size}").view(f"<f{size}")[()]
    if np.isnan(number) and bits != _CANONICAL_NAN[size]:
        return f"0x{bits:0{2 * size}x}"
    return float(number)
