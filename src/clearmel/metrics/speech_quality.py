"""How good a cleaned recording sounds against its clean original: PESQ, STOI, ESTOI, SI-SDR, DNSMOS.

The packages behind the first three and the last one are optional extras (clearmel[metrics]), imported here only.
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
"""In Hz, of all figures: what wideband PESQ and DNSMOS are made for."""


def require() -> None:
    """Raises an InputError if the packages of the figures are not installed; DNSMOS alone may be missing."""
    missing = [name for name in ("pesq", "pystoi") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--audio_metrics needs {' and '.join(missing)}. Install: pip install 'clearmel[metrics]'")


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


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of every figure over the items for which it is defined."""
    keys = rows[0] if rows else {}
    defined = {key: [row[key] for row in rows if math.isfinite(row[key])] for key in keys}
    return {key: sum(values) / len(values) if values else math.nan for key, values in defined.items()}
