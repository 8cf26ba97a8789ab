"""Keep and cut: labels of any kind, networks, training, figures, and the edited recording."""

import json
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile as sf
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.data import cut_clips
from clearmel.data.cut_clips import CutClips
from clearmel.inference.cut import Editor
from clearmel.metrics import cutting
from clearmel.metrics.cutting import FrameDecisions
from clearmel.networks import CUTTERS, ConvolutionalCutter, RecurrentCutter
from clearmel.options import FEATURE_PRESETS, AugmentOptions, CutOptions
from tests.conftest import refused, run_script

RATE = 16000
FEATURES = MelFeatures(**FEATURE_PRESETS["mel100"])  # type: ignore[arg-type]


def speech(label: str, rng: np.random.Generator, rate: int = RATE, noise: float = 0.002) -> np.ndarray:
    """Bursts of a buzzing tone where the label is 1, faint noise elsewhere; a digit for every 200 ms."""
    size = rate // 5
    time = np.arange(size * len(label)) / rate
    buzz = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12))
    gain = np.repeat([float(digit) for digit in label], size)
    return (0.1 * buzz * gain + rng.normal(0, noise, len(time))).astype(np.float32)


def drawn(rng: np.random.Generator, count: int) -> str:
    return "".join(str(int(digit)) for digit in np.repeat(rng.random(count) < 0.6, 2))


@pytest.fixture
def talk(workplace: Path, rng: np.random.Generator) -> Path:
    """Twelve clips of 2.4 s with the original's labels.json."""
    labels = {}
    for number in range(12):
        digits = drawn(rng, 6)
        sound_file.write(workplace / f"talk/talk_{number:02d}.wav", speech(digits, rng), RATE)
        labels[f"talk_{number:02d}"] = [int(digits[min(11, int((k * 0.04 + 0.001) / 0.2))]) for k in range(61)]
    (workplace / "talk/labels.json").write_text(json.dumps(labels))
    return workplace / "talk"


@pytest.fixture
def trained(talk: Path) -> Editor:
    ran = run_script(
        "train_cutting", "--dataset_path", talk, "--hidden_dim", 12, "--epochs", 12, "--batch_size", 3,
        "--learning_rate", 0.01, "--dropout", 0, "--no_plots",
    )  # fmt: skip
    assert ran.status == 0, ran
    return Editor.load("cutter.pth")


@pytest.fixture
def untrained(workplace: Path) -> Callable[..., Editor]:
    def make(**sizes: int) -> Editor:
        torch.manual_seed(0)
        network = RecurrentCutter(**{"hidden_dim": 8, "num_layers": 1} | sizes).eval()
        network.card = weights_file.make_card(network, "cutting", FEATURES, ["cut", "keep"])
        weights_file.save(Path("models/cutter.pth"), network.state_dict())
        return Editor(network)

    return make


# Networks and features


@pytest.mark.parametrize(
    ("levels", "repeat", "level_1", "count"),
    [(0, 1, 20, 4881), (0, 1, 80, 19521), (6, 1, 80, 42957), (6, 2, 80, 59463)],
)
def test_conv1d_has_the_originals_sizes_and_reach(levels: int, repeat: int, level_1: int, count: int) -> None:
    network = ConvolutionalCutter(levels=levels, repeat=repeat, level_1=level_1).eval()
    assert network.n_parameters() == count
    mel = torch.rand(1, 61, 80, requires_grad=True)
    network(mel, torch.tensor([61]))[0, 30].backward()
    reached = mel.grad[0].abs().sum(dim=1).nonzero()[:, 0]
    reach = {(0, 1): 2, (6, 1): 8, (6, 2): 14}[levels, repeat]  # 5, 17 and 29 frames
    assert 30 - reach <= int(reached.min())
    assert int(reached.max()) <= 30 + reach
    if levels == 0:
        assert len(reached) == 5


