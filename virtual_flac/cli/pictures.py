"""Pictures in a terminal: kitty's, iTerm2's and sixel graphics, or blocks of colour.

Knows escape sequences and pixels; knows no rasters.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

Protocol = Literal["kitty", "iterm2", "sixel", "blocks"]
Rgba = npt.NDArray[np.uint8]
#: kitty takes base64 in pieces of at most this many bytes.
_KITTY_BYTES = 4096
#: Levels of red, green and blue in a sixel picture: 6 x 6 x 6 colours.
_SIXEL_LEVELS = 6


def protocol_of(environment: Mapping[str, str]) -> Protocol:
    """What a terminal understands, by what it says of itself in the environment."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "KITTY_WINDOW_ID" in environment or "kitty" in term or program in ("ghostty", "WezTerm"):
        return "kitty"
    if program == "iTerm.app" or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if "sixel" in term or term.startswith(("foot", "mlterm")):
        return "sixel"
    return "blocks"


def kitty(png: bytes) -> str:
    """A PNG in kitty's graphics protocol."""
    text = base64.b64encode(png).decode()
    pieces = [text[at : at + _KITTY_BYTES] for at in range(0, len(text), _KITTY_BYTES)]
    parts = []
    for number, piece in enumerate(pieces):
        keys = "a=T,f=100," if number == 0 else ""
        more = int(number < len(pieces) - 1)
        parts.append(f"\x1b_G{keys}m={more};{piece}\x1b\\")
    return "".join(parts) + "\n"


def iterm2(png: bytes) -> str:
    """A PNG in iTerm2's inline images protocol."""
    text = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)}:{text}\a\n"


def sixel(rgba: Rgba) -> str:
    """A picture as DEC sixels; transparent where it is less than half opaque."""
    height, width, _ = rgba.shape
    steps = _SIXEL_LEVELS - 1
    levels = (rgba[..., :3].astype(np.int64) * steps + 127) // 255
    codes = levels[..., 0] * _SIXEL_LEVELS**2 + levels[..., 1] * _SIXEL_LEVELS + levels[..., 2]
    codes = np.where(rgba[..., 3] >= 128, codes, -1)
    parts = [f'\x1bP0;1q"1;1;{width};{height}']
    for code in np.unique(codes[codes >= 0]).tolist():
        red, rest = divmod(code, _SIXEL_LEVELS**2)
        green, blue = divmod(rest, _SIXEL_LEVELS)
        shares = ";".join(str(level * 100 // steps) for level in (red, green, blue))
        parts.append(f"#{code};2;{shares}")
    bits = 1 << np.arange(6)
    for top in range(0, height, 6):
        band = codes[top : top + 6]
        for code in np.unique(band[band >= 0]).tolist():
            column = ((band == code) * bits[: len(band), None]).sum(axis=0)
            parts.append(f"#{code}" + _run_lengths(column + 63) + "$")
        parts.append("-")
    return "".join(parts) + "\x1b\\\n"


def _run_lengths(values: npt.NDArray[Any]) -> str:
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    lengths = np.diff([*starts, len(values)])
    return "".join(
        f"!{n}{chr(v)}" if n > 3 else chr(v) * n
        for v, n in zip(values[starts].tolist(), lengths.tolist(), strict=True)
    )


def blocks(rgba: Rgba, width: int) -> Text:
    """A picture as half-block characters, two pixels each, at most `width` of them in a row."""
    step = max(1, -(-rgba.shape[1] // width))
    small = rgba[::step, ::step]
    if len(small) % 2:
        small = np.concatenate([small, np.zeros_like(small[:1])])
    text = Text(no_wrap=True)
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            segment = _half_block(above, below)
            text.append(segment.text, segment.style)
        text.append("\n")
    return text


def _half_block(above: list[int], below: list[int]) -> Segment:
    up, down = (Color.from_rgb(*pixel[:3]) if pixel[3] >= 128 else None for pixel in (above, below))
    if up is None and down is None:
        return Segment(" ", Style())
    if up is None:
        return Segment("▄", Style(color=down))
    return Segment("▀", Style(color=up, bgcolor=down))
