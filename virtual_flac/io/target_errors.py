"""What the file system says of a target, as errors of ours that name the target."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import (
    FlacError,
    TargetError,
    TargetExistsError,
    TargetFolderError,
    TargetPermissionError,
)

_SPACE = "Free some space there, or write elsewhere."
#: What happened and what to do, for those that have no kind of their own.
_WORDS = {
    errno.ENOSPC: ("the disk is full", _SPACE),
    errno.EDQUOT: ("the quota of the disk is used up", _SPACE),
    errno.EFBIG: ("files may not become so large there", "Raise the limit (ulimit -f)."),
    errno.EROFS: ("the disk is read-only", "Write elsewhere."),
    errno.ENAMETOOLONG: ("the name is too long for the file system", "Choose a shorter one."),
}


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Let what the file system refuses in the block be a `TargetError`, see `target_error`.

    What it says of other files than the target and its temporary ones passes.
    """
    try:
        yield
    except FlacError:
        raise
    except OSError as error:
        if not _is_about(error, target):
            raise
        raise target_error(error, target) from error


def target_error(error: OSError, target: str | os.PathLike[str]) -> TargetError:
    """What the file system said, in words, of the target and not of a temporary file."""
    name = os.fspath(target)
    found: TargetError
    if isinstance(error, FileExistsError | IsADirectoryError):
        found = exists_error(name)
    elif isinstance(error, FileNotFoundError | NotADirectoryError):
        found = TargetFolderError(f"{name}: its folder is missing. Create it first.")
    elif isinstance(error, PermissionError):
        found = TargetPermissionError(f"{name}: no permission to write there. Write elsewhere.")
    else:
        what, remedy = _WORDS.get(error.errno or 0, (str(error.strerror or error), ""))
        found = TargetError(f"{name}: {what}. {remedy}".rstrip())
    # Without text and name of file, which would be shown instead of the words.
    found.errno = error.errno
    return found


def exists_error(target: str | os.PathLike[str]) -> TargetExistsError:
    """Of a target that exists, where none is to be replaced."""
    path = Path(target)
    link = ", a link to nothing" if path.is_symlink() and not path.exists() else ""
    return TargetExistsError(f"{target} exists{link}. Replace it with --force (overwrite=True).")


def hidden_prefix(target: Path) -> str:
    """How the names of temporary files and folders for a target begin."""
    # File systems count bytes; 255 of them are a usual limit.
    return f".{os.fsencode(target.name)[:100].decode('utf-8', 'ignore')}."


def _is_about(error: OSError, target: Path) -> bool:
    if error.errno is None or error.errno == errno.EPIPE:
        return False
    if not isinstance(error.filename, str | bytes):
        return True  # of a write, for example, which knows no name
    path = Path(os.fsdecode(error.filename))
    prefix = hidden_prefix(target)
    return path in (target, target.parent) or any(p.startswith(prefix) for p in path.parts)
