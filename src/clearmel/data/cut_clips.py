"""Recordings with a label, keep (1) or cut (0), for every 40 ms.

Labels come from the file of the labelling page or of the original system (see `segments.label_file`), or from a mask
beside each recording: `a.npy` of zeros and ones for `a.wav`. Label i belongs to the sound around i * 40 ms.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from clearmel.audio import sound_file
from clearmel.audio.features import MelFeatures
from clearmel.audio.silence import audible_range
from clearmel.core.errors import InputError
from clearmel.core.file_io import FloatArray, existing, list_files, quoted
from clearmel.core.npy import open_array
from clearmel.data.batching import Item
from clearmel.data.clip_noise import ClipNoise, Denoise
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.waveform_cache import WaveformCache
from clearmel.options import AugmentOptions, ClipNoiseOptions
from clearmel.segments import frames
from clearmel.segments.frames import FRAME_S
from clearmel.segments.label_file import LabelFile

Labels = npt.NDArray[np.int8]
LABELS = "labels.json"


class Clip(NamedTuple):
    """A labelled recording.

    name: path below the folder. label: (L,) of 0 and 1. first: index of the 40 ms frame to which label[0] belongs.
    """

    name: Path
    label: Labels
    first: int


class Clips(NamedTuple):
    """Labelled recordings below one folder."""

    root: Path
    clips: list[Clip]


def find(dataset_path: str | Path, labels_path: str | Path | None = None) -> Clips:
    """All labelled recordings of a folder.

    Args:
        dataset_path: folder of recordings.
        labels_path: label file; None: labels.json in that folder if it exists, otherwise masks beside the recordings.

    Raises:
        InputError: no recording is labelled, or a label is invalid.
    """
    root = existing(dataset_path, folder=True)
    names = list_files(root, sound_file.SUFFIXES)
    path = Path(labels_path) if labels_path else root / LABELS
    if labels_path or path.exists():
        existing(path, folder=False)
        store = LabelFile(path, [name.as_posix() for name in names])
        found = zip(names, store.labelled([name.as_posix() for name in names]), strict=True)
        clips = [_clip(root, name, _stored(store, root, name)) for name, labelled in found if labelled]
    else:
        masks = [(name, root / name.with_suffix(".npy")) for name in names]
        clips = [_clip(root, name, _mask(mask)) for name, mask in masks if mask.is_file()]
    if not clips:
        raise InputError(
            f"{quoted(root)}: none of its {len(names)} recordings is labelled in {quoted(path)}, and none has a mask "
            ".npy beside it. Label some with `clearmel label`."
        )
    return Clips(root, clips)


def part(clips: Clips, split: str, val_fraction: float, seed: int) -> Clips:
    """The clips of one split.

    If file names show that clips belong to several recordings (by folder, or by the name before a final number),
    complete recordings are held out; otherwise the last clips in order are.

    Args:
        clips: all clips.
        split: "train", "val", or "." for all clips.
        val_fraction: least fraction of the clips to hold out.
        seed: seed of the random choice.
    """
    if split == "." or not val_fraction:
        return clips
    groups: dict[str, list[Clip]] = {}
    for clip in clips.clips:
        groups.setdefault(re.sub(r"[\W_]*\d+$", "", clip.name.with_suffix("").as_posix()), []).append(clip)
    wanted = val_fraction * len(clips.clips)
    if len(groups) > 1:
        held: list[Clip] = []
        for key in np.random.default_rng(seed).permutation(sorted(groups))[:-1]:
            if len(held) < wanted:
                held += groups[key]
    else:
        held = clips.clips[len(clips.clips) - int(np.ceil(wanted)) :] if len(clips.clips) > 1 else []
    chosen = {clip.name for clip in held}
    return Clips(clips.root, [clip for clip in clips.clips if (clip.name in chosen) == (split == "val")])


class CutClips(MelDataset):
    """Mels of labelled recordings with their keep labels.

    An item holds "mel" (T, M) and "keep" (K, 2): for each decision the label 0 or 1 and its weight, 0 if the label is
    unknown. In training, an item is a random segment of `clip_s` seconds, augmented by `options` and `noise`; outside
    of training, every second recording gets noise if `noise` names a folder for validation; it has the label 1.

    Args:
        clips: the recordings.
        features: definition of a mel.
        stride: mel frames per decision.
        clip_s: length of a training segment in seconds; shorter recordings are used in full.
        options: augmentation in training; None: outside of training, with complete recordings.
        seed: seed of all random draws.
        cache: see `WaveformCache`.
        noise: noise and rooms; None: without.
        denoise: see `ClipNoise`.

    Raises:
        InputError: a recording cannot be read.
    """

    def __init__(
        self,
        clips: Clips,
        features: MelFeatures,
        stride: int,
        clip_s: float,
        options: AugmentOptions | None = None,
        seed: int = 0,
        cache: Path | None = None,
        noise: ClipNoiseOptions | None = None,
        denoise: Denoise | None = None,
    ) -> None:
        self.clips, self.features, self.stride, self.options, self.seed = clips, features, stride, options, seed
        names = [str(clip.name) for clip in clips.clips]
        self.recordings = WaveformCache(clips.root, names, features.sample_rate, cache)
        self.step = stride * features.hop_length  # samples per decision
        sizes = np.diff(self.recordings.starts)
        self.n_samples = round(clip_s * features.sample_rate) // self.step * self.step if options else 0
        counts = [max(1, round(size / self.n_samples)) if self.n_samples else 1 for size in sizes.tolist()]
        self.places = np.repeat(np.arange(len(names)), counts)  # a long recording gives many segments
        self.lengths = [features.n_frames(min(int(sizes[i]), self.n_samples or int(sizes[i]))) for i in self.places]
        self.noise = None
        if noise is not None and (noise.noise_path if options else noise.val_noise_path):
            split, paths = "train" if options else "val", tuple(clip.name.as_posix() for clip in clips.clips)
            self.noise = ClipNoise(split, clips.root, paths, noise, features, clip_s, seed, cache, denoise)

    def __getitem__(self, index: int) -> Item:
        clip = self.clips.clips[self.places[index]]
        wave = self.recordings[self.places[index]]
        start = 0
        if self.options is not None:
            rng = np.random.default_rng([self.seed, self.epoch, index])
            if self.n_samples and len(wave) > self.n_samples + self.step:
                start = int(rng.integers((len(wave) - self.n_samples) // self.step))
                wave = wave[start * self.step : start * self.step + self.n_samples]
            wave = wave * np.float32(10 ** (self.options.gain_db * rng.uniform(-1, 1) / 20))
        keep = self.targets(clip, 1 + (self.features.n_frames(len(wave)) - 1) // self.stride, start)
        noisy = self.noise is not None and self.options is None and index % 2
        if self.noise is not None and noisy:
            wave, keep = self.noise.noisy(wave, keep, self.step, np.random.default_rng([self.seed, index]))
        elif self.noise is not None and self.options is not None and rng.random() < self.noise.shares.noise_share:
            wave, keep = self.noise.noisy(wave, keep, self.step, rng)
        mel = self.features.mel(torch.from_numpy(np.ascontiguousarray(wave)))
        return Item(clip.name.as_posix(), {"mel": mel, "keep": torch.from_numpy(keep)}, float(noisy))

    def targets(self, clip: Clip, count: int, start: int = 0) -> FloatArray:
        """Labels and weights (count, 2) of the decisions from index `start`; unknown labels have weight 0."""
        seconds = (start + np.arange(count)) * self.step / self.features.sample_rate
        places = np.rint(seconds / FRAME_S).astype(int) - clip.first
        known = (places >= 0) & (places < len(clip.label))
        keep = clip.label[places.clip(0, len(clip.label) - 1)] * known
        return np.stack([keep, known], axis=1).astype(np.float32)


def near_label_change(label: Sequence[int] | Labels, collar_s: float) -> npt.NDArray[np.bool_]:
    """(L,), True for labels within `collar_s` of a label change, which lies half-way between two labels."""
    known = np.asarray(label)
    changes = np.flatnonzero(known[1:] != known[:-1]) + 0.5
    centres = np.arange(len(known))
    near = np.zeros(len(known), bool)
    for change in changes:
        near |= np.abs(centres - change) * FRAME_S <= collar_s + 1e-6
    return near


def _stored(store: LabelFile, root: Path, name: Path) -> Labels:
    duration_s = sound_file.inspect(root / name).duration_s
    return np.array(store.frames(name.as_posix(), duration_s), np.int8)


def _mask(path: Path) -> Labels:
    mask = open_array(path, "(frames,)")
    plain = mask.dtype.kind in "biuf"
    if mask.ndim != 1 or not len(mask) or not plain or not np.isin(mask, (0, 1)).all():
        raise InputError(f"{quoted(path)} has shape {mask.shape}; expected a vector of 0 and 1, one for every 40 ms.")
    return np.asarray(mask, np.int8)


def _clip(root: Path, name: Path, label: Labels) -> Clip:
    """Builds a clip and finds the frame of its first label.

    The original system trimmed silence at both ends before it counted frames, so its label lists may be shorter.
    """
    count = frames.n_frames(sound_file.inspect(root / name).duration_s)
    if len(label) > count + 2:
        raise InputError(
            f"{quoted(root / name)} has {len(label)} labels; expected at most {count}, one for every 40 ms."
        )
    first = 0
    if len(label) < count - 1:
        wave, rate = sound_file.read(root / name)
        start, end = audible_range(wave, rate)
        if abs(len(label) - frames.n_frames((end - start) / rate)) <= 2:
            first = round(start / rate / FRAME_S)
        else:
            print(
                f"warning: {quoted(root / name)} has {len(label)} labels for {count} frames of 40 ms; its end counts "
                "as unlabelled",
                file=sys.stderr,
            )
    return Clip(name, label, first)
