"""The studio without a browser: what the server opens, refuses, plays, writes and says."""

import io
import json
import re
import shlex
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from flask.testing import FlaskClient

from clearmel.audio import sound_file
from clearmel.augmentation import scenes
from clearmel.studio import library as libraries
from clearmel.studio.library import Library, free_path
from clearmel.studio.routes import create_app
from clearmel.studio.session import Session
from clearmel.studio.settings import PRESETS
from tests.conftest import ROOT, refused, run_script

NOISY = ROOT / "data/noisy.wav"
RATE = 16000


class Studio:
    """The page's side of the server."""

    def __init__(self, *roots: Path) -> None:
        self.library = Library(Path("results"), roots or [Path()])
        self.session = Session(self.library)
        self.app = create_app(self.session)
        self.client: FlaskClient = self.app.test_client()
        self.headers = {"Host": "127.0.0.1:8766", "X-Clearmel-Token": self.app.config["token"]}

    def get(self, path: str, headers: dict[str, str] | None = None, **parameters: object) -> "tuple[int, dict]":
        answer = self.client.get(path, query_string=parameters, headers=self.headers | (headers or {}))
        return answer.status_code, answer.get_json(silent=True) or {}

    def post(self, path: str, body: object, **headers: str) -> "tuple[int, dict]":
        answer = self.client.post(path, json=body, headers=self.headers | headers)
        return answer.status_code, answer.get_json(silent=True) or {}

    def upload(self, name: str, data: bytes) -> "tuple[int, dict]":
        answer = self.client.post("/api/upload", query_string={"file": name}, data=data, headers=self.headers)
        return answer.status_code, answer.get_json(silent=True) or {}

    def open(self, path: Path) -> str:
        status, answer = self.post("/api/open", {"path": str(path)})
        assert status == 200, answer
        return answer["names"][0]

    def window(self, name: str, track: str, start: int, count: int) -> np.ndarray:
        parameters = {"name": name, "track": track, "start": start, "count": count}
        answer = self.client.get("/api/window", query_string=parameters, headers=self.headers)
        assert answer.status_code == 200, answer.data
        return np.frombuffer(answer.data, "<f4").reshape(int(answer.headers["X-Channels"]), -1)

    def until(self, true: Callable[[dict], object]) -> dict:
        """The state once a condition holds."""
        for _ in range(600):
            state = self.get("/api/state")[1]
            if true(state):
                return state
            time.sleep(0.05)
        raise AssertionError(json.dumps(state, indent=1))

    def run(self, task: str, name: str) -> dict:
        """Adds a job and gives its row when it has ended."""
        status, state = self.post("/api/jobs", {"task": task, "names": [name]})
        assert status == 200, state
        number = state["jobs"][-1]["id"]
        ended = ("done", "failed", "cancelled")
        state = self.until(lambda s: next(j for j in s["jobs"] if j["id"] == number)["state"] in ended)
        return next(job for job in state["jobs"] if job["id"] == number)


@pytest.fixture
def noisy(workplace: Path) -> Path:
    """The sample recording in the workplace."""
    (workplace / "take 1.wav").write_bytes(NOISY.read_bytes())
    return workplace / "take 1.wav"


@pytest.fixture
def studio(workplace: Path) -> Studio:
    return Studio(workplace)


def row(state: dict, name: str) -> dict:
    return next(file for file in state["files"] if file["id"] == name)


# Recordings -------------------------------------------------------------------------------------------------------


def test_a_file_opens_in_place_and_an_upload_lies_in_the_results(studio: Studio, noisy: Path) -> None:
    name = studio.open(noisy)
    assert studio.open(noisy) == name
    status, answer = studio.upload("../../evil/cafe?.wav", NOISY.read_bytes())
    assert status == 200
    files = studio.get("/api/state")[1]["files"]
    assert [file["path"] for file in files] == [str(noisy), str(Path("results/uploads/cafe_.wav").resolve())]
    assert Path("results/uploads/cafe_.wav").read_bytes() == NOISY.read_bytes()
    assert studio.upload("cafe?.wav", NOISY.read_bytes())[0] == 200  # a name of its own
    assert Path("results/uploads/cafe__2.wav").is_file()
    assert studio.post("/api/close", {"name": answer["names"][0]})[0] == 200
    assert Path("results/uploads/cafe_.wav").is_file()


