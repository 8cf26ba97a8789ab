"""Objective quality of a denoised recording: PESQ, STOI, ESTOI, SI-SDR, DNSMOS.

All but SI-SDR need optional packages (clearmel[metrics]), which are imported only here.
"""

import contextlib
import importlib.util
import math
import warnings

import numpy as np
import torch

from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray
from clearmel.metrics.signal import si_sdr

RATE = 16000
"""Sample rate of all figures in Hz, as wideband PESQ and DNSMOS require."""


def require() -> None:
    """Raises an InputError if the packages for PESQ and STOI are not installed."""
    missing = [name for name in ("pesq", "pystoi") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--audio_metrics needs {' and '.join(missing)}. Install: pip install 'clearmel[metrics]'")


def has_dnsmos() -> bool:
    """Whether speechmos, which contains the DNSMOS models, is installed."""
    return importlib.util.find_spec("speechmos") is not None


def figures(wave: FloatArray, clean: FloatArray, dnsmos: bool = True) -> dict[str, float]:
    """Figures of a wave (N,) relative to the clean one (N,), both at 16 kHz; nan for undefined figures.

    pesq: wideband, 1.0 to 4.6 (ITU-T P.862.2). stoi, estoi: 0 to 1 (Taal et al. 2011; Jensen and Taal 2016).
    si_sdr: dB. dnsmos_ovrl, dnsmos_sig, dnsmos_bak: 1 to 5, from the wave alone (Reddy et al. 2022), if speechmos is
    installed; nan without `dnsmos`, since they take longer than all others.
    """
    from pesq import PesqError, pesq
    from pystoi import stoi

    found = {"pesq": math.nan, "stoi": math.nan, "estoi": math.nan}
    wave = wave / max(1.0, float(np.abs(wave).max()))
    if wave.any() and clean.any():
        with contextlib.suppress(PesqError):  # no speech found, or too short
            found["pesq"] = float(pesq(RATE, clean, wave, "wb"))
        with warnings.catch_warnings():  # with too little speech pystoi warns and returns 1e-5
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


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over the items for which it is defined."""
    keys = rows[0] if rows else {}
    defined = {key: [row[key] for row in rows if math.isfinite(row[key])] for key in keys}
    return {key: sum(values) / len(values) if values else math.nan for key, values in defined.items()}
