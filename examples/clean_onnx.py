"""Denoises a recording with an exported denoiser; needs only numpy, soundfile and onnxruntime.

python examples/clean_onnx.py denoiser.onnx noisy.wav denoised.wav [SECONDS]

The model first runs over the opening SECONDS of the recording to initialise its state; default 4. A model with two
passes begins the second one, which runs backwards, with the last SECONDS.
"""

import json
import sys

import numpy as np
import onnxruntime
import soundfile
from numpy.typing import NDArray

FLOOR = 1e-12  # added to the power before the logarithm


def main(model_path: str, input_path: str, output_path: str, warm_up_s: str = "4") -> None:
    """Denoises a recording; the result has the same channels and length."""
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["clearmel"])
    features, fine_bins = card["features"], card["fine_bins"]
    wave, rate = soundfile.read(input_path, always_2d=True)  # (N, C)
    if rate != features["sample_rate"]:
        sys.exit(f"{input_path} has {rate} Hz; expected {features['sample_rate']} Hz")
    n_fft, hop = features["n_fft"], features["hop_length"]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)  # a periodic Hann window

    filters, spreading = bands(features)

    def analyse(wave: NDArray[np.float64]) -> tuple[NDArray[np.complex128], dict[str, NDArray[np.float64]]]:
        """The spectrum (C, T, F) of a wave (N, C), and the inputs of the network."""
        padded = np.pad(wave.T, ((0, 0), (n_fft // 2, n_fft // 2)))  # frame k is centred at sample k * hop
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft, axis=1)[:, ::hop]  # (C, T, n_fft)
        spectrum = np.fft.rfft(frames * window)
        power = (np.abs(spectrum) ** 2).mean(axis=0)  # (T, F): all channels get the same gain
        mel = 1 + np.log(FLOOR + power @ filters.T) / 10  # (T, M)
        inputs = {"mel": mel}
        if fine_bins:  # level of the lowest bins above that of a band with a flat spectrum
            level = (mel - np.log(filters.sum(axis=1)) / 10) @ spreading[:, :fine_bins]
            inputs["fine"] = 1 + np.log(FLOOR + power[:, :fine_bins]) / 10 - level
        return spectrum, inputs

    spectrum, inputs = analyse(wave)
    mel, opening = inputs["mel"], wave[np.arange(round(float(warm_up_s) * rate)) % len(wave)]
    before = {name: x[: -n_fft // hop // 2] for name, x in analyse(opening)[1].items()}  # no frames over its end
    first, n_frames, two_passes = len(before["mel"]), len(mel), card["sizes"].get("two_passes")
    closing = np.arange(n_frames - first, n_frames) % n_frames if two_passes else slice(0)
    rows = {name: np.concatenate([before[name], x, x[closing]]) for name, x in inputs.items()}
    results = session.run(None, {name: x[None].astype(np.float32) for name, x in rows.items()})
    estimate, *factor = (x[:, first : first + n_frames] for x in results)

    gain = np.exp(np.minimum((estimate[0] - mel) * 5, 0)) @ spreading  # amplitude gain (T, F)
    if factor:
        gain[:, :fine_bins] = np.minimum(gain[:, :fine_bins] * np.exp(factor[0][0]), 1)
    pieces = np.fft.irfft(spectrum * gain, n_fft) * window  # (C, T, n_fft)
    denoised = np.zeros((wave.shape[1], len(wave) + n_fft))
    weight = np.zeros(denoised.shape[1])
    for k in range(pieces.shape[1]):
        denoised[:, k * hop : k * hop + n_fft] += pieces[:, k]
        weight[k * hop : k * hop + n_fft] += window**2
    denoised = (denoised / np.maximum(weight, 1e-8))[:, n_fft // 2 : n_fft // 2 + len(wave)]
    soundfile.write(output_path, denoised.T, rate, soundfile.info(input_path).subtype)


def bands(features: dict[str, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mel filters (M, F), and the weights (M, F) that interpolate band gains to bins."""
    limits = hz_to_mel(np.array([features["fmin"], features["fmax"]]))
    edges = mel_to_hz(np.linspace(*limits, int(features["n_mels"]) + 2))
    bins = np.arange(int(features["n_fft"]) // 2 + 1) * features["sample_rate"] / features["n_fft"]
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    filters = triangles * (2 / (edges[2:] - edges[:-2]))[:, None]
    triangles[0, bins <= edges[1]] = 1
    triangles[-1, bins >= edges[-2]] = 1
    for uncovered in np.flatnonzero(triangles.sum(axis=0) == 0):  # bins that lie in no band
        triangles[np.abs(bins[uncovered] - edges[1:-1]).argmin(), uncovered] = 1
    return filters, triangles / triangles.sum(axis=0)


def hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear to 1 kHz, then logarithmic."""
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) * 27 / np.log(6.4))


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
