"""Whole numbers of a configuration, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .brief import brief
from .errors import ConfigurationError


def is_whole(value: object) -> bool:
    """Whether a value is an integer; a bool is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """Return a value as an int.

    Raises
    ------
    ConfigurationError
        It is not a whole number from `low` to `high`.
    """
    if not is_whole(value) or not low <= value <= high:
        raise ConfigurationError(
            f"{name} = {brief(value)}; expected a whole number, {low} to {high}."
        )
    return int(value)
