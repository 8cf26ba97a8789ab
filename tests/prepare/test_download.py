"""Clips fetched from a server on this computer by the real ffmpeg and yt-dlp."""

import csv
import functools
import http.server
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile as sf

from clearmel.core.errors import InputError
from clearmel.prepare.download import clip_lists, programs
from tests.conftest import Ran, refused, run_script

ADDRESS = "https://example.org/a.mp4"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, and two that go wrong: /hang.wav never answers, /cut/NAME ends after half of NAME."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/hang.wav":
            self.server.closing.wait(60)
        elif self.path.startswith("/cut/"):
            whole = Path(self.directory, self.path.removeprefix("/cut/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.asked: list[str] = []
        self.closing = threading.Event()

    def handle_error(self, *_: object) -> None:
        """A reader that has seen enough hangs up; that is no error."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    try:
        return programs.Programs(pages=False).ffmpeg
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def media(ffmpeg: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: 440 Hz and black for two, then 880 Hz and white. As a film, its sound alone, and on a page."""
    folder = tmp_path_factory.mktemp("media")
    tone = "aevalsrc=0.5*sin(2*PI*(440+440*gte(t\\,2))*t):s=48000:d=4"
    picture = "color=black:s=64x48:r=25:d=2[a];color=white:s=64x48:r=25:d=2[b];[a][b]concat"
    for inputs, name in (
        (
            ("-f", "lavfi", "-i", tone, "-filter_complex", picture, "-c:v", "mpeg4", "-q:v", "2", "-g", "100"),
            "film.mp4",
        ),
        (("-f", "lavfi", "-i", tone), "tone.wav"),
    ):
        command = [ffmpeg, "-loglevel", "error", "-nostdin", *inputs, str(folder / name)]
        subprocess.run(command, check=True)
    (folder / "page.html").write_text('<html><title>A page</title><video src="film.mp4"></video></html>')
    (folder / "empty.html").write_text("<html><title>Nothing here</title></html>")
    (folder / "words.wav").write_text("this is no sound")
    return folder


@pytest.fixture
def server(media: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(media) as serving:
        thread = threading.Thread(target=functools.partial(serving.serve_forever, poll_interval=0.02))
        thread.start()
        yield serving
        serving.closing.set()
        serving.shutdown()
        thread.join()


def fetch(*rows: str, flags: tuple[object, ...] = ()) -> Ran:
    Path("list.csv").write_text("\n".join(rows) + "\n")
    return run_script("download", "--csv_path", "list.csv", "--output_path", "out", *flags)


def report() -> list[dict[str, str]]:
    return list(csv.DictReader(Path("out/report.csv").read_text().splitlines()))


def wavs() -> list[Path]:
    return sorted(Path("out/audio").iterdir())


def pitch(wave: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * rate / len(wave))


@pytest.mark.parametrize("rate", [16000, 22050])
def test_a_clip_is_the_part_that_the_row_says(server: Server, rate: int) -> None:
    rows = f"{server.url('film.mp4')},1,3,0.5,0.5", f"{server.url('tone.wav')},2.5,3"
    ran = fetch(*rows, flags=("--sample_rate", rate))
    assert ran.status == 0, ran
    assert ran.out == "saved out: 2 fetched, 0 already there, 0 failed\n"
    for path, seconds in zip(wavs(), (2.0, 0.5), strict=True):
        info = sf.info(path)
        assert (info.channels, info.samplerate, info.subtype) == (1, rate, "PCM_16")
        assert info.frames == pytest.approx(seconds * rate, abs=0.03 * rate)
    wave, _ = sf.read(wavs()[0])
    half = len(wave) // 2
    assert pitch(wave[: half - rate // 50], rate) == pytest.approx(440, abs=5)
    assert pitch(wave[half + rate // 50 :], rate) == pytest.approx(880, abs=5)
    assert wave[half // 4 : half // 2].std() == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert not Path("out/frames").exists()
    assert [row["status"] for row in report()] == ["ok", "ok"]


def test_frames_are_those_of_the_clip_and_start_at_0(server: Server) -> None:
    ran = fetch(f"{server.url('film.mp4')},1,3", flags=("--frames", "--seconds", 2))
    assert ran.status == 0, ran
    (folder,) = Path("out/frames").iterdir()
    assert folder.name == wavs()[0].stem
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:04d}.jpg" for number in range(50)]
    means = [matplotlib.image.imread(folder / f"{number:04d}.jpg").mean() for number in range(50)]
    assert max(means[:24]) < 20
    assert min(means[26:]) > 235


def test_seconds_cuts_and_first_and_last_choose(server: Server) -> None:
    rows = [f"{server.url('tone.wav')},{start},4" for start in (0, 1, 2, 3)]
    assert fetch(*rows, flags=("--first", 2, "--last", 3, "--seconds", 0.25)).status == 0
    assert [path.name[:7] for path in wavs()] == ["000002_", "000003_"]
    assert [sf.info(path).frames for path in wavs()] == [4000, 4000]
    refused(fetch(*rows, flags=("--first", 5)), "has 4 rows", "--first 5")


def test_what_is_there_is_not_fetched_again_unless_frames_lack(server: Server) -> None:
    row = f"{server.url('film.mp4')},0,1"
    fetch(row)
    asked = len(server.asked)
    ran = fetch(row)
    assert "0 fetched, 1 already there" in ran.out
    assert len(server.asked) == asked
    assert report()[0]["status"] == "skipped"
    assert fetch(row, flags=("--frames",)).out.startswith("saved out: 1 fetched")
    assert len(list(Path("out/frames").rglob("*.jpg"))) == 25


def test_what_cannot_be_had_is_told_and_the_rest_is_done(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/a.wav"
        ran = fetch(
            f"{server.url('missing.wav')},0,1",
            f"{nobody},0,1",
            f"{server.url('cut/tone.wav')},0,4",
            f"{server.url('words.wav')},0,1",
            f"{server.url('tone.wav')},3,9",
            f"{server.url('tone.wav')},0,1",
            "http://no-such-host.invalid/a.wav,0,1",
        )
    assert ran.status == 1, ran
    assert "1 fetched, 0 already there, 6 failed" in ran.out
    lines = [line for line in ran.err.splitlines() if line.startswith("failed: row ")]
    assert len(lines) == 6
    reasons = [row["reason"] for row in report()]
    for reason, words in zip(
        reasons, ("404", "Connection refused", "broke off", "Invalid data", "only 1.00 of 6.00 s", "", ""), strict=True
    ):
        assert words in reason
    assert reasons[-1]
    assert [path.name[:6] for path in wavs()] == ["000006"]


def test_a_sound_without_pictures_has_no_frames(server: Server) -> None:
    ran = fetch(f"{server.url('tone.wav')},0,1", flags=("--frames",))
    assert ran.status == 1
    assert report()[0]["reason"] == "it holds no video"
    assert not list(Path("out/audio").iterdir())
    assert not list(Path("out/frames").iterdir())


def test_failures_are_tried_again_on_request(server: Server, media: Path) -> None:
    row = f"{server.url('late.wav')},0,1"
    assert fetch(row).status == 1
    (media / "late.wav").write_bytes((media / "tone.wav").read_bytes())
    ran = fetch(row)
    assert ran.status == 1
    assert "1 failed (1 of them before" in ran.out
    assert "404" in report()[0]["reason"]
    assert fetch(row, flags=("--retry_failed",)).status == 0
    assert report()[0]["status"] == "ok"
    (media / "late.wav").unlink()


def test_a_server_that_hangs_is_given_up(server: Server) -> None:
    began = time.monotonic()
    ran = fetch(f"{server.url('hang.wav')},0,1", flags=("--timeout_s", 0.5))
    assert ran.status == 1
    assert "took too long" in report()[0]["reason"]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_stopped_run_keeps_whole_clips_only(server: Server, stop: signal.Signals, status: int) -> None:
    Path("list.csv").write_text(f"{server.url('tone.wav')},0,1\n{server.url('hang.wav')},0,1\n" * 2)
    flags = ["--csv_path", "list.csv", "--output_path", "out", "--workers", "2"]
    # A job that a shell puts into the background ignores Ctrl-C, and so would its children.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "clearmel", "download", *flags],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True, preexec_fn=heed,
    ) as process:  # fmt: skip
        for _ in range(1500):
            if server.asked.count("/hang.wav") == 2:
                break
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(stop)
        _, said = process.communicate(timeout=30)
    assert process.returncode == status, said
    assert time.monotonic() - began < 10
    assert [path.name[:7] for path in wavs() if path.suffix == ".wav"] == ["000001_", "000003_"]
    if stop == signal.SIGINT:
        assert said.endswith("interrupted\n")
        assert "Traceback" not in said
        assert len(wavs()) == 2
        assert [(row["row"], row["status"]) for row in report()] == [("1", "ok"), ("3", "ok")]
    else:
        server.closing.set()  # its ffmpegs end
        time.sleep(0.1)
    ran = run_script("download", *flags, "--last", "1")
    assert "1 already there" in ran.out
    assert len(wavs()) == 2


@pytest.mark.skipif(not importlib.util.find_spec("yt_dlp"), reason="needs yt-dlp")
def test_web_pages_go_through_yt_dlp(server: Server) -> None:
    rows = [f"{server.url(page)},2,3" for page in ("page.html", "empty.html")]
    ran = fetch(*rows, flags=("--frames",))
    assert "1 fetched, 0 already there, 1 failed" in ran.out, ran
    wave, rate = sf.read(wavs()[0])
    assert pitch(wave, rate) == pytest.approx(880, abs=5)
    assert len(list(Path("out/frames").rglob("*.jpg"))) == 25
    assert "Unsupported URL" in report()[1]["reason"]


def test_a_film_with_its_index_at_the_end_comes_from_a_server_without_ranges(server: Server, media: Path) -> None:
    film = (media / "film.mp4").read_bytes()
    assert film.index(b"moov") > film.index(b"mdat")
    ran = fetch(f"{server.url('film.mp4')},1,2.5", f"{server.url('cut/film.mp4')},1,2", flags=("--frames",))
    assert "1 fetched, 0 already there, 1 failed" in ran.out, ran
    assert "broke off after" in report()[1]["reason"]
    assert sf.info(wavs()[0]).frames == pytest.approx(24000, abs=500)
    assert len(list(Path("out/frames").rglob("*.*"))) == pytest.approx(38, abs=2)


def test_a_play_list_from_elsewhere_cannot_name_files_of_this_computer(server: Server, media: Path) -> None:
    secret = media / "tone.wav"
    (media / "hls.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{secret}\n#EXT-X-ENDLIST\n")
    (media / "concat.mp4").write_text(f"ffconcat version 1.0\nfile 'file:{secret}'\n")
    assert "2 failed" in fetch(f"{server.url('hls.mp4')},0,1", f"{server.url('concat.mp4')},0,1").out
    assert wavs() == []


@pytest.mark.skipif(not importlib.util.find_spec("imageio_ffmpeg"), reason="needs imageio-ffmpeg")
def test_the_ffmpeg_of_a_package_serves_where_no_program_is(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = fetch(f"{server.url('tone.wav')},0,1", f"{server.url('missing.wav')},0,1")
    assert "1 fetched, 0 already there, 1 failed" in ran.out, ran
    assert "404" in report()[1]["reason"]


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    folder = Path("bin")
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder.absolute()))
    refused(fetch(f"{ADDRESS},0,1"), "ffmpeg is not installed", "pip install imageio-ffmpeg")
    (folder / "ffmpeg").write_text("")
    (folder / "ffmpeg").chmod(0o755)
    refused(fetch("--4gqARaEJE,0,10"), "yt-dlp is not installed", "clearmel[video]")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("--exec=touch x,0,1", "id '--exec=touch x'"),
        ("../../etc/passwd,0,1", "id '../../etc/passwd'"),
        ("file:///etc/passwd,0,1", "id 'file:///etc/passwd'"),
        ("concat:http://a.org/b.wav,0,1", "id 'concat:"),
        ("-i,0,1", "id '-i'"),
        ("http://,0,1", "id 'http://'"),
        ("http://[a,0,1", "id 'http://[a'"),
        ("http://a.org/b c.wav,0,1", "id 'http://a.org/b c.wav'"),
        ("http://a.org/$(x)`y`,0,1", "id 'http://a.org/$(x)`y`'"),
        (f"{ADDRESS},zero,1", "start 'zero'"),
        (f"{ADDRESS},-1,1", "start '-1'"),
        (f"{ADDRESS},0,inf", "end 'inf'"),
        (f"{ADDRESS},nan,1", "start 'nan'"),
        (f"{ADDRESS},2,1", "end 1 is not after start 2"),
        (f"{ADDRESS},2", "2 column(s)"),
    ],
)
def test_wrong_rows_are_refused_by_line_before_anything_is_fetched(row: str, words: str) -> None:
    refused(fetch("# a comment", f"{ADDRESS},0,1", row), "list.csv, line 3", words)
    assert not Path("out").exists()


def test_wrong_lists_and_flags() -> None:
    refused(run_script("download", "--csv_path", "none.csv"), "none.csv does not exist")
    refused(run_script("download", "--csv_path", "."), "is a folder")
    refused(fetch(""), "lists no clip")
    refused(fetch("# only a comment", "id,start,end"), "lists no clip")
    refused(fetch(f"{ADDRESS},0,1", flags=("--sample_rate", 1)), "--sample_rate 1")
    refused(fetch(f"{ADDRESS},0,1", flags=("--first", 3, "--last", 2)), "--last 2")
    Path("list.csv").write_bytes(b"\xff\xfe\x00")
    refused(run_script("download", "--csv_path", "list.csv"), "is not a CSV file")


def test_an_output_that_cannot_be_written() -> None:
    Path("out").write_text("a file")
    refused(fetch(f"{ADDRESS},0,1"), "cannot write out/report.csv")
    Path("out").unlink()
    Path("out").mkdir()
    Path("out/report.csv").write_text("another,table\n1,2\n")
    refused(fetch(f"{ADDRESS},0,1"), "is not a report of clips")
    assert Path("out/report.csv").read_text() == "another,table\n1,2\n"


def test_a_full_disk_ends_the_run(server: Server, small_disk: Path) -> None:
    Path("out").symlink_to(small_disk)
    ran = fetch(f"{server.url('tone.wav')},0,4", flags=("--sample_rate", 48000))
    refused(ran, "No space left on device")
    assert not list(small_disk.rglob("*.wav"))


def test_the_lists_of_audioset_and_avspeech_are_read_as_they_are() -> None:
    Path("audioset.csv").write_text(
        "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=3, num_segs=3\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"\n-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw,/m/0k4j"\n'
    )
    found = clip_lists.read("audioset.csv")
    assert found == [clip_lists.Clip(1, "--PJHxphWEs", 30.0, 40.0), clip_lists.Clip(2, "-0RWZT-miFs", 420.0, 430.0)]
    assert found[0].url == "https://www.youtube.com/watch?v=--PJHxphWEs"
    assert found[0].stem == "000001_--PJHxphWEs"
    Path("avspeech.csv").write_text("AvWWVOgaMlk,90.000000,93.566667,0.586719,0.197222\r\n")
    assert clip_lists.read("avspeech.csv", seconds=3) == [clip_lists.Clip(1, "AvWWVOgaMlk", 90.0, 93.0)]
    Path("named.csv").write_text(f"\ufeffEnd,ID,label,Start\n3,{ADDRESS},x,1\n")
    assert clip_lists.read("named.csv") == [clip_lists.Clip(1, ADDRESS, 1.0, 3.0)]


def test_stems_are_legal_on_every_system() -> None:
    url = "https://a.org:8080/CON:*?x=%3C&y=/..//" + "z" * 200 + ".mp4?key=1."
    stem = clip_lists.Clip(12, url, 0, 1).stem
    assert stem.startswith("000012_")
    assert len(stem) <= 70
    assert all(char.isascii() and (char.isalnum() or char in "_-") for char in stem)
