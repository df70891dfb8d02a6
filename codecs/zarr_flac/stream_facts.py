"""What the head of one long stream says, for chunks that are bare frames of it: values <-> JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from .brief import brief
from .errors import ConfigurationError
from .streaminfo import (
    MAX_BITS_PER_SAMPLE,
    MAX_TOTAL_SAMPLES,
    MIN_BITS_PER_SAMPLE,
    StreamInfo,
)
from .whole_numbers import whole_number

_LIMITS = {
    "total_samples": (1, MAX_TOTAL_SAMPLES),
    "bits_per_sample": (MIN_BITS_PER_SAMPLE, MAX_BITS_PER_SAMPLE),
    "min_block_size": (16, 65535),
    "max_block_size": (16, 65535),
    "data_min": (-(2**63), 2**64 - 1),
    "data_max": (-(2**63), 2**64 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """One long stream whose frames are cut into chunks: what stands only in its head.

    Raises
    ------
    ConfigurationError
        A value is out of range, or does not fit the others.
    """

    total_samples: int
    """Samples per channel in the whole stream; never unknown."""
    bits_per_sample: int
    """Depth of a sample, 4 to 32."""
    min_block_size: int
    """Samples per channel in the smallest frame; as `max_block_size` where frames are counted."""
    max_block_size: int
    """Samples per channel in the largest frame."""
    data_min: int | None = None
    """For the mapping `flac-raster`: the least pixel of the raster; None for floats."""
    data_max: int | None = None
    """Its largest pixel."""

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None or not name.startswith("data"):
                object.__setattr__(self, name, whole_number(f"stream.{name}", value, low, high))
        if self.min_block_size > self.max_block_size:
            raise ConfigurationError(
                f"stream.min_block_size = {self.min_block_size} is more than "
                f"stream.max_block_size = {self.max_block_size}."
            )
        if (self.data_min is None) is not (self.data_max is None):
            raise ConfigurationError("stream has one of data_min and data_max; give both.")

    @classmethod
    def from_config(cls, config: Any) -> StreamFacts:
        """Make the facts of their JSON object."""
        known = {field.name for field in fields(cls)}
        needed = {name for name in known if not name.startswith("data")}
        if not isinstance(config, Mapping) or not needed <= set(config) <= known:
            raise ConfigurationError(
                f"stream = {brief(config)}; expected an object with {sorted(needed)}, and "
                "data_min and data_max where the mapping needs them."
            )
        return cls(**config)

    def to_config(self) -> dict[str, int]:
        """Write the facts as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def streaminfo(self, channels: int, total_samples: int = 0) -> StreamInfo:
        """STREAMINFO of a piece of the stream, as far as a decoder needs it."""
        return StreamInfo(
            min_block_size=self.min_block_size,
            max_block_size=self.max_block_size,
            channels=channels,
            bits_per_sample=self.bits_per_sample,
            total_samples=total_samples,
        )
