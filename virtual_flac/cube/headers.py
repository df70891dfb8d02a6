"""Headers of many files, read on any executor, in order, with the failures among them.

Everything that goes to another process is at the top of this module and pickles. Knows
VirtualiZarr's executors; knows nothing of cubes.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from obspec_utils.registry import ObjectStoreRegistry

from ..errors import FlacError, SelectionError
from ..model.levels import choose_bands, choose_level
from ..reading.header import read_index
from ..virtual.parser import FLACParser
from .agreement import RasterHeader, header_of

Parallel = Literal["threads", "dask", "lithops", False] | type[Executor] | Executor

#: Files of one task: enough to make the task's own cost vanish, few enough to share the work.
_LARGEST_BATCH = 128


class SkippedWarning(UserWarning):
    """Rasters were left out of a cube."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A raster that was left out, and why.

    Parameters
    ----------
    url : str
    reason : str
    """

    url: str
    reason: str


def read_headers(
    urls: Sequence[str],
    parser: FLACParser,
    registry: ObjectStoreRegistry[Any],
    *,
    parallel: Parallel,
    workers: int,
) -> Iterator[tuple[str, RasterHeader | Exception]]:
    """The headers of files in their order, or what went wrong with them.

    Parameters
    ----------
    urls : sequence of str
    parser : FLACParser
        Chooses bands and level.
    registry : ObjectStoreRegistry
        Pickled where the executor works in other processes.
    parallel : {"threads", "dask", "lithops", False} or Executor or its class
        Where to read.
    workers : int
        Files read at the same time, in each process.

    Yields
    ------
    url : str
    part : RasterHeader or Exception
    """
    workers = max(1, workers)
    # Threads share the work file by file; other executors get batches and a few threads in each.
    inner = 1 if parallel in ("threads", False) else workers
    size = max(1, min(_LARGEST_BATCH, len(urls) // (4 * workers)))
    batches = [tuple(urls[start : start + size]) for start in range(0, len(urls), size)]
    task = BatchReader(parser, registry, inner)
    with _executor(parallel, workers) as executor:
        for batch, parts in zip(batches, executor.map(task, batches), strict=True):
            yield from zip(batch, parts, strict=True)


@dataclass(frozen=True)
class BatchReader:
    """Reads the headers of a few files; the function that executors run.

    Parameters
    ----------
    parser : FLACParser
    registry : ObjectStoreRegistry
    threads : int
        Files read at the same time.
    """

    parser: FLACParser
    registry: ObjectStoreRegistry[Any]
    threads: int

    def __call__(self, urls: Sequence[str]) -> list[RasterHeader | Exception]:
        """One result a file; errors are results, so that one file does not cost the others."""
        if self.threads == 1 or len(urls) == 1:
            return [self._read(url) for url in urls]
        with ThreadPoolExecutor(min(self.threads, len(urls))) as pool:
            return list(pool.map(self._read, urls))

    def _read(self, url: str) -> RasterHeader | Exception:
        try:
            index = read_index(url, self.registry)
            parser = self.parser
            level = choose_level(index, url, overview=parser.overview, group=parser.group) or 0
            bands = choose_bands(index, self.parser.bands)
            return header_of(index, level, tuple(bands), url)
        except (FlacError, OSError) as error:
            return error


@contextmanager
def _executor(parallel: Parallel, workers: int) -> Iterator[Executor]:
    """An executor; one that the caller made stays open, ours end early when something fails."""
    if isinstance(parallel, Executor):
        yield parallel
        return
    executor = _make_executor(parallel, workers)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=True, cancel_futures=True)
        raise
    executor.shutdown()


def _make_executor(parallel: Any, workers: int) -> Executor:
    from virtualizarr.parallel import get_executor

    if parallel == "threads":
        return ThreadPoolExecutor(workers)
    if isinstance(parallel, type) and issubclass(parallel, ProcessPoolExecutor):
        # A fork of a process whose object stores run threads may hang.
        return parallel(mp_context=multiprocessing.get_context("spawn"))
    if isinstance(parallel, type) and issubclass(parallel, Executor):
        return parallel()
    if parallel in ("dask", "lithops") or parallel is False:
        try:
            factory: Any = get_executor(parallel)
            executor: Executor = factory()
        except ImportError as error:
            raise SelectionError(
                f'parallel (--parallel) {parallel!r} needs {error.name}; install "{error.name}"'
            ) from None
        return executor
    raise SelectionError(
        f"parallel (--parallel) is {parallel!r}; expected threads, dask, lithops, False, or an "
        "executor of concurrent.futures"
    )
