"""Feeds damaged files of every kind that Clearmel reads to its readers, and prints a table of the results.

    python -m tests.stress.fuzz_readers --cases 2000

A file must be accepted or refused in one line, within seconds, in bounded memory, and without output of libraries on
the terminal. Files that fail are saved to a folder, and the exit status is 1. Needs a system with fork (Linux, macOS).
"""

import argparse
import multiprocessing
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import torch

from tests.stress import fuzz_inputs
from tests.stress.fuzz_inputs import READERS, Inputs

ROOT = Path(__file__).parents[2]
ALLOWED = re.compile(
    r"^(live: .*|warning: .*|saved .*|(denoised|separated) .*|no validation set: .*|\s*"
    r"|\[src/libmpg123/.*|Note: .*|Warning: (Xing|Encountered|Real).*|main: .*)$"
)
"""Accepted lines on stderr: those of Clearmel, and those of libmpg123 on damaged mp3s, which cannot be disabled."""


class Result(NamedTuple):
    """The result of a case."""

    reader: str
    index: int
    status: str
    words: str
    what: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of all damage")
    parser.add_argument("--cases", type=int, default=2000, help="files to read, over all readers")
    parser.add_argument("--script_cases", type=int, default=40, help="cases to run through the scripts as well")
    parser.add_argument("--readers", help="only these readers, comma-separated")
    parser.add_argument("--processes", type=int, default=2, help="parallel processes")
    parser.add_argument("--limit_s", type=float, default=20.0, help="seconds per file; more counts as a hang")
    parser.add_argument("--memory_gb", type=float, default=3.0, help="memory for reading, in addition to the libraries")
    parser.add_argument("--keep_path", default="fuzz_failures", help="folder for the files that failed")
    args = parser.parse_args()
    torch.set_num_threads(1)
    chosen = args.readers.split(",") if args.readers else list(READERS)
    plan = [(reader, index) for reader, index in fuzz_inputs.shares(args.cases) if reader in chosen]
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            stdout, sys.stdout = sys.stdout, nowhere
            fuzz_inputs.prepare()
            sys.stdout = stdout
        shutil.copytree(name, f"{name}/../{Path(name).name}_whole")
        inputs = Inputs(args.seed)
        whole = Path(f"{name}_whole")
        try:
            found = list(run_all(inputs, plan, whole, args))
            found += through_scripts(inputs, plan, whole, args.script_cases)
        finally:
            os.chdir(ROOT)
            shutil.rmtree(whole)
    return report(inputs, found, Path(args.keep_path))


def report(inputs: Inputs, found: list[Result], keep: Path) -> int:
    """Prints the table, saves the files that failed, and returns the exit status."""
    counts = Counter((result.reader, result.status) for result in found)
    print("| reader | cases | accepted | refused | failures |\n|---|---|---|---|---|")
    names = list(dict.fromkeys(result.reader for result in found))
    for name in [*names, "all"]:
        own = [sum(n for (one, status), n in counts.items() if name in (one, "all") and status == wanted)
               for wanted in ("accepted", "refused", "failed")]  # fmt: skip
        print(f"| {name} | {sum(own)} | {own[0]} | {own[1]} | {own[2]} |")
    failed = [result for result in found if result.status == "failed"]
    for result in failed:
        keep.mkdir(parents=True, exist_ok=True)
        reader = result.reader.removeprefix("script: ").split(" < ")[-1]
        path = keep / f"{re.sub(r'[^A-Za-z0-9]+', '_', reader)}_{result.index}{READERS[reader].suffix}"
        path.write_bytes(inputs.case(reader, result.index)[1])
        print(f"{path}: {result.reader}, {result.what}: {result.words}", file=sys.stderr)
    return 1 if failed else 0


