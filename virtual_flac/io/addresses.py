"""Paths as URLs and back: every name has one spelling, whatever signs it holds.

The URL of a local file is ``file://`` and its path, in which only the signs are quoted that have a
meaning in URLs: percent sign, question mark and number sign. Spaces and umlauts stay, as obstore,
VirtualiZarr and people have them. Addresses of web servers are spelled alike; keys in buckets are
never quoted.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from urllib.parse import quote, unquote

from ..errors import FlacError, SourceError
from ..model.text import printable

_FILE = "file://"
_WEB = ("http://", "https://")
_QUOTED = {"%": "%25", "?": "%3F", "#": "%23"}
_IN_PATHS = str.maketrans(_QUOTED)
#: Python's parser of URLs takes what follows a semicolon off the path.
_ON_WEB = str.maketrans({**_QUOTED, ";": "%3B"})
#: What needs no quotes in paths of URLs, besides letters, digits and ``-._~``.
_LITERAL = "/:@!$&'()*+,;="


def local_path(path_or_url: str | os.PathLike[str]) -> Path | None:
    """The absolute path that a path or ``file://`` URL means; None for URLs of other kinds.

    In a URL ``%20`` is a space, in a path it is those three signs. A leading ``~`` is the home of
    its user unless there is something of that name.

    Raises
    ------
    SourceError
        When a ``file://`` URL names another machine, or holds ``?`` or ``#``; when a name holds
        NUL, which no file has.
    """
    text = os.fspath(path_or_url)
    if _is_file_url(text):
        text = _path_of_file_url(text)
    elif "://" in text:
        return None
    elif text.startswith("~") and not os.path.lexists(text.partition("/")[0]):
        text = os.path.expanduser(text)
    if "\0" in text:
        refuse_unspeakable(text)
    # obstore refuses "..", of which only the system knows where it leads from a link. Two slashes
    # at the start stay as they are in POSIX.
    resolve = os.path.realpath if ".." in text.split("/") else os.path.abspath
    return Path("/" + resolve(text).lstrip("/"))


def url_of_path(path: str | os.PathLike[str]) -> str:
    """The URL of a local file by its absolute path.

    Raises
    ------
    SourceError
        When no URL can carry the name.
    """
    text = os.fspath(path)
    refuse_unspeakable(text)
    return _FILE + text.translate(_IN_PATHS)


def _is_file_url(text: str) -> bool:
    return text[: len(_FILE)].lower() == _FILE


def _path_of_file_url(url: str) -> str:
    for mark in "?#":
        if mark in url:
            raise SourceError(
                f"{printable(url)} holds {mark!r}, which ends the path of a URL. Write it as "
                f"{_QUOTED[mark]}, or give the path instead."
            )
    host, slash, rest = url[len(_FILE) :].partition("/")
    if host.lower() not in ("", "localhost"):
        raise SourceError(
            f"{printable(url)} names the machine {printable(host)!r}. URLs of local files begin "
            "with file:///."
        )
    return unquote(slash + rest, errors="surrogateescape")


def normalized(url: str) -> str:
    """The URL of a local file or of a web server as it is spelled here, however it was quoted.

    Raises
    ------
    SourceError
        When no URL can carry the name.
    """
    if not is_quoted(url):
        return url
    root, path = _split(url)
    path = unquote(path, errors="surrogateescape")
    refuse_unspeakable(path)
    return root + path.translate(_IN_PATHS if root == _FILE else _ON_WEB)


def object_path(url: str) -> str:
    """What a URL calls its file in its store, beginning with a slash; nothing in it is quoted."""
    _, path = _split(url)
    return unquote(path) if is_quoted(url) else path


def fully_quoted(url: str) -> str:
    """The same address for Icechunk, which parses URLs as browsers do, those of buckets too."""
    root, _ = _split(url)
    return root + quote(object_path(url), safe=_LITERAL)


def move(url: str, folder: str, base: str) -> str:
    """A file below one URL by its URL below another; both end in a slash."""
    name = url.removeprefix(folder)
    if is_quoted(url):
        name = unquote(name)
    return normalized(base + name.translate(_IN_PATHS)) if is_quoted(base) else base + name


def is_quoted(url: str) -> bool:
    """Whether ``%20`` in a URL stands for something else, as it does not in buckets."""
    return url.startswith((_FILE, *_WEB))


def _split(url: str) -> tuple[str, str]:
    """``scheme://host`` and the rest of a URL."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host, slash + path


def refuse_unspeakable(name: str, kind: type[FlacError] = SourceError) -> None:
    """Refuse a name that no URL can carry, by an error of this kind."""
    if name.isprintable():
        return
    kinds = set(map(unicodedata.category, name))
    if "Cs" in kinds:
        what = "bytes that are not UTF-8"
    elif "Cc" in kinds:
        what = "a control character"
    else:
        return
    raise kind(f"{printable(name)}: the name holds {what}, which no URL can carry. Rename it.")
