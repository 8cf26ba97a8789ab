"""Files that once broke a reader, each in its smallest form, and a slice of tests/stress/fuzz_readers.py."""

import inspect
import io
import json
import math
import os
import resource
import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.checkpoints.cards import NAMES
from clearmel.cli import parser
from clearmel.core.errors import InputError
from clearmel.core.npy import read_mel
from clearmel.data import cut_clips, labels
from clearmel.data.separation_folder import read_embeddings
from clearmel.data.splits import split_pools
from clearmel.data.waveform_cache import WaveformCache
from clearmel.inference.classify import WindowClassifier
from clearmel.inference.cut import Editor
from clearmel.networks import NETWORKS, GainDenoiser, LSTMClassifier, LSTMDenoiser, Network, RecurrentCutter
from clearmel.options import BuildOptions, FitOptions, PoolOptions
from clearmel.options.source import Source
from clearmel.prepare import faces, noisy_speech
from clearmel.prepare.download.run import FIELDS, Report
from clearmel.segments.label_file import LabelFile
from clearmel.tasks import DenoisingTask
from clearmel.training import trainer
from tests.conftest import refused, run_process, run_script
from tests.stress import fuzz_inputs, fuzz_readers

ONE_LINE = 700


def line_of(action: Callable[[], object]) -> str:
    """The one line with which an action is refused."""
    with pytest.raises(InputError) as caught:
        action()
    line = caught.value.line()
    assert line.isprintable()
    assert len(line) <= ONE_LINE
    return line


# A slice of the fuzzer


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, before = tmp_path_factory.mktemp("fuzz"), Path.cwd()
    os.chdir(folder)
    fuzz_inputs.prepare()
    os.chdir(before)
    return folder


