"""Errors of Icechunk as errors of ours, in one line and without its traces."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import (
    FlacError,
    ReferencesError,
    SourceChangedError,
    SourceError,
    SourceNotFoundError,
    SourcePermissionError,
    TargetError,
)
from ..io.store_errors import first_line, in_words, lacks_credentials
from ..io.target_errors import exists_error, target_error
from .trust import refuse_local

#: What Icechunk says, and what that is to us. Kinds of its own do not tell these apart.
_KINDS = (
    ("changed", SourceChangedError),
    ("not found", SourceNotFoundError),
    ("privileges|permission|credentials|access ?denied|forbidden|signature", SourcePermissionError),
)
_UNREACHED = re.compile("connect|dispatch|timed? ?out|dns|resolve", re.I)
_EXISTS = ("AlreadyExistsError", "ConflictError")
_FORBIDDEN = re.compile("resolves to the url prefix (.+?), to be able")
_SYSTEM = re.compile(r"\(os error (\d+)\)")


def reading_error(error: Exception, where: str) -> SourceError:
    """What it says of something to be read, to be raised ``from None``.

    Its context, below the first line, may repeat what the server said.

    Raises
    ------
    SourcePermissionError
        When it was not allowed to read a local file.
    """
    said = first_line(error)
    # The one that was not allowed to be read.
    if prefix := _FORBIDDEN.search(said):
        refuse_local(where, [prefix[1]])
    if lacks_credentials(error):
        return SourcePermissionError(f"{where}: {in_words(error)}")
    kind = next((k for words, k in _KINDS if re.search(words, said, re.I)), SourceError)
    return kind(f"{where}: {in_words(error)}")


@contextmanager
def reading_icechunk(target: str) -> Iterator[None]:
    """Let what Icechunk says while a repository is opened be errors of ours.

    Raises
    ------
    ReferencesError
        When it is damaged, or there is none.
    SourceError
        When it cannot be read.
    """
    import icechunk

    try:
        yield
    except icechunk.IcechunkError as error:
        found = reading_error(error, target)
        if isinstance(found, SourcePermissionError) or _UNREACHED.search(str(error)):
            raise found from None
        raise ReferencesError(
            f"{target}: holds no Icechunk repository: {first_line(error)}"
        ) from None


@contextmanager
def writing_icechunk(target: str | os.PathLike[str], *, creating: bool = False) -> Iterator[None]:
    """Let what Icechunk says in the block be errors of ours that name the target.

    When a repository is being created, somebody else may have done so at the same moment.

    Raises
    ------
    TargetExistsError, TargetError, SourceError
    """
    import icechunk

    try:
        yield
    except icechunk.IcechunkError as error:
        raise _writing_error(error, os.fspath(target), creating) from None


def _writing_error(error: Exception, target: str, creating: bool) -> FlacError:
    said = first_line(error)
    taken = type(error).__name__ in _EXISTS
    if creating and (taken or "clean prefix" in said):
        return exists_error(target)
    if taken:
        return TargetError(
            f"{target}: somebody else has written to the repository meanwhile. Nothing was added "
            "to it. Look at what is there, then try again."
        )
    if prefix := _FORBIDDEN.search(said):
        return SourcePermissionError(
            f"{target}: refers to {prefix[1]}, on this machine; appending does not read files that "
            "a repository elsewhere names. Write a new repository."
        )
    number = _SYSTEM.search(said)
    if number is not None and "connect" not in said.lower():
        code = int(number[1])
        return target_error(OSError(code, os.strerror(code)), target)
    return reading_error(error, target)
