"""Evaluates a denoiser: errors of mels, and quality of the denoised sound of pairs of recordings."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.checkpoints import weights_file
from clearmel.core import distributed
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, ensure_writable, quoted
from clearmel.data.mel_datasets import MelDataset, PairedMels
from clearmel.evaluation.base import evaluate_task
from clearmel.inference import denoise
from clearmel.metrics import speech_quality
from clearmel.metrics.speech_quality import RATE, figures
from clearmel.networks import Denoiser
from clearmel.options import DenoiseOptions
from clearmel.options.evaluation import EvalOptions, OutputOptions
from clearmel.options.source import Source
from clearmel.reporting import html_report, tables
from clearmel.runtime.model import as_model
from clearmel.tasks import DenoisingTask
from clearmel.tasks.base import Record

SIDES = ("noisy", "denoised", "clean")


@dataclass(frozen=True)
class DenoisedPair:
    """A pair as sound: waves (N,) by side at 16 kHz, and figures of the noisy and the denoised one."""

    name: str
    waves: dict[str, FloatArray]
    scores: dict[str, float]


def denoise_pairs(
    network: Denoiser, data: MelDataset, options: DenoiseOptions, measured: bool, numbers: Iterable[int] | None = None
) -> Iterator[DenoisedPair]:
    """Denoises the noisy recordings of a dataset of sound files, and scores them.

    Args:
        network: a denoiser.
        data: pairs of recordings; each is denoised at its own rate with all channels, then scored as their mean.
        options: strength and attenuation limit.
        measured: whether to compute figures.
        numbers: indices of the items; default: all.

    Raises:
        InputError: an item is not a sound file, or its two sides differ in rate or length.
    """
    if not isinstance(data, PairedMels):
        raise InputError("shards hold mels; figures and reports of sound need pairs of sound files.")
    for ours, theirs in map(data.pair, range(len(data)) if numbers is None else numbers):
        paths = {"noisy": data.noisy.root / ours, "clean": data.clean.root / theirs}
        for path in paths.values():
            if path.suffix.lower() == ".npy":
                raise InputError(f"{quoted(path)} is a mel; figures and reports of sound need pairs of sound files.")
        info, other = (sound_file.inspect(path) for path in paths.values())
        if info.sample_rate != other.sample_rate:
            raise InputError(
                f"{quoted(paths['noisy'])} has {info.sample_rate} Hz, its partner {other.sample_rate} Hz; "
                "expected one rate."
            )
        native = {side: np.concatenate(list(sound_file.blocks(path)), axis=1) for side, path in paths.items()}
        if native["noisy"].shape[1] != native["clean"].shape[1]:
            lengths = [wave.shape[1] for wave in native.values()]
            raise InputError(f"{quoted(paths['noisy'])} has {lengths[0]} samples, its partner {lengths[1]}.")
        pieces = denoise.denoise_blocks(network, [native["noisy"]], info.sample_rate, info.n_channels, options)
        native["denoised"] = np.concatenate(list(pieces), axis=1)
        waves = {side: sound_file.resample(native[side].mean(axis=0), info.sample_rate, RATE) for side in SIDES}
        scores = {
            f"{key}_{side}": value
            for side in SIDES[: 2 if measured else 0]
            for key, value in figures(waves[side], waves["clean"]).items()
        }
        yield DenoisedPair(ours.as_posix(), waves, scores)


class EvaluatedDenoiser(NamedTuple):
    """The network, its task and data, one record per item, and the figures over all items."""

    network: Denoiser
    task: DenoisingTask
    data: MelDataset
    records: list[Record]
    report: dict[str, float]


def evaluate_denoiser(
    model_filename: str,
    source: Source,
    denoising: DenoiseOptions,
    options: EvalOptions,
    output: OutputOptions,
    *,
    audio_metrics: bool = False,
    report_path: str | None = None,
) -> EvaluatedDenoiser:
    """Evaluates a denoiser on mels and, on request, on sound; may write a page with players.

    Args:
        model_filename: weights in models/.
        source: the data.
        denoising: strength and attenuation limit for the sound.
        options: batch size, device and processes.
        output: where the figures go.
        audio_metrics: also compute figures of the sound.
        report_path: HTML page with players and spectrograms of all items; None: no page.

    Raises:
        InputError: packages for the figures are missing, or an item cannot be read.
    """
    if audio_metrics:
        speech_quality.require()
        if not speech_quality.has_dnsmos():
            print("speechmos is not installed: no DNSMOS", file=sys.stderr)
    if report_path:
        ensure_writable(report_path)
    network = weights_file.load_denoiser(model_filename)
    task = DenoisingTask(
        source, MelFeatures(**network.card["features"]), warm_up_s=denoise.priming_s(as_model(network), denoising)
    )
    data, records, report = evaluate_task(task, network, options)
    by_name = {str(record["name"]): record for record in records}
    numbers = range(len(data)) if report_path else distributed.share(len(data))

    def entries() -> Iterator[html_report.Entry]:
        pairs = denoise_pairs(network, data, denoising, audio_metrics, numbers)
        for item in tqdm(pairs, total=len(numbers), unit="item", leave=False, disable=None):
            by_name[item.name] |= item.scores
            scores = {key: float(value) for key, value in by_name[item.name].items() if key != "name"}
            yield html_report.Entry(item.name, item.waves, scores)

    if report_path:
        distributed.leave_to_rank_zero()  # one process writes the page and therefore denoises all items
        html_report.write(Path(report_path), f"{model_filename}: noisy, denoised, clean", entries(), MelFeatures())
        print(f"saved {report_path}", file=sys.stderr)
    elif audio_metrics:
        for _ in entries():
            pass
        records = distributed.gather([(number, records[number]) for number in numbers])
    distributed.leave_to_rank_zero()
    if audio_metrics:
        sound = [{key: float(value) for key, value in r.items() if key not in ("name", *report)} for r in records]
        report |= speech_quality.mean(sound)
    tables.write(report, records, output.csv_path, as_json=output.json)
    return EvaluatedDenoiser(network, task, data, records, report)
