"""Denoising of waves, files and streams."""

from pathlib import Path

import numpy as np

from clearmel.api.models import load
from clearmel.api.waves import Wave, as_given, channels_first, check_rate
from clearmel.audio import media_container, sound_file
from clearmel.core.file_io import FloatArray
from clearmel.core.progress import Progress, advance
from clearmel.inference import denoise as recordings
from clearmel.inference import music
from clearmel.inference.denoise_stream import DenoiseStream
from clearmel.inference.open_stream import UnlinkedStreams, open_stream
from clearmel.options import DenoiseOptions, MediaOptions, lufs


class Stream:
    """A recording that is denoised while it comes in; see `Denoiser.stream`."""

    def __init__(self, stream: DenoiseStream | UnlinkedStreams, sample_rate: int, channels: int) -> None:
        self._stream, self._sample_rate, self._channels = stream, sample_rate, channels
        self._given: Wave | None = None

    def push(self, wave: Wave) -> Wave:
        """Takes the next samples and returns those that are ready, possibly none, in the same layout and type.

        Args:
            wave: (N,) for one channel, or (N, C).

        Raises:
            ValueError: as `denoise`, or another number of channels than the stream has.
        """
        sound = channels_first(wave, self._sample_rate)
        if len(sound) != self._channels:
            raise ValueError(f"wave has {len(sound)} channel(s); expected {self._channels}, as the stream has.")
        self._given = np.asarray(wave)
        return as_given(self._stream.push(sound), self._given)

    def finish(self) -> Wave:
        """Returns the remaining samples. All results together are as long as the input."""
        rest: FloatArray = self._stream.finish()
        if self._given is None:
            return rest[0] if self._channels == 1 else rest.T
        return as_given(rest, self._given)


class Denoiser:
    """A trained denoiser.

    Args:
        model: name of the weights, see `clearmel.load`.
        strength: share of the attenuation in dB, 0 to 1.
        max_suppression_db: no bin is attenuated by more; None for no limit.
        passes: 2 corrects the gains backwards in time; 1 is what a stream has.
        unlink_channels: denoise each channel on its own; otherwise all have the same gain.
        keep_music: leave the parts alone in which `sounds.pth` detects music, such as jingles.
        device: where the network computes, see `clearmel.load`.

    Raises:
        clearmel.InputError: there are no such weights or no such device, or an option is out of range.
    """

    def __init__(
        self,
        model: str = "denoiser",
        *,
        strength: float = 1.0,
        max_suppression_db: float | None = None,
        passes: int = 2,
        unlink_channels: bool = False,
        keep_music: bool = False,
        device: str = "auto",
    ) -> None:
        self.network = load(model, "denoising", device)
        self.options = DenoiseOptions(
            strength=strength,
            max_suppression_db=max_suppression_db,
            passes=passes,
            unlink_channels=unlink_channels,
            keep_music=keep_music,
        )

    def denoise(self, wave: Wave, sample_rate: int) -> Wave:
        """See `clearmel.denoise`."""
        sound = channels_first(wave, sample_rate)
        _, gain = recordings.measured([sound], sample_rate, len(sound), self.options)
        kept = music.find_in_sound(sound, sample_rate, self.network.device) if self.options.keep_music else None
        pieces = recordings.denoise_blocks(self.network, [sound], sample_rate, len(sound), self.options, gain, kept)
        return as_given(np.concatenate(list(pieces), axis=1), wave)

    def denoise_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        audio_track: int | None = None,
        bitrate: int | None = None,
        no_tags: bool = False,
        loudness: float | str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """See `clearmel.denoise_file`."""
        wanted = None if loudness is None else lufs(loudness)
        with media_container.using(MediaOptions(audio_track, bitrate, no_tags)):
            add = advance(progress, sound_file.inspect(source).duration_s) if progress else None
            recordings.denoise_file(self.network, Path(source), Path(target), self.options, add, wanted)

    def stream(self, sample_rate: int, channels: int = 1) -> Stream:
        """Begins a stream, which has no opening seconds to initialise its state from.

        Args:
            sample_rate: in Hz, 1000 to 384000.
            channels: 1 or more.

        Raises:
            ValueError: a rate or a number of channels that cannot be, or music is to be kept.
        """
        check_rate(sample_rate)
        if self.options.keep_music:
            raise ValueError("keep_music needs whole recordings; a stream has none.")
        if channels < 1:
            raise ValueError(f"channels is {channels}; expected 1 or more.")
        return Stream(open_stream(self.network, sample_rate, channels, self.options), sample_rate, channels)


