"""Compares int8 and float16 of ONNX Runtime with float32: time on one thread, and error of the sound.

int8 is ONNX Runtime's dynamic quantisation of LSTMs and products of matrices, float16 its conversion of the whole
graph. All run on the same recording in turn. The last column is the energy of the float32 output by that of the
difference from it. Needs the packages of requirements-dev.txt.
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 30
KINDS = ("float32", "int8", "float16")


def converted(content: bytes, kind: str, per_channel: bool) -> bytes:
    """The content of an ONNX file in another precision; products of batches of matrices have one scale for each."""
    import onnx

    model = onnx.load_from_string(content)
    if kind == "float16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        return bytes(convert_float_to_float16(model, keep_io_types=True).SerializeToString())
    if kind == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "int8.onnx")
            quantize_dynamic(model, path, ["LSTM", "MatMul"], per_channel=per_channel, weight_type=QuantType.QInt8)
            return path.read_bytes()
    return content


def runs_of(name: str, kind: str) -> Callable[[], np.ndarray]:
    """A function that runs shipped weights over a recording and gives the sound."""
    import onnxruntime
    import soundfile

    from clearmel.checkpoints import stored
    from clearmel.graphs import build
    from clearmel.inference.denoise_stream import DenoiseStream
    from clearmel.inference.separate import VoiceSeparator
    from clearmel.runtime.onnx_model import OnnxModel

    weights = stored.read(ROOT / "models" / f"{name}.pth", None)
    model = OnnxModel(weights, n_threads=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    content = converted(build.build(weights.card, weights.tensors).content, kind, per_channel=name == "denoiser")
    model._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    wave, rate = soundfile.read(ROOT / "data/noisy.wav", dtype="float32")
    wave = np.resize(wave, SECONDS * rate)

    def denoised() -> np.ndarray:
        stream = DenoiseStream(model, rate, 1)
        return np.concatenate([stream.push(wave[None]), stream.finish()], axis=1)

    def separated() -> np.ndarray:
        return np.concatenate(list(VoiceSeparator(model).tracks(iter([wave[None]]))), axis=-1)

    return denoised if name == "denoiser" else separated


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each precision, in turn")
    args = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    warnings.simplefilter("ignore")
    logging.disable()
    print("| weights | precision | s per s of sound | by float32's | difference, dB |\n|---|---|---|---|---|")
    for name in ("denoiser", "separator"):
        runs = {kind: runs_of(name, kind) for kind in KINDS}
        sound = {kind: run() for kind, run in runs.items()}
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(args.repeats):
            for kind, run in runs.items():
                begun = time.process_time()
                run()
                times[kind].append((time.process_time() - begun) / SECONDS)
        exact = sound["float32"]
        for kind, values in times.items():
            ratio = statistics.median(one / other for one, other in zip(values, times["float32"], strict=True))
            changed = np.square(sound[kind] - exact).sum()
            snr = f"{10 * np.log10(np.square(exact).sum() / changed):.0f}" if changed else ""
            print(f"| `{name}.pth` | {kind} | {statistics.median(values):.4f} | {ratio:.2f} | {snr} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
