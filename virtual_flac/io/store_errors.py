"""Errors of obstore as errors of ours, in plain words."""

from __future__ import annotations

import os
import re
from pathlib import Path

from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from ..errors import SourceError, SourceNotFoundError, SourcePermissionError
from .addresses import local_path

#: Its own errors, and builtins for some: ValueError for names with ``.`` or ``..`` in them.
STORE_ERRORS = (BaseError, OSError, NotImplementedError, ValueError)

#: Where credentials are asked for when the environment has none: the clouds' own machines know.
_NO_CREDENTIALS = re.compile(
    r"169\.254\.169\.254|169\.254\.170\.2|computeMetadata|(?:no|valid|load) credentials"
    r"|credentials? provider|identity cache",
    re.I,
)
#: Where they are looked for, by what obstore calls the store; S3 where it says nothing.
_CREDENTIALS = {
    "GCS": "GOOGLE_APPLICATION_CREDENTIALS",
    "MicrosoftAzure": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
}
#: What such texts say somewhere below their first line, what it means, and what to do.
_CAUSES = (
    ("ConnectionRefused|Connection refused", "nothing answers", "Check address and server."),
    ("dns error|lookup address", "there is no such host", "Check the address and the network."),
    ("certificate", "the server's certificate is not trusted", "Check the address."),
    ("Timeout|TimedOut|timed out", "no answer came in time", "Try again, or allow longer."),
    ("IncompleteMessage|Connection ?Reset|Broken ?Pipe", "the server broke off", "Try again."),
)
_STATUS = re.compile(r"status code: (\d+ [^:\n]*)")
_ADDRESS = re.compile(r"performing \w+ (\w+://[^/\s]+)")
_RETRIES = re.compile(r"after (\d+) retries")
_NOISE = re.compile(r"^(?:object store error )?(?:Generic (?!Config)\w+ error: )?(?=.)")


def translate(error: Exception, url: str, what: str = "") -> SourceError:
    """An obstore error as one of ours, to be raised ``from None``.

    What obstore says below its first line shows the server's answer, which may repeat credentials.
    """
    where = f"{url}: {what}" if what else url
    path = local_path(url)
    if path is not None:
        if os.path.isdir(path):
            return SourceError(f"{url} is a folder, expected a file")
        if os.path.isfile(path) and path.stat().st_size == 0:
            return SourceError(f"{url} is empty. Fetch or write it again.")
    if isinstance(error, FileNotFoundError | NotFoundError):
        return SourceNotFoundError(f"{where}: no such file or object")
    if isinstance(error, PermissionError | PermissionDeniedError | UnauthenticatedError):
        return SourcePermissionError(
            f"{where}: access denied. Check the credentials; for a public bucket pass "
            "skip_signature=True or set AWS_SKIP_SIGNATURE=true."
        )
    kind = SourcePermissionError if lacks_credentials(error) else SourceError
    said = isinstance(error, OSError) and error.strerror
    return kind(f"{where}: {said or in_words(error)}")


def first_bytes(path: Path, count: int) -> bytes:
    """The first bytes of a local file, as many as there are.

    Raises
    ------
    SourceError
    """
    try:
        with open(path, "rb") as file:
            return file.read(count)
    except OSError as error:
        raise translate(error, str(path)) from error


def lacks_credentials(error: Exception) -> bool:
    """Whether an error of obstore or Icechunk says that it found no credentials."""
    return _NO_CREDENTIALS.search(str(error)) is not None


def in_words(error: Exception) -> str:
    """What an error of obstore or Icechunk says, in words, and without the server's page."""
    text = str(error)
    if lacks_credentials(error):
        names = next(names for store, names in _CREDENTIALS.items() if store in text)
        return (
            f"found no credentials. Set {names} in the environment, or pass options of the store; "
            "for a public bucket pass skip_signature=True (--anonymous)."
        )
    retries = _RETRIES.search(text)
    after = f", tried {int(retries[1]) + 1} times" if retries and int(retries[1]) else ""
    if status := _STATUS.search(text):
        return f"the server answered {status[1].strip()}{after}"
    address = _ADDRESS.search(text)
    place = f" at {address[1]}" if address else ""
    for words, meaning, remedy in _CAUSES:
        if re.search(words, text, re.I):
            return f"{meaning}{place}{after}. {remedy}"
    return first_line(error)


def first_line(error: Exception | str) -> str:
    """What an error of obstore or Icechunk says, without the debug dump below it."""
    return _NOISE.sub("", str(error).partition("\n")[0].strip())
