"""Kills each kind of work (SIGKILL) a hundred times at random moments, and checks that nothing is lost.

After every kill the files must be intact, and everything that was reported as saved must exist. At the end the work
runs without a kill: its results must equal those of an uninterrupted run byte for byte, and no temporary file may be
left. Linux and macOS only.
"""

import argparse
import hashlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # import it here, not in the first step of every process

from clearmel.audio import sound_file
from clearmel.checkpoints import weights_file
from clearmel.cli import build_dataset, train_denoising
from clearmel.cli.denoise import inference_audio
from clearmel.core.errors import InputError
from clearmel.core.npy import read_mel, write_array
from clearmel.segments.label_file import LabelFile

ROOT = Path(__file__).parents[2]
EPOCHS = 60
TRAINING = [
    "--dataset_path",
    "data",
    "--network",
    "lstm",
    "--batch_size",
    "2",
    "--save_minutes",
    "0.0002",
    "--no_plots",
    "--workers",
    "0",
]


class Killed:
    """Runs work in a child process and kills it after a random time."""

    def __init__(self, seed: int) -> None:
        self.random, self.kills = random.Random(seed), 0

    def run(self, work: Callable[[Callable[[str], None]], object], longest_s: float) -> tuple[bool, list[str]]:
        """Returns whether it ended by itself, and the lines that it reported; `longest_s` 0 never kills."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            status = 1
            try:
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                    work(lambda line: os.write(writing, f"{line}\n".encode()) and None)
                status = 0
            except BaseException as error:  # the parent reports it
                os.write(writing, f"error {type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(status)
        os.close(writing)
        ended, deadline = 0, time.monotonic() + self.random.uniform(0, longest_s)
        while not ended and (not longest_s or time.monotonic() < deadline):
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if not ended:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            self.kills += 1
        with os.fdopen(reading, encoding="utf-8") as said:
            lines = said.read().splitlines()
        if ended and status:
            raise SystemExit(f"the work failed: {lines[-1:]}")
        return bool(ended), lines


def training(killed: Killed, kills: int) -> str:
    """A training, resumed after every kill; its weights must equal those of an uninterrupted run."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for index in range(6):
            for side in ("noisy", "clean"):
                mel = rng.normal(-0.5, 0.3, (30 + index, 80)).astype(np.float32)
                write_array(Path("data", split, side, f"{index}.npy"), mel)

    def train(name: str, epochs: int) -> None:
        resume = ["--resume"] if Path("models", name).with_suffix(".resume.pth").exists() else []
        train_denoising.main([*TRAINING, "--epochs", str(epochs), "--model_filename", name, *resume])

    killed.run(lambda _: train("straight.pth", EPOCHS), 0)
    rounds, lost, same = 0, 0, True
    while killed.kills < kills:
        before, done = (0, 0), False
        while not done and killed.kills < kills:
            done, _ = killed.run(lambda _: train("killed.pth", EPOCHS), 0.8)
            if Path("models/killed.resume.pth").exists():
                progress = weights_file.load_dict("models/killed.resume.pth")["progress"]
                now = progress["epoch"], progress["step"]
                lost += now < before
                before = now
            if Path("models/killed.pth").exists():
                weights_file.load("models/killed.pth", "denoising")
        killed.run(lambda _: train("killed.pth", EPOCHS), 0)
        for suffix in (".pth", ".history.json"):
            same = same and _alike(f"models/killed{suffix}", f"models/straight{suffix}")
        rounds += 1
        for left in Path("models").glob("killed*"):
            left.unlink()
    found = f"{rounds} trainings finished after kills; steps back: {lost}; "
    return found + f"weights and histories as of a straight one: {same}"


def building(killed: Killed, kills: int) -> str:
    """A build, repeated in its folder until complete; its bytes must equal those of an uninterrupted build."""
    command = ["--val_speakers", "ru", "--val_noises", "val_market", "--workers", "1"]
    command += ["--clean_path", str(ROOT / "data/speech"), "--noise_path", str(ROOT / "data/noise")]

    def build(folder: str) -> None:
        build_dataset.main([*command, "--output_path", folder])

    killed.run(lambda _: build("straight"), 0)
    number, finished, same = 0, 0, True
    while killed.kills < kills:
        done, _ = killed.run(lambda _, folder=f"killed{number}": build(folder), 1.5)
        for mel in Path(f"killed{number}").rglob("*/[!.]*.npy"):
            read_mel(mel)
        if done or killed.kills == kills:
            killed.run(lambda _, folder=f"killed{number}": build(folder), 0)
            same = same and _tree("straight") == _tree(f"killed{number}")
            shutil.rmtree(f"killed{number}")
            number, finished = number + 1, finished + 1
    return f"{finished} sets finished after kills; all equal to a straight build: {same}"


