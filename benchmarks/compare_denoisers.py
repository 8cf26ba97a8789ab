"""Compares Clearmel with public denoisers on the same recordings: quality and computing time.

Each system runs in its own process on one thread and one core, twice over all files; the faster pass counts. A
constant delay of a system is estimated by cross-correlation with its input and removed before measuring. The pairs
are two folders of 16 kHz sound files of the same names, as `clearmel build dataset --save_audio` leaves them in
<output_path>/audio/<split>/noisy and /clean; its mix.csv gives the SNRs.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import PEERS, RATE

from clearmel.audio import sound_file
from clearmel.core.file_io import list_files, replacing, write_text
from clearmel.metrics import speech_quality

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")
FIGURES = {"pesq": 2, "stoi": 3, "estoi": 3, "si_sdr": 1, "dnsmos_ovrl": 2}
BY_GROUP = {"PESQ": ("pesq", 2), "ESTOI": ("estoi", 3), "SI-SDR": ("si_sdr", 1)}


def clearmel(model: str, warm_up_s: float | None, passes: int) -> Any:
    """A function that denoises with weights of Clearmel, and their number of parameters."""
    from clearmel.checkpoints import weights_file
    from clearmel.inference import denoise
    from clearmel.options import DenoiseOptions
    from clearmel.runtime import load

    network = load.by_name(model, "denoising", n_threads=1)
    options = DenoiseOptions(warm_up_s=warm_up_s, passes=passes)

    def process(wave: np.ndarray) -> np.ndarray:
        return np.concatenate(list(denoise.denoise_blocks(network, [wave[None]], RATE, 1, options)), axis=1)[0]

    return process, f"{weights_file.load_denoiser(model).n_parameters() / 1e6:.2f} M"


def work(system: str, args: argparse.Namespace, output: Path) -> dict[str, Any]:
    """Runs a system over all files; returns its time per second of sound and its peak memory."""
    noisy: Path = args.noisy_path
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    waves = {name: sound_file.read(noisy / name, RATE)[0] for name in list_files(noisy, sound_file.SUFFIXES)}
    if system in PEERS:
        process, parameters = PEERS[system].make(), PEERS[system].parameters
    else:
        process, parameters = clearmel(system, 0.0 if args.twice else args.warm_up_s, args.passes)
    process(0.01 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32))  # the first call is slow
    passes = []
    for number in range(2):
        begun = time.process_time()
        for name, wave in waves.items():
            made = process(np.tile(wave, 2))[len(wave) :] if args.twice else process(wave.copy())
            if not number:
                sound_file.write(output / name, np.asarray(made, np.float32), RATE, "FLOAT")
        passes.append(time.process_time() - begun)
    seconds = sum(map(len, waves.values())) / RATE
    return {"rtf": min(passes) / seconds, "peak_mib": peak_mib(), "parameters": parameters}


def peak_mib() -> float:
    """Peak memory of this process; ru_maxrss on Linux would include that of the parent process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def delay_of(made: np.ndarray, noisy: np.ndarray) -> int:
    """Delay of `made` in samples, within 200 ms either way."""
    n_fft = 1 << (max(len(made), len(noisy)) * 2).bit_length()
    product = np.fft.irfft(np.fft.rfft(made, n_fft) * np.conj(np.fft.rfft(noisy, n_fft)), n_fft)
    reach = RATE // 5
    return int(np.argmax(np.concatenate([product[-reach:], product[: reach + 1]]))) - reach


