"""The stream that denoises a recording, with one gain for all channels or one for each.

Shapes: C channels, N samples.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearmel.core.file_io import FloatArray
from clearmel.inference.denoise_stream import FULL, DenoiseStream
from clearmel.inference.music import Music
from clearmel.options import DenoiseOptions
from clearmel.runtime.model import as_model


class UnlinkedStreams:
    """Denoises each channel of a recording on its own; otherwise as `DenoiseStream`.

    Args:
        network: as there.
        sample_rate: as there.
        options: as there.
        gains: for each of the C channels.
        music: as there.
        whole: as there.
    """

    def __init__(
        self,
        network: Any,
        sample_rate: int,
        options: DenoiseOptions,
        gains: Sequence[float | None],
        music: Music | None = None,
        whole: bool = False,
    ) -> None:
        model = as_model(network)
        self.streams = [DenoiseStream(model, sample_rate, 1, options, gain, music, whole) for gain in gains]

    def prime(self, sound: FloatArray) -> None:
        """See `DenoiseStream.prime`."""
        for stream, channel in zip(self.streams, sound, strict=True):
            stream.prime(channel[None])

    def push(self, block: FloatArray) -> FloatArray:
        """See `DenoiseStream.push`."""
        return np.concatenate([stream.push(channel[None]) for stream, channel in zip(self.streams, block, strict=True)])

    def finish(self) -> FloatArray:
        """See `DenoiseStream.finish`."""
        return np.concatenate([stream.finish() for stream in self.streams])


def open_stream(
    network: Any,
    sample_rate: int,
    n_channels: int,
    options: DenoiseOptions = FULL,
    gain: float | Sequence[float] | None = None,
    music: Music | None = None,
    whole: bool = False,
) -> DenoiseStream | UnlinkedStreams:
    """A stream for a recording, whose channels share one gain unless the options unlink them.

    Args:
        network: a denoiser, as a model or a network of torch.
        sample_rate: in Hz.
        n_channels: C.
        options: strength, attenuation limit, and whether the channels are linked.
        gain: as `DenoiseStream` takes it, or one for each unlinked channel.
        music: stretches that are not denoised, see `clearmel.inference.music`.
        whole: see `DenoiseStream`.
    """
    if not options.unlink_channels:
        assert not isinstance(gain, Sequence)
        return DenoiseStream(network, sample_rate, n_channels, options, gain, music, whole)
    gains = gain if isinstance(gain, Sequence) else [gain] * n_channels
    return UnlinkedStreams(network, sample_rate, options, gains, music, whole)
