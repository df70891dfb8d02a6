"""JSON that may come from anyone: read strictly, in time and memory that its size justifies."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

from ..errors import LayoutError
from ..model.text import is_unicode

#: Values take more memory than the bytes they are written with: 25 times as much at worst.
MAX_VALUES = 1 << 22
#: How deep values of keys may be nested that nobody here knows.
MAX_DEPTH = 32


def parse_object(text: bytes) -> dict[str, Any]:
    """A strict JSON object: UTF-8, no bare NaN, no infinite number, no key twice, no odd text."""
    if text.count(b",") > MAX_VALUES:
        raise LayoutError(f"the index holds more than {MAX_VALUES} values, which is refused")
    try:
        value = json.loads(
            text.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except UnicodeDecodeError as error:
        raise LayoutError(f"the index is not UTF-8: {error}") from error
    except RecursionError as error:
        raise LayoutError("the index is nested too deeply to be one of ours") from error
    except LayoutError:
        raise
    except ValueError as error:
        raise LayoutError(f"the index is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LayoutError(f"the index is a JSON {type(value).__name__}, expected an object")
    if _ODD_ESCAPE.search(text):
        _refuse_odd_text(value)
    return value


#: NUL, or half of a surrogate pair, as far as that can be told without reading what is around it.
_ODD_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _refuse_odd_text(value: Any) -> None:
    """Refuse text that no file and no program in C can hold: with NUL, or not Unicode."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and ("\0" in item or not is_unicode(item)):
            raise LayoutError(
                f"the index holds the text {item[:40]!a}, with a NUL or half a surrogate pair"
            )


def _refuse_constant(name: str) -> float:
    raise LayoutError(f"the index holds a bare {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise LayoutError(f"the index holds the number {text[:40]}, which is out of range")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise LayoutError(f"the index names the key {show(twice)} twice")
    return result


def unknown_keys(index: Mapping[str, Any], known: Container[str]) -> dict[str, Any]:
    """What the index has besides the keys that are `known`.

    Raises
    ------
    LayoutError
        When a value is nested so deeply that it could not be copied or written again.
    """
    found = {key: value for key, value in index.items() if key not in known}
    layer: list[Any] = list(found.values())
    for _ in range(MAX_DEPTH):
        layer = [
            inner
            for item in layer
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    if layer:
        raise LayoutError(f"the index holds values nested more than {MAX_DEPTH} deep")
    return found


#: Of what is nested in what there may be more than fits a stack.
_SHORT = reprlib.Repr(maxlevel=3, maxstring=60, maxlong=40, maxother=60)


def show(value: Any) -> str:
    """A value in an error, in at most 60 characters."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