def measure(folder: Path, args: argparse.Namespace, names: list[Path]) -> dict[str, Any]:
    """Scores of a system for each file after removal of its constant delay, and that delay in ms."""
    made = {name: sound_file.read(folder / name, RATE)[0] for name in names}
    noisy = {name: sound_file.read(args.noisy_path / name, RATE)[0] for name in names}
    delay = int(np.median([delay_of(made[name], noisy[name]) for name in names]))
    rows = []
    for index, name in enumerate(names):
        clean = sound_file.read(args.clean_path / name, RATE)[0]
        wave = np.pad(made[name], (max(0, -delay), 0))[max(0, delay) :]
        wave = np.pad(wave[: len(clean)], (0, max(0, len(clean) - len(wave))))
        rows.append(speech_quality.figures(wave, clean, dnsmos=index % args.dnsmos_step == 0))
    return {"rows": rows, "delay_ms": 1000 * delay / RATE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--noisy_path", type=Path, required=True, help="folder of noisy recordings")
    parser.add_argument("--clean_path", type=Path, required=True, help="folder of the clean recordings")
    parser.add_argument("--mix_csv", type=Path, help="mix.csv of the dataset, for tables by SNR and by noise")
    parser.add_argument(
        "--systems", default="denoiser.pth,denoiser_tiny.pth," + ",".join(PEERS), help="comma-separated"
    )
    parser.add_argument("--passes", type=int, default=2, help="passes of Clearmel, 1 as in a stream")
    parser.add_argument("--warm_up_s", type=float, help="priming of Clearmel (default: that of the weights)")
    parser.add_argument(
        "--twice",
        action="store_true",
        help="feed each recording twice in a row; the second pass counts",
    )
    parser.add_argument("--dnsmos_step", type=int, default=1, help="DNSMOS for every n-th file only; it is slow")
    parser.add_argument("--json_path", type=Path, help="write all scores of all files to this file")
    parser.add_argument("--picture", type=Path, help="write a plot of quality against time to this PNG")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(work(args.worker[0], args, Path(args.worker[1]))))
        return
    names = list_files(args.noisy_path, sound_file.SUFFIXES)
    systems: dict[str, dict[str, Any]] = {"noisy": measure(args.noisy_path, args, names)}
    for system in args.systems.split(","):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--noisy_path", args.noisy_path, "--clean_path", args.clean_path]
            command += ["--twice"] if args.twice else []
            command += [] if args.warm_up_s is None else ["--warm_up_s", args.warm_up_s]
            command += ["--passes", args.passes]
            done = subprocess.run(
                [*map(str, command), "--worker", system, folder],
                env=os.environ | dict.fromkeys(THREADS, "1"), capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                print(f"{system} skipped: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            systems[system] = json.loads(done.stdout.splitlines()[-1])
            systems[system] |= measure(Path(folder), args, names)
            print(f"{system} measured", file=sys.stderr)
    print_tables(systems, names, args.mix_csv)
    if args.json_path:
        write_text(args.json_path, json.dumps({"files": [str(name) for name in names]} | systems, indent=1))
    if args.picture:
        draw(systems, args.picture)


def title(system: str) -> str:
    """Name of a system in the tables."""
    if system == "noisy":
        return "(noisy input)"
    return PEERS[system].title if system in PEERS else f"**Clearmel** `{system}`"


def print_tables(systems: dict[str, dict[str, Any]], names: list[Path], mix_csv: Path | None) -> None:
    """Prints all systems, best PESQ first; then figures by SNR, rounded down to multiples of 5 dB, and by noise."""
    means = {system: speech_quality.mean(found["rows"]) for system, found in systems.items()}
    order = sorted(means, key=lambda system: -means[system]["pesq"])
    print(f"\n{len(names)} recordings\n")
    print("| system | parameters | " + " | ".join(FIGURES) + " | delay ms | real-time factor | memory MiB |")
    print("|---|---|" + "---|" * (len(FIGURES) + 3))
    for system in order:
        cells = [f"{means[system].get(key, np.nan):.{digits}f}" for key, digits in FIGURES.items()]
        cost = systems[system]
        cells.append(f"{cost['delay_ms']:.0f}")
        cells += [f"{cost['rtf']:.4f}", f"{cost['peak_mib']:.0f}"] if "rtf" in cost else ["-", "-"]
        print(f"| {title(system)} | {cost.get('parameters', '-')} | {' | '.join(cells)} |")
    if mix_csv is None:
        return
    with mix_csv.open(encoding="utf-8") as file:
        rows = {Path(row["name"]).with_suffix(""): row for row in csv.DictReader(file)}
    mixtures = [rows[name.with_suffix("")] for name in names]
    lowest_db = [int(5 * np.floor(float(row["snr_db"]) / 5)) for row in mixtures]
    columns = sorted(set(lowest_db))
    print(f"\n| {' / '.join(BY_GROUP)} from an SNR of | " + " | ".join(f"{low} dB" for low in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for system in order:
        cells = [group_figures(systems[system]["rows"], lowest_db, low) for low in columns]
        print(f"| {title(system)} | {' | '.join(cells)} |")
    noises = [Path(row["noise"]).parent.name or row["noise"] for row in mixtures]
    print(f"\n| {' / '.join(BY_GROUP)} in | mixtures | " + " | ".join(map(title, order)) + " |")
    print("|---|---|" + "---|" * len(order))
    for noise in sorted(set(noises)):
        cells = [group_figures(systems[system]["rows"], noises, noise) for system in order]
        print(f"| {noise} | {noises.count(noise)} | {' | '.join(cells)} |")


def group_figures(rows: list[dict[str, float]], groups: list[Any], group: Any) -> str:
    """Mean figures over the files of one group, such as "1.92 / 0.737 / 9.4"."""
    chosen = [row for row, own in zip(rows, groups, strict=True) if own == group]
    return " / ".join(f"{np.nanmean([row[key] for row in chosen]):.{digits}f}" for key, digits in BY_GROUP.values())


def draw(systems: dict[str, dict[str, Any]], path: Path) -> None:
    """Plots PESQ against the real-time factor with one point per system."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.transforms import Bbox

    figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
    labels = dict[str, tuple[float, float, int]]()
    for system, found in systems.items():
        height = speech_quality.mean(found["rows"])["pesq"]
        if "rtf" not in found:
            axis.axhline(height, color="grey", linestyle=":", linewidth=1)
            axis.annotate("noisy input", (0.99, height), xycoords=("axes fraction", "data"), ha="right", va="bottom")
            continue
        ours = system not in PEERS
        axis.plot(found["rtf"], height, "*" if ours else "o", markersize=15 if ours else 7, color=f"C{int(ours)}")
        name = f"Clearmel {Path(system).stem}" if ours else title(system).split(" (")[0]
        labels[name] = found["rtf"], height, 9 if ours else 5
    axis.set(xscale="log", xlabel="seconds of computing per second of sound, one thread", ylabel="PESQ (wideband)")
    axis.margins(x=0.2, y=0.12)
    axis.grid(alpha=0.3)
    figure.draw_without_rendering()  # fixes the positions of the points
    points = [
        Bbox.from_bounds(*axis.transData.transform((x, y)) - half, 2 * half, 2 * half) for x, y, half in labels.values()
    ]
    taken: list[Bbox] = []
    for name, (*place, _half) in labels.items():
        for x, y, side in ((7, 5, "left"), (9, -4, "left"), (-9, -4, "right"), (-7, 5, "right"), (7, -14, "left")):
            label = axis.annotate(name, place, xytext=(x, y), textcoords="offset points", ha=side)
            box = label.get_window_extent()
            inside = axis.bbox.x0 < box.x0 and box.x1 < axis.bbox.x1
            if inside and not any(box.overlaps(other) for other in points + taken):
                break
            label.remove()
        else:
            label = axis.annotate(name, place, xytext=(7, 5), textcoords="offset points")
        taken.append(label.get_window_extent())
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


if __name__ == "__main__":
    main()
