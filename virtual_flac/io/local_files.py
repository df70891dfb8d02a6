"""Files that appear under their name complete or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import TargetExistsError, TargetFolderError

COPY_BYTES = 8 << 20


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot be written, before any work is done."""
    if not target.parent.is_dir():
        # Path has made one slash of two.
        scheme, separator, rest = target.as_posix().partition(":/")
        if separator and len(scheme) > 1 and scheme.isalnum():
            upload = f"aws s3 cp {target.name} s3://{rest}" if scheme == "s3" else "obstore.put"
            raise TargetFolderError(
                f"{scheme}://{rest}: rasters and pictures are written to local files only. Write "
                f"to {target.name}, then upload it, for example with `{upload}`."
            )
        raise TargetFolderError(f"{target.parent}: no such folder. Create it first.")
    if target.is_dir():
        raise TargetExistsError(f"{target} is a folder, expected the name of a file")
    if not overwrite and target.exists():
        raise TargetExistsError(f"{target} exists. Replace it with --force (overwrite=True).")


@contextlib.contextmanager
def report_target(target: Path) -> Iterator[None]:
    """Let errors of the file system name the target, not the temporary file."""
    try:
        yield
    except OSError as error:
        name = os.path.basename(os.fsdecode(error.filename or ""))
        if error.errno is None or not name.startswith(_prefix(target)):
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(target)) from error


@contextlib.contextmanager
def atomic_write(target: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A new file that takes the name `target` when the block ends well, and vanishes otherwise.

    Where the system can, the file has no name until then, so that nothing is left behind even if
    the process is killed.
    """
    temporary = temporary_name(target)
    with report_target(target):
        try:
            file, nameless = _open_new(temporary)
            with file:
                yield file
                file.flush()
                if nameless:
                    _give_first_name(file, temporary)
            publish(temporary, target, overwrite=overwrite)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def nameless_file(target: Path) -> IO[bytes]:
    """A new file on the disk of `target` that is gone when it is closed."""
    with report_target(target):
        return tempfile.TemporaryFile(dir=target.parent, prefix=temporary_name(target).name)


@contextlib.contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` that is removed when the block ends."""
    folder = temporary_name(target)
    try:
        with report_target(target):
            folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_name(target: Path) -> Path:
    """An unused name beside `target`."""
    return target.with_name(f"{_prefix(target)}{secrets.token_hex(4)}.part")


def _prefix(target: Path) -> str:
    return f".{target.name[:100]}."


def publish(temporary: Path, target: Path, *, overwrite: bool) -> None:
    """Rename a complete file to `target`, in one step, when the disk has it."""
    check_target(target, overwrite=overwrite)
    with report_target(target):
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)


def copy_bytes(source: IO[bytes], target: IO[bytes], start: int, length: int) -> None:
    """Append a piece of one file to another, inside the kernel where it can.

    Both are used past their buffers: flush them before.
    """
    end = start + length
    if hasattr(os, "copy_file_range"):
        # Not every pair of file systems can.
        with contextlib.suppress(OSError):
            while start < end:
                done = os.copy_file_range(
                    source.fileno(), target.fileno(), end - start, offset_src=start
                )
                if not done:
                    break
                start += done
    os.lseek(source.fileno(), start, os.SEEK_SET)
    while start < end:
        data = os.read(source.fileno(), min(COPY_BYTES, end - start))
        if not data:
            raise OSError(f"a temporary file ends at byte {start}, expected {end}")
        start += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target.fileno(), view) :]


def _open_new(path: Path) -> tuple[IO[bytes], bool]:
    """A new file to read and write, and whether it has no name yet."""
    if hasattr(os, "O_TMPFILE"):
        # Not every file system has nameless files.
        with contextlib.suppress(OSError):
            return os.fdopen(os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b"), True
    return open(path, "x+b"), False


def _give_first_name(file: IO[bytes], path: Path) -> None:
    try:
        # A descriptor of a folder, ignored for an absolute path, makes Python call linkat, which
        # follows the link in /proc; link does not.
        here = os.open(path.parent, os.O_RDONLY)
        try:
            os.link(f"/proc/self/fd/{file.fileno()}", path, src_dir_fd=here)
        finally:
            os.close(here)
    except OSError:
        with open(path, "x+b") as named:
            copy_bytes(file, named, 0, os.fstat(file.fileno()).st_size)
