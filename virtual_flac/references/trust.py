"""What references may name: no secret, and from elsewhere no file of this machine.

Unless somebody allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import SourceError, SourcePermissionError
from ..io.stores import is_remote, refuse_credentials


def kerchunk_locations(references: Mapping[str, Any]) -> Iterable[str]:
    """Paths and URLs that parsed kerchunk references name, as they stand there, each once."""
    entries = references["refs"].values()
    paths = (entry[0] for entry in entries if isinstance(entry, list | tuple) and entry)
    return dict.fromkeys(path for path in paths if isinstance(path, str) and path)


def refuse_local(target: str, locations: Iterable[str]) -> None:
    """Refuse references at the URL `target` that name anything of this machine.

    Raises
    ------
    SourcePermissionError
    """
    for location in locations:
        if not is_remote(location):
            raise SourcePermissionError(
                f"{target}: refers to {location}, on this machine. References from elsewhere may "
                "not; if you trust these, pass allow_local=True (--allow-local)."
            )


def refuse_secrets(locations: Iterable[str]) -> None:
    """Refuse references to URLs with credentials or a query, which may be a signature.

    Raises
    ------
    SourceError
    """
    for location in locations:
        refuse_credentials(location)
        if is_remote(location) and "?" in location:
            raise SourceError(
                f"{location}: a query may be a signature, so references hold none. Name the file "
                "without it, and let readers bring credentials of their own."
            )
