"""Finds ffmpeg and yt-dlp, runs them with a time limit, and can stop all of them at once."""

import contextlib
import errno
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from typing import Any

from clearmel.core.errors import InputError

FULL = b"No space left on device"


class FetchError(Exception):
    """The reason why a clip could not be downloaded, in one line."""


class RunStopped(Exception):
    """The run was stopped; clips not yet downloaded are not failures."""


class Programs:
    """Runs external programs so that all of them can be stopped at once. Thread-safe."""

    def __init__(self, *, pages: bool) -> None:
        """Finds the programs.

        Args:
            pages: whether yt-dlp is needed.

        Raises:
            InputError: one is not installed.
        """
        self.ffmpeg = _find_ffmpeg()
        self.yt_dlp = _find_yt_dlp() if pages else []
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock, self._stopped = threading.Lock(), False

    def run(self, command: list[str], timeout_s: float) -> bytes:
        """Runs a program to its end and returns its output.

        Raises:
            FetchError: the program failed, or took longer than `timeout_s`.
            OSError: the program reported a full disk, which some versions do without failing.
            RunStopped: `stop` was called.
        """
        # A separate process group: Ctrl-C reaches only this process, and child processes of a program end with it.
        separate_group: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        with self._lock:
            if self._stopped:
                raise RunStopped
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **separate_group)
            self._running.add(process)
        try:
            printed: bytes
            printed, said = process.communicate(timeout=max(timeout_s, 0.1))
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            raise FetchError("it took too long; --timeout_s gives it more") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise RunStopped
        if FULL in said:
            raise OSError(errno.ENOSPC, FULL.decode())
        if process.returncode:
            raise FetchError(_main_message(said.decode("utf-8", "replace")) or f"exit status {process.returncode}")
        return printed

    def stop(self) -> None:
        """Ends all running programs and prevents new ones."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _find_ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    if not found and importlib.util.find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg

        with contextlib.suppress(RuntimeError):
            found = imageio_ffmpeg.get_ffmpeg_exe()
    if not found:
        raise InputError(
            "ffmpeg is not installed; it cuts the clips. Get it by apt-get install ffmpeg, brew install ffmpeg, "
            "winget install ffmpeg, or pip install imageio-ffmpeg."
        )
    return str(found)


def _find_yt_dlp() -> list[str]:
    if importlib.util.find_spec("yt_dlp"):
        return [sys.executable, "-P", "-m", "yt_dlp"]  # -P: not a yt_dlp.py of the working folder
    if found := shutil.which("yt-dlp"):
        return [found]
    raise InputError("yt-dlp is not installed; YouTube ids and web pages need it. pip install 'clearmel[video]'.")


def _main_message(said: str) -> str:
    """The most informative line of a program's messages."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if any("matches no streams" in line for line in lines):
        return "it holds no video" if any("0:v" in line for line in lines) else "it holds no sound"
    if early := re.search(r"Stream ends prematurely at (\d+), should be (\d+)", said):
        return f"the server broke off after {early[1]} of {early[2]} bytes"
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    text = re.sub(r"^(ERROR: |\[[^\]]* @ [^\]]*\] )+", "", errors[-1] if errors else "")
    return "".join(char if char.isprintable() else "?" for char in text)[:300].rstrip(".")
