"""The labelling page without a browser: pictures of recordings, and what the server gives and refuses."""

import io
import json
import socket
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from flask.testing import FlaskClient
from matplotlib.image import imread

from clearmel.audio import sound_file
from clearmel.core.errors import InputError
from clearmel.labeler import routes
from clearmel.labeler.routes import create_app
from clearmel.segments.folder import Folder
from clearmel.segments.label_file import LabelFile
from clearmel.web import pages, security
from clearmel.web.tiles import Tiles
from tests.conftest import refused, run_script

RATE = 16000
NAMES = ["clip_0.wav", "clip_1.wav", "clip_10.wav", "deep/other.flac"]


@pytest.fixture
def clips(workplace: Path, rng: np.random.Generator) -> Path:
    """A folder of four recordings of 1 to 4 s, and one beside it that is nobody's business."""
    for number, name in enumerate(NAMES):
        (workplace / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        wave = rng.normal(0, 0.1, (number + 1) * RATE).astype(np.float32)
        sound_file.write(workplace / "clips" / name, wave, RATE, "PCM_16")
    sound_file.write(workplace / "secret.wav", np.zeros(RATE, np.float32), RATE, "PCM_16")
    return workplace / "clips"


class Page:
    """The page's side of the server."""

    def __init__(self, clips: Path, labels: Path, **more: object) -> None:
        folder = Folder(clips)
        self.app = create_app(folder, LabelFile(labels, folder.names), **more)
        self.client: FlaskClient = self.app.test_client()
        self.headers = {"Host": "127.0.0.1:8765", "X-Clearmel-Token": self.app.config["token"]}

    def get(self, path: str, **headers: str) -> "tuple[int, dict]":
        answer = self.client.get(path, headers=self.headers | headers)
        return answer.status_code, answer.get_json(silent=True) or {}

    def post(self, path: str, body: object, **headers: str) -> "tuple[int, dict]":
        answer = self.client.post(path, json=body, headers=self.headers | headers)
        return answer.status_code, answer.get_json(silent=True) or {}

    def raw(self, path: str, **headers: str) -> "tuple[int, bytes, dict]":
        answer = self.client.get(path, headers=self.headers | headers)
        return answer.status_code, answer.data, dict(answer.headers)

    def save(self, name: str, remove: object, version: str) -> "tuple[int, dict]":
        return self.post("/api/labels", {"name": name, "remove": remove, "version": version})


@pytest.fixture
def page(clips: Path, workplace: Path) -> Page:
    return Page(clips, workplace / "labels.json")


# Pictures ---------------------------------------------------------------------------------------------------------


def test_tiles_show_where_the_sound_is_at_every_zoom(workplace: Path) -> None:
    seconds = 130
    wave = np.zeros(seconds * RATE, np.float32)
    at = slice(int(50.5 * RATE), int(50.6 * RATE))
    wave[at] = 0.5 * np.sin(np.arange(at.stop - at.start) * 2 * np.pi * 1000 / RATE)
    sound_file.write("long.wav", wave, RATE, "PCM_16")
    (workplace / "tiles").mkdir()
    pyramid = Tiles(workplace / "long.wav", workplace / "tiles")
    pyramid.wait()
    assert (pyramid.failure, pyramid.share) == ("", 1.0)
    assert pyramid.peak == pytest.approx(0.5, abs=0.01)
    for level in range(14):
        n_bins = -(-seconds * 1000 // 2**level)
        n_columns = -(-seconds * 100 // 2**level)
        pairs = [np.frombuffer(pyramid.wave(level, k), "<i2").reshape(-1, 2) for k in range(-(-n_bins // 2048))]
        bins = np.concatenate(pairs)
        assert len(bins) >= n_bins
        loud = np.flatnonzero(np.abs(bins.astype(int)).max(axis=1) > 12000)
        assert (loud[0], loud[-1]) == (50500 >> level, 50599 >> level)
        images = [imread(io.BytesIO(pyramid.mel(level, k)), format="png") for k in range(-(-n_columns // 512))]
        picture = np.concatenate(images, axis=1)[..., :3].sum(axis=2)
        assert picture.shape == (64, n_columns)
        assert 5050 >> level <= picture.max(axis=0).argmax() <= 5060 >> level
    assert pyramid.wave(0, 500) is None


def test_a_damaged_recording_says_so(clips: Path, page: Page) -> None:
    (clips / NAMES[3]).write_bytes((clips / NAMES[3]).read_bytes()[:40000])
    status, answer = page.get(f"/api/file?name={NAMES[3]}")
    for _ in range(200):
        if status != 200 or answer.get("failure"):
            break
        time.sleep(0.05)
        status, answer = page.get(f"/api/progress?name={NAMES[3]}")
    assert "other.flac" in (answer.get("error") or answer["failure"])


# The server -------------------------------------------------------------------------------------------------------


def test_the_page_and_its_parts_come_from_here_alone(page: Page) -> None:
    _, text, headers = page.raw("/")
    assert page.app.config["token"] in text.decode()
    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not page.app.debug
    own = {path.name for path in Path(routes.__file__).with_name("static").iterdir()}
    shared = {path.name for path in pages.SHARED.iterdir()}
    assert not own & shared
    names = own | shared
    for name in names:
        status, data, headers = page.raw(f"/static/{name}")
        assert status == (404 if name == "page.html" else 200)  # the page has a token only from /
        outside = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in outside
        assert "https://" not in outside


def test_files_and_marks_come_back(page: Page) -> None:
    assert [row["name"] for row in page.get("/api/files")[1]["files"]] == NAMES
    status, file = page.get(f"/api/file?name={NAMES[1]}")
    assert (status, file["duration_s"], file["remove"], file["labelled"]) == (200, 2.0, [], False)
    status, saved = page.save(NAMES[1], [[0.5, 1]], file["version"])
    assert (status, saved["remove"]) == (200, [[0.5, 1.0]])
    assert [row["labelled"] for row in page.get("/api/files")[1]["files"]] == [False, True, False, False]
    status, answer = page.save(NAMES[1], [], file["version"])
    assert status == 409
    assert "Nothing was overwritten" in answer["error"]
    assert (answer["remove"], answer["version"]) == (saved["remove"], saved["version"])


OUTSIDE = [
    "../secret.wav",
    "deep/../../secret.wav",
    "/etc/passwd",
    "..%2fsecret.wav",
    "link.wav",
    "away/secret.wav",
    "a\0.wav",
    "",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_the_folder_is_opened(clips: Path, workplace: Path, name: str) -> None:
    (clips / "link.wav").symlink_to(workplace / "secret.wav")
    (clips / "away").symlink_to(workplace)
    page = Page(clips, workplace / "labels.json")
    assert [row["name"] for row in page.get("/api/files")[1]["files"]] == NAMES
    for path in ("/api/file", "/api/progress", "/api/sound", "/api/tile/mel/0/0"):
        assert page.client.get(path, query_string={"name": name}, headers=page.headers).status_code == 404
    assert page.save(name, [], "")[0] == 404
    assert page.post("/api/preview", {"name": name, "remove": []})[0] == 404
    for path in ("/fetchLabels", "/saveLabels", "/previewLabels"):
        assert page.post(path, {"input": name, "label": [1]})[0] == 404
    assert not (workplace / "labels.json").exists()


def test_a_file_that_becomes_a_link_out_of_the_folder_is_refused(clips: Path, workplace: Path, page: Page) -> None:
    assert page.get(f"/api/file?name={NAMES[0]}")[0] == 200
    (clips / NAMES[0]).unlink()
    (clips / NAMES[0]).symlink_to(workplace / "secret.wav")
    assert page.get(f"/api/file?name={NAMES[0]}")[0] == 404
    assert page.raw(f"/api/sound?name={NAMES[0]}")[0] == 404


@pytest.mark.parametrize("name", ["..%2fpage.html", "%2e%2e%2fserver.py", "server.py", "page.html", ".."])
def test_only_the_page_s_own_parts_are_static(page: Page, name: str) -> None:
    assert page.raw(f"/static/{name}")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8765"},
        {"Host": "192.168.0.7:8765"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_hosts_origins_and_sites_are_refused(page: Page, headers: dict[str, str]) -> None:
    assert page.get("/api/files", **headers)[0] == 403
    assert page.raw(f"/api/sound?name={NAMES[0]}", **headers)[0] == 403
    assert page.post("/api/labels", {"name": NAMES[0], "remove": [], "version": ""}, **headers)[0] == 403
    assert not page.get("/api/files")[1]["files"][0]["labelled"]
    assert page.get("/api/files", Origin="http://127.0.0.1:8765", **{"Sec-Fetch-Site": "same-origin"})[0] == 200


@pytest.mark.parametrize("path", ["/api/labels", "/api/preview", "/saveLabels", "/fetchLabels", "/previewLabels"])
@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_a_post_needs_the_token(page: Page, path: str, token: str) -> None:
    body = {"name": NAMES[0], "input": NAMES[0], "remove": [], "label": [1] * 26, "version": ""}
    status, answer = page.post(path, body, **{"X-Clearmel-Token": token})
    assert status == 403
    assert "token" in answer["error"]


def test_requests_that_are_too_large_or_make_no_sense_are_refused(page: Page) -> None:
    assert page.post("/api/labels", {"name": "a" * (security.LARGEST_REQUEST + 1)})[0] in (400, 413)
    big = page.client.post("/api/labels", data=b" " * (security.LARGEST_REQUEST + 1), headers=page.headers)
    assert big.status_code in (400, 413)
    for body in (
        None,
        [],
        "a",
        {"name": 3},
        {"name": NAMES[0], "remove": "all", "version": ""},
        {"name": NAMES[0], "remove": []},
    ):
        assert page.post("/api/labels", body)[0] in (400, 404)
    assert page.get("/api/tile/mel/0/99999999999999999999?name=" + NAMES[0])[0] == 404
    assert page.get("/api/tile/other/0/0?name=" + NAMES[0])[0] == 404
    assert page.get("/nowhere")[0] == 404
    assert page.client.delete("/api/labels", headers=page.headers).status_code == 405


def test_sound_is_sent_in_the_ranges_that_a_browser_asks_for(clips: Path, page: Page) -> None:
    url = f"/api/sound?name={NAMES[3]}"
    _, data, headers = page.raw(url)
    wave, rate = sf.read(io.BytesIO(data), dtype="int16")
    np.testing.assert_array_equal(wave, sf.read(clips / NAMES[3], dtype="int16")[0])
    assert (rate, headers["Accept-Ranges"]) == (RATE, "bytes")
    for asked, span in (
        ("0-9", slice(0, 10)),
        ("40-51", slice(40, 52)),
        ("70001-", slice(70001, None)),
        ("-5", slice(-5, None)),
    ):
        status, part, headers = page.raw(url, Range=f"bytes={asked}")
        assert status == 206
        assert part == data[span]
        assert headers["Content-Range"].endswith(f"/{len(data)}")
    for asked in ("bytes=9-3", f"bytes={len(data)}-", "bytes=-0", "bytes=a", "lines=0-1"):
        assert page.raw(url, Range=asked)[0] == 416


def test_a_preview_is_what_splicing_makes(clips: Path, page: Page) -> None:
    from clearmel.audio.splice import Spliced

    status, answer = page.post("/api/preview", {"name": NAMES[2], "remove": [[1, 2], [2.5, 2.6]]})
    assert (status, answer["duration_s"]) == (200, pytest.approx(1.9))
    wave = sf.read(io.BytesIO(page.raw(answer["url"])[1]), dtype="float32")[0]
    with Spliced(clips / NAMES[2], [(1, 2), (2.5, 2.6)]) as spliced:
        np.testing.assert_allclose(wave, spliced.read(0, spliced.n_samples)[0], atol=1e-4)
    assert page.raw("/preview/unknown.wav")[0] == 404


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 3}', '{"format": "clearmel spans 1"}', "[" * 100000])
def test_a_file_that_holds_no_labels_is_named_and_left_alone(clips: Path, workplace: Path, text: str) -> None:
    Path("labels.json").write_text(text)
    refused(run_script("label", clips, "--labels_path", "labels.json"), "labels.json")
    assert Path("labels.json").read_text() == text


def test_the_script_names_what_it_cannot_use(clips: Path, workplace: Path) -> None:
    (workplace / "empty").mkdir()
    (workplace / "a.txt").write_text("a")
    refused(run_script("label", "nowhere"), "nowhere", "does not exist")
    refused(run_script("label", "empty"), "empty")
    refused(run_script("label", "a.txt"), "a.txt", "not a readable sound file")
    refused(run_script("label", clips, "--labels_path", clips), "it is a folder")
    refused(run_script("label", clips, "--model_filename", "x.pth"), "models/x.pth")
    refused(run_script("label", clips, "--port", 70000, "--no_browser"), "70000")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(run_script("label", clips, "--port", port, "--no_browser"), str(port))


# The original's calls ---------------------------------------------------------------------------------------------


def test_the_original_s_calls_fetch_save_and_preview(page: Page, workplace: Path) -> None:
    (workplace / "labels.json").write_text("{}")
    page = Page(workplace / "clips", workplace / "labels.json")
    status, found = page.post("/fetchLabels", {"input": "data/clip_1.wav"})
    assert (status, found["id"], found["label"]) == (200, NAMES[1], [1] * 51)
    assert np.shape(found["ar"]) == (80, 51)
    label = [1] * 10 + [0] * 20 + [1] * 21
    assert page.post("/saveLabels", {"input": found["id"], "label": label})[1] == {
        "msg": f"Successfully saved {NAMES[1]}!"
    }
    assert json.loads((workplace / "labels.json").read_text()) == {"clip_1": label}
    assert page.post("/fetchLabels", {"input": NAMES[1]})[1]["label"] == label
    assert page.post("/saveLabels", {"input": found["id"], "label": [1] * 51, "version": found["version"]})[0] == 409
    url = page.post("/previewLabels", {"input": found["id"], "label": label})[1]["msg"]
    wave = sf.read(io.BytesIO(page.raw(url)[1]))[0]
    assert len(wave) == 2 * RATE - 20 * 640


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("clip_-1.wav", "clip_10.wav"),
        ("clip_11.wav", "clip_0.wav"),
        ("x/clip_10.wav", "clip_10.wav"),
        ("clip_5.wav", None),
        ("x_3.wav", "deep/other.flac"),
    ],
)
def test_an_unknown_number_wraps_as_it_did(page: Page, asked: str, given: str | None) -> None:
    assert page.post("/fetchLabels", {"input": asked})[1].get("id") == given


@pytest.mark.parametrize("label", [None, [], [2] * 51, [1] * 50, "1" * 51])
def test_labels_that_do_not_fit_the_clip_are_refused(page: Page, workplace: Path, label: object) -> None:
    assert page.post("/saveLabels", {"input": NAMES[1], "label": label})[0] == 400
    assert not (workplace / "labels.json").exists()


# A model ----------------------------------------------------------------------------------------------------------


def test_a_model_marks_unlabelled_files_and_says_where_it_is_unsure(clips: Path, workplace: Path) -> None:
    def predict(path: Path) -> list[float]:
        if path.name == "other.flac":
            raise InputError("other.flac is too quiet.")
        return [0.9] * 20 + [0.4 if path.name == "clip_10.wav" else 0.1] * (
            sound_file.inspect(path).n_samples // 640 - 19
        )

    labels = workplace / "labels.json"
    LabelFile(labels, NAMES).save(NAMES[0], [], 1.0, "")
    page = Page(clips, labels, predict=predict)
    while (answer := page.get("/api/files")[1])["guessing"]:
        time.sleep(0.02)
    assert answer["failure"] == "other.flac is too quiet."
    doubts = [row["doubt"] for row in answer["files"]]
    assert doubts[0] is None
    assert doubts[3] is None
    assert doubts[2] > doubts[1]
    file = page.get(f"/api/file?name={NAMES[1]}")[1]
    assert (file["suggested"], file["remove"], file["labelled"]) == ([[0.78, 2.0]], [], False)
    assert page.get(f"/api/file?name={NAMES[0]}")[1]["suggested"] is None
