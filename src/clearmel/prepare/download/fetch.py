"""One clip from elsewhere to the disk, by the programs ffmpeg and yt-dlp.

Programs are given lists of arguments, never a line for a shell, and nothing of a list of clips stands where an option
could.
"""

import contextlib
import errno
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from clearmel.core.file_io import replacing
from clearmel.core.temp_files import temporary_file
from clearmel.options import FRAME_RATE_HZ, ClipOptions
from clearmel.prepare.download import copy_url
from clearmel.prepare.download.clip_lists import Clip
from clearmel.prepare.download.programs import FetchError, Programs

PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data"
"""What ffmpeg may open: a play list from elsewhere must not name files of this computer."""
SILENCE_S = 30
"""A server that says nothing for so long is given up."""
LEAST_SHARE = 0.9
"""A clip of which less came is a failure: the recording ends before the row says, or the transfer broke."""
CONTAINERS = "mov,mp4,m4a,3gp,matroska,webm,wav,flac,mp3,ogg,avi,aac,mpegts,aiff,flv"
"""What a copy may be: media, but no play list, which could name files of this computer."""
UNREADABLE = "Invalid data"
"""ffmpeg's words for a file that it cannot make out."""
FULL_BYTES = 1 << 20
"""A clip cut short on a disk with less room than this has not been cut by its server."""
WAV_HEADER_BYTES = 44


class Source(NamedTuple):
    """Where ffmpeg finds a stream, and what it has to say to the server."""

    url: str
    headers: dict[str, str]


def fetch(clip: Clip, wav: Path, frames: Path, options: ClipOptions, programs: Programs) -> str:
    """Fetches a clip: mono 16-bit sound, and its frames if the options want them.

    Nothing appears under a final name before it is whole; the sound, whose presence says that the clip is, comes last.

    Args:
        clip: which.
        wav: the sound's file.
        frames: folder of the frames 0000.jpg, 0001.jpg, ...
        options: how.
        programs: by what.

    Returns:
        A remark for the report, usually empty.

    Raises:
        Refused: it cannot be had.
        Stopped: the run is over.
        InputError: the disk takes nothing.
    """
    ends = time.monotonic() + options.timeout_s

    def left() -> float:
        return ends - time.monotonic()

    sound, video = Source(clip.url, {}), Source(clip.url, {})
    if not clip.is_media:
        sound, video = _ask(clip.url, programs, options.frames, left())
    wanted_s = clip.end_s - clip.start_s
    with replacing(wav) as temporary:
        to_wav = ["-map", "0:a:0", "-ac", "1", "-ar", str(options.sample_rate), "-c:a", "pcm_s16le", "-f", "wav"]
        to_wav.append(str(temporary.absolute()))

        def heard_s() -> float:
            return max(0, temporary.stat().st_size - WAV_HEADER_BYTES) / (2 * options.sample_rate)

        got_s = _cut(clip, sound, to_wav, heard_s, wav.parent, programs, left)
        if options.frames:
            _cut_frames(clip, video, frames, programs, left)
    return f"{wanted_s - got_s:.2f} s shorter than listed" if wanted_s - got_s > 0.05 else ""