def run_all(inputs: Inputs, plan: list[tuple[str, int]], whole: Path, args: argparse.Namespace) -> Iterator[Result]:
    """Runs every case in worker processes, which are replaced when they hang or die."""
    left, at_work = plan[::-1], dict[Connection, tuple[Any, tuple[str, int], float]]()
    idle: list[tuple[Any, Connection]] = []
    context = multiprocessing.get_context("fork")
    while left or at_work:
        while left and len(at_work) < args.processes:
            if not idle:
                ours, theirs = context.Pipe()
                process = context.Process(target=work, args=(theirs, inputs, whole, args.memory_gb), daemon=True)
                process.start()
                theirs.close()
                idle.append((process, ours))
            process, pipe = idle.pop()
            case = left.pop()
            pipe.send(case)
            at_work[pipe] = process, case, time.monotonic()
        ready = set(wait(list(at_work), 0.5))
        for pipe, (process, case, since) in list(at_work.items()):
            what = inputs.case(*case)[0] if pipe in ready else ""
            if pipe in ready:
                del at_work[pipe]
                try:
                    status, words = pipe.recv()
                    idle.append((process, pipe))
                except EOFError:
                    process.join()
                    status, words = "failed", f"the process died with {process.exitcode}"
                yield Result(*case, status, words, what)
            elif time.monotonic() - since > args.limit_s:
                del at_work[pipe]
                process.kill()
                process.join()
                yield Result(*case, "failed", f"hangs for {args.limit_s:g} s", inputs.case(*case)[0])
    for process, pipe in idle:
        pipe.send(None)
        process.join()


def work(pipe: Connection, inputs: Inputs, whole: Path, memory_gb: float) -> None:
    """Reads cases from the pipe in a copy of the prepared folder."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(whole, name, dirs_exist_ok=True)
        os.chdir(name)
        limit_memory(memory_gb)
        while case := pipe.recv():
            pipe.send(read_one(inputs, *case))


def limit_memory(memory_gb: float) -> None:
    """Sets RLIMIT_AS to the present address space of this process plus `memory_gb`."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        most = pages * resource.getpagesize() + int(memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def read_one(inputs: Inputs, reader: str, index: int) -> tuple[str, str]:
    """Runs a case in the current folder, to which it may write; returns the status and a message."""
    what, data = inputs.case(reader, index)
    path = Path(f"case{READERS[reader].suffix}")
    path.write_bytes(data)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as said:
        for number in (1, 2):
            os.dup2(said.fileno(), number)
        try:
            status, words = fuzz_inputs.verdict(reader, path)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, handle in zip((1, 2), kept, strict=True):
                os.dup2(handle, number)
                os.close(handle)
        said.seek(0)
        noise = said.read().decode("utf-8", "replace") if reader != "resume file" else ""
    odd = [line for line in noise.splitlines() if not ALLOWED.match(line)]
    if Path("owned").exists():
        Path("owned").unlink()
        return "failed", "code from the file was run"
    if status != "failed" and odd:
        return "failed", f"prints to the terminal: {odd[0][:200]!r}"
    if status == "refused" and what.startswith("whole"):
        return "failed", f"a valid file was refused: {words}"
    return status, words


