"""How good a cleaned recording sounds against its clean original: PESQ, STOI, ESTOI, SI-SDR, DNSMOS.

The packages behind the first three and the last one are optional extras (requirements-audio.txt), imported here only.
"""

import contextlib
import importlib.util
import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from src import audio, enhancement
from src.datasets import MelDataset, PairedMels
from src.errors import InputError
from src.files import FloatArray, quoted
from src.metrics import si_sdr
from src.networks import Denoiser
from src.options import CleanOptions

RATE = 16000
"""In Hz, of all figures: what wideband PESQ and DNSMOS are made for."""
SIDES = ("noisy", "denoised", "clean")


@dataclass(frozen=True)
class Heard:
    """One pair as sound: waves (N,) by side at 16 kHz, and the figures of the noisy and the denoised one."""

    name: str
    waves: dict[str, FloatArray]
    scores: dict[str, float]


def require() -> None:
    """Raises an InputError if the packages of the figures are not installed; DNSMOS alone may be missing."""
    missing = [name for name in ("pesq", "pystoi") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--audio_metrics needs {' and '.join(missing)}. Install: pip install -r requirements-audio.txt"
        )


def has_dnsmos() -> bool:
    """Whether speechmos, which brings the DNSMOS models, is installed."""
    return importlib.util.find_spec("speechmos") is not None


def figures(wave: FloatArray, clean: FloatArray, dnsmos: bool = True) -> dict[str, float]:
    """Figures of a wave (N,) against the clean one (N,), both at 16 kHz; nan where one is not defined.

    pesq: wideband, 1.0 to 4.6 (ITU-T P.862.2). stoi, estoi: 0 to 1 (Taal et al. 2011; Jensen and Taal 2016).
    si_sdr: dB. dnsmos_ovrl, dnsmos_sig, dnsmos_bak: 1 to 5, of the wave alone (Reddy et al. 2022), if speechmos is here
    and `dnsmos` (they take longer than all others) is asked for.
    """
    from pesq import PesqError, pesq
    from pystoi import stoi

    found = {"pesq": math.nan, "stoi": math.nan, "estoi": math.nan}
    wave = wave / max(1.0, float(np.abs(wave).max()))
    if wave.any() and clean.any():
        with contextlib.suppress(PesqError):  # no speech found, or too short
            found["pesq"] = float(pesq(RATE, clean, wave, "wb"))
        with warnings.catch_warnings():  # it warns, and answers 1e-5, where too little is left without the pauses
            warnings.simplefilter("error", RuntimeWarning)
            with contextlib.suppress(RuntimeWarning, ValueError):
                found["stoi"], found["estoi"] = (float(stoi(clean, wave, RATE, extended=e)) for e in (False, True))
    found["si_sdr"] = float(si_sdr(torch.from_numpy(wave)[None], torch.from_numpy(clean)[None]))
    if has_dnsmos():
        found |= dict.fromkeys(("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak"), math.nan)
        if dnsmos and wave.any():
            from speechmos.dnsmos import run

            opinion = run(wave.astype(np.float64), sr=RATE)
            found |= {key: float(opinion[f"{key[7:]}_mos"]) for key in found if key.startswith("dnsmos_")}
    return found


def listen(
    network: Denoiser, data: MelDataset, options: CleanOptions, measured: bool, numbers: Iterable[int] | None = None
) -> Iterator[Heard]:
    """Cleans noisy recordings of a dataset of sound files, and measures them.

    Args:
        network: a denoiser.
        data: pairs of recordings; each is cleaned at its own rate with all its channels, then heard as one channel.
        options: how strongly to clean.
        measured: whether figures are asked for.
        numbers: of the items; default: all.

    Raises:
        InputError: an item is no sound file, or its two sides differ in rate or length.
    """
    if not isinstance(data, PairedMels):
        raise InputError("shards hold mels; figures and reports of sound need pairs of sound files.")
    for ours, theirs in map(data.pair, range(len(data)) if numbers is None else numbers):
        paths = {"noisy": data.noisy.root / ours, "clean": data.clean.root / theirs}
        for path in paths.values():
            if path.suffix.lower() == ".npy":
                raise InputError(f"{quoted(path)} is a mel; figures and reports of sound need pairs of sound files.")
        info, other = (audio.inspect(path) for path in paths.values())
        if info.sample_rate != other.sample_rate:
            raise InputError(
                f"{quoted(paths['noisy'])} has {info.sample_rate} Hz, its partner {other.sample_rate} Hz; "
                "expected one rate."
            )
        native = {side: np.concatenate(list(audio.blocks(path)), axis=1) for side, path in paths.items()}
        if native["noisy"].shape[1] != native["clean"].shape[1]:
            lengths = [wave.shape[1] for wave in native.values()]
            raise InputError(f"{quoted(paths['noisy'])} has {lengths[0]} samples, its partner {lengths[1]}.")
        pieces = enhancement.clean_blocks(network, [native["noisy"]], info.sample_rate, info.n_channels, options)
        native["denoised"] = np.concatenate(list(pieces), axis=1)
        waves = {side: audio.resample(native[side].mean(axis=0), info.sample_rate, RATE) for side in SIDES}
        scores = {
            f"{key}_{side}": value
            for side in SIDES[: 2 if measured else 0]
            for key, value in figures(waves[side], waves["clean"]).items()
        }
        yield Heard(ours.as_posix(), waves, scores)


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over the items for which it is defined."""
    keys = rows[0] if rows else {}
    defined = {key: [row[key] for row in rows if math.isfinite(row[key])] for key in keys}
    return {key: sum(values) / len(values) if values else math.nan for key, values in defined.items()}
