"""What public functions are given: a wrong type is refused in one place, before anything is done.

An argument of one name is of one kind everywhere. What values mean is checked where they are used.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from datetime import datetime
from numbers import Integral, Real
from typing import Any

import numpy as np

from ..errors import SelectionError

#: More threads are no faster, and no machine has as many cores.
MAX_WORKERS = 1024


def _of(*types: type) -> Callable[[Any], bool]:
    # True and False are integers to Python.
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _each(*types: type) -> Callable[[Any], bool]:
    """Several values of these types; text, or what is iterated once, is not."""
    one = _of(*types)
    return lambda value: (
        isinstance(value, Collection)
        and not isinstance(value, str | bytes | Mapping)
        and all(map(one, value))
    )


def _either(*tests: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: any(test(value) for test in tests)


def _having(*names: str) -> Callable[[Any], bool]:
    return lambda value: all(hasattr(value, name) for name in names)


_PATH = _of(str, os.PathLike)
_WHOLE = "a whole number", _of(Integral)
_FLAG = "True or False", _of(bool, np.bool_)
_TEXT = "text", _of(str)
_OPTIONS = (
    "a mapping whose keys are text",
    lambda value: isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
)
_NAMES = "a list of text", _each(str)
#: A dataset of rasterio, or a `RasterSource`.
_OPENED = (
    "a path, a URL or an opened raster",
    _either(_PATH, _having("read", "read_masks"), _having("read", "read_mask")),
)
_DATASET = "a dataset of xarray", _having("variables", "data_vars")

#: What arguments are, by their names.
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("url", "target"), ("a path or URL", _PATH)),
    **dict.fromkeys(("source", "a", "b"), _OPENED),
    # Nobody stacks what is opened already, and a dataset would be taken for STAC items.
    "urls": ("URLs or STAC items", lambda value: not hasattr(value, "data_vars")),
    **dict.fromkeys(
        ("overview", "level", "band", "tile_id", "size", "max_gap", "tile_size", "compression",
         "block_size", "workers"), _WHOLE,
    ),
    **dict.fromkeys(
        ("coordinates", "center", "last", "overwrite", "allow_local", "mosaic", "as_variables",
         "allow_missing", "headers_only", "md5"), _FLAG,
    ),
    **dict.fromkeys(
        ("variable", "group", "bbox_crs", "compress", "mask", "resampling", "interleave", "layout",
         "cmap", "pattern", "on_error", "append_dim", "message", "order"), _TEXT,
    ),
    **dict.fromkeys(("store_options", "creation_options", "groups"), _OPTIONS),
    **dict.fromkeys(("assets", "ignore", "skip_variables"), _NAMES),
    "bands": ("a list of whole numbers, such as [1]", _each(Integral)),
    "tile": ("two whole numbers", _each(Integral)),
    "percentiles": ("two numbers", _each(Real)),
    "dim": ("text, or a list of it", _either(_of(str), _each(str))),
    "overviews": ("a word or factors", _either(_of(str), _each(str, Integral))),
    "parallel": ("a word, False or an executor", _of(str, bool, Executor, type)),
    "vds": _DATASET,
    "last_modified": ("a datetime", _of(datetime)),
    "registry": (
        "one that registry_for makes", lambda value: hasattr(value, "resolve") and not _PATH(value)
    ),
    "progress": ("a function", callable),
    "report": ("a list", _of(list)),
    "parser": ("an FLACParser", _having("overview", "bands", "group")),
}  # fmt: skip


def check_arguments(**given: Any) -> None:
    """Refuse arguments that are of another kind than their names say; None stands for none.

    Raises
    ------
    TypeError
        Names the argument. Its value stays untold: a secret may be in it.
    SelectionError
        For a number of workers that cannot be.
    """
    for name, value in given.items():
        if value is None or name not in KINDS:
            continue
        words, test = KINDS[name]
        if not test(value):
            raise TypeError(f"{name} is of type {type(value).__name__}, expected {words}")
    workers = given.get("workers")
    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise SelectionError(f"workers is {workers}, expected 1 to {MAX_WORKERS}")


def checked[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """The function, which checks its arguments when it is called: see `check_arguments`."""
    parameters = inspect.signature(function).parameters
    # Options of a store may be called as they like.
    known = {
        name for name, parameter in parameters.items() if parameter.kind != parameter.VAR_KEYWORD
    }
    needed = [name for name in known if parameters[name].default is not None]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = {**dict(zip(parameters, args, strict=False)), **kwargs}
        given = {name: value for name, value in given.items() if name in known}
        for name in needed:
            if name in KINDS and given.get(name, name) is None:
                raise TypeError(f"{name} is None, expected {KINDS[name][0]}")
        check_arguments(**given)
        return function(*args, **kwargs)

    return call