@pytest.mark.parametrize(
    "path", ["../secret.wav", "link.wav", "away/secret.wav", "/etc/passwd", "none.wav", "a\0.wav", "", None]
)
def test_nothing_outside_the_allowed_folders_is_opened(tmp_path: Path, path: str | None) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.wav").write_bytes(NOISY.read_bytes())
    (inside / "link.wav").symlink_to(tmp_path / "secret.wav")
    (inside / "away").symlink_to(tmp_path)
    studio = Studio(inside)
    studio.library.roots = (inside.resolve(), (tmp_path / "results").resolve())
    status, answer = studio.post("/api/open", {"path": path and str(inside / path)})
    assert status == 400
    assert answer["error"]
    assert studio.get("/api/state")[1]["files"] == []


def test_a_file_that_becomes_a_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.wav").write_bytes(NOISY.read_bytes())
    path = tmp_path / "inside/a.wav"
    path.write_bytes(NOISY.read_bytes())
    studio = Studio(tmp_path / "inside")
    name = studio.open(path)
    assert studio.get("/api/file", name=name)[0] == 200
    path.unlink()
    path.symlink_to(tmp_path / "secret.wav")
    assert studio.get("/api/file", name=name)[0] == 404
    assert studio.get("/api/window", name=name, start=0, count=10)[0] == 404


def test_an_upload_that_is_no_recording_or_ends_early_leaves_nothing(studio: Studio) -> None:
    status, answer = studio.upload("text.wav", b"no sound at all")
    assert (status, list(Path("results/uploads").iterdir())) == (400, [])
    assert "text.wav" in answer["error"]
    with pytest.raises(libraries.InputError, match="ended 6 bytes early"):
        studio.library.upload("a.wav", io.BytesIO(b"1234"), 10)
    assert list(Path("results/uploads").iterdir()) == []


def test_a_full_disk_is_named_and_nothing_is_left(small_disk: Path) -> None:
    studio = Studio()
    studio.library = studio.session.library = None  # unused here
    library = Library(small_disk / "results", [])
    with pytest.raises(libraries.RoomError, match=r"free in .*results"):
        library.check_room(1 << 30)
    with pytest.raises(libraries.InputError, match=r"Nothing was changed|Free space"):
        library.upload("a.wav", io.BytesIO(bytes(400_000)), 400_000)
    assert list((small_disk / "results").rglob("*.wav")) == []


def test_uploads_are_bounded(studio: Studio) -> None:
    status, answer = studio.post("/api/room", {"size": libraries.LARGEST_UPLOAD + 1})
    assert (status, "68.7 GB" in answer["error"]) == (507, True)
    assert studio.post("/api/room", {"size": "a"})[0] == 400
    assert studio.post("/api/room", {"size": 1000})[0] == 200


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_other_hosts_origins_and_sites_are_refused(studio: Studio, noisy: Path, headers: dict[str, str]) -> None:
    name = studio.open(noisy)
    assert studio.get("/api/state", headers)[0] == 403
    assert studio.get("/api/window", headers, name=name, start=0, count=10)[0] == 403
    assert studio.post("/api/close", {"name": name}, **headers)[0] == 403


