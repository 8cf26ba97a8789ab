"""Writes sound by libsndfile: wav, flac, ogg, aiff, au, caf, w64. Shapes: N samples, C channels."""

from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile as sf

from clearmel.audio import companions, media_container, wav_chunks
from clearmel.audio.companions import Origin
from clearmel.audio.opening import message, native
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, quoted

CONTAINERS = {".oga": "OGG", ".aif": "AIFF"}
"""libsndfile's container of a suffix, where it is not the suffix itself."""
CODED = {".ogg": "VORBIS", ".oga": "VORBIS"}
"""The sample format of the suffixes that have one only."""
PRECISE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_20", "ALAC_24", "ALAC_32")
"""Sample formats of more than 16 bits."""
EXACT = ("PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "ALAC_16", *PRECISE)
"""Sample formats that hold any length and any number of channels. ADPCM and GSM pad the length or hold one channel."""
RETAGGED = {".flac": "flac", ".ogg": "ogg", ".oga": "ogg"}
"""Kinds whose tags FFmpeg writes, with its names of them."""
LARGE = 3 << 30
"""Bytes from which a wav may not fit into 4 GiB, together with its tags."""
LARGEST_AIFF = 0xFFFF0000


def _subtype(suffix: str, container: str, wanted: str | None) -> str:
    """The sample format of a new file: that of its source where the container can hold it, else the nearest one.

    libsndfile's list of formats that a container has names some that it reads and does not write, such as mp3 in wav,
    so only those in `EXACT` are taken from a source.
    """
    if suffix in CODED:
        return CODED[suffix]
    held = sf.available_subtypes(container)
    if wanted in EXACT and wanted in held:
        return wanted
    if wanted in PRECISE and "PCM_24" in held:  # such as float into flac
        return "PCM_24"
    return "PCM_16"


class LibsndfileWriter:
    """A file that libsndfile writes.

    Attributes:
        rate: the sample rate in Hz.
        is_float: whether samples beyond [-1, 1] are kept.

    Args:
        path: of the file that is written.
        target: its final name, whose suffix decides the kind.
        sample_rate: in Hz.
        n_channels: C.
        subtype: libsndfile's sample format of the source.
        origin: where the sound comes from; None if it comes from no file.
        n_samples: about how long it becomes, None if unknown.

    Raises:
        InputError: libsndfile does not write such a file.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        sample_rate: int,
        n_channels: int,
        subtype: str | None,
        origin: Origin | None,
        n_samples: int | None,
    ) -> None:
        self._path, self._target, self._origin, self._suffix = path, target, origin, target.suffix.lower()
        container = CONTAINERS.get(self._suffix, self._suffix[1:].upper())
        subtype = _subtype(self._suffix, container, subtype)
        self.rate, self.is_float = sample_rate, subtype in ("FLOAT", "DOUBLE")
        self._layout = origin.encoding.layout if origin and origin.encoding.n_channels == n_channels > 2 else ""
        if container == "WAV" and self._layout:
            container = "WAVEX"
        wanted = 1000 * (media_container.options().bitrate or 0) or (origin.encoding.bit_rate if origin else None)
        settings = {}
        if subtype == "VORBIS" and wanted:
            settings["compression_level"] = 1 - _vorbis_quality(wanted, sample_rate, n_channels)
        large = n_samples is None or n_samples * n_channels * 8 > LARGE
        self._raw = wav_chunks.ReservingFile(path) if self._suffix == ".wav" and large else None
        place, self._n_bytes, self._frame = self._raw or native(path), 0, 4 * n_channels
        try:
            self._file = sf.SoundFile(
                place, "w", sample_rate, n_channels, subtype=subtype, format=container, **settings
            )
        except (sf.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
            if self._raw is not None:
                self._raw.close()
            raise InputError(
                f"cannot write {quoted(target)} ({sample_rate} Hz, {n_channels} channels, {subtype}): {message(error)}."
                " Use .wav or .flac."
            ) from error

    def __enter__(self) -> "LibsndfileWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._raw is not None:
            self._raw.close()
        if kind is not None:
            return
        tagged = self._origin is not None and not media_container.options().no_tags
        if self._suffix == ".wav":
            chunks = companions.wav_chunks_of(self._origin, self.rate) if self._origin and tagged else []
            wav_chunks.finish(self._path, chunks, media_container.channel_mask(self._layout))
        elif self._origin and tagged and self._suffix in RETAGGED:
            companions.retag(self._path, RETAGGED[self._suffix], self._origin)

    def write(self, rows: FloatArray) -> None:
        """Appends samples (N, C) in [-1, 1]."""
        self._n_bytes += len(rows) * self._frame
        if self._suffix in (".aif", ".aiff") and self._n_bytes > LARGEST_AIFF:
            raise InputError(f"cannot write {quoted(self._target)}: an aiff holds 4 GiB at most. Use .wav or .flac.")
        self._file.write(rows)


def _vorbis_quality(bit_rate: int, sample_rate: int, n_channels: int) -> float:
    """The quality from 0 to 1 that has about this bit rate.

    Source: the nominal rates of stereo at 44.1 kHz in libvorbis, `vorbisenc.c`; those of other sound are scaled.
    """
    rates = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)  # kbit/s of quality 0, 0.1 ... 1
    alike = bit_rate / 1000 * 2 / n_channels * max(1.0, 44100 / sample_rate) ** 0.5
    return float(np.interp(alike, rates, np.linspace(0, 1, len(rates))))
