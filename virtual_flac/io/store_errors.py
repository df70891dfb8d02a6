"""Errors of obstore as errors of ours."""

from __future__ import annotations

import re

from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from ..errors import SourceError, SourceNotFoundError, SourcePermissionError
from .addresses import local_path

#: Its own errors, and builtins for some.
STORE_ERRORS = (BaseError, OSError, NotImplementedError)


def translate(error: Exception, url: str, what: str = "") -> SourceError:
    """An obstore error as one of ours, to be raised ``from None``.

    What obstore says below its first line shows the server's answer, which may repeat credentials.
    """
    where = f"{url}: {what}" if what else url
    path = local_path(url)
    if path is not None:
        if path.is_dir():
            return SourceError(f"{url} is a folder, expected a file")
        if path.is_file() and path.stat().st_size == 0:
            return SourceError(f"{url} is empty. Fetch or write it again.")
    if isinstance(error, FileNotFoundError | NotFoundError):
        return SourceNotFoundError(f"{where}: no such file or object")
    if isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError):
        return SourcePermissionError(
            f"{where}: access denied. Check the credentials; for a public bucket pass "
            "skip_signature=True or set AWS_SKIP_SIGNATURE=true."
        )
    return SourceError(f"{where}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """What an obstore error says, without the debug dump and the server's page below it."""
    first = str(error).partition("\n")[0].strip()
    return re.sub(r"(status code: \d+ [^:]*):.*", r"\1", first)