def test_every_write_needs_the_token(studio: Studio, noisy: Path) -> None:
    name = studio.open(noisy)
    writes = [rule.rule for rule in studio.app.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(writes) >= 9
    for path in writes:
        status, answer = studio.post(path, {"name": name, "path": str(noisy)}, **{"X-Clearmel-Token": "wrong"})
        assert (status, "token" in answer["error"]) == (403, True)
    assert [file["id"] for file in studio.get("/api/state")[1]["files"]] == [name]
    assert not studio.app.debug


# Sound ------------------------------------------------------------------------------------------------------------


def test_windows_are_the_samples_of_the_recording(studio: Studio, noisy: Path) -> None:
    name, wave = studio.open(noisy), sf.read(noisy, dtype="float32")[0]
    np.testing.assert_array_equal(studio.window(name, "before", 1000, 5000)[0], wave[1000:6000])
    end = studio.window(name, "before", len(wave) - 10, 5000)
    np.testing.assert_array_equal(end[0], wave[-10:])
    assert studio.get("/api/window", name=name, track="other", start=0, count=5)[0] == 400
    assert studio.get("/api/window", name=name, start=-1, count=5)[0] == 400


def test_sound_that_is_denoised_while_it_plays_nearly_equals_the_file(studio: Studio, noisy: Path) -> None:
    name, wave = studio.open(noisy), sf.read(noisy, dtype="float32")[0]
    pieces = [studio.window(name, "after", at, 8000)[0] for at in range(0, len(wave), 8000)]
    live = np.concatenate(pieces)
    assert len(live) == len(wave)
    studio.get("/api/file", name=name)
    studio.until(lambda state: row(state, name)["draft"]["share"] == 1)
    whole = studio.window(name, "after", 0, len(wave))[0]
    job = studio.run("denoise", name)
    np.testing.assert_allclose(whole, sf.read(job["outputs"][0], dtype="float32")[0], atol=1e-4)
    power = float(np.square(whole).mean())
    assert 10 * np.log10(power / np.square(live - whole).mean()) > 15  # another initial state, nothing else
    again = studio.window(name, "after", 8000, 8000)[0]
    np.testing.assert_array_equal(again, whole[8000:16000])


@pytest.mark.parametrize(("name", "n_channels", "given"), [("a.flac", 2, 2), ("a.wav", 6, 1), ("a.mp4", 2, 2)])
def test_windows_of_any_file_have_one_or_two_channels(
    studio: Studio, workplace: Path, speech: "object", name: str, n_channels: int, given: int
) -> None:
    wave = np.asarray(speech)[0, :4000]  # shorter than the denoiser's opening
    sound_file.write(name, np.stack([wave] * n_channels), 48000)
    number, n_samples = studio.open(workplace / name), sound_file.inspect(name).n_samples
    studio.post("/api/settings", {"name": number, "changes": {"strength": 0}})
    before, after = (studio.window(number, track, 0, 9000) for track in ("before", "after"))
    assert before.shape == (given, n_samples)
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert studio.window(number, "after", n_samples, 100).shape == (given, 0)
    job = studio.run("denoise", number)
    assert (job["state"], Path(job["outputs"][0]).suffix) == ("done", Path(name).suffix)


def test_microphones_of_one_talk_are_cut_alike(studio: Studio, workplace: Path, speech: "object") -> None:
    wave, pause = np.asarray(speech)[0], np.zeros(3 * RATE, np.float32)
    silence = np.zeros_like(wave)
    sound_file.write("one.wav", np.concatenate([wave, pause, silence]), RATE, "PCM_16")
    sound_file.write("two.wav", np.concatenate([silence, pause, wave]), RATE, "PCM_16")
    first, second = studio.open(workplace / "one.wav"), studio.open(workplace / "two.wav")
    studio.post("/api/settings", {"name": first, "changes": {"together": [second], "timelines": ["json"]}})
    words = row(studio.get("/api/state")[1], first)["commands"]["cut"].split()
    job = studio.run("cut", first)
    names = ["one_cut/one.wav", "one_cut/two.wav", "one_cut/one.json"]
    assert [str(Path(path).relative_to(studio.library.output)) for path in job["outputs"]] == names
    lengths = {sf.info(path).frames for path in job["outputs"][:2]}
    assert len(lengths) == 1
    assert 2 * len(wave) - RATE < lengths.pop() < 2 * len(wave) + 1.5 * RATE
    ran = run_script("cut", *words[2:5], workplace / "shell", *words[6:])
    assert ran.status == 0, ran
    np.testing.assert_array_equal(sf.read(job["outputs"][1])[0], sf.read("shell/two.wav")[0])


def test_a_change_of_strength_changes_the_samples(studio: Studio, noisy: Path) -> None:
    name, wave = studio.open(noisy), sf.read(noisy, dtype="float32")[0]
    assert studio.post("/api/settings", {"name": name, "changes": {"strength": 0}})[0] == 200
    np.testing.assert_allclose(studio.window(name, "after", 0, 16000)[0], wave[:16000], atol=1e-3)
    studio.post("/api/settings", {"name": name, "changes": {"strength": 1}})
    assert np.square(studio.window(name, "after", 0, 16000)).mean() < 0.9 * np.square(wave[:16000]).mean()
    for changes in ({"strength": 2}, {"strength": "a"}, {"colour": 1}, {"model": "../x"}, {"timelines": ["x"]}):
        status, answer = studio.post("/api/settings", {"name": name, "changes": changes})
        assert (status, bool(answer["error"])) == (400, True)
    assert row(studio.get("/api/state")[1], name)["settings"]["strength"] == 1


# Jobs -------------------------------------------------------------------------------------------------------------


def test_the_command_to_copy_gives_the_same_file(studio: Studio, noisy: Path, workplace: Path) -> None:
    name = studio.open(noisy)
    studio.post("/api/settings", {"name": name, "changes": PRESETS["tape"] | {"loudness": -20}})
    words = shlex.split(row(studio.get("/api/state")[1], name)["commands"]["denoise"])
    assert words[:3] == ["clearmel", "denoise", str(noisy)]
    assert words[5:] == ["--strength", "0.7", "--max_suppression_db", "12.0", "--loudness", "-20"]
    job = studio.run("denoise", name)
    assert job["outputs"] == [words[4]]
    words[4] = str(workplace / "shell.wav")
    assert run_script("denoise", *words[2:]).status == 0
    np.testing.assert_array_equal(sf.read(job["outputs"][0])[0], sf.read(words[4])[0])
    second = studio.run("denoise", name)  # nothing is overwritten
    assert Path(second["outputs"][0]).name == "take 1_denoised_2.wav"
    with studio.client.get(f"/api/result/{job['id']}/0", headers=studio.headers) as answer:
        assert answer.data == Path(job["outputs"][0]).read_bytes()


def test_music_stays_and_channels_are_denoised_apart(studio: Studio, workplace: Path) -> None:
    jingle = 0.15 * scenes.music(8 * RATE, RATE, np.random.default_rng(3))
    noisy = sound_file.read(ROOT / "data/noisy.wav", RATE)[0]
    wave = np.concatenate([noisy, noisy, jingle, noisy]).astype(np.float32)
    sound_file.write("show.wav", np.stack([wave, np.roll(wave, RATE)]), RATE)
    name = studio.open(workplace / "show.wav")
    plain = sf.read(studio.run("denoise", name)["outputs"][0])[0]
    studio.post("/api/settings", {"name": name, "changes": {"keep_music": True, "unlink_channels": True}})
    job, commands = studio.run("denoise", name), row(studio.get("/api/state")[1], name)["commands"]
    assert shlex.split(commands["denoise"])[5:] == ["--keep_music", "--unlink_channels"]
    kept = sf.read(job["outputs"][0])[0]
    inside = slice(2 * len(noisy) + 3 * RATE, 2 * len(noisy) + 6 * RATE)
    np.testing.assert_allclose(kept[inside, 0], wave[inside], atol=1e-3)
    assert np.square(plain[inside]).mean() < 0.7 * np.square(kept[inside]).mean()
    assert studio.window(name, "after", 0, 16000).shape == (2, 16000)  # a stream has no music, but both channels
    words = [workplace / "show.wav", "-o", workplace / "shell.wav", "--keep_music", "--unlink_channels"]
    assert run_script("denoise", *words).status == 0
    np.testing.assert_array_equal(sf.read("shell.wav")[0], kept)


def test_cuts_are_decided_anew_at_once_and_exported(studio: Studio, workplace: Path, speech: "object") -> None:
    wave = np.asarray(speech)[0]
    talk = np.concatenate([wave, np.zeros(3 * RATE), wave, np.zeros(2 * RATE), wave]).astype(np.float32)
    sound_file.write("talk.wav", talk, RATE, "PCM_16")
    name = studio.open(workplace / "talk.wav")
    assert studio.get("/api/cuts", name=name)[1]["remove"] is None
    assert studio.run("find_cuts", name)["state"] == "done"
    cut_s = []
    for strength in (0, 0.5, 1):
        studio.post("/api/settings", {"name": name, "changes": {"cut_strength": strength}})
        cut_s.append(sum(b - a for a, b in studio.get("/api/cuts", name=name)[1]["remove"]))
    assert 3 < cut_s[0] < cut_s[1] < cut_s[2] < 11
    studio.post("/api/settings", {"name": name, "changes": {"timelines": ["json", "edl"]}})
    job = studio.run("cut", name)
    assert [Path(path).name for path in job["outputs"]] == ["talk_cut.wav", "talk_cut.json", "talk_cut.edl"]
    n_samples = sf.info(job["outputs"][0]).frames
    assert n_samples / RATE == pytest.approx(len(talk) / RATE - cut_s[2], abs=0.001)
    heard = studio.window(name, "cut", 0, len(talk))[0]
    np.testing.assert_allclose(heard, sf.read(job["outputs"][0], dtype="float32")[0], atol=1e-4)


def test_a_recording_that_is_too_noisy_for_cuts_says_so(studio: Studio, workplace: Path, speech: "object") -> None:
    wave = np.asarray(speech)[0]
    talk = np.concatenate([wave, np.zeros(2 * RATE, np.float32), wave])
    hiss = np.random.default_rng(0).normal(0, 1, len(talk)).astype(np.float32) * np.sqrt(np.square(wave).mean())
    for name, noise_db, unsure in (("clear.wav", -60, False), ("noisy.wav", -3, True)):
        sound_file.write(name, 0.5 * (talk + hiss * 10 ** (noise_db / 20)), RATE, "PCM_16")
        number = studio.open(workplace / name)
        assert studio.run("find_cuts", number)["state"] == "done"
        found = row(studio.get("/api/state")[1], number)["unsure_db"]
        assert (found is not None) == unsure
        assert found is None or 0 < found < 12


def test_recordings_that_are_cut_together_need_one_length(studio: Studio, noisy: Path, recording: Path) -> None:
    first, second = studio.open(noisy), studio.open(recording)
    studio.post("/api/settings", {"name": first, "changes": {"together": [second]}})
    job = studio.run("find_cuts", first)
    assert job["state"] == "failed"
    assert "one rate and length" in job["message"]


def test_voices_become_tracks_and_classes_a_lane(studio: Studio, noisy: Path) -> None:
    name = studio.open(noisy)
    studio.post("/api/settings", {"name": name, "changes": {"passes": 1}})
    job = studio.run("separate", name)
    assert [Path(path).name for path in job["outputs"]] == ["voice_1.wav", "voice_2.wav"]
    second = sf.read(job["outputs"][1], dtype="float32")[0]
    np.testing.assert_array_equal(studio.window(name, "voice_2", 100, 900)[0], second[100:1000])
    job = studio.run("classify", name)
    assert job["message"].startswith("noisy 100.0%")
    found = studio.get("/api/classes", name=name)[1]
    assert (found["label"], found["windows"][0]["start_s"]) == ("noisy", 0)
    assert Path(job["outputs"][0]).read_text().startswith("path,start_s,end_s,label,probability,snr_db,p_noisy")


def test_the_queue_pauses_cancels_and_says_what_failed(studio: Studio, noisy: Path) -> None:
    name = studio.open(noisy)
    studio.post("/api/pause", {"paused": True})
    for _ in range(2):
        studio.post("/api/jobs", {"task": "denoise", "names": [name]})
    state = studio.get("/api/state")[1]
    assert (state["paused"], [job["state"] for job in state["jobs"]]) == (True, ["waiting", "waiting"])
    studio.post("/api/cancel", {"job": state["jobs"][1]["id"]})
    studio.post("/api/pause", {"paused": False})
    state = studio.until(lambda s: s["jobs"][0]["state"] == "done")
    assert state["jobs"][1]["state"] == "cancelled"
    assert len(list(Path("results").glob("*.wav"))) == 1
    noisy.write_bytes(noisy.read_bytes()[:30000])
    job = studio.run("denoise", name)
    assert (job["state"], "truncated" in job["message"]) == ("failed", True)
    assert len(list(Path("results").glob("*"))) == 1


def test_a_waiting_tab_is_told_of_a_change_in_another(studio: Studio, noisy: Path) -> None:
    name = studio.open(noisy)
    before = studio.get("/api/state")[1]
    studio.post("/api/settings", {"name": name, "changes": {"strength": 0.3}})
    after = studio.get("/api/state", since=before["version"])[1]
    assert after["version"] > before["version"]
    assert row(after, name)["settings"]["strength"] == 0.3


def test_marks_of_the_labelling_page_decide_on_the_cuts(studio: Studio, noisy: Path) -> None:
    name, wave = studio.open(noisy), sf.read(noisy)[0]
    status, answer = studio.post("/api/label", {"name": name})
    assert status == 200
    with urllib.request.urlopen(answer["address"]) as page:
        text = page.read().decode()
    assert "Clearmel <span>labels" in text
    assert not row(studio.get("/api/state")[1], name)["marked"]
    token = re.search(r'clearmel-token" content="([^"]+)"', text)[1]
    with urllib.request.urlopen(f"{answer['address']}api/file?name=take%201.wav") as file:
        version = json.load(file)["version"]
    body = json.dumps({"name": noisy.name, "remove": [[0.25, 0.75]], "version": version}).encode()
    headers = {"Content-Type": "application/json", "X-Clearmel-Token": token}
    with urllib.request.urlopen(urllib.request.Request(f"{answer['address']}api/labels", body, headers)) as saved:
        assert saved.status == 200
    assert studio.get("/api/cuts", name=name)[1]["remove"] == [[0.25, 0.75]]
    file = row(studio.get("/api/state")[1], name)
    assert (file["marked"], file["settings"]["by_hand"], file["commands"]["cut"]) == (True, True, "")
    job = studio.run("cut", name)
    assert sf.info(job["outputs"][0]).frames == len(wave) - RATE // 2
    studio.post("/api/settings", {"name": name, "changes": {"by_hand": False}})
    assert studio.get("/api/cuts", name=name)[1]["remove"] is None


def test_a_new_name_never_exists(workplace: Path) -> None:
    Path("a.wav").touch()
    Path("a_2.wav").symlink_to("nowhere")
    assert free_path(Path("a.wav")) == Path("a_3.wav")


def test_the_command_names_what_it_cannot_use(noisy: Path, workplace: Path) -> None:
    (workplace / "a.txt").write_text("no sound")
    refused(run_script("studio", "nowhere.wav"), "nowhere.wav", "does not exist")
    refused(run_script("studio", "a.txt"), "a.txt", "not a readable sound file")
    refused(run_script("studio", noisy, "-o", "a.txt"), "a.txt", "cannot be made a folder")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(run_script("studio", noisy, "--port", port, "--no_browser"), str(port))