SCRIPTS: dict[str, list[list[str]]] = {
    "mel": [
        ["inference_spectrogram.py", "--input_path", "CASE", "--output_path", "o.npy", "--no_plots"],
        ["inference_classification.py", "--input_path", "CASE", "--model_filename", "classifier.pth"],
    ],
    "sound": [
        ["inference_audio.py", "--input_path", "CASE", "--output_path", "o.wav", "--model_filename", "denoiser.pth"],
        ["inference_classification.py", "--input_path", "CASE", "--model_filename", "classifier.pth"],
        ["inference_cutting.py", "--input_path", "CASE", "--output_path", "o.wav", "--model_filename", "cutter.pth"],
        ["inference_separation.py", "--input_path", "CASE", "--output_path", "o", "--model_filename", "separator.pth"],
    ],
    "pipe": [["inference_audio.py", "--input_path", "-", "--output_path", "o.wav", "--model_filename", "lstm.pth"]],
    "labels of the page": [
        ["inference_cutting.py", "--input_path", "clips/a.wav", "--labels_path", "CASE", "--timeline_only",
         "--model_filename", "cutter.pth"],
    ],
    "labels to train on": [
        ["eval_cutting.py", "--dataset_path", "clips", "--labels_path", "CASE", "--no_peers", "--model_filename",
         "cutter.pth", "--device", "cpu"],
    ],
    "ESC-50's table": [
        ["train_classification.py", "--dataset_path", "esc", "--val_fold", "0", "--epochs", "1", "--device", "cpu",
         "--model_filename", "new.pth", "--no_plots"],
    ],
    "weights": [
        ["inference_audio.py", "--input_path", "clips/a.wav", "--output_path", "o.wav", "--model_filename", "CASE"],
        ["inference_spectrogram.py", "--input_path", "mel.npy", "--output_path", "o.npy", "--model_filename", "CASE",
         "--no_plots"],
        ["inference_classification.py", "--input_path", "clips/a.wav", "--model_filename", "CASE"],
        ["inference_cutting.py", "--input_path", "clips/a.wav", "--output_path", "o.wav", "--model_filename", "CASE"],
        ["inference_separation.py", "--input_path", "clips/a.wav", "--output_path", "o", "--model_filename", "CASE"],
    ],
    "resume file": [
        ["train_denoising.py", "--dataset_path", "training", "--network", "lstm", "--hidden_dim", "4", "--epochs", "2",
         "--batch_size", "2", "--device", "cpu", "--model_filename", "resumed.pth", "--resume", "--no_plots"],
    ],
    "faces": [
        ["inference_separation.py", "--input_path", "clips/a.wav", "--output_path", "o", "--faces_path", "CASE",
         "--model_filename", "faces.pth"],
    ],
}  # fmt: skip
PLACES = {"resume file": "models/resumed.resume.pth", "ESC-50's table": "esc/meta/esc50.csv"}
"""Paths of files that no flag of a script names."""


def through_scripts(inputs: Inputs, plan: list[tuple[str, int]], whole: Path, n_cases: int) -> Iterator[Result]:
    """Runs some cases through the scripts; each must exit with 0, or print one line and exit with 1 or 2."""
    planned = [(reader, script) for reader, scripts in SCRIPTS.items() for script in scripts]
    numbers = {reader: [index for one, index in plan if one == reader] for reader in SCRIPTS}
    planned = [one for one in planned if numbers[one[0]]]
    for number in range(n_cases if planned else 0):
        reader, script = planned[number % len(planned)]
        turn = number // len(planned)  # the first turn uses valid files, which must be accepted
        index = numbers[reader][(turn * 997 + number * 131) % len(numbers[reader])] if turn else 0
        what, data = inputs.case(reader, index)
        with tempfile.TemporaryDirectory() as name:
            shutil.copytree(whole, name, dirs_exist_ok=True)
            case = Path(name, PLACES.get(reader, f"case{READERS[reader].suffix}"))
            case.write_bytes(data)
            flags = [str(case) if flag == "CASE" else flag for flag in script[1:]]
            status, words = by_script(script[0], flags, case, Path(name))
            if status == "refused" and not turn and reader != "weights":  # each script accepts only some tasks
                status = "failed"
            yield Result(f"script: {script[0]} < {reader}", index, status, words, what)


def by_script(script: str, flags: list[str], case: Path, folder: Path) -> tuple[str, str]:
    """Runs a script; returns the status and a message."""
    with case.open("rb") as stdin:
        try:
            done = subprocess.run(
                [sys.executable, str(ROOT / script), *flags],
                cwd=folder, stdin=stdin, capture_output=True, timeout=120, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return "failed", "hangs for 120 s"
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if line.startswith(("error: ", "failed: "))]
    odd = [line for line in lines if line not in errors and not ALLOWED.match(line)]
    if (folder / "owned").exists():
        return "failed", "code from the file was run"
    if odd or (done.returncode, len(errors)) not in ((0, 0), (1, 1), (2, 1)):
        return "failed", f"status {done.returncode}: {(odd or errors or ['nothing said'])[-1][:200]}"
    return ("refused", errors[0]) if errors else ("accepted", "")


if __name__ == "__main__":
    sys.exit(main())
