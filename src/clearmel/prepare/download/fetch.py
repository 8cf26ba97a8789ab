"""Downloads one clip by the programs ffmpeg and yt-dlp.

Programs get argument lists, never a shell command, and no text from a clip list can be read as an option.
"""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from clearmel.core.file_io import replacing
from clearmel.core.temp_files import temporary_file
from clearmel.options import FRAME_RATE_HZ, ClipOptions
from clearmel.prepare.download.clip_lists import Clip
from clearmel.prepare.download.programs import FetchError, Programs

PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data"
"""Protocols that ffmpeg may open: a remote playlist must not name local files."""
SILENCE_S = 30
"""Longest time without data from a server."""
LEAST_SHARE = 0.9
"""A clip shorter than this fraction of its listed length is a failure: the recording or the transfer ended early."""
CONTAINERS = "mov,mp4,m4a,3gp,matroska,webm,wav,flac,mp3,ogg,avi,aac,mpegts,aiff,flv"
"""Accepted formats of a copy: media, but not playlists, which could name local files."""
UNREADABLE = "Invalid data"
"""Message of ffmpeg for a file that it cannot read."""
FULL_BYTES = 1 << 20
"""If less disk space than this is free, a short clip is attributed to a full disk, not to the server."""
WAV_HEADER_BYTES = 44


class Source(NamedTuple):
    """Address of a stream, and the HTTP headers to send to the server."""

    url: str
    headers: dict[str, str]


def fetch(clip: Clip, wav: Path, frames: Path, options: ClipOptions, programs: Programs) -> str:
    """Fetches a clip: mono 16-bit sound, and its frames if the options want them.

    Files get their final names only when complete. The sound file comes last: if it exists, the clip is complete.

    Args:
        clip: the clip.
        wav: path of the sound file.
        frames: folder of the frames 0000.jpg, 0001.jpg, ...
        options: format and time limit.
        programs: ffmpeg and yt-dlp.

    Returns:
        A remark for the report, usually empty.

    Raises:
        FetchError: the clip is not available.
        RunStopped: the run was stopped.
        InputError: the disk cannot be written.
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

        def audio_s() -> float:
            return max(0, temporary.stat().st_size - WAV_HEADER_BYTES) / (2 * options.sample_rate)

        got_s = _cut(clip, sound, to_wav, audio_s, wav.parent, programs, left)
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

        def frames_s() -> float:
            return len(list(partial.iterdir())) / FRAME_RATE_HZ

        _cut(clip, video, to_jpeg, frames_s, frames.parent, programs, left)
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
    """Writes a part of a stream by ffmpeg, which decodes from the previous key frame, so that cuts are sample-accurate.

    Args:
        clip: the part.
        source: the stream.
        output: arguments of ffmpeg for the output.
        length_s: returns the length written so far in seconds.
        folder: folder for a temporary copy of the source, if one is needed.
        programs: ffmpeg.
        left: returns the seconds until the time limit.

    Returns:
        Length of the result in seconds.

    Raises:
        FetchError: less than LEAST_SHARE of the listed length arrived, or ffmpeg failed.
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
        # Without range requests, ffmpeg cannot read a remote file whose index is at its end; a copy by bytes it can.
        with temporary_file(folder.absolute()) as copy:
            as_data = ["-f", "data", "-i", source.url, "-map", "0", "-c", "copy", "-f", "data", str(copy)]
            programs.run([*quiet, "-xerror", *remote, *as_data], left())
            local = ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS]
            programs.run([*quiet, *local, *part, str(copy), *after], left())
        got_s, problem = length_s(), ""
    if got_s < LEAST_SHARE * wanted_s and shutil.disk_usage(folder).free < FULL_BYTES:
        raise OSError(errno.ENOSPC, "No space left on device")  # ffmpeg does not always report it
    if problem:
        raise FetchError(problem)
    if got_s < LEAST_SHARE * wanted_s:
        what = "video" if "image2" in output else "sound"
        raise FetchError(f"only {got_s:.2f} of {wanted_s:.2f} s of {what} came; it ends early or is damaged")
    return got_s


def _ask(page: str, programs: Programs, frames: bool, timeout_s: float) -> tuple[Source, Source]:
    """Asks yt-dlp for the addresses of the sound and video of a web page, without a download.

    Raises:
        FetchError: the page has no media that ffmpeg can open.
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
    # A line break in a header would start another header.
    return Source(url, {key: value for key, value in headers.items() if (key + value).isprintable()})