@pytest.fixture
def little_memory() -> Iterator[None]:
    """4 GB beside what the process has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if pages.exists():
        size = int(pages.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + (4 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("reader", fuzz_inputs.READERS)
def test_damaged_files_are_taken_or_refused(
    reader: str, prepared: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(prepared)
    inputs = fuzz_inputs.Inputs(0)
    numbers = [index for name, index in fuzz_inputs.shares(3000) if name == reader]
    whole = range(len(inputs.whole[reader]))
    for index in [*whole, *numbers[len(whole) :: 11]]:
        status, words = fuzz_readers.read_one(inputs, reader, index)
        assert status == "accepted" or (status == "refused" and index not in whole), (index, words)


def test_the_cases_of_a_seed_stay_the_same(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prepared)
    first, second, other = (fuzz_inputs.Inputs(seed) for seed in (5, 5, 6))
    cases = [("mel", 60), ("sound", 70), ("list of clips", 50)]
    assert [first.case(*case) for case in cases] == [second.case(*case) for case in cases]
    assert [first.case(*case) for case in cases] != [other.case(*case) for case in cases]


# Arrays


def npy(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(640)


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def read_mask(path: Path) -> None:
    sf.write("a.wav", np.zeros(16000), 16000)
    path.rename("a.npy")
    cut_clips.find(".")


def read_made_faces(path: Path) -> None:
    Path("frames/clip").mkdir(parents=True)
    Path("embeddings").mkdir()
    path.rename("embeddings/clip.npy")
    faces.build(".", None)  # type: ignore[arg-type]  # no face is looked for


@pytest.mark.parametrize("read", [read_mel, read_mask, read_embeddings, read_made_faces])
@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04",
        archive(),
        npy("{'descr': '<f4', 'shape': (3, 80"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 80)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 400 + ", 80)}"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 80)}"),
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}"),
        npy("{'descr': '\\d', 'fortran_order': False, 'shape': (3, 80)}"),
        npy("(" * 9000),
    ],
    ids=[
        "zip's first letters",
        "archive",
        "open bracket",
        "petabytes",
        "googols",
        "overflow",
        "fields",
        "escape",
        "deep",
    ],
)
def test_arrays_that_are_none(content: bytes, read: Callable[[Path], object]) -> None:
    path = Path("case.npy")
    path.write_bytes(content)
    assert ".npy" in line_of(lambda: read(path))


def test_a_cache_of_recordings_that_was_damaged_is_made_anew() -> None:
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.wav"):
        sf.write(name, rng.uniform(-0.5, 0.5, 3000), 16000)
    wanted = WaveformCache(Path(), ["a.wav", "b.wav"], 16000, Path("cache"))
    index = wanted.path.with_suffix(".npy")
    whole = {path: path.read_bytes() for path in (index, wanted.path)}
    damages: list[tuple[Path, bytes]] = [(path, data) for path in whole for data in (b"", whole[path][:100])]
    damages += [(index, archive()), (wanted.path, whole[wanted.path] * 2), (index, whole[index][:-8] + b"\xfe" * 8)]
    damages += [(index, whole[index][:-8] + struct.pack("<d", 1e300))]
    for path, data in damages:
        path.write_bytes(data)
        found = WaveformCache(Path(), ["a.wav", "b.wav"], 16000, Path("cache"))
        for number in range(2):
            np.testing.assert_array_equal(found[number], wanted[number])
        assert {path: path.read_bytes() for path in whole} == whole


# Sound


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2**31 - 1])
def test_a_rate_that_is_no_sounds(rate: int) -> None:
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate & 0xFFFFFFFF, 2, 16)
    data = b"RIFF" + struct.pack("<I", 436) + b"WAVEfmt " + struct.pack("<I", 16) + form
    Path("odd.wav").write_bytes(data + b"data" + struct.pack("<I", 400) + bytes(400))
    for action in (lambda: sound_file.read("odd.wav", 16000), lambda: next(sound_file.blocks("odd.wav"))):
        assert f"odd.wav has {rate} Hz; expected 1000 to 1000000" in line_of(action)


def test_what_is_no_sound_is_not_written() -> None:
    Path("out.wav").write_bytes(b"older")
    for wave in (np.array([0.5, math.nan], np.float32), np.array([math.inf, 0.0], np.float32)):
        assert "out.wav: NaN or infinite" in line_of(partial(sound_file.write, "out.wav", wave, 16000))
    assert Path("out.wav").read_bytes() == b"older"


# Text


def test_a_span_of_hundreds_of_digits() -> None:
    for number in (10**400, -(10**400)):
        files = {"a.wav": {"remove": [[0, number]]}}
        Path("labels.json").write_text(json.dumps({"format": "clearmel spans 1", "files": files}))
        assert "finite seconds" in line_of(lambda: LabelFile("labels.json", ["a.wav"]).get("a.wav", 1.0))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("filename,fold,category\na.wav,²,dog\n", "expected a number"),
        ("filename,fold,category\na.wav," + "9" * 5000 + ",dog\n", "expected a number"),
        ("filename,fold,category\n" + "x" * 100_000 + ",1,dog\n", "is missing"),
        ("filename,fold,category\na\0.wav,1,dog\n", "a"),
        (",".join("y" * 100_000 for _ in range(3)) + "\n1,2,3\n", "has the columns yyy"),
        ("\x1b[2J,fold\n1,2\n", r"has the columns \x1b[2J"),
    ],
    ids=["other digits", "many digits", "long name", "NUL", "long columns", "escape"],
)
def test_a_table_with_odd_cells(table: str, words: str) -> None:
    Path("esc/meta").mkdir(parents=True)
    Path("esc/audio").mkdir()
    sf.write("esc/audio/a.wav", np.zeros(16), 16000)
    Path("esc/meta/esc50.csv").write_text(table)
    assert words in line_of(lambda: labels.of_folder("esc"))


def test_a_list_with_a_name_that_no_file_can_have() -> None:
    Path("list.csv").write_text("filename\n" + "x/" * 5000 + "\n")
    assert "which is missing" in line_of(lambda: split_pools(PoolOptions(clean_path="list.csv", noise_path="."), 0))


@pytest.mark.parametrize("cells", ["1,dQw4w9WgXcQ,0,1,ok,,more", "1,dQw4w9WgXcQ,0,1", "9" * 5000 + ",a,0,1,ok,"])
def test_a_report_with_odd_rows(cells: str) -> None:
    Path("report.csv").write_text(",".join(FIELDS) + "\n" + cells + "\n")
    assert "is not a report of clips" in line_of(lambda: Report.load(Path("report.csv")))


def test_a_build_json_that_is_no_text() -> None:
    for folder in ("speech", "noise"):
        Path(folder).mkdir()
        sf.write(f"{folder}/a.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 16000)
    Path("out").mkdir()
    Path("out/build.json").write_bytes(b"\xff\xfe\x00")
    options = BuildOptions(clean_path="speech", noise_path="noise", val_fraction=0.0, n_mixtures=1)
    assert "built with other options" in line_of(lambda: noisy_speech.build(options, Path("out"), 1, overwrite=False))
    assert noisy_speech.build(options, Path("out"), 1, overwrite=True).counts["train"] == 1


# Weights


def saved(network: Network, task: str, change: Callable[[dict[str, Any]], object], **more: Any) -> str:
    """Weights whose card, or whose state dict, has been changed."""
    network.card = weights_file.make_card(network, task, more.pop("features", MelFeatures()), **more)
    state = dict(network.state_dict())
    change(state)
    Path("models").mkdir(exist_ok=True)
    torch.save(state, "models/case.pth")
    return str(Path("models/case.pth").absolute())


def card_of(part: str, key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda state: state["_extra_state"][part].update({key: value})


SIDES = ["noisy", "clean"]
HOSTILE: dict[str, tuple[Network, str, Callable[[dict[str, Any]], object]]] = {
    f"{key} {str(value)[:20]}": (LSTMDenoiser(hidden_dim=4), "denoising", card_of(part, key, value))
    for part, key, value in [
        ("sizes", "num_layers", 10**9), ("sizes", "hidden_dim", 10**9), ("sizes", "hidden_dim", 10**400),
        ("sizes", "hidden_dim", "4"), ("sizes", "hidden_dim", True), ("sizes", "attenuation", 2), 
        ("sizes", "dropout", 7),
        ("sizes", "input_dim", 40), ("sizes", "unheard_of", 1), ("features", "n_mels", 40),
        ("features", "n_fft", 2**40),
        ("features", "sample_rate", 2**30), ("features", "sample_rate", 10**400), ("features", "n_fft", 1024.0),
        ("features", "hop_length", True), ("features", "fmax", math.nan), ("features", "fmin", None),
    ]
} | {
    "a gain's look_ahead": (GainDenoiser(hidden_dim=4), "denoising", card_of("sizes", "look_ahead", 10**8)),
    "a gain's bound": (GainDenoiser(hidden_dim=4), "denoising", card_of("sizes", "bound_db", math.nan)),
    "a classifier called denoiser": (LSTMClassifier(hidden_dim=4), "denoising", dict.keys),
    "a denoiser called classifier": (LSTMDenoiser(hidden_dim=4), "classification", dict.keys),
    "too many labels": (LSTMClassifier(hidden_dim=4), "classification",
                        lambda state: state["_extra_state"].update(labels=["a", "b", "c"])),
    "no labels": (LSTMClassifier(hidden_dim=4), "classification",
                  lambda state: state["_extra_state"].update(labels=[])),
    "labels that are no names": (LSTMClassifier(hidden_dim=4), "classification",
                                 lambda state: state["_extra_state"].update(labels=[1, 2])),
    "scores that are none": (LSTMClassifier(hidden_dim=4), "classification",
                             lambda state: state["_extra_state"].update(scores="x")),
    "a temperature in words": (LSTMClassifier(hidden_dim=4), "classification", card_of("scores", "temperature", "x")),
    "a length that is none": (LSTMClassifier(hidden_dim=4), "classification", card_of("training", "clip_s", math.nan)),
    "a threshold in words": (RecurrentCutter(hidden_dim=4), "cutting", card_of("scores", "threshold", "\n\x1b[2J")),
    "a card that is a tensor": (LSTMDenoiser(hidden_dim=4), "denoising",
                                lambda state: state.update(_extra_state=torch.zeros(3))),
    "a task of many letters": (LSTMDenoiser(hidden_dim=4), "denoising",
                               lambda state: state["_extra_state"].update(task="x" * 10_000)),
    "complex weights": (LSTMDenoiser(hidden_dim=4), "denoising", lambda state: state.update(
        {"lstm.bias_ih_l0": state["lstm.bias_ih_l0"].to(torch.complex64)})),
    "a tensor that is larger than its file": (LSTMDenoiser(hidden_dim=4), "denoising", lambda state: (
        state.update(more=torch.zeros(1).expand(10**12)), state["_extra_state"]["sizes"].update(hidden_dim=10**5))),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_weights_whose_card_is_wrong(case: str) -> None:
    network, task, change = HOSTILE[case]
    path = saved(network, task, change, labels=SIDES if task == "classification" else [])
    line = line_of(lambda: weights_file.load(path, task))
    assert "case.pth" in line


def test_names_of_tensors_are_shown_as_text() -> None:
    torch.save({"\n\x1b[2J": torch.zeros(2), "a" * 100_000: torch.zeros(1)}, "odd.pth")
    assert r"\x1b[2J" in line_of(lambda: weights_file.load("odd.pth", None))


def test_weights_without_what_a_card_may_lack() -> None:
    def less(state: dict[str, Any]) -> None:
        for key in ("training", "scores"):
            del state["_extra_state"][key]

    path = saved(LSTMClassifier(hidden_dim=4), "classification", less, labels=SIDES)
    assert WindowClassifier.load(path).temperature == 1
    path = saved(RecurrentCutter(hidden_dim=4), "cutting", less)
    assert Editor.load(path).threshold == 0.5


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_passes_the_look_at_its_card(name: str) -> None:
    kind, small = NETWORKS[name], {"hidden_dim": 8, "width": 4, "num_layers": 1, "channels": 4, "linear_dim": 8}
    task = next(task for task, names in NAMES.items() if name in names)
    network = kind(**{key: value for key, value in small.items() if key in inspect.signature(kind).parameters})
    features = MelFeatures(n_fft=512) if name.startswith("looking_to_listen") else MelFeatures()
    path = saved(network, task, dict.keys, labels=SIDES if task == "classification" else [], features=features)
    found = weights_file.load(path, task).state_dict()
    wanted = network.state_dict()
    assert set(found) == set(wanted)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted if key != "_extra_state")


# Resume files


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("progress", {"epoch": "1"}), ("progress", {"epoch": 2}), ("progress", {"step": 10**9, "items": 3}),
        ("progress", {"loss_sum": math.nan}), ("progress", {"best": {}}), ("progress", {"best_epoch": 7}),
        ("progress", {"items": 10**400}), ("schedule", {"best": "x"}), ("schedule", {"num_bad_epochs": None}),
        ("schedule", {"_last_lr": 5}), ("schedule", {"other": 1}),
    ],
)  # fmt: skip
def test_a_resume_file_of_odd_values(part: str, changes: dict[str, Any], resumable: Callable[[Any], object]) -> None:
    assert "damaged or of another version" in line_of(lambda: resumable(lambda state: state[part].update(changes)))


def odd_moment(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda state: state["optimizer"]["state"][0].update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["history"].append({}),
        lambda state: state.update(history=["x"]),
        lambda state: state["history"][0].update(train_loss=torch.zeros(2)),
        lambda state: state["optimizer"]["param_groups"][0].update(betas=0.9),
        lambda state: state["optimizer"]["param_groups"][0].pop("lr"),
        lambda state: state["optimizer"]["param_groups"][0]["params"].reverse(),
        lambda state: state["optimizer"]["state"][0].pop("exp_avg_sq"),
        odd_moment("exp_avg", 0.5),
        odd_moment("exp_avg", torch.zeros(2)),
        odd_moment("step", torch.tensor(math.nan)),
        lambda state: state["network"].update({"lstm.bias_ih_l0": torch.full((16,), math.nan)}),
        lambda state: state["network"].update({"lstm.bias_ih_l0": torch.zeros(1).expand(10**12)}),
    ],
)
def test_a_resume_file_of_odd_parts(change: Callable[[Any], object], resumable: Callable[[Any], object]) -> None:
    assert "damaged or of another version" in line_of(lambda: resumable(change))


def test_a_resume_file_of_another_run_is_told_in_short(resumable: Callable[[Any], object]) -> None:
    line = line_of(lambda: resumable(lambda state: state["run"].update(dict.fromkeys(state["run"], "9" * 5000))))
    assert "is of another run: batch_size 999" in line


@pytest.fixture
def resumable(tree: Path) -> Callable[[Any], object]:
    """Trains for an epoch, changes the resume file, and goes on."""
    task = DenoisingTask(Source(str(tree)), sizes={"hidden_dim": 4}, network_name="lstm")

    def run(change: Callable[[dict[str, Any]], object]) -> object:
        out = Path("models/m.pth")
        trainer.fit(task, FitOptions(epochs=1, batch_size=4, device="cpu"), out)
        state = torch.load("models/m.resume.pth", weights_only=True)
        change(state)
        torch.save(state, "models/m.resume.pth")
        return trainer.fit(task, FitOptions(epochs=2, batch_size=4, device="cpu", resume=True), out)

    return run


def test_a_resume_file_that_nobody_changed(resumable: Callable[[Any], object]) -> None:
    assert len(resumable(dict.keys)) == 2  # type: ignore[arg-type]


# What is said


def test_what_a_terminal_would_obey_is_shown_as_text() -> None:
    assert InputError("a\x1b[2J\tb\u202e").line() == r"a\x1b[2J\tb\u202e"
    assert InputError("").line() == ""


@pytest.mark.parametrize("take", [lambda: bytearray(1 << 62), lambda: torch.empty(1 << 58), lambda: np.ones(1 << 58)])
def test_no_memory_is_one_line(take: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: object) -> int:
        return len(take())  # type: ignore[arg-type]

    with pytest.raises(SystemExit) as stop:
        parser.run(main)
    assert stop.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith("error: not enough memory")
    assert len(line.splitlines()) == 1


def test_a_name_that_is_no_text(classifier: Network, recording: Path, workplace: Path) -> None:
    name = os.fsdecode(b"\xff.wav")
    try:
        recording.rename(name)
    except OSError:
        pytest.skip("this file system takes no such names")
    ran = run_process("inference_classification", "--input_path", name, "--csv_path", "o.csv", "--json", cwd=workplace)
    assert (ran.status, "Traceback" in ran.err) == (0, False)
    assert json.loads(ran.out)[0]["path"] == name
    assert r"\udcff.wav" in Path("o.csv").read_text(encoding="utf-8")


def test_too_many_numbers_asked_for_by_flags() -> None:
    Path("d/a").mkdir(parents=True)
    Path("d/b").mkdir()
    ran = run_script("train_classification", "--dataset_path", "d", "--n_mels", 10**9, "--no_plots")
    refused(ran, "n_mels 1000000000")
