"""DNSMOS as a differentiable score: the network of the package speechmos, computed by torch."""

import functools
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn

from clearmel.core.errors import InputError

RATE = 16000
FRAME, HOP = 320, 160
"""Samples of a frame and between frames."""
LEVEL_DB = -26.0
"""RMS level in dB below full scale at which sounds are scored: DNSMOS depends on the level."""
SHARE = 6
"""In training, one of so many items of a batch is scored: the score takes five times as long as the rest of a step."""
POLYNOMIAL = 0.04602535, 1.11546468, -0.06766283
"""From the network's third output to the overall opinion (OVRL); coefficients of the powers 0, 1 and 2."""


def require(sample_rate: int = RATE) -> None:
    """Raises an InputError if the packages that hold and read the network are not installed, or the rate is another."""
    if sample_rate != RATE:
        raise InputError(f"--dnsmos_weight needs sound of {RATE} Hz; the features have {sample_rate} Hz.")
    missing = [name for name in ("speechmos", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--dnsmos_weight needs {' and '.join(missing)}. Install: pip install 'clearmel[metrics]'")


def dnsmos_loss(estimate: Tensor, target: Tensor) -> Tensor:
    """5 minus the opinion (OVRL, 1 to 5) that DNSMOS P.835 predicts for each estimate.

    Unlike DNSMOS, which averages over windows of 9 s, this scores a sound of any length at once. The estimate has the
    gain that brings its target to -26 dB.

    Source: Reddy et al., "DNSMOS P.835", ICASSP 2022; the weights are those in the package speechmos (MIT licence).

    Args:
        estimate: waves (B, N) at 16 kHz, N at least 0.2 s.
        target: the clean waves (B, N).

    Returns:
        (B,), 0 for items whose target is silent.

    Raises:
        InputError: a package is missing.
    """
    network = _network(estimate.device)
    with torch.no_grad():
        level = target.square().mean(dim=1).sqrt()
        gain = torch.where(level > 0, 10 ** (LEVEL_DB / 20) / level.clamp(min=1e-6), 0)
    opinion: Tensor = network(estimate * gain[:, None])
    return (5 - opinion) * (level > 0)


class _Dnsmos(nn.Module):
    """Opinion (B,) of waves (B, N)."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        bases = (tensors[f"time2freq/stft-{part}/kernel:0"] for part in ("real", "imag"))
        self.bases = nn.Parameter(torch.cat(list(bases))[:, :, 0])  # (2 F, FRAME)
        self.convolutions, self.dense = nn.ModuleList(), nn.ModuleList()
        for number in range(7):
            name = f"conv2d_{number}" if number else "conv2d"
            weight, bias = tensors[f"{name}/kernel:0"], tensors[f"{name}/bias:0"]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            layer.weight.data, layer.bias.data = weight.contiguous(memory_format=torch.channels_last), bias  # type: ignore[union-attr]
            self.convolutions.append(layer)
        for name in ("dense", "dense_1", "dense_3"):
            stem = f"mos_estimator_logpow/{name}/"
            weight = tensors[f"{stem}MatMul/ReadVariableOp/resource:0"]
            linear = nn.Linear(*weight.shape)
            linear.weight.data, linear.bias.data = weight.T, tensors[f"{stem}BiasAdd/ReadVariableOp/resource:0"]
            self.dense.append(linear)
        self.requires_grad_(False)

    def forward(self, wave: Tensor) -> Tensor:
        real, imaginary = (wave.unfold(1, FRAME, HOP) @ self.bases.T).chunk(2, dim=2)
        power = real.square() + imaginary.square()  # (B, T, F)
        seen = power.clamp(min=1e-12).log10()[:, None].contiguous(memory_format=torch.channels_last)
        for number, layer in enumerate(self.convolutions):
            seen = layer(seen).relu()
            if 3 <= number <= 5:
                seen = nn.functional.max_pool2d(seen, 2)
        seen = seen.amax(dim=(2, 3))
        for layer in self.dense[:-1]:
            seen = layer(seen).relu()
        raw = self.dense[-1](seen)[:, 2].float()
        return torch.stack([factor * raw**power for power, factor in enumerate(POLYNOMIAL)]).sum(dim=0)


@functools.lru_cache
def _network(device: torch.device) -> _Dnsmos:
    require()
    import onnx
    import speechmos
    from onnx import numpy_helper

    path = Path(speechmos.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    initializers = onnx.load(path).graph.initializer
    tensors = {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in initializers}
    return _Dnsmos(tensors).to(device)