def labelling(killed: Killed, kills: int) -> str:
    """Saves labels; every confirmed label must be in the file."""
    names, path = [f"{index:04d}.wav" for index in range(300)], Path("labels.json")

    def label(say: Callable[[str], None]) -> None:
        store, chance = LabelFile(path, names), random.Random(time.time_ns())
        while True:
            name, start = chance.choice(names), round(chance.uniform(0, 4), 3)
            if store.save(name, [[start, start + 0.5]], 5.0, None)[0]:
                say(f"{name} {start}")

    confirmed: dict[str, float] = {}
    total = missing = 0
    while killed.kills < kills:
        _, lines = killed.run(label, 0.4)
        last: dict[str, float] = {}
        for line in lines:
            name, start = line.split()
            last[name] = float(start)
        total += len(lines)
        confirmed |= last
        store = LabelFile(path, names)
        found = {name: store.get(name, 5.0).remove[0][0] for name in confirmed}
        wrong = [name for name in confirmed if abs(found[name] - confirmed[name]) > 1e-6]
        missing += max(0, len(wrong) - 1)  # one label may be saved but not yet confirmed
        confirmed |= {name: found[name] for name in wrong[:1]}
    LabelFile(path, names).save(names[0], [], 5.0, None)
    return f"{total} labels confirmed; lost: {missing}"


def saving(killed: Killed, kills: int) -> str:
    """Overwrites weights, a mel and a recording: each must be intact, and no older than confirmed."""
    network = weights_file.load(ROOT / "models/denoiser.pth", "denoising")
    state = dict(network.state_dict())

    def save(say: Callable[[str], None]) -> None:
        version = int(np.load("mel.npy")[0, 0]) if Path("mel.npy").exists() else 0
        while True:
            version += 1
            weights_file.save("weights.pth", state | {"version": torch.tensor(version)})
            sound_file.write("sound.wav", np.full(50_000, version / 2**20, np.float32), 16000, "FLOAT")
            write_array("mel.npy", np.full((500, 80), version, np.float32))
            say(str(version))

    older = versions = 0
    while killed.kills < kills:
        _, lines = killed.run(save, 0.4)
        versions = max([versions, *map(int, lines)])
        if versions:
            found = [
                int(weights_file.load_dict("weights.pth")["version"]),
                round(float(sound_file.read("sound.wav", 16000)[0].mean()) * 2**20),
                int(read_mel("mel.npy").mean()),
            ]
            older += min(found) < versions
    killed.run(lambda _: sound_file.write("sound.wav", np.zeros(10, np.float32), 16000), 0)
    return f"{versions} versions of three files confirmed; older or damaged: {older}"


def denoising(killed: Killed, kills: int) -> str:
    """Denoises a folder: every existing file must be complete, and the results equal to an uninterrupted run."""
    for index in range(12):
        wave = 0.1 * np.random.default_rng(index).standard_normal(16000 + 4000 * index)
        sound_file.write(Path("noisy", f"{index}.wav"), wave.astype(np.float32), 16000)

    def denoise(folder: str) -> None:
        inference_audio(["--input_path", "noisy", "--output_path", folder])

    killed.run(lambda _: denoise("straight"), 0)
    number, finished, same = 0, 0, True
    while killed.kills < kills:
        done, _ = killed.run(lambda _, folder=f"killed{number}": denoise(folder), 1.2)
        for denoised in Path(f"killed{number}").glob("[!.]*"):
            same = same and _alike(denoised, Path("straight", denoised.name))
        if done or killed.kills == kills:
            killed.run(lambda _, folder=f"killed{number}": denoise(folder), 0)
            same = same and _tree("straight") == _tree(f"killed{number}")
            number, finished = number + 1, finished + 1
    return f"{finished} folders finished after kills; every file equal to that of a straight run: {same}"


WORK = {work.__name__: work for work in (training, building, labelling, saving, denoising)}


def _alike(one: str | Path, other: str | Path) -> bool:
    return Path(one).read_bytes() == Path(other).read_bytes()


def _tree(folder: str) -> str:
    """A hash of the names and contents of all files below a folder."""
    found = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="kills of each kind of work")
    parser.add_argument("--work", default=",".join(WORK), help="kinds of work, comma-separated")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| work | kills | what was found | temporary files left |\n|---|---|---|---|")
    for name in args.work.split(","):
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            killed = Killed(args.seed)
            try:
                found = WORK[name](killed, args.kills)
            except InputError as error:
                found = f"FAILED: {error.line()}"
            left = sum(1 for _ in Path(folder).rglob(".clearmel-*"))
            print(f"| {name} | {killed.kills} | {found} | {left} |", flush=True)
            os.chdir(ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