def _cut_frames(clip: Clip, video: Source, frames: Path, programs: Programs, left: Callable[[], float]) -> None:
    partial = frames.with_name(f".partial-{frames.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        to_jpeg = ["-map", "0:v:0", "-vf", f"fps={FRAME_RATE_HZ}", "-q:v", "2", "-start_number", "0", "-f", "image2"]
        to_jpeg.append(str(partial.absolute()).replace("%", "%%") + f"{os.sep}%04d.jpg")

        def seen_s() -> float:
            return len(list(partial.iterdir())) / FRAME_RATE_HZ

        _cut(clip, video, to_jpeg, seen_s, frames.parent, programs, left)
        shutil.rmtree(frames, ignore_errors=True)
        partial.replace(frames)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _cut(
    clip: Clip,
    source: Source,
    output: list[str],
    length_s: Callable[[], float],
    folder: Path,
    programs: Programs,
    left: Callable[[], float],
) -> float:
    """Writes a stream's part by ffmpeg, which decodes from the key frame before, so the cut falls on the sample.

    Args:
        clip: which part.
        source: of what.
        output: ffmpeg's arguments for what to write.
        length_s: tells how many seconds there are by now.
        folder: takes a copy of all of the source, if there is no other way.
        programs: ffmpeg.
        left: seconds until the clip is given up.

    Returns:
        How many seconds came.

    Raises:
        Refused: fewer than LEAST_SHARE of those listed, or ffmpeg failed.
        OSError: the disk is full.
    """
    wanted_s = clip.end_s - clip.start_s
    headers = "".join(f"{name}: {value}\r\n" for name, value in source.headers.items())
    quiet = [programs.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    part = ["-ss", f"{clip.start_s:.6f}", "-t", f"{wanted_s:.6f}", "-i"]
    after = ["-map_metadata", "-1", "-bitexact", *output]
    remote = ["-protocol_whitelist", PROTOCOLS, "-rw_timeout", str(SILENCE_S * 1_000_000)]
    remote += ["-headers", headers] if headers else []
    problem = ""
    try:
        programs.run([*quiet, *remote, *part, source.url, *after], left())
    except FetchError as error:
        problem = str(error)
    got_s = length_s()
    if got_s == 0 and (not problem or UNREADABLE in problem):
        # Of a server that cannot be asked for parts of a file, ffmpeg reads no file whose index stands at its end.
        with _whole(source, folder, programs, left) as copy:
            local = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
            programs.run([*quiet, *local, *part, str(copy), *after], left())
        got_s, problem = length_s(), ""
    if got_s < LEAST_SHARE * wanted_s and shutil.disk_usage(folder).free < FULL_BYTES:
        raise OSError(errno.ENOSPC, "No space left on device")  # ffmpeg does not always say so
    if problem:
        raise FetchError(problem)
    if got_s < LEAST_SHARE * wanted_s:
        what = "video" if "image2" in output else "sound"
        raise FetchError(f"only {got_s:.2f} of {wanted_s:.2f} s of {what} came; it ends early or is damaged")
    return got_s


@contextlib.contextmanager
def _whole(source: Source, folder: Path, programs: Programs, left: Callable[[], float]) -> Iterator[Path]:
    """All of a source as a file, for the length of a `with` block."""
    with temporary_file(folder.absolute()) as copy:
        headers = json.dumps(source.headers)
        programs.run([sys.executable, "-P", copy_url.__file__, source.url, str(copy), headers, str(SILENCE_S)], left())
        yield copy


def _ask(page: str, programs: Programs, frames: bool, timeout_s: float) -> tuple[Source, Source]:
    """The addresses of a web page's sound and video, by yt-dlp, which downloads nothing itself.

    Raises:
        Refused: the page has none that ffmpeg could open.
    """
    formats = "bv*+ba/b" if frames else "ba/b"
    command = [*programs.yt_dlp, "--dump-json", "--no-playlist", "--playlist-items", "1", "--no-warnings"]
    command += ["--socket-timeout", str(SILENCE_S), "--format", formats, "--format-sort", "res:720", "--", page]
    printed = programs.run(command, timeout_s).decode("utf-8", "replace")
    line = next((line for line in printed.splitlines() if line.startswith("{")), None)
    if line is None:
        raise FetchError("yt-dlp found no media there")
    try:
        found = json.loads(line)
        streams = found.get("requested_formats") or [found]
        sound = next((one for one in streams if one.get("acodec") != "none"), streams[-1])
        video = next((one for one in streams if one.get("vcodec") != "none"), streams[0])
        return _source(sound), _source(video)
    except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise FetchError("yt-dlp's answer is not the one expected; update it") from error


def _source(stream: dict[str, Any]) -> Source:
    url = str(stream["url"])
    if not url.startswith(("http://", "https://")) or not url.isprintable():
        raise FetchError(f"its media come by {url.split(':', 1)[0][:20]!r}; expected http or https")
    headers = {str(key): str(value) for key, value in (stream.get("http_headers") or {}).items()}
    # A line break in a header would begin another one.
    return Source(url, {key: value for key, value in headers.items() if (key + value).isprintable()})
