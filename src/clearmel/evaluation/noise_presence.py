"""Detection of noise in speech: figures by SNR, by kind of noise, and compared with simple rules without training."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from clearmel.audio import levels
from clearmel.core.file_io import FloatArray
from clearmel.metrics import classification, snr

BIN_DB = 5
"""Width of a range of SNRs in dB."""
RULES = ("energy_range", "flatness", "wada_snr")


def simple_rules(wave: FloatArray, sample_rate: int) -> dict[str, float]:
    """Scores of the simple rules for a wave (N,); larger scores mean cleaner sound."""
    return {
        "energy_range": levels.dynamic_range_db(wave, sample_rate),
        "flatness": -spectral_flatness_db(wave, sample_rate),
        "wada_snr": wada_snr_db(wave),
    }


def spectral_flatness_db(wave: FloatArray, sample_rate: int) -> float:
    """Median over frames of 32 ms of the ratio of geometric to arithmetic mean of the power spectrum, in dB."""
    size = round(0.032 * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (0, size)), size)[:: size // 2]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))[:, 1:] + 1e-12
    return float(np.median(10 * (np.log10(power).mean(axis=1) - np.log10(power.mean(axis=1)))))


def wada_snr_db(wave: FloatArray) -> float:
    """SNR in dB from the distribution of amplitudes alone, -20 to 100.

    Source: Kim and Stern, "Robust signal-to-noise ratio estimation based on waveform amplitude distribution analysis",
    Interspeech 2008: speech amplitudes are gamma-distributed with shape 0.4, noise is Gaussian. The table that
    maps the statistic to the SNR is computed here by simulation.
    """
    size = np.abs(wave[wave != 0]).astype(np.float64)
    if not len(size):
        return -20.0
    statistic = float(np.log(size.mean()) - np.log(size).mean())
    snr_db, table = _wada_table()
    return float(np.interp(statistic, table, snr_db))


@functools.cache
def _wada_table() -> tuple[np.ndarray, np.ndarray]:
    """SNRs in dB, and the statistic ln E|z| - E ln|z| of speech plus noise at these SNRs, rising."""
    rng = np.random.default_rng(0)
    n_samples = 400_000
    speech = rng.gamma(0.4, 1.0, n_samples) * rng.choice((-1.0, 1.0), n_samples)
    speech /= np.sqrt(np.square(speech).mean())
    noise = rng.standard_normal(n_samples)
    snr_db = np.arange(-20.0, 101.0)
    sizes = (np.abs(speech + noise * 10 ** (-snr / 20)) for snr in snr_db)
    table = np.array([np.log(size.mean()) - np.log(size).mean() for size in sizes])
    return snr_db, np.maximum.accumulate(table)


def tables(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, float | str]]]:
    """Figures of the records of a `NoisePresence` set, which hold "logit", "snr_db", "noise" and the rules.

    Items are noisy, clean or neither by their SNR, see `clearmel.metrics.snr`.

    Returns:
        "by_snr" and "by_noise": the items of a range or the noisy ones of a kind compared with all clean items: their
        number, the fraction predicted as noisy, AUC and equal error rate; by SNR also the mean error of the estimated
        SNR if there are estimates. "by_rule": AUC, equal error rate and accuracy of each rule at its best threshold on
        the noisy and clean items, and of the weights at their own threshold.
    """
    logit = torch.tensor([float(record["logit"]) for record in records])
    snr_db = torch.tensor([float(record["snr_db"]) for record in records])
    noisy, clean = snr_db < snr.NOISY_BELOW_DB, ~(snr_db <= snr.CLEAN_ABOVE_DB)

    def against_clean(name: str, chosen: torch.Tensor) -> dict[str, float | str]:
        some = clean | chosen
        return {
            "items": name,
            "n": int(chosen.sum()),
            "predicted_noisy": float((logit[chosen] < 0).float().mean()),
            "auc": classification.roc_auc(logit[some], clean[some]),
            "eer": classification.equal_error_rate(logit[some], clean[some]),
        }

    by_snr = list[dict[str, float | str]]()
    for start in sorted({int(np.floor(value / BIN_DB)) * BIN_DB for value in snr_db[~clean].tolist()}):
        chosen = ~clean & (snr_db >= start) & (snr_db < start + BIN_DB)
        row = against_clean(f"{start} to {start + BIN_DB} dB", chosen)
        if "estimated_snr_db" in records[0]:
            estimate = torch.tensor([float(record["estimated_snr_db"]) for record in records])
            row["snr_error_db"] = float((estimate - snr_db)[chosen].abs().mean())
        by_snr.append(row)
    kinds = [str(record["noise"]) for record in records]
    by_noise = [
        against_clean(kind, noisy & torch.tensor([kind == other for other in kinds]))
        for kind in sorted({kind for kind, own in zip(kinds, noisy.tolist(), strict=True) if own})
    ]
    clean_row: dict[str, float | str] = {
        "items": "clean", "n": int(clean.sum()), "predicted_noisy": float((logit[clean] < 0).float().mean())
    }  # fmt: skip
    sure = noisy | clean
    by_rule: list[dict[str, float | str]] = [_figures("these weights", logit[sure], clean[sure], threshold=0.0)]
    for rule in RULES:
        scores = torch.tensor([float(record[rule]) for record in records])
        by_rule.append(_figures(rule, scores[sure], clean[sure]))
    return {"by_snr": [*by_snr, clean_row], "by_noise": by_noise, "by_rule": by_rule}


def _figures(
    name: str, scores: torch.Tensor, clean: torch.Tensor, threshold: float | None = None
) -> dict[str, float | str]:
    places = torch.unique(scores) if threshold is None else torch.tensor([threshold])
    if threshold is None:
        places = torch.cat([places, places[-1:] + 1])  # above all scores: everything is noisy
    accuracy = max(float(((scores >= place) == clean).float().mean()) for place in places)
    return {
        "rule": name,
        "accuracy": accuracy,
        "auc": classification.roc_auc(scores, clean),
        "eer": classification.equal_error_rate(scores, clean),
    }
