"""Samples -> FLAC frames: imports the FLAC library when it is asked for, so readers need none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .streaminfo import StreamInfo

DEFAULT_COMPRESSION = 5
DEFAULT_BLOCK_SIZE = 4096


def encode(
    samples: npt.NDArray[np.int32],
    bits_per_sample: int,
    *,
    compression: int = DEFAULT_COMPRESSION,
    block_size: int = DEFAULT_BLOCK_SIZE,
    stereo: bool = True,
) -> tuple[StreamInfo, bytes]:
    """Encode samples to FLAC frames.

    Parameters
    ----------
    samples
        int32, C-contiguous, shape (channel, sample); every sample fits `bits_per_sample`.
    bits_per_sample
        4 to 32.
    compression
        libFLAC's compression level, 0 (fast) to 8 (small).
    block_size
        Samples per channel in a frame, 16 to 65,535.
    stereo
        Let libFLAC store two channels as mid and side where that is smaller.

    Returns
    -------
    The true STREAMINFO (total samples, MD5, frame sizes), and the frames without any head.

    Raises
    ------
    FlacError
        libFLAC refused the parameters or the samples.
    ImportError
        pyflac, which brings libFLAC, is not installed.
    """
    try:
        from . import libflac
    except ImportError as error:
        raise ImportError(
            "Encoding FLAC needs pyflac, which brings libFLAC; reading does not. Install it with "
            "pip install 'zarr-flac[encode]'."
        ) from error
    return libflac.encode(
        samples, bits_per_sample, compression=compression, block_size=block_size, stereo=stereo
    )