@pytest.mark.parametrize("name", CUTTERS)
def test_a_clip_is_judged_alike_alone_and_among_longer_ones(name: str) -> None:
    torch.manual_seed(0)
    network = CUTTERS[name]().eval()
    short, long = torch.rand(37, 80), torch.rand(90, 80)
    alone = network(short[None], torch.tensor([37]))[0]
    batch = torch.stack([torch.cat([short, torch.full((53, 80), 9.0)]), long])
    together = network(batch, torch.tensor([37, 90]))
    assert len(alone) == 1 + 36 // network.stride
    torch.testing.assert_close(together[0, : len(alone)], alone, atol=1e-5, rtol=1e-4)
    assert together.shape[1] == 1 + 89 // network.stride


def test_members_answer_together_and_learn_apart() -> None:
    torch.manual_seed(0)
    network = RecurrentCutter(hidden_dim=8, num_layers=1, dropout=0.0, members=2).eval()
    mel, lengths = torch.rand(1, 40, 80), torch.tensor([40])
    alone = RecurrentCutter(hidden_dim=8, num_layers=1, dropout=0.0).eval()
    alone.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("others")})
    second = network.others[0](mel, lengths)
    torch.testing.assert_close(network(mel, lengths), (alone(mel, lengths) + second) / 2)
    assert not torch.allclose(alone(mel, lengths), second)
    network.train()
    network(mel, lengths)[..., 1].sum().backward()
    assert all(weight.grad is None or not weight.grad.any() for weight in network.gru.parameters())


def test_the_podcast_preset_is_the_originals_mel(rng: np.random.Generator) -> None:
    wave = (0.2 * rng.normal(size=22050) * np.linspace(0, 1, 22050)).astype(np.float32)
    emphasised = np.append(wave[0], wave[1:] - 0.97 * wave[:-1])
    magnitude = np.abs(librosa.stft(emphasised, n_fft=2048, hop_length=220, win_length=1102))
    mel = librosa.filters.mel(sr=22050, n_fft=2048, n_mels=80) @ magnitude
    theirs = np.clip((20 * np.log10(np.maximum(1e-5, mel)) + 80) / 100, 1e-8, 1).T[::4]
    ours = MelFeatures(**FEATURE_PRESETS["podcast"]).mel(torch.from_numpy(wave)).numpy()  # type: ignore[arg-type]
    decibels = (ours - 1) * 200 / np.log(10)
    inner = slice(2, -2)  # beyond the ends zeros, in both
    np.testing.assert_allclose(np.clip((decibels + 80) / 100, 1e-8, 1)[inner], theirs[inner], atol=2e-4)


# Labels


def test_lists_spans_and_masks_say_the_same(talk: Path, workplace: Path) -> None:
    lists = cut_clips.find(talk)
    spans = {"format": "clearmel spans 1", "files": {}}
    for clip in lists.clips:
        cut = np.flatnonzero(np.diff(np.concatenate([[1], clip.label, [1]])))
        edges = [[max(0.0, (a - 0.5) * 0.04), min(2.4, (b - 0.5) * 0.04)] for a, b in cut.reshape(-1, 2)]
        spans["files"][str(clip.name)] = {"remove": edges, "duration_s": 2.4}
    Path("spans.json").write_text(json.dumps(spans))
    for clip in lists.clips:
        np.save(workplace / "talk" / clip.name.with_suffix(".npy"), clip.label)
    by_spans = cut_clips.find(talk, "spans.json")
    (talk / "labels.json").unlink()
    by_masks = cut_clips.find(talk)
    assert len(lists.clips) == len(by_spans.clips) == len(by_masks.clips) == 12
    for one, two, three in zip(lists.clips, by_spans.clips, by_masks.clips, strict=True):
        np.testing.assert_array_equal(one.label, two.label)
        np.testing.assert_array_equal(one.label, three.label)


