"""Marks as spans and as the original's lists, and the file that keeps them."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from clearmel.core import temp_files
from clearmel.core.errors import InputError
from clearmel.segments import frames
from clearmel.segments.label_file import LabelFile
from tests.conftest import ROOT

NAMES = ["clip_0.wav", "deep/other.flac"]


def test_any_list_of_the_original_survives_the_way_through_spans(rng: np.random.Generator) -> None:
    for _ in range(50):
        duration_s = float(rng.uniform(0.1, 8))
        label = rng.integers(0, 2, frames.n_frames(duration_s)).tolist()
        if (len(label) - 1.5) * frames.FRAME_S < duration_s - 0.001:
            spans = frames.to_spans(label, duration_s)
            assert frames.from_spans(spans, len(label), duration_s) == label


def test_a_five_second_clip_has_the_frames_that_the_original_gave_it() -> None:
    assert frames.n_frames(110250 / 22050) == 126


@pytest.mark.parametrize(
    "spans", [None, "a", [[1]], [[1, 2, 3]], [["0", "1"]], [[2, 1]], [[0, float("nan")]], [[True, 1]]]
)
def test_what_is_no_list_of_spans_is_refused(spans: object) -> None:
    with pytest.raises(InputError, match="remove"):
        frames.tidy(spans, 5.0)


def test_spans_are_put_in_order_joined_and_cut_to_the_recording() -> None:
    assert frames.tidy([[3, 9], [1, 2], [1.5, 2.5], [2.5, 2.7], [4, 4]], 5.0) == [(1.0, 2.7), (3.0, 5.0)]


def test_a_new_file_holds_spans_and_a_stale_save_changes_nothing(workplace: Path) -> None:
    store = LabelFile("labels.json", NAMES)
    assert store.get(NAMES[0], 4.0) == ([], "", False)
    done, first = store.save(NAMES[0], [[1, 2]], 4.0, "")
    assert done
    assert json.loads(Path("labels.json").read_text())["files"][NAMES[0]]["remove"] == [[1.0, 2.0]]
    before = Path("labels.json").read_bytes()
    for version in ("", "0123"):
        done, now = store.save(NAMES[0], [[3, 4]], 4.0, version)
        assert not done
        assert now == first
    assert Path("labels.json").read_bytes() == before
    assert store.save(NAMES[0], [[3, 4]], 4.0, first.version)[0]
    assert LabelFile("labels.json", NAMES).get(NAMES[0], 4.0).remove == [(3.0, 4.0)]


@pytest.mark.parametrize("flock", [True, False], ids=["flock", "as-on-windows"])
def test_of_many_that_save_at_once_one_wins_and_no_file_is_lost(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, flock: bool
) -> None:
    if not flock:
        monkeypatch.setattr(temp_files, "fcntl", None)
    names = [f"{k}.wav" for k in range(20)]
    stores = [LabelFile("labels.json", names) for _ in range(4)]  # as if each were a process of its own
    won: list[str] = []

    def work(store: LabelFile, number: int) -> None:
        for name in names:
            if store.save(name, [[number, number + 0.5]], 9.0, "")[0]:
                won.append(name)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(stores, range(4), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == sorted(names)
    assert all(LabelFile("labels.json", names).labelled(names))
    assert [path.name for path in workplace.iterdir()] == ["labels.json"]


def test_a_lock_that_a_power_cut_left_delays_and_does_not_stop(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temp_files, "fcntl", None)
    monkeypatch.setattr(temp_files, "WAIT_S", 0.05)
    Path(f"{temp_files.PREFIX}lock{temp_files.SUFFIX}").touch()
    assert LabelFile("labels.json", NAMES).save(NAMES[0], [[1, 2]], 4.0, "")[0]
    assert [path.name for path in workplace.iterdir()] == ["labels.json"]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_the_original_stays_one(workplace: Path, wrapped: bool) -> None:
    label = [1] * 26 + [0] * 25 + [1] * 75
    other = {"label": [0, 1], "by": "me"} if wrapped else [0, 1]
    Path("labels.json").write_text(json.dumps({"a": {"label": label, "by": "me"} if wrapped else label, "gone": other}))
    store = LabelFile("labels.json", ["folder/a.wav", "b.wav"])
    entry = store.get("folder/a.wav", 5.0)
    assert entry.remove == [(1.02, 2.02)]
    assert store.save("folder/a.wav", [[1.02, 2.02], [3.0, 3.5]], 5.0, entry.version)[0]
    assert store.save("b.wav", [], 1.0, "")[0]
    data = json.loads(Path("labels.json").read_text())
    found = data["a"]["label"] if wrapped else data["a"]
    assert found[:75] == label[:75]
    assert [k for k, keep in enumerate(found) if not keep] == [*range(26, 51), *range(75, 88)]
    assert data["gone"] == other
    assert data["b"] == ({"label": [1] * 26} if wrapped else [1] * 26)
    assert not wrapped or data["a"]["by"] == "me"


def test_what_another_program_writes_is_seen_and_not_overwritten(workplace: Path) -> None:
    Path("labels.json").write_text(json.dumps({"a": [1, 1, 1]}))
    store = LabelFile("labels.json", ["a.wav"])
    old = store.get("a.wav", 0.1)
    time.sleep(0.01)
    Path("labels.json").write_text(json.dumps({"a": [1, 0, 1]}))
    assert not store.save("a.wav", [], 0.1, old.version)[0]
    assert json.loads(Path("labels.json").read_text()) == {"a": [1, 0, 1]}


def test_a_kill_or_a_full_disk_leaves_the_labels_as_they_were(small_disk: Path) -> None:
    path = small_disk / "labels.json"
    names = ["a.wav", "b.wav"]
    assert LabelFile(path, names).save("a.wav", [[1, 2]], 9.0, "")[0]
    (small_disk / ".clearmel-killed.tmp").write_text('{"format": "clearmel sp')  # what a killed save leaves behind
    store, before = LabelFile(path, names), path.read_bytes()
    assert store.get("a.wav", 9.0).remove == [(1.0, 2.0)]
    spans = [[k * 0.01, k * 0.01 + 0.005] for k in range(40000)]
    with pytest.raises(InputError, match=r"labels\.json"):
        store.save("b.wav", spans, 500.0, "")
    assert path.read_bytes() == before
    assert store.get("b.wav", 500.0) == ([], "", False)


def test_a_process_killed_while_it_saves_leaves_whole_labels_of_one_save(workplace: Path) -> None:
    code = (
        "from clearmel.segments.label_file import LabelFile\n"
        "store = LabelFile('labels.json', ['a.wav'])\n"
        "for k in range(10**6):\n"
        "    store.save('a.wav', [[n, n + 0.5] for n in range(1 + k % 2 * 2000)], 3000.0, None)\n"
        "    print(k, flush=True)\n"
    )
    for number in range(4):
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
        with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as process:
            for _ in range(3 + number):
                process.stdout.readline()
            process.kill()
        assert len(LabelFile("labels.json", ["a.wav"]).get("a.wav", 3000.0).remove) in (1, 2001)


def test_two_clips_of_one_stem_cannot_share_an_entry(workplace: Path) -> None:
    Path("labels.json").write_text('{"a": [1]}')
    with pytest.raises(InputError, match=r"x/a\.wav.* one stem"):
        LabelFile("labels.json", ["x/a.wav", "a.flac"])
