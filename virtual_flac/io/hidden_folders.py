"""Hidden folders beside a target, in which it is made; those of processes that were killed go.

A process that is killed cannot tidy up, so the next one that writes the same target does. A folder
belongs to whoever holds the lock of a file in it: the system lets go of that when a process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import FlacError, SourceError, TargetError
from .renames import rename_new
from .target_errors import hidden_prefix, writing

_LOCK = "lock"
#: Where the one that is being replaced goes, on file systems where names cannot change places.
_ASIDE = "old"
#: Locks may not reach from one machine to another; after this time a folder is taken for deserted.
_FOREIGN_SECONDS = 24 * 3600


@contextlib.contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target`, on the same disk, that is removed when the block ends.

    Errors of the block that name something in it name the target instead.
    """
    with writing(target), contextlib.ExitStack() as stack:
        _remove_deserted(target)
        folder = _make(target, stack)
        try:
            yield folder
        except FlacError as error:
            inside = rf"{re.escape(str(folder))}[^\s:'\"]*"
            text = re.sub(inside, lambda _: str(target), str(error))
            if text == str(error):
                raise
            raise (TargetError if isinstance(error, SourceError) else type(error))(text) from error


def aside(folder: Path, target: Path) -> Path:
    """Where in a temporary folder the old target goes while the new one takes its name.

    It is put back if the process is killed before there is a new one.
    """
    return folder / _ASIDE / target.name


def _make(target: Path, stack: contextlib.ExitStack) -> Path:
    """A new folder with a locked file that says that it is in use, until the stack is closed."""
    while True:
        folder = target.with_name(f"{hidden_prefix(target)}{secrets.token_hex(4)}.part")
        # Before it is there: Ctrl-C may come at any moment.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        # Somebody may have taken it for deserted before it was locked.
        with contextlib.suppress(FileNotFoundError):
            lock = _open_lock(folder)
            # Before the folder goes, or network file systems would keep the file.
            stack.callback(os.close, lock)
            free = _lock(lock) is not False
            if free and os.fstat(lock).st_ino == os.stat(folder / _LOCK).st_ino:
                os.write(lock, platform.node().encode())
                return folder


def _remove_deserted(target: Path) -> None:
    name = re.compile(re.escape(hidden_prefix(target)) + r"[0-9a-f]{8}\.part")
    found = []
    # A folder that may be written to may still not be listed.
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        found = [Path(entry.path) for entry in entries if name.fullmatch(entry.name)]
    for folder in found:
        # Somebody else may be tidying up, or may not let us.
        with contextlib.suppress(OSError):
            lock = _open_lock(folder)
            try:
                if not (_lock(lock) and _is_deserted(lock)):
                    continue
                _put_back(folder, target)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
            # Network file systems keep a file that is open, and so its folder, until it is closed.
            # Nothing else goes now: whoever made the folder may have locked a file in it since.
            os.rmdir(folder)


def _open_lock(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _lock(file: int) -> bool | None:
    """Whether a file is locked for us now; None where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_deserted(lock: int) -> bool:
    """Whether a file that could be locked belongs to a process that is gone."""
    machine = os.pread(lock, 1024, 0).decode(errors="replace")
    # Nothing: killed before it could write.
    return (
        machine in ("", platform.node()) or time.time() - os.fstat(lock).st_mtime > _FOREIGN_SECONDS
    )


def _put_back(folder: Path, target: Path) -> None:
    old = folder / _ASIDE / target.name
    if os.path.lexists(old):
        with contextlib.suppress(FileExistsError):
            rename_new(old, target)