def test_a_list_of_a_trimmed_clip_begins_where_its_sound_does(workplace: Path, rng: np.random.Generator) -> None:
    wave = speech("1101011011", rng)
    sound_file.write(workplace / "t/a_1.wav", np.concatenate([np.zeros(9600, np.float32), wave]), RATE)
    sound_file.write(workplace / "t/a_2.wav", np.concatenate([wave, np.zeros(9600, np.float32)]), RATE)
    label = [int(k) for k in np.repeat([1, 1, 0, 1, 0, 1, 1, 0, 1, 1], 5)]
    Path("t/labels.json").write_text(json.dumps({"a_1": label, "a_2": {"label": label}, "a_3": []}))
    first, second = cut_clips.find("t").clips
    assert first.first == pytest.approx(15, abs=1)  # 0.6 s
    assert second.first == 0
    data = CutClips(cut_clips.find("t"), FEATURES, 4, 5.0)
    known = data.targets(first, 66)
    assert known[: first.first, 1].sum() == 0
    assert known[:, 1].sum() == 50


def test_whole_recordings_are_held_out_where_there_are_several(workplace: Path, rng: np.random.Generator) -> None:
    for name in ("a_0", "a_1", "b_0", "b_1", "c/x0", "c/x1"):
        sound_file.write(workplace / f"t/{name}.wav", speech("10", rng), RATE)
    Path("t/labels.json").write_text(
        json.dumps({Path(n).name: [1, 0] * 5 for n in ("a_0", "a_1", "b_0", "b_1", "x0", "x1")})
    )
    found = cut_clips.find("t")
    names = {split: {str(c.name)[0] for c in cut_clips.part(found, split, 0.3, 0).clips} for split in ("train", "val")}
    assert len(names["val"]) == 1
    assert len(names["train"]) == 2
    assert not names["val"] & names["train"]
    one = found._replace(clips=[clip for clip in found.clips if str(clip.name).startswith("a")])
    assert [str(clip.name) for clip in cut_clips.part(one, "val", 0.2, 0).clips] == ["a_1.wav"]


def test_pieces_of_a_long_recording_carry_their_own_labels(workplace: Path, rng: np.random.Generator) -> None:
    digits = drawn(rng, 40)
    sound_file.write(workplace / "t/long.wav", speech(digits, rng), RATE)
    label = [int(digits[min(79, int((k * 0.04 + 0.001) / 0.2))]) for k in range(401)]
    Path("t/labels.json").write_text(json.dumps({"long": label}))
    data = CutClips(cut_clips.find("t"), FEATURES, 4, 2.0, AugmentOptions())
    assert len(data) == 8
    for index in range(8):
        mels = data[index].mels
        level = mels["mel"][::4, :20].mean(dim=1)
        loud = level > 0.3
        agreed = (loud[: len(mels["keep"])] == (mels["keep"][:, 0] > 0)).float().mean()
        assert agreed > 0.9


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ('{"talk_00": [0, 2]}', ("talk_00", "0 and 1")),
        ('{"talk_00": "keep"}', ("labels.json", "no labels")),
        ('{"talk_00": [1, 0', ("labels.json", "not readable JSON")),
        ('{"other": [1, 0]}', ("none of its 12 recordings", "clearmel label")),
        (json.dumps({"talk_00": [1] * 200}), ("talk_00.wav", "200 labels", "at most 61")),
        (json.dumps({f"talk_{k:02d}": [1] * 61 for k in range(12)}), ("all labels are keep",)),
    ],
)
def test_labels_that_are_none_are_one_line(talk: Path, labels: str, words: tuple[str, ...]) -> None:
    (talk / "labels.json").write_text(labels)
    refused(run_script("train_cutting", "--dataset_path", talk, "--epochs", 1, "--no_plots"), *words)


def test_a_mask_of_another_shape_is_one_line(talk: Path) -> None:
    (talk / "labels.json").unlink()
    np.save(talk / "talk_03.npy", np.zeros((61, 2)))
    refused(run_script("train_cutting", "--dataset_path", talk), "talk_03.npy", "shape (61, 2)")


