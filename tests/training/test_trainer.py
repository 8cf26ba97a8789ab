import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core.errors import InputError
from clearmel.options import FitOptions, MultiSpeakerOptions, SpeakerOptions
from clearmel.options.source import Source
from clearmel.tasks import TASKS, CuttingTask, DenoisingTask, SeparationTask, SpeakersTask, Task
from clearmel.training import evaluate, trainer
from tests.conftest import ROOT, refused, run_process, run_script

SIZES = {"hidden_dim": 12, "num_layers": 2, "dropout": 0.3}
OPTIONS = FitOptions(epochs=4, batch_size=2, device="cpu")


def task(tree: Path, name: str = "denoising", **sizes: float) -> Task:
    if name in ("cutting", "separation", "speakers"):
        return of_sounds(tree.parent / "sounds", name, SIZES | sizes)
    return TASKS[name](Source(str(tree)), sizes=SIZES | sizes)  # type: ignore[arg-type]


def of_sounds(root: Path, name: str, sizes: dict[str, float]) -> Task:
    """The tasks that learn from sound files: two "speakers", a low and a high hum, with pauses."""
    if not root.exists():
        time = np.arange(16000) / 16000
        talks = np.repeat([1.0, 0.0, 1.0, 0.0], 4000)
        for number in range(3):
            for speaker, hertz in (("low", 200), ("high", 3000)):
                wave = 0.3 * np.sin(2 * np.pi * (hertz + 40 * number) * time) * talks + 1e-3 * np.cos(time * 999)
                sound_file.write(root / f"{speaker}/{speaker}_{number}.wav", wave.astype(np.float32), 16000)
        keep = [int(talks[min(15999, 640 * k)]) for k in range(26)]
        labels = {f"{speaker}_{number}": keep for speaker in ("low", "high") for number in range(3)}
        (root / "labels.json").write_text(json.dumps(labels))
    if name == "cutting":
        return CuttingTask(Source(str(root), val_fraction=0.3), MelFeatures(n_fft=512, hop_length=160), sizes)
    if name == "speakers":
        pairs = SpeakerOptions(clean_path=str(root), val_clean_path=str(root), clip_s=0.5, epoch_items=6, val_items=6)
        return SpeakersTask(Source(), MelFeatures(top_db=60.0), {"hidden_dim": 12}, pairs=pairs)
    voices = MultiSpeakerOptions(clean_path=str(root), val_clean_path=str(root), clip_s=0.5, epoch_items=6, val_items=2)
    return SeparationTask(Source(), MelFeatures(n_fft=512, hop_length=256), sizes, voices=voices)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_training_learns(name: str, tree: Path) -> None:
    history = trainer.fit(task(tree, name, dropout=0.0), replace(OPTIONS, epochs=25, learning_rate=0.01), Path("m.pth"))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert json.loads(Path("m.history.json").read_text()) == history
    assert weights_file.load("m.pth", name).card["training"]["seed"] == 0


