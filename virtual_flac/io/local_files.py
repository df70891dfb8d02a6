"""Files that appear under their name complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import TargetError, TargetExistsError, TargetFolderError
from .addresses import refuse_unspeakable
from .hidden_folders import aside, temporary_folder
from .renames import rename_new, replace_folder
from .target_errors import exists_error, hidden_prefix, writing

COPY_BYTES = 8 << 20


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot be written, before any work is done.

    A link that leads nowhere exists.
    """
    refuse_unspeakable(os.path.abspath(target), TargetError)
    with writing(target):
        if not os.path.isdir(target.parent):
            raise _no_folder(target)
        if target.is_dir():
            raise TargetExistsError(f"{target} is a folder, expected the name of a file")
        if os.path.lexists(target) and not overwrite:
            raise exists_error(target)


def _no_folder(target: Path) -> TargetFolderError:
    # Path has made one slash of two.
    scheme, separator, rest = target.as_posix().partition(":/")
    if separator and len(scheme) > 1 and scheme.isalnum():
        upload = f"aws s3 cp {target.name} s3://{rest}" if scheme == "s3" else "obstore.put"
        return TargetFolderError(
            f"{scheme}://{rest}: rasters and pictures are written to local files only. Write "
            f"to {target.name}, then upload it, for example with `{upload}`."
        )
    return TargetFolderError(f"{target.parent}: no such folder. Create it first.")


@contextlib.contextmanager
def atomic_write(target: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A new file that takes the name `target` when the block ends well, and vanishes otherwise.

    Where the system can, the file has no name until then, so that nothing is left behind even if
    the process is killed.
    """
    with writing(target), contextlib.ExitStack() as stack:
        file = _open_nameless(target.parent)
        if file is None:
            part = stack.enter_context(temporary_folder(target)) / target.name
            with open(part, "x+b") as named:
                yield named
        else:
            with file:
                yield file
                file.flush()
                part = stack.enter_context(temporary_folder(target)) / target.name
                _give_first_name(file, part)
        publish(part, target, overwrite=overwrite)


def nameless_file(target: Path) -> IO[bytes]:
    """A new file on the disk of `target` that is gone when it is closed."""
    with writing(target):
        return tempfile.TemporaryFile(dir=target.parent, prefix=hidden_prefix(target))


def publish(part: Path, target: Path, *, overwrite: bool) -> None:
    """Give a complete file or folder the name `target`, in one step.

    A file is on the disk before that. `part` lies in the `temporary_folder` of the target; so does
    afterwards the folder that had its name.

    Raises
    ------
    TargetExistsError
        When something has that name, and `overwrite` is false; if several do this at the same
        time, for all but one. Or when it is a folder and `part` a file.
    """
    with writing(target):
        whole = part.is_dir()
        if not whole:
            with open(part, "r+b") as file:
                os.fsync(file.fileno())
        if not overwrite:
            rename_new(part, target)
        elif whole:
            replace_folder(part, target, aside(part.parent, target))
        else:
            check_target(target, overwrite=True)
            os.replace(part, target)


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
            raise OSError(errno.EIO, f"a temporary file ends at byte {start}, expected {end}")
        start += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(target.fileno(), view) :]


def _open_nameless(folder: Path) -> IO[bytes] | None:
    """A new file to read and write without a name; None where there are no such files."""
    if hasattr(os, "O_TMPFILE"):
        # Not every file system has them.
        with contextlib.suppress(OSError):
            return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    return None


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