# Figures


def test_figures_by_hand() -> None:
    keep = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1], bool)
    probability = np.array([0.9, 0.9, 0.9, 0.2, 0.6, 0.1, 0.1, 0.1, 0.3, 0.9], np.float32)
    near = cut_clips.near_label_change(keep.astype(np.int8), 0.02)
    np.testing.assert_array_equal(near, np.array([0, 0, 0, 1, 1, 0, 0, 1, 1, 0], bool))
    found = cutting.figures(FrameDecisions(probability, keep, near), 0.5)
    assert found["keep_recall"] == pytest.approx(4 / 6)
    assert found["keep_precision"] == pytest.approx(4 / 5)
    assert found["cut_recall"] == pytest.approx(3 / 4)
    assert found["cut_precision"] == pytest.approx(3 / 5)
    assert found["cut_recall_collar"] == found["keep_recall_collar"] == found["roc_auc_collar"] == 1
    assert found["n_frames"] == 10


def test_two_frames_on_each_side_of_a_change_lie_within_80_ms() -> None:
    near = cut_clips.near_label_change(np.array([1] * 6 + [0] * 6), 0.08)
    np.testing.assert_array_equal(np.flatnonzero(near), [4, 5, 6, 7])


def test_the_threshold_keeps_what_it_says(rng: np.random.Generator) -> None:
    keep = rng.random(5000) < 0.7
    probability = np.clip(rng.normal(0.3 + 0.5 * keep, 0.2), 0, 1).astype(np.float32)
    decisions = FrameDecisions(probability, keep, np.zeros(5000, bool))
    threshold = cutting.threshold_for_keep_recall(decisions, 0.99)
    assert cutting.figures(decisions, threshold)["keep_recall"] >= 0.99
    assert cutting.figures(decisions, threshold + 1e-3)["keep_recall"] < 0.99
    rows = cutting.curve(decisions)
    recalls = np.array([[row["keep_recall"], row["cut_recall"]] for row in rows])
    assert (np.diff(recalls[:, 0]) <= 0).all()
    assert (np.diff(recalls[:, 1]) >= 0).all()
    assert ((recalls[:, 0] > 0.985) & (recalls[:, 0] < 0.995)).sum() > 10  # close where it matters


def test_cuts_are_found_as_events_and_seconds_counted() -> None:
    keep = np.array([1] * 50 + [0] * 25 + [1] * 50 + [0] * 25, bool)
    probability = keep.astype(np.float32) * 0.98 + 0.01
    probability[125:] = 0.99  # the second pause is missed
    probability[10:25] = 0.01  # 0.6 s of words are lost
    options = CutOptions(min_keep_s=0, min_cut_s=0.2, margin_before_s=0, margin_after_s=0)
    row = cutting.edited(FrameDecisions(probability, keep, np.zeros(150, bool)), options)
    assert row["removed_wrongly_s"] == pytest.approx(0.6)
    assert row["kept_wrongly_s"] == pytest.approx(1.0)
    assert (row["cuts"], row["cuts_true"], row["cuts_found"]) == (2, 2, 1)
    assert cutting.summed([row, row])["event_f1"] == pytest.approx(0.5)


# Training, evaluating, editing


def test_it_learns_what_is_speech_and_keeps_words_whole(trained: Editor, talk: Path, rng: np.random.Generator) -> None:
    scores = trained.network.card["scores"]
    assert scores["roc_auc_collar"] > 0.99
    assert trained.threshold == pytest.approx(scores["threshold"])
    sound_file.write("new.flac", np.stack([speech("00011100011100000", rng, 44100)] * 2), 44100)
    kept = trained.timeline("new.flac", CutOptions.of_strength(0.5, trained.threshold)).kept
    assert len(kept) == 2
    for (start, end), (first, last) in zip(kept, [(0.6, 1.2), (1.8, 2.4)], strict=True):
        assert first - 0.2 < start <= first + 0.02
        assert last - 0.02 <= end < last + 0.3


