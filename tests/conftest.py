import contextlib
import importlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.cli import parser
from clearmel.cli.main import VERBS
from clearmel.networks import LSTMClassifier, LSTMDenoiser, Network

ROOT = Path(__file__).parent.parent
SCRIPTS = {path.stem for path in ROOT.glob("*.py")}
torch.set_num_threads(1)


class Ran(NamedTuple):
    status: int
    out: str
    err: str


def main_of(name: str) -> Callable[[list[str]], int]:
    """The main function of a script, or of a module of the command."""
    main: Callable[[list[str]], int] = importlib.import_module(name if name in SCRIPTS else f"clearmel.cli.{name}").main
    return main


def run_script(name: str, *flags: object) -> Ran:
    """Runs a script's main as the shell would, in this process."""
    out, err = io.StringIO(), io.StringIO()
    main = main_of(name)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            parser.run(lambda _: main([str(flag) for flag in flags]))
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Ran(status, out.getvalue(), err.getvalue())


def run_process(name: str, *flags: object, cwd: Path) -> Ran:
    """Runs a script, or a verb of the command, as its own process."""
    verbs = {module: verb for verb, (module, _) in VERBS.items()}
    start = [str(ROOT / f"{name}.py")] if name in SCRIPTS else ["-m", "clearmel", *verbs[name].split()]
    command = [sys.executable, *start, *map(str, flags)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def refused(ran: Ran, *words: str, status: int = 2) -> None:
    """Asserts one clear line on stderr that names all `words`, no traceback, and the exit status."""
    lines = [line for line in ran.err.splitlines() if line.startswith(("error:", "failed:"))]
    assert ran.status == status, ran
    assert "Traceback" not in ran.err
    assert len(lines) == 1, ran.err
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test runs in a folder of its own, without a screen."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset built from the sample clips: en, fr and it to train on, ru to validate. Read only."""
    output = tmp_path_factory.mktemp("built")
    speech, noise = ROOT / "data/speech", ROOT / "data/noise"
    ran = run_script(
        "build_dataset", "--clean_path", speech, "--noise_path", noise, "--val_speakers", "ru",
        "--val_noises", "val_market,val_harbour,val_jungle", "--n_mixtures", 2, "--output_path", output, "--workers", 1,
    )  # fmt: skip
    assert ran.status == 0, ran
    return output


@pytest.fixture(scope="session")
def speech() -> torch.Tensor:
    """Three seconds of somebody who speaks (1, N), at 16 kHz."""
    return torch.from_numpy(sound_file.read(ROOT / "data/speech/en/agent-newlocation.flac", 16000)[0])[None]


def hiss(speech: torch.Tensor, snr_db: float, seed: int = 0) -> torch.Tensor:
    """White noise as long as the speech, this far below it."""
    drawn = torch.randn(speech.shape, generator=torch.Generator().manual_seed(seed))
    return drawn * (speech.square().mean() / 10 ** (snr_db / 10)).sqrt()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def save_network(workplace: Path) -> Callable[[Network, str, str], Network]:
    """Saves a network under models/ with a card."""

    def save(network: Network, task: str, name: str) -> Network:
        labels = ["noisy", "clean"] if task == "classification" else []
        network.card = weights_file.make_card(network, task, MelFeatures(), labels)
        weights_file.save(Path("models", name), network.state_dict())
        return network.eval()

    return save


@pytest.fixture
def denoiser(save_network: Callable[[Network, str, str], Network]) -> Network:
    """Random weights of the published size as models/denoiser.pth of the workplace."""
    torch.manual_seed(0)
    return save_network(LSTMDenoiser(), "denoising", "denoiser.pth")


@pytest.fixture
def classifier(save_network: Callable[[Network, str, str], Network]) -> Network:
    """Random weights of the published size as models/classifier.pth of the workplace."""
    torch.manual_seed(0)
    return save_network(LSTMClassifier(), "classification", "classifier.pth")


@pytest.fixture
def tree(workplace: Path, rng: np.random.Generator) -> Path:
    """A tiny dataset of random mels: 6 training pairs and 3 to validate, of 20 to 40 frames."""
    root = workplace / "data"
    for split, count in (("train", 6), ("val", 3)):
        for index in range(count):
            n_frames = int(rng.integers(20, 40))
            clean = rng.normal(-0.5, 0.3, (n_frames, 80)).astype(np.float32)
            for side, mel in (("clean", clean), ("noisy", clean + rng.uniform(0, 0.4, (n_frames, 80)))):
                folder = root / split / side / f"speaker{index % 2}"
                folder.mkdir(parents=True, exist_ok=True)
                np.save(folder / f"{index}.npy", np.asarray(mel, np.float32))
    return root


@pytest.fixture
def recording(workplace: Path) -> Path:
    """One second of a sample clip as .wav."""
    wave, rate = sound_file.read(ROOT / "data/noisy.wav")
    sound_file.write(workplace / "in.wav", wave[:rate], rate, "PCM_16")
    return workplace / "in.wav"


@pytest.fixture
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 200 kB that is nearly full at once."""
    folder = tmp_path_factory.mktemp("disk")
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Ends with one line that says what was skipped, and how to run it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = sorted({str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped})
    if reasons:
        terminalreporter.write_line(f"skipped {len(skipped)}: {'; '.join(reasons)}")
