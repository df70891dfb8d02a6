"""Pictures in a terminal: half-block characters in 24-bit colour, or plain signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Style = Literal["blocks", "plain"]
Rgba = npt.NDArray[np.uint8]
#: From dark to bright; what is transparent is left empty.
_SIGNS = np.array(list(".:-=+*#%@"))
_OPAQUE = 128


def style_of(environment: Mapping[str, str]) -> Style:
    """What a terminal shows, by what it says about itself in the environment."""
    colour = environment.get("COLORTERM", "") in ("truecolor", "24bit")
    return "blocks" if colour and not environment.get("NO_COLOR") else "plain"


def draw(rgba: Rgba, width: int, style: Style) -> str:
    """A picture of at most `width` signs in a row; each shows two pixels, one above the other."""
    step = max(1, -(-rgba.shape[1] // width))
    small = rgba[::step, ::step]
    if len(small) % 2:
        small = np.concatenate([small, np.zeros_like(small[:1])])
    upper, lower = small[::2], small[1::2]
    return _blocks(upper, lower) if style == "blocks" else _plain(upper, lower)


def _blocks(upper: Rgba, lower: Rgba) -> str:
    lines = []
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        signs = [_half_block(up, down) for up, down in zip(above, below, strict=True)]
        lines.append("".join(signs) + "\x1b[0m\n")
    return "".join(lines)


def _half_block(above: list[int], below: list[int]) -> str:
    up, down = above[3] >= _OPAQUE, below[3] >= _OPAQUE
    if up and down:
        return f"\x1b[0;{_colour(38, above)};{_colour(48, below)}m▀"
    if up:
        return f"\x1b[0;{_colour(38, above)}m▀"
    return f"\x1b[0;{_colour(38, below)}m▄" if down else "\x1b[0m "


def _colour(layer: int, pixel: list[int]) -> str:
    return f"{layer};2;{pixel[0]};{pixel[1]};{pixel[2]}"


def _plain(upper: Rgba, lower: Rgba) -> str:
    both = np.stack([upper, lower]).astype(np.float64)
    weight = both[..., 3] / 255
    share = weight.sum(axis=0)
    light = (both[..., :3].mean(axis=-1) * weight).sum(axis=0) / np.maximum(share, 1e-9)
    signs: npt.NDArray[Any] = _SIGNS[(light / 256 * len(_SIGNS)).astype(np.int64)]
    signs = np.where(share * 255 >= _OPAQUE, signs, " ")
    return "".join("".join(line).rstrip() + "\n" for line in signs.tolist())
