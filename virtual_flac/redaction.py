"""Texts without secrets: what URLs carry besides the place of a file, and values of such names.

Errors, reports and what commands print pass through here, so no secret has to be kept out of a
message where it is written.
"""

from __future__ import annotations

import re

_HIDDEN = "***"
#: A scheme, slashes, the place, and from ``?`` or ``#`` on the rest. `Path` makes one slash of two.
#: A password may hold blanks. A place ends before the next URL: GDAL's names hold several.
_URL = re.compile(
    r"((?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]*)?(:/+)"
    r"((?:[^\s/@:?#]*:(?!\d*(?:[\s:,;.)]|$))[^/@\n]*(?=@))?(?:(?!:/|%3f)[^\s\"'<>?#])*)"
    r"((?:[?#]|%3f)[^\s\"'<>]*)?",
    re.I,
)
#: GDAL's options of a file in its name: ``/vsicurl?header.Authorization=...&url=...``.
_GDAL_OPTIONS = re.compile(r"(/vsi\w+)\?[^\s\"'<>]*")
_NAMED = re.compile(
    r"(?<![\w.\-])([\w.\-]*(?:password|passwd|pwd|secret|token|credentials?|access_key(?:_id)?"
    r"|account_key|sas_key|api_?key)|(?:[\w\-]*-)?sig(?:nature)?)=(?!\*\*\*)[^\s,;&\"'<>]+",
    re.I,
)
_HEADER = re.compile(r"(\bauthorization\s*[:=]\s*)(?:\w[\w\-]*\s+)?[^\s,;\"'<>]+", re.I)
#: What ends a URL in a text, as signs that do not, and back.
_JOINED = {ord(sign): 0xE000 + at for at, sign in enumerate(" \t\r\n\f\v\"'<>")}
_PARTED = {private: sign for sign, private in _JOINED.items()}
_AT = re.compile("@|%40")
_REMOTE_SCHEMES = ("http", "https", "ftp", "s3", "gs")
#: Of Azure: their URLs are ``abfss://container@account.dfs.core.windows.net/path``.
_CONTAINER_SCHEMES = ("abfs", "abfss")


def redact(text: str) -> str:
    """The text with ``***`` for user names, passwords, tokens and queries of URLs.

    Takes time in proportion to the text.

    Examples
    --------
    >>> redact("https://me:1234@example.com/a.tif?X-Amz-Signature=abc: not found")
    'https://***@example.com/a.tif?***: not found'
    """
    text = _GDAL_OPTIONS.sub(rf"\1?{_HIDDEN}", text)
    text = _URL.sub(_redacted_url, text)
    text = _NAMED.sub(rf"\1={_HIDDEN}", text)
    return _HEADER.sub(rf"\1{_HIDDEN}", text)


def redact_name(name: str) -> str:
    """The same for one path or URL: blanks and quotes do not end it."""
    if "://" not in name or name.lower().startswith("file:"):
        return redact(name)
    return redact(name.translate(_JOINED)).translate(_PARTED)


def told(text: str) -> str:
    """What an error may say: no secret, and the paths of local files instead of their URLs."""
    return redact(text).replace("file:///", "/")


def has_credentials(name: str) -> bool:
    """Whether the name of a file holds a URL with a user name, a password or a token before a @."""
    found = _URL.finditer(name.translate(_JOINED))
    return any(
        _end_of_user(match)
        for match in found
        # GDAL takes one slash for two.
        if match[2] == "://" or (match[1] or "").lower() in _REMOTE_SCHEMES
    )


def safe_cause(error: BaseException) -> BaseException | None:
    """An error as the cause of another; None when it, or what caused it, tells a secret."""
    cause: BaseException | None = error
    while cause is not None:
        if redact(str(cause)) != str(cause):
            return None
        cause = cause.__cause__ or cause.__context__
    return error


def _redacted_url(match: re.Match[str]) -> str:
    scheme, slashes, place, rest = (group or "" for group in match.groups())
    end = _end_of_user(match)
    if end:
        place = _HIDDEN + place[end:]
    told = rest[:1] == "?" or end or re.search("[=@]|%3d|%40", rest, re.I)
    if told and not _is_path(scheme):
        rest = _redacted_rest(rest)
    return f"{scheme}{slashes}{place}{rest}"


def _redacted_rest(rest: str) -> str:
    # Punctuation behind it is of the sentence around.
    bare = rest.rstrip(".,:;)]}")
    mark = "%3F" if bare[:1] == "%" else bare[:1]
    return rest if len(bare) <= len(mark) else f"{mark}{_HIDDEN}{rest[len(bare) :]}"


def _end_of_user(match: re.Match[str]) -> int:
    """The length of what stands before the ``@`` of the host; 0 when nothing does."""
    scheme, slashes, place, rest = (group or "" for group in match.groups())
    if _is_path(scheme) and slashes != "://":
        return 0
    host = place.partition("/")[0]
    if scheme.lower() in _CONTAINER_SCHEMES and ":" not in host:
        return 0
    if marks := list(_AT.finditer(host)):
        return marks[-1].start()
    # A password that is not quoted may hold slashes; then what looks like a port is none.
    if re.fullmatch(r"(\[[^\]]*\]?)?[^:]*(:\d*)?:?", host):
        return 0
    return max((mark.start() for mark in _AT.finditer(place + rest)), default=0)


def _is_path(scheme: str) -> bool:
    """Whether a local path follows: file:///folder, C:/folder."""
    return len(scheme) == 1 or scheme.lower() == "file"
