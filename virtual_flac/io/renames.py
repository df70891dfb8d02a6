"""Renames that overwrite nothing, and two names that change places: each in one step.

Linux and macOS have system calls for both, which Python does not show. Not every file system knows
them: what is done there instead stands with each function.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

# macOS calls them RENAME_EXCL and RENAME_SWAP, Linux RENAME_NOREPLACE and RENAME_EXCHANGE.
_NEW, _EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
#: Of systems and file systems that lack the call; sandboxes forbid what they do not know.
_LACKING = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM}
_HERE = -100


def rename_new(source: Path, target: Path) -> None:
    """Rename a file or folder to a name that nothing else has.

    Without the system call, a file gets its name by a hard link, which overwrites nothing either.
    Where there are no links, and for folders, a look before has to do: of two programs that rename
    a file at the same moment both may then succeed, and the second one's stays. A folder never
    takes the place of one with something in it.

    Raises
    ------
    FileExistsError
        When something has that name, be it a link that leads nowhere.
    """
    if _renamed(source, target, _NEW):
        return
    if not source.is_dir():
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _LACKING:
                raise
        else:
            source.unlink()
            return
    taken = FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(target))
    if os.path.lexists(target):
        raise taken
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise taken from None


def replace_folder(part: Path, target: Path, aside: Path) -> None:
    """Give a folder the name of whatever is there; the old one is `part` or `aside` afterwards.

    At every moment the name stands for the old one or the new one. Without the system call there is
    a moment between two renames when it stands for nothing and the old one is `aside`.
    """
    for attempt in itertools.count():
        try:
            if _renamed(part, target, _EXCHANGE):
                return
            aside.parent.mkdir(exist_ok=True)
            os.rename(target, aside)
        except FileNotFoundError:
            if not part.exists():
                raise
        try:
            rename_new(part, target)
        except FileExistsError:
            # Of another writer, so now theirs is the old one. The one before it makes room.
            if os.path.lexists(aside):
                os.rename(aside, aside.with_name(f"{aside.name}.{attempt}"))
            continue
        except BaseException:
            if os.path.lexists(aside):
                rename_new(aside, target)
            raise
        return


def _renamed(source: Path, target: Path, flag: int) -> bool:
    """Whether the system and the file system know this way of renaming, and did so."""
    call = _system_call()
    if call is None or call(os.fsencode(source), os.fsencode(target), flag) == 0:
        return call is not None
    code = ctypes.get_errno()
    if code in _LACKING:
        return False
    raise OSError(code, os.strerror(code), os.fspath(source), None, os.fspath(target))


@functools.cache
def _system_call() -> Callable[[bytes, bytes, int], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        return getattr(library, "renamex_np", None)
    call = getattr(library, "renameat2", None)  # musl has it from 1.2.6 on
    return call and (lambda source, target, flag: call(_HERE, source, _HERE, target, flag))
