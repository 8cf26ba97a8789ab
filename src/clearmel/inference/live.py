"""Live denoising from a pipe or a file to a pipe or a file, hop by hop.

The format is read from a wav header on stdin or, without a header, from flags. stdout gets the same format; messages
go to stderr.
Shapes: C channels, N samples.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from clearmel.audio import sound_file
from clearmel.audio.pipes import WAVES, Pcm, read_header
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, existing
from clearmel.inference.denoise_stream import DenoiseStream
from clearmel.inference.open_stream import UnlinkedStreams, open_stream
from clearmel.options import DenoiseOptions, RawOptions

PIPE = "-"
"""Path that means stdin or stdout."""
STDIN, STDOUT = 0, 1
CHUNK_BYTES = 1 << 16
FILE_BLOCK_S = 1.0


def denoise(network: Any, source: str, target: str, options: DenoiseOptions, raw: RawOptions) -> None:
    """Denoises from `source` to `target`; at least one is `PIPE`.

    The output equals that of a file denoised without priming. On Ctrl-C, everything denoised so far is saved.

    Args:
        network: a denoiser, as a model or a network of torch.
        source: a sound file, or `PIPE`.
        target: a sound file, or `PIPE`.
        options: strength and attenuation limit.
        raw: the format of input without a header, if `raw_format` is given; the output then has no header either.

    Raises:
        InputError: the input is empty, unreadable or not finite; an output file holds everything before the error.
        BrokenPipeError: the reader of stdout has exited.
        KeyboardInterrupt: Ctrl-C; an output file is complete.
    """
    if sys.platform == "win32":  # else a byte of 10 becomes two
        import msvcrt

        for handle in (STDIN, STDOUT):
            msvcrt.setmode(handle, os.O_BINARY)
    sound, blocks = _opened(source, raw)
    if target == PIPE:
        _check_pipe(sys.stdout, "stdout", "pipe it on, or give a file as --output_path")
        if raw.raw_format and source != PIPE:
            sound = Pcm(Pcm.of_raw(raw).subtype, sound.sample_rate, sound.n_channels)
    stream = open_stream(network, sound.sample_rate, sound.n_channels, options)
    timing = stream.streams[0] if isinstance(stream, UnlinkedStreams) else stream  # all channels have the same
    wait = delay(timing)
    print(
        f"live: {sound.sample_rate} Hz, channels {sound.n_channels}, {sound.subtype}; "
        f"delay {1000 * wait / sound.sample_rate:.0f} ms ({wait} samples)",
        file=sys.stderr,
    )
    cleaned = _cleaned(stream, blocks(timing.hop))
    if target == PIPE:
        _to_pipe(cleaned, sound)
    else:
        _to_file(cleaned, Path(target), sound)


def delay(stream: DenoiseStream) -> int:
    """Latency in samples: the largest delay between input and output of a sample when fed hop by hop."""
    features, own_half = stream.features, stream.n_fft // 2
    probe, silence = None, np.zeros((stream.hop, 1), np.float32)
    if stream.frame_gains.resampler is not None:  # its output comes in blocks of irregular length
        probe = soxr.ResampleStream(stream.rate, features.sample_rate, 1, dtype="float32")
    worst = n_low = n_out = 0
    for n_in in range(stream.hop, 40 * stream.rate, stream.hop):  # long enough for every alignment of the two hops
        n_low = n_in if probe is None else n_low + len(probe.resample_chunk(silence))
        known = (n_low - features.n_fft // 2) // features.hop_length + 1 - stream.network.look_ahead
        n_frames = min((n_in - own_half) // stream.hop + 1, stream.n_covered(known))
        ready = n_frames * stream.hop - own_half
        if ready > n_out:
            worst, n_out = max(worst, n_in - n_out), ready
    return worst


def _opened(source: str, raw: RawOptions) -> tuple[Pcm, Callable[[int], Iterator[FloatArray]]]:
    """The format of the source, and a function that takes the hop and yields blocks (C, N)."""
    if source != PIPE:
        existing(source, folder=False)
        info = sound_file.inspect(source)
        sound = Pcm.of_file(info.subtype, info.sample_rate, info.n_channels)
        return sound, lambda _: sound_file.blocks(source, FILE_BLOCK_S)
    _check_pipe(sys.stdin, "stdin", "pipe sound into it, or give a file as --input_path")
    incoming = Incoming(STDIN)
    if raw.raw_format is None:
        sound = read_header(incoming.exactly)
    else:
        sound = Pcm.of_raw(raw)
        start = incoming.peek(12)
        if start[:4] in WAVES and start[8:] == b"WAVE":
            raise InputError("stdin begins with a wav header, which --raw_format denies. Leave --raw_format out.")
    return sound, lambda hop: _blocks(incoming, sound, hop)


def _check_pipe(pipe: object, name: str, what_to_do: str) -> None:
    """Raises an InputError if a pipe is closed or a terminal."""
    if pipe is None:
        raise InputError(f"{name} is closed; {what_to_do}.")
    if os.isatty({"stdin": STDIN, "stdout": STDOUT}[name]):
        raise InputError(f"{name} is a terminal; {what_to_do}.")


class Incoming:
    """Buffered reader of a pipe."""

    def __init__(self, handle: int) -> None:
        self._handle, self._held, self._ended = handle, bytearray(), False

    def _wait(self, n_bytes: int) -> None:
        while len(self._held) < n_bytes and not self._ended:
            piece = os.read(self._handle, CHUNK_BYTES)
            self._held += piece
            self._ended = not piece

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, without consuming them; fewer at the end."""
        self._wait(n_bytes)
        return bytes(self._held[:n_bytes])

    def exactly(self, n_bytes: int) -> bytes:
        """The next bytes; fewer at the end."""
        self._wait(n_bytes)
        return self._take(min(n_bytes, len(self._held)))

    def multiple(self, n_bytes: int) -> bytes:
        """All bytes received, rounded down to a multiple of n_bytes; waits for the first n_bytes. Fewer at the end."""
        self._wait(n_bytes)
        whole = len(self._held) // n_bytes * n_bytes
        return self._take(whole or len(self._held))

    def _take(self, n_bytes: int) -> bytes:
        taken = bytes(self._held[:n_bytes])
        del self._held[:n_bytes]
        return taken