def denoise(
    wave: Wave,
    sample_rate: int,
    *,
    model: str = "denoiser",
    strength: float = 1.0,
    max_suppression_db: float | None = None,
    passes: int = 2,
    unlink_channels: bool = False,
    keep_music: bool = False,
    device: str = "auto",
) -> Wave:
    """Removes the noise from a recording.

    Args:
        wave: (N,) or (N, C), floats in about [-1, 1], or int16 / int32, as `soundfile.read` gives it.
        sample_rate: in Hz, 1000 to 384000.
        model: name of the weights, see `clearmel.load`.
        strength: share of the attenuation in dB, 0 to 1.
        max_suppression_db: no bin is attenuated by more; None for no limit.
        passes: 2 corrects the gains backwards in time; 1 is what a stream has.
        unlink_channels: denoise each channel on its own; otherwise all have the same gain.
        keep_music: leave the parts alone in which `sounds.pth` detects music, such as jingles.
        device: where the network computes, see `clearmel.load`.

    Returns:
        The denoised wave, of the same shape and type.

    Raises:
        ValueError: the wave is empty, not finite, or of a wrong shape or type.
        clearmel.InputError: there are no such weights or no such device, or an option is out of range.
    """
    return Denoiser(
        model,
        strength=strength,
        max_suppression_db=max_suppression_db,
        passes=passes,
        unlink_channels=unlink_channels,
        keep_music=keep_music,
        device=device,
    ).denoise(wave, sample_rate)


def denoise_file(
    source: str | Path,
    target: str | Path,
    *,
    model: str = "denoiser",
    strength: float = 1.0,
    max_suppression_db: float | None = None,
    passes: int = 2,
    unlink_channels: bool = False,
    keep_music: bool = False,
    device: str = "auto",
    audio_track: int | None = None,
    bitrate: int | None = None,
    no_tags: bool = False,
    loudness: float | str | None = None,
    progress: Progress | None = None,
) -> None:
    """Denoises a sound file or video of any length into another, in blocks; rate, channels, length and level stay.

    Args:
        source: a sound file or video, see docs/formats.md.
        target: the denoised file; its suffix decides the format.
        model: name of the weights, see `clearmel.load`.
        strength: share of the attenuation in dB, 0 to 1.
        max_suppression_db: no bin is attenuated by more; None for no limit.
        passes: 2 corrects the gains backwards in time; 1 is what a stream has.
        unlink_channels: denoise each channel on its own; otherwise all have the same gain.
        keep_music: leave the parts alone in which `sounds.pth` detects music, such as jingles.
        device: where the network computes, see `clearmel.load`.
        audio_track: sound track of a video, from 1; None for its main one.
        bitrate: kbit/s of compressed formats; None for the source's.
        no_tags: leave out tags, cover, chapters and marks of the source.
        loudness: integrated loudness of the target in LUFS, "podcast" (-16) or "broadcast" (-23), with a true peak of
            at most -1 dBTP; None keeps the level.
        progress: called with the seconds of sound that are done, and the total.

    Raises:
        clearmel.InputError: the source cannot be read, the target cannot be written, or they are one file.
    """
    Denoiser(
        model,
        strength=strength,
        max_suppression_db=max_suppression_db,
        passes=passes,
        unlink_channels=unlink_channels,
        keep_music=keep_music,
        device=device,
    ).denoise_file(
        source,
        target,
        audio_track=audio_track,
        bitrate=bitrate,
        no_tags=no_tags,
        loudness=loudness,
        progress=progress,
    )