def test_the_card_decides_and_json_says_all(trained: Editor, talk: Path) -> None:
    ran = run_script(
        "eval_cutting", "--dataset_path", talk, "--json", "--csv_path", "t.csv", "--plot_dir", "p", "--no_peers"
    )
    report = json.loads(ran.out)
    for key in ("cut_recall", "cut_precision", "keep_recall", "keep_precision", "roc_auc"):
        assert 0.9 < report[f"{key}_collar"] <= 1
        assert 0.5 < report[key] <= 1
    assert report["threshold"] == pytest.approx(trained.threshold)
    assert report["n_frames"] == 12 * 61
    assert set(report["curve"][0]) == {
        "threshold", "cut_recall", "keep_recall", "cut_recall_collar", "keep_recall_collar",
    }  # fmt: skip
    assert len(Path("t.csv").read_text().splitlines()) == 13
    assert Path("p/cutter_curve.png").stat().st_size > 10000
    text = run_script("eval_cutting", "--dataset_path", talk).out
    assert "keep everything" in text
    assert "smoothed energy" in text


def test_windows_leave_no_seam(untrained: Callable[..., Editor], rng: np.random.Generator, monkeypatch) -> None:
    editor = untrained()
    sound_file.write("long.wav", speech(drawn(rng, 100), rng), RATE)
    whole = editor.probabilities("long.wav")
    assert len(whole) == 1 + 40 * 25
    monkeypatch.setattr("clearmel.inference.cut.WINDOW_S", 16.0)
    told = list[float]()
    np.testing.assert_allclose(editor.probabilities("long.wav", told.append), whole, atol=1e-4)
    assert sum(told) == pytest.approx(40.04)


@pytest.mark.parametrize(("rate", "n_channels", "suffix"), [(44100, 2, ".wav"), (8000, 1, ".flac"), (48000, 2, ".ogg")])
def test_rate_channels_and_lengths_stay(
    trained: Editor, rng: np.random.Generator, rate: int, n_channels: int, suffix: str
) -> None:
    wave = speech("00011100011100000", rng, rate, noise=0.001)  # above 38 dB, so the denoiser takes no part
    sound_file.write(f"in{suffix}", np.stack([wave] * n_channels), rate)
    ran = run_script("inference_cutting", "--input_path", f"in{suffix}", "--output_path", f"out{suffix}", "--json")
    (row,) = json.loads(ran.out)
    info = sf.info(f"out{suffix}")
    assert (info.samplerate, info.channels) == (rate, n_channels)
    assert info.frames == pytest.approx(row["kept_s"] * rate, abs=rate * 0.005)
    assert 1.2 <= row["kept_s"] < 2.2
    assert row["cuts"] == 3
    softer = run_script(
        "inference_cutting", "--input_path", f"in{suffix}", "--output_path", f"soft{suffix}", "--mode", "attenuate"
    )
    assert "kept 00:0" in softer.out
    assert sf.info(f"soft{suffix}").frames == len(wave)


def test_a_join_does_not_click(trained: Editor) -> None:
    time = np.arange(3 * RATE) / RATE
    voiced = np.interp(time, [0.9, 1.0, 2.0, 2.1], [1, 0, 0, 1])
    buzz = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12))
    room = 0.02 * np.sin(2 * np.pi * 50 * time)  # a hum under the pause, cut anywhere in its period
    sound_file.write("in.wav", (0.1 * buzz * voiced + room).astype(np.float32), RATE, "FLOAT")
    run_script("inference_cutting", "--input_path", "in.wav", "--output_path", "out.wav")
    wave, _ = sf.read("out.wav")
    assert 1.9 < len(wave) / RATE < 2.6
    power = np.abs(librosa.stft(wave, n_fft=256, hop_length=64)) ** 2
    top = power[100:, 4:-4].sum(axis=0)  # above 6 kHz neither the buzz nor the hum has anything; a click has
    assert top.max() < 100 * np.median(top) + 1e-6


