"""Several processes started by torchrun: one voice, one result, the losses of one process, and no hanging."""

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
from clearmel.checkpoints import weights_file
from clearmel.cli import parser
from clearmel.core import batch_files
from clearmel.networks import Network
from clearmel.options import FitOptions
from clearmel.options.source import Source
from clearmel.tasks import DenoisingTask
from clearmel.training import trainer
from tests.conftest import ROOT, Ran, run_script

OPTIONS = FitOptions(epochs=2, batch_size=7, device="cpu", learning_rate=0.01)
SIZES = {"hidden_dim": 60, "num_layers": 2}  # parameters enough for more than one of PyTorch's buckets


def command(n: int, script: Path, *flags: object) -> list[str]:
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(n)]
    return [*started, *map(str, [script, *flags])]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def together(n: int, script: Path, *flags: object) -> Ran:
    """Runs a script by torchrun."""
    done = subprocess.run(
        command(n, script, *flags), env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def told(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith(("error", "failed", "warning", "interrupted"))]


class Ended(DenoisingTask):
    """Whose process number 1 is killed in its sixth look at a batch, as by a machine out of memory."""

    count = 0

    def loss(self, network, batch):  # type: ignore[no-untyped-def]
        self.count += network.training
        if os.environ["RANK"] == "1" and self.count == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(network, batch)


def main(argv: object) -> int:
    """Run by torchrun: a straight run and one that is killed at a step; or the rest of it."""
    source, options = Source("data"), replace(OPTIONS, save_minutes=0.0)
    if sys.argv[1] == "begin":
        trainer.fit(DenoisingTask(source, sizes=SIZES), OPTIONS, Path("straight.pth"))
        trainer.fit(Ended(source, sizes=SIZES), options, Path("killed.pth"))
    trainer.fit(DenoisingTask(source, sizes=SIZES), replace(options, resume=True), Path("killed.pth"))
    trainer.fit(DenoisingTask(source, sizes=SIZES), replace(OPTIONS, resume=True, epochs=3), Path("one.pth"))
    return 0


@pytest.fixture
def pairs(workplace: Path, rng: np.random.Generator) -> Path:
    """23 pairs to train on, 3 to validate."""
    for split, count in (("train", 23), ("val", 3)):
        for index in range(count):
            clean = rng.normal(-0.5, 0.3, (int(rng.integers(20, 40)), 80)).astype(np.float32)
            for side, mel in (("clean", clean), ("noisy", clean + rng.uniform(0, 0.4, clean.shape))):
                (workplace / "data" / split / side).mkdir(parents=True, exist_ok=True)
                np.save(workplace / f"data/{split}/{side}/{index}.npy", np.asarray(mel, np.float32))
    return workplace / "data"


def test_four_train_as_one_and_go_on_bit_for_bit_after_one_is_killed(pairs: Path) -> None:
    job = DenoisingTask(Source("data"), sizes=SIZES)
    alone = trainer.fit(job, OPTIONS, Path("one.pth"))
    ran = together(4, Path(__file__), "begin")
    assert ran.status == 1
    assert told(ran) == ["error: another process of this run has gone. Run the command again; training with --resume."]
    ran = together(4, Path(__file__), "go on")
    assert ran.status == 0, ran
    assert "resuming at epoch 2, batch 1\n" in ran.out
    straight, killed = (json.loads(Path(f"{name}.history.json").read_text()) for name in ("straight", "killed"))
    for ours, theirs in zip(straight, alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert killed == straight
    wanted, found = (weights_file.load_dict(f"{name}.resume.pth")["network"] for name in ("straight", "killed"))
    assert all(torch.equal(wanted[key], found[key]) for key in wanted if key != "_extra_state")

    # "one" was begun alone and had its third epoch by four processes; the fourth is alone again.
    again = trainer.fit(job, replace(OPTIONS, resume=True, epochs=4), Path("one.pth"))
    through = trainer.fit(job, replace(OPTIONS, epochs=4), Path("through.pth"))
    for ours, theirs in zip(again, through, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_sums_saved_within_an_epoch_are_those_of_all_items_whoever_resumes(pairs: Path) -> None:
    job = DenoisingTask(Source("data"), sizes=SIZES)
    straight = trainer.fit(job, OPTIONS, Path("a.pth"))
    trainer.fit(job, replace(OPTIONS, epochs=1), Path("b.pth"))
    saved = weights_file.load_dict("b.resume.pth")
    del saved["shares"]  # as files of earlier versions
    weights_file.save("b.resume.pth", saved)
    assert trainer.fit(job, replace(OPTIONS, resume=True), Path("b.pth")) == straight


def test_what_only_one_process_meets_ends_all_with_one_line(pairs: Path) -> None:
    path = pairs / "train/noisy/4.npy"
    mel = np.load(path)
    mel[3] = np.nan
    np.save(path, mel)
    ran = together(2, ROOT / "train_denoising.py", "--epochs", 3, "--hidden_dim", 8, "--no_plots")
    assert ran.status == 1
    (line,) = told(ran)
    assert line.startswith("error: data/train/noisy/4.npy has 80 NaN")
    assert "gloo" not in ran.err


def test_ctrl_c_saves_and_is_told_once(pairs: Path) -> None:
    running = subprocess.Popen(
        command(2, ROOT / "train_denoising.py", "--epochs", 100000, "--no_plots", "--hidden_dim", 8),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("epoch 2/"):
            break
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    out, err = running.communicate(timeout=100)
    assert told(Ran(running.returncode, out, err)) == ["interrupted"]
    assert out.count("--resume") == 1
    assert weights_file.load_dict("models/denoiser.resume.pth")["progress"]["epoch"] >= 2


def test_figures_and_files_of_an_evaluation_come_once(pairs: Path, denoiser: Network) -> None:
    flags = ["--json", "--device", "cpu", "--plot_dir", "p", "--max_plots", 1]
    both = together(2, ROOT / "eval_denoising.py", *flags, "--csv_path", "two.csv")
    alone = run_script("eval_denoising", *flags, "--csv_path", "one.csv")
    assert both.status == alone.status == 0
    assert json.loads(both.out) == pytest.approx(json.loads(alone.out), rel=1e-5)
    assert both.err.count("picture:") == 1
    assert Path("two.csv").read_text().count("\n") == 4


def test_a_folder_is_shared_and_the_results_are_those_of_one_process(workplace: Path) -> None:
    wave, rate = sound_file.read(ROOT / "data/noisy.wav")
    for number, seconds in enumerate((3, 1, 2, 1.5)):
        path = Path(f"in/deep/{number}.wav" if number % 2 else f"in/{number}.wav")
        sound_file.write(path, wave[: int(seconds * rate)], rate)
    Path("in/0b.wav").write_bytes(b"no sound")

    def flags(name: str) -> list[str]:
        wanted = ["--timelines", "json", "--csv_path", f"{name}.csv", "--labels_path", f"{name}.json", "--mode"]
        return ["--input_path", "in", "--output_path", name, *wanted, "attenuate", "--json"]

    both, alone = (
        together(2, ROOT / "inference_cutting.py", *flags("two")),
        run_script("inference_cutting", *flags("one")),
    )
    assert both.status == alone.status == 1
    assert sorted(told(both)) == sorted(told(alone))  # warnings come when a process reaches the file
    assert sum(line.startswith("failed: in/0b.wav") for line in told(both)) == 1
    for ours, theirs in (
        (both.out, alone.out),
        *((Path(f"{n}").read_text() for n in (f"two{s}", f"one{s}")) for s in (".csv", ".json")),
    ):
        assert ours.replace("two/", "one/") == theirs
    files = sorted(path.relative_to("one") for path in Path("one").rglob("*.*"))
    assert len(files) == 8
    assert all(Path("two", name).read_bytes() == Path("one", name).read_bytes() for name in files)


def test_shares_are_balanced_and_hold_everything_once() -> None:
    sizes = [9, 1, 1, 1, 8, 1, 0, 1, 1, 9]
    shares = batch_files.balanced(sizes, 3)
    assert sorted(number for share in shares for number in share) == list(range(10))
    totals = [sum(sizes[number] for number in share) for share in shares]
    assert max(totals) - min(totals) <= 1
    assert batch_files.balanced(sizes, 1) == [list(range(10))]
    assert [] in batch_files.balanced([5], 2)


if __name__ == "__main__":
    parser.run(main)
