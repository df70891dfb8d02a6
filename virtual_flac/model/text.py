"""Text that came from files or names, as people may safely see it."""

from __future__ import annotations

import json
import unicodedata

#: Control characters, those that turn the direction of a line, halves of characters, line ends.
_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: They join letters and emoji and do nothing else.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""The same in one line, control characters as ``\x1b``: it steers no terminal.

    Everything else stays: umlauts, brackets, emoji, any kind of space.
    """
    if text.isprintable():
        return text
    return "".join(
        sign.encode("unicode_escape").decode() if _is_control(sign) else sign for sign in text
    )


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in _CONTROLS and sign not in _JOINERS


def quoted(text: str) -> str:
    """The same in double quotes as Python reads it, umlauts as they are."""
    return json.dumps(text, ensure_ascii=False)


def is_unicode(text: str) -> bool:
    """Whether it holds no half of a surrogate pair, which files and programs in C cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