def test_strength_goes_from_gentle_to_tight(trained: Editor, rng: np.random.Generator) -> None:
    sound_file.write("in.wav", speech(drawn(rng, 40), rng), RATE)
    kept = []
    for strength in (0, 0.25, 0.5, 0.75, 1):
        ran = run_script(
            "inference_cutting", "--input_path", "in.wav", "--timeline_only", "--output_path", "t.wav", "--strength",
            strength, "--json",
        )  # fmt: skip
        kept.append(json.loads(ran.out)[0]["kept_s"])
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[-1] + 1
    assert not Path("t.wav").exists()
    assert Path("t.json").exists()


def test_a_folder_goes_on_after_a_bad_file(trained: Editor, rng: np.random.Generator) -> None:
    sound_file.write("many/a/one.wav", speech("0011100", rng), RATE)
    sound_file.write("many/two.wav", speech("0111000", rng), RATE)
    Path("many/bad.wav").write_bytes(b"RIFF")
    ran = run_script(
        "inference_cutting", "--input_path", "many", "--output_path", "done", "--timelines", "csv,edl", "--plot_dir",
        "p", "--labels_path", "labels.json",
    )  # fmt: skip
    refused(ran, "bad.wav", status=1)
    made = {path.relative_to("done").as_posix() for path in Path("done").rglob("*.*")}
    assert made == {"a/one.wav", "a/one.csv", "a/one.edl", "two.wav", "two.csv", "two.edl"}
    assert len(list(Path("p").glob("*_cuts.png"))) == 2
    assert [str(clip.name) for clip in cut_clips.find("many", "labels.json").clips] == ["a/one.wav", "two.wav"]


def test_marks_for_the_labelling_page_cut_what_the_command_would(trained: Editor, rng: np.random.Generator) -> None:
    sound_file.write("in.wav", speech("00011100011100000", rng), RATE)
    marks = np.array(trained.marks(Path("in.wav")))
    assert len(marks) == 1 + int(3.4 / 0.04)
    np.testing.assert_array_equal(marks >= 0.5, trained.probabilities("in.wav") >= trained.threshold)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--timelines", "json,doc"), ("doc", "fcpxml")),
        (("--threshold", "1.5"), ("--threshold 1.5",)),
        (("--mode", "mute"), ("--mode mute", "attenuate")),
        (("--input_path", "no.wav"), ("no.wav", "does not exist")),
        (("--output_path", "in.wav"), ("in.wav", "both input and output")),
        (("--output_path", "out.xyz"), ("out.xyz", "unknown suffix")),
    ],
)
def test_mistakes_are_one_line(untrained: Callable[..., Editor], rng, flags: tuple[str, ...], words) -> None:
    untrained()
    sound_file.write("in.wav", speech("0110", rng), RATE)
    refused(run_script("inference_cutting", "--input_path", "in.wav", "--threshold", "0.0001", *flags), *words)
    assert sf.info("in.wav").frames == len(speech("0110", rng))


def test_a_recording_of_nothing_but_pause(trained: Editor, rng: np.random.Generator) -> None:
    sound_file.write("in.wav", speech("000000", rng), RATE)
    refused(run_script("inference_cutting", "--input_path", "in.wav", "--output_path", "o.wav"), "in.wav", "no part")
    assert not Path("o.wav").exists()
    only = run_script("inference_cutting", "--input_path", "in.wav", "--output_path", "o.wav", "--timeline_only")
    assert only.status == 0
    assert "kept 00:00 of 00:01, 1 cut" in only.out


def test_weights_of_another_task_are_refused(classifier, rng) -> None:
    sound_file.write("in.wav", speech("0110", rng), RATE)
    refused(
        run_script("inference_cutting", "--input_path", "in.wav", "--model_filename", "classifier.pth"),
        "classification", "expected cutting",
    )  # fmt: skip
