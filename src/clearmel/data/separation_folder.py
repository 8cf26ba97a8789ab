"""Mixtures of speakers on disk, in the layout of LibriMix or of `clearmel build separation_dataset`."""

from pathlib import Path

import numpy as np
import torch

from clearmel.audio import sound_file
from clearmel.audio.face_embeddings import crop_embeddings, read_embeddings
from clearmel.audio.features import MelFeatures
from clearmel.core.errors import InputError, raise_all
from clearmel.core.file_io import FloatArray, existing, list_files, quoted
from clearmel.data.batching import Item
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.multi_speaker import role
from clearmel.data.waveform_cache import WaveformCache

MIXTURES = ("mix_clean", "mix_both", "mix")
"""Possible folders of the mixtures; the first existing one is used."""


class SeparationFolder(MelDataset):
    """Waves (N,) "mixture", "voice_1" ... of each mixture of a folder, and optional "faces" (S, P, 512).

    LibriMix has `mix_clean/NAME` and `s1/NAME`, `s2/NAME` ...; `clearmel build separation_dataset` makes
    `mix/NAME.wav`, `clean/NAME_1.wav`, `clean/NAME_2.wav` ..., and `faces/NAME.npy`.

    Args:
        root: the folder of one split.
        features: defines the sample rate.
        clip_s: length of random training segments in seconds; 0: complete mixtures.
        seed: seed of the segments.
        faces: whether face embeddings are needed.
        cache: see `WaveformCache`.

    Raises:
        InputError: a folder or a partner is missing, lengths differ, a mixture is shorter than a segment, a voice is
            silent, or the faces have another shape. One message lists all bad files.
    """

    def __init__(
        self,
        root: Path,
        features: MelFeatures,
        clip_s: float = 0.0,
        seed: int = 0,
        *,
        faces: bool = False,
        cache: Path | None = None,
    ) -> None:
        self.root, self.seed, self.faces, self.rate = existing(root, folder=True), seed, faces, features.sample_rate
        mixed = next((name for name in MIXTURES if (root / name).is_dir()), None)
        if mixed is None:
            raise InputError(
                f"{quoted(root)} has no folder {' / '.join(MIXTURES)}. "
                "Make it with `clearmel build separation_dataset`."
            )
        self.names = [path.as_posix() for path in list_files(root / mixed, sound_file.SUFFIXES)]
        self.partners = [self._partners(name) for name in self.names]
        self.n_voices = len(self.partners[0])
        raise_all([
            f"{quoted(root / mixed / name)} has {len(own)} voice(s); expected {max(2, self.n_voices)}"
            for name, own in zip(self.names, self.partners, strict=True)
            if len(own) != max(2, self.n_voices)
        ])  # fmt: skip
        paths = [f"{mixed}/{name}" for name in self.names] + [path for own in self.partners for path in own]
        self.recordings = WaveformCache(root, paths, self.rate, cache)
        sizes = np.diff(self.recordings.starts)
        self.n_samples = int(clip_s * self.rate)
        problems = []
        for index, name in enumerate(self.names):
            voices = [self._place(index, voice) for voice in range(self.n_voices)]
            if any(abs(int(sizes[voice]) - int(sizes[index])) > 1 for voice in voices):
                problems.append(f"{quoted(name)}: its voices differ from the mixture in length")
            elif sizes[index] < self.n_samples:
                problems.append(
                    f"{quoted(name)} lasts {sizes[index] / self.rate:.2f} s; expected --clip_s {clip_s:g} or more"
                )
            elif not all(self.recordings[voice].any() for voice in voices):
                problems.append(f"{quoted(name)}: one of its voices is silent")
        raise_all(problems)
        self.lengths = [features.n_frames(self.n_samples or int(size)) for size in sizes[: len(self.names)]]

    def __getitem__(self, index: int) -> Item:
        mixture = self.recordings[index]
        length, first = self.n_samples or len(mixture), 0
        if self.n_samples:
            rng = np.random.default_rng([self.seed, self.epoch, index])
            first = int(rng.integers(len(mixture) - length + 1))
        waves = {"mixture": torch.from_numpy(mixture[first : first + length])}
        for voice in range(self.n_voices):
            wave = self.recordings[self._place(index, voice)][first : first + length]
            waves[role(voice + 1)] = torch.from_numpy(np.pad(wave, (0, length - len(wave))))
        if self.faces:
            waves["faces"] = torch.from_numpy(self._faces(self.names[index], first, length))
        return Item(Path(self.names[index]).with_suffix("").as_posix(), {}, float("nan"), waves)

    def _place(self, index: int, voice: int) -> int:
        return len(self.names) + index * self.n_voices + voice

    def _partners(self, name: str) -> list[str]:
        numbered = [f"s{number}/{name}" for number in (1, 2, 3)]
        path = Path(name)
        ours = [f"clean/{path.with_suffix('').as_posix()}_{number}{path.suffix}" for number in (1, 2, 3)]
        found = [own for own in numbered if (self.root / own).is_file()]
        return found or [own for own in ours if (self.root / own).is_file()]

    def _faces(self, name: str, first: int, length: int) -> FloatArray:
        """Embeddings (S, P, 512) of a segment."""
        path = self.root / "faces" / Path(name).with_suffix(".npy")
        faces = read_embeddings(path)
        if len(faces) != self.n_voices:
            raise InputError(f"{quoted(path)} has faces of {len(faces)} voices; expected {self.n_voices}.")
        return crop_embeddings(faces, first / self.rate, length / self.rate)
