"""Headers of many files, read on any executor, in order, with the failures among them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import virtualizarr.parallel
from obspec_utils.registry import ObjectStoreRegistry
from zarr_flac import TileSpec

from ..errors import FlacError, SelectionError, needs_extra, prefixed_with
from ..model.file_version import FileVersion
from ..model.index import RasterInfo, U64Array
from ..model.levels import resolve_bands, resolve_level
from ..reading.header import read_index
from ..virtual.parser import FLACParser

Parallel = Literal["threads", "dask", "lithops", False] | type[Executor] | Executor

#: Files of one task: enough to make the task's own cost vanish, few enough to share the work.
_LARGEST_BATCH = 128


@dataclass(frozen=True, slots=True, eq=False)
class RasterHeader:
    """One level of one raster, as little of it as a cube needs."""

    url: str
    raster: RasterInfo
    """Width, height and georeferencing are those of the level."""
    bands: tuple[int, ...]
    """Positions from 0 of those to show."""
    tile_shape: tuple[int, int]
    """Of a full tile; the chunk shape of `spec` is never larger than the level."""
    spec: TileSpec
    offsets: U64Array
    """Of the planes to show, shape (plane, tile row, tile column), as `lengths`."""
    lengths: U64Array
    version: FileVersion


def read_headers(
    urls: Sequence[str],
    parser: FLACParser,
    registry: ObjectStoreRegistry[Any],
    *,
    parallel: Parallel,
    workers: int,
) -> Iterator[tuple[str, RasterHeader | Exception]]:
    """URLs in their order, each with the header that `parser` chooses, or with what went wrong.

    `workers` files are read at the same time, in each process. The registry is pickled where the
    executor works in other processes.
    """
    workers = max(1, workers)
    # Threads share the work file by file; other executors get batches and a few threads in each.
    inner = 1 if parallel in ("threads", False) else workers
    size = max(1, min(_LARGEST_BATCH, len(urls) // (4 * workers)))
    batches = [tuple(urls[start : start + size]) for start in range(0, len(urls), size)]
    task = partial(_read_batch, parser, registry, inner)
    with _executor(parallel, workers) as executor:
        for batch, headers in zip(batches, executor.map(task, batches), strict=True):
            yield from zip(batch, headers, strict=True)


def _read_batch(
    parser: FLACParser, registry: ObjectStoreRegistry[Any], threads: int, urls: Sequence[str]
) -> list[RasterHeader | Exception]:
    """One result a file; errors are results, so that one file does not cost the others."""
    read = partial(_read_header, parser, registry)
    if threads == 1 or len(urls) == 1:
        return [read(url) for url in urls]
    with ThreadPoolExecutor(min(threads, len(urls))) as pool:
        return list(pool.map(read, urls))


def _read_header(
    parser: FLACParser, registry: ObjectStoreRegistry[Any], url: str
) -> RasterHeader | Exception:
    try:
        index = read_index(url, registry)
        with prefixed_with(url):
            level = resolve_level(len(index.levels), parser.overview, parser.group) or 0
            bands = resolve_bands(index.raster.count, parser.bands)
        here = index.levels[level]
        everything = index.interleave == "pixel" or bands == list(range(index.raster.count))
        planes = slice(None) if everything else bands
        return RasterHeader(
            url=url,
            raster=index.raster_of(level),
            bands=tuple(bands),
            tile_shape=index.tile_shape,
            spec=index.tile_spec(level, bands),
            offsets=here.offsets[planes],
            lengths=here.lengths[planes],
            version=index.version,
        )
    except (FlacError, OSError) as error:
        return error


@contextmanager
def _executor(parallel: Parallel, workers: int) -> Iterator[Executor]:
    """An executor; one that the caller made stays open, ours end early when something fails."""
    if isinstance(parallel, Executor):
        yield parallel
        return
    executor: Any
    kind: Any = parallel
    if kind == "threads":
        executor = ThreadPoolExecutor(workers)
    elif kind is False:
        executor = virtualizarr.parallel.SerialExecutor()
    elif kind == "dask":
        with needs_extra("dask", "dask"):
            import dask  # noqa: F401  (the executor imports it late)
        executor = virtualizarr.parallel.DaskDelayedExecutor()
    elif kind == "lithops":
        with needs_extra("lithops", "lithops"):
            executor = virtualizarr.parallel.LithopsEagerFunctionExecutor()
    elif isinstance(kind, type) and issubclass(kind, ProcessPoolExecutor):
        # A fork of a process whose object stores run threads may hang.
        executor = kind(mp_context=multiprocessing.get_context("spawn"))
    elif isinstance(kind, type) and issubclass(kind, Executor):
        executor = kind()
    else:
        raise SelectionError(
            f"parallel (--parallel) is {parallel!r}; expected threads, dask, lithops, False, or an "
            "executor of concurrent.futures"
        )
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()