def _blocks(incoming: Incoming, sound: Pcm, hop: int) -> Iterator[FloatArray]:
    """Blocks (C, N) as they arrive; N is a multiple of the hop, except in the last block."""
    frame, n_bytes = sound.frame_bytes, 0
    left = sound.n_bytes
    while data := incoming.multiple(hop * frame):
        if left is not None:  # a wav of known length may have other chunks after its samples
            data = data[: left - n_bytes]
        n_bytes += len(data)
        wave = sound.decode(data[: len(data) // frame * frame])
        if not np.isfinite(wave).all():
            at = (n_bytes // frame - wave.shape[1] + int(np.argmin(np.isfinite(wave).all(axis=0)))) / sound.sample_rate
            raise InputError(f"stdin holds NaN or infinite samples at {at:.3f} s; expected finite sound.")
        yield wave
    if n_bytes < frame:
        raise InputError("stdin is empty; expected sound. Did the program that writes to the pipe fail?")
    if left is not None and n_bytes < left:
        print(f"warning: stdin ended after {n_bytes} of the {left} bytes its header promises", file=sys.stderr)
    elif n_bytes % frame:
        print(f"warning: stdin ended within a sample; its last {n_bytes % frame} bytes are dropped", file=sys.stderr)


def _cleaned(stream: DenoiseStream | UnlinkedStreams, blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()


def _to_pipe(cleaned: Iterator[FloatArray], sound: Pcm) -> None:
    """Writes each block immediately."""
    _write(sound.header())
    peak = 0.0
    for wave in cleaned:
        peak = max(peak, float(np.abs(wave).max(initial=0.0)))
        _write(sound.encode(wave))
    if peak > 1 and sound.subtype != "FLOAT":
        print(f"warning: stdout is clipped: peak {peak:.2f}. Samples of f32le would keep it.", file=sys.stderr)


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(STDOUT, rest) :]


def _to_file(cleaned: Iterator[FloatArray], target: Path, sound: Pcm) -> None:
    """Writes a file; after Ctrl-C or invalid input it is complete up to there."""
    stop: BaseException | None = None
    with sound_file.writing(target, sound.sample_rate, sound.n_channels, sound.subtype) as append:
        done = 0
        try:
            for wave in cleaned:
                append(wave)
                done += wave.shape[1]
        except (KeyboardInterrupt, InputError) as error:
            if not done:
                raise
            stop = error
    print(f"saved {target}", file=sys.stderr)
    if stop is not None:
        raise stop