@pytest.mark.parametrize("name", sorted(TASKS))
def test_the_seed_fixes_the_run(name: str, tree: Path) -> None:
    runs = [trainer.fit(task(tree, name), replace(OPTIONS, seed=seed), Path("m.pth")) for seed in (5, 5, 6)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


class Stopped(DenoisingTask):
    """Sends itself a signal in the `after`-th step, as Ctrl-C or a scheduler would."""

    after = 0

    def loss(self, network, batch):  # type: ignore[no-untyped-def]
        Stopped.after -= 1
        if Stopped.after == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().loss(network, batch)


@pytest.mark.parametrize("after", [1, 2, 3, 5, 9])
@pytest.mark.parametrize(("schedule", "ema_decay"), [("plateau", 0.0), ("cosine", 0.8)])
def test_a_run_stopped_anywhere_and_resumed_equals_a_straight_one(
    after: int, schedule: str, ema_decay: float, tree: Path
) -> None:
    options = replace(OPTIONS, schedule=schedule, ema_decay=ema_decay)
    straight = trainer.fit(task(tree), options, Path("straight.pth"))
    Stopped.after = after
    with pytest.raises(trainer.Interrupted):
        trainer.fit(Stopped(Source(str(tree)), sizes=SIZES), options, Path("stopped.pth"))
    resumed = trainer.fit(task(tree), replace(options, resume=True), Path("stopped.pth"))
    assert resumed == straight
    wanted, found = (weights_file.load_dict(f"{name}.resume.pth")["network"] for name in ("straight", "stopped"))
    assert all(torch.equal(wanted[key], found[key]) for key in wanted if key != "_extra_state")
    assert Path("straight.pth").read_bytes() == Path("stopped.pth").read_bytes()


def test_the_moving_average_of_the_weights_is_validated_and_saved(tree: Path) -> None:
    """d * average + (1 - d) * weights after each step, from the weights after the first step on."""

    class Followed(DenoisingTask):
        """Notes the weights that each step begins with."""

        def loss(self, network, batch):  # type: ignore[no-untyped-def]
            seen.append({name: weight.detach().clone() for name, weight in network.named_parameters()})
            return super().loss(network, batch)

    seen: list[dict[str, torch.Tensor]] = []
    options = replace(OPTIONS, epochs=1, batch_size=1, learning_rate=0.1, ema_decay=0.6)
    history = trainer.fit(Followed(Source(str(tree)), sizes=SIZES), options, Path("m.pth"))
    last = weights_file.load_dict("m.resume.pth")["network"]
    after = [*seen[1:], last]
    saved = weights_file.load("m.pth", "denoising")
    for name, weight in saved.named_parameters():
        average = after[0][name]
        for step in after[1:]:
            average = 0.6 * average + 0.4 * step[name]
        torch.testing.assert_close(weight.detach(), average, atol=1e-6, rtol=1e-5)
        assert not torch.equal(weight, last[name])
    job = task(tree)
    report = job.report(evaluate.evaluate(job, saved, job.dataset("val")))
    assert report["mse_denoised"] == pytest.approx(history[-1]["mse_denoised"], abs=1e-7)


def test_more_epochs_go_on_where_a_finished_run_ended(tree: Path) -> None:
    straight = trainer.fit(task(tree), OPTIONS, Path("a.pth"))
    trainer.fit(task(tree), replace(OPTIONS, epochs=2), Path("b.pth"))
    assert trainer.fit(task(tree), replace(OPTIONS, resume=True), Path("b.pth")) == straight


def test_the_best_weights_are_kept_and_moved_only_by_better_ones(tree: Path) -> None:
    history = trainer.fit(task(tree), replace(OPTIONS, epochs=30, learning_rate=0.5), Path("m.pth"))
    best = min(row["mse_denoised"] for row in history)
    network = weights_file.load("m.pth", "denoising")
    job = task(tree)
    report = job.report(evaluate.evaluate(job, network, job.dataset("val")))
    assert report["mse_denoised"] == pytest.approx(best, abs=1e-7)
    assert network.card["scores"]["mse_denoised"] == best
    assert history[-1]["mse_denoised"] > best  # the run did go past its best


def test_a_run_can_start_from_other_weights_whatever_its_own_sizes(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = trainer.fit(task(tree, dropout=0.0), replace(OPTIONS, epochs=20, learning_rate=0.01), Path("models/a.pth"))
    options = replace(OPTIONS, epochs=2, learning_rate=1e-6, init_filename="a.pth")
    after = trainer.fit(task(tree, hidden_dim=5), options, Path("models/b.pth"))
    assert after[0]["train_loss"] == pytest.approx(before[-1]["train_loss"], rel=0.2)
    network = weights_file.load("models/b.pth", "denoising")
    assert network.sizes["hidden_dim"] == 12
    assert network.card["training"]["init_filename"] == "a.pth"
    assert "other features" not in capsys.readouterr().out
    network.card["features"]["hop_length"] = 128
    weights_file.save(Path("models/a.pth"), network.state_dict())
    trainer.fit(task(tree), options, Path("models/b.pth"))
    assert "a.pth was trained on other features: hop_length 128, now 256\n" in capsys.readouterr().out


def test_only_what_is_asked_for_is_trained(tree: Path) -> None:
    trainer.fit(task(tree), replace(OPTIONS, epochs=1), Path("models/a.pth"))
    options = replace(OPTIONS, init_filename="a.pth", train_only="hidden2spectrogram.bias, lstm.weight_ih")
    straight = trainer.fit(task(tree), options, Path("b.pth"))
    before, after = (weights_file.load(name, "denoising").state_dict() for name in ("models/a.pth", "b.pth"))
    moved = {name for name in before if name != "_extra_state" and not torch.equal(before[name], after[name])}
    assert moved == {"hidden2spectrogram.bias", "lstm.weight_ih_l0", "lstm.weight_ih_l1"}
    trainer.fit(task(tree), replace(options, epochs=2), Path("c.pth"))
    assert trainer.fit(task(tree), replace(options, resume=True), Path("c.pth")) == straight
    with pytest.raises(InputError, match="no weight is named so; the network's parts are lstm, hidden2spectrogram"):
        trainer.fit(task(tree), replace(options, train_only="gain"), Path("d.pth"))


def test_early_stop_waits_for_patience(tree: Path) -> None:
    history = trainer.fit(task(tree), replace(OPTIONS, epochs=60, learning_rate=0.5, patience=3), Path("m.pth"))
    figures = [row["mse_denoised"] for row in history]
    assert len(figures) < 60
    assert len(figures) - 1 - int(np.argmin(figures)) == 3


def test_figures_are_means_over_items_whatever_the_batches(tree: Path) -> None:
    job, network = task(tree), task(tree).network()
    data = job.dataset("train")
    reports = [job.report(evaluate.evaluate(job, network, data, size)) for size in (1, 4, 6)]
    for report in reports:
        assert report == pytest.approx(reports[0], abs=1e-6)
    alone = [evaluate.evaluate(job, network, data, 1)[i]["mse_denoised"] for i in range(6)]
    assert reports[1]["mse_denoised"] == pytest.approx(np.mean(alone), abs=1e-6)  # 6 items in batches of 4 and 2


def test_without_a_validation_set_nothing_is_called_best(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "val").rename(tree / "elsewhere")
    history = trainer.fit(task(tree), OPTIONS, Path("m.pth"))
    assert set(history[0]) == {"epoch", "learning_rate", "train_loss"}
    assert weights_file.load("m.pth", "denoising").card["scores"] == {}
    assert weights_file.load("m.pth", "denoising").card["training"]["epoch"] == 4
    out = capsys.readouterr().out
    assert "no validation set" in out
    assert "(best)" not in out


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_files(tree: Path) -> None:
    mel = np.full((20, 80), 1e30, np.float32)
    for side in ("noisy", "clean"):
        np.save(tree / f"train/{side}/speaker0/0.npy", mel * (1 if side == "clean" else -1))
    with pytest.raises(InputError, match=r"loss became (inf|nan) in epoch 1 on .*speaker0/0\.npy"):
        trainer.fit(task(tree), OPTIONS, Path("m.pth"))
    assert not Path("m.pth").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_corrupted_resume_file_is_refused_and_the_weights_stay(content: bytes | None, tree: Path) -> None:
    trainer.fit(task(tree), OPTIONS, Path("m.pth"))
    before = Path("m.pth").read_bytes()
    path = Path("m.resume.pth")
    if content is None:
        torch.save({"progress": 3}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"m\.resume\.pth"):
        trainer.fit(task(tree), replace(OPTIONS, resume=True, epochs=6), Path("m.pth"))
    assert Path("m.pth").read_bytes() == before


def test_a_resume_file_of_another_run_is_refused(tree: Path) -> None:
    trainer.fit(task(tree), OPTIONS, Path("m.pth"))
    with pytest.raises(InputError, match=r"of another run: batch_size 2 \(now 3\)"):
        trainer.fit(task(tree), replace(OPTIONS, resume=True, batch_size=3), Path("m.pth"))
    with pytest.raises(InputError, match=r"none\.resume\.pth does not exist"):
        trainer.fit(task(tree), replace(OPTIONS, resume=True), Path("none.pth"))


def test_two_processes_train_as_one(tree: Path, workplace: Path) -> None:
    flags = ["--dataset_path", "data", "--epochs", "3", "--batch_size", "3", "--hidden_dim", "12", "--device", "cpu",
             "--no_plots"]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    both = subprocess.run(
        [*command, str(ROOT / "train_denoising.py"), *flags, "--model_filename", "two.pth"],
        env=environment, cwd=workplace, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert both.returncode == 0, both.stderr
    assert "2 process(es)" in both.stdout
    assert both.stdout.count("saved models/two.pth") == 1
    assert run_process("train_denoising", *flags, "--model_filename", "one.pth", cwd=workplace).status == 0
    one, two = (json.loads(Path(f"models/{name}.history.json").read_text()) for name in ("one", "two"))
    for alone, shared in zip(one, two, strict=True):
        assert shared == pytest.approx(alone, rel=1e-4)


def test_the_same_in_a_pipe_prints_a_line_per_epoch_and_no_bars(tree: Path, workplace: Path) -> None:
    ran = run_process("train_denoising", "--epochs", 2, "--hidden_dim", 8, "--no_plots", cwd=workplace)
    assert ran.status == 0, ran
    assert [line.split()[:2] for line in ran.out.splitlines()[1:3]] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert "batch/s" not in ran.err


def test_ctrl_c_in_the_shell_saves_and_says_how_to_resume(tree: Path, workplace: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "train_denoising.py"),
        "--epochs",
        "100000",
        "--no_plots",
        "--hidden_dim",
        "8",
    ]
    running = subprocess.Popen(command, cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("epoch 2/"):
            break
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "--resume" in out
    assert "Traceback" not in err
    assert weights_file.load("models/denoiser.pth", "denoising")
    again = run_script("train_denoising", "--epochs", 3, "--resume", "--no_plots", "--hidden_dim", 8)
    assert again.status == 0, again


def test_low_precision_is_for_the_loss_only(tree: Path) -> None:
    history = trainer.fit(task(tree), replace(OPTIONS, mixed_precision="bf16"), Path("m.pth"))
    job, network = task(tree), weights_file.load("m.pth", "denoising")
    assert all(weight.dtype == torch.float32 for weight in network.parameters())
    report = job.report(evaluate.evaluate(job, network, job.dataset("val")))
    assert report["mse_denoised"] == pytest.approx(min(row["mse_denoised"] for row in history), rel=1e-6)
    full = trainer.fit(task(tree), OPTIONS, Path("f.pth"))
    assert history != full
    assert history[-1]["train_loss"] == pytest.approx(full[-1]["train_loss"], rel=0.02)


def test_wrong_options_are_gathered_into_one_line(tree: Path) -> None:
    ran = run_script("train_denoising", "--epochs", 0, "--batch_size", 0, "--schedule", "up")
    refused(ran, "--epochs 0", "--batch_size 0", "--schedule up")
