"""Speakers: embeddings that tell speakers apart whom no training has seen."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from clearmel.audio.features import MelFeatures
from clearmel.data.batching import Batch
from clearmel.data.mel_datasets import MelDataset
from clearmel.data.speaker_pairs import SpeakerPairs
from clearmel.data.splits import split_pools
from clearmel.metrics.classification import equal_error_rate
from clearmel.networks import SPEAKER_ENCODERS, Network
from clearmel.options import NOT_OF_SPEAKERS, SpeakerOptions
from clearmel.options.source import Source
from clearmel.tasks.base import Record, Task

SCALE = 20.0
"""Of the inner products before the softmax."""


class SpeakersTask(Task):
    """Embeddings whose inner product is large for two recordings of one speaker.

    In a batch of pairs, each recording has to find its partner among all others.
    Source: Chung et al., "In defence of metric learning for speaker recognition", Interspeech 2020; both sides of a
    pair as in Chen et al., "A simple framework for contrastive learning", ICML 2020, eq. 1.

    Args:
        source: cache and seed.
        features: definition of a mel; without the level (`top_db`) by default.
        sizes: arguments of a new network.
        network_name: of a new network, a key of `SPEAKER_ENCODERS`.
        pairs: the recordings and how pairs are drawn.
    """

    name, monitor, higher_is_better = "speakers", "eer", False

    def __init__(
        self,
        source: Source | None = None,
        features: MelFeatures | None = None,
        sizes: dict[str, int | float | bool] | None = None,
        network_name: str = "tdnn",
        pairs: SpeakerOptions | None = None,
    ) -> None:
        super().__init__(source, features or MelFeatures(top_db=60.0), sizes)
        self.kind, self.pairs = SPEAKER_ENCODERS[network_name], pairs or SpeakerOptions()

    def has(self, split: str) -> bool:
        """See `Task.has`."""
        return split in split_pools(self.pairs, self.source.seed)

    def dataset(self, split: str) -> MelDataset:
        """Pairs of a split; "." are those of all speakers, drawn as for validation."""
        pool = split_pools(self.pairs, self.source.seed)["train" if split == "." else split]
        kind = "val" if split == "." else split
        return SpeakerPairs(kind, pool, self.pairs, self.features, self.source.seed, self.source.cache())

    def network(self) -> Network:
        """A network of the task's sizes."""
        sizes: dict[str, Any] = {"input_dim": self.features.n_mels} | self.sizes
        return self.kind(**sizes)

    def settings(self) -> dict[str, Any]:
        """See `Task.settings`."""
        own = asdict(self.pairs).items()
        left_out = ("val_speakers", "val_noises", *NOT_OF_SPEAKERS)
        return {key: value for key, value in own if not key.endswith("_path") and key not in left_out}

    def loss(self, network: Network, batch: Batch) -> Tensor:
        """Mean cross-entropy of finding each recording's partner; other recordings of the same speaker do not count."""
        both = torch.cat(self.embeddings(network, batch))  # (2 B, E)
        count, labels = len(batch), batch.labels.repeat(2)
        partner = (torch.arange(2 * count, device=both.device) + count) % (2 * count)
        alike = SCALE * both @ both.T
        ours = labels[:, None] == labels
        ours[torch.arange(2 * count, device=both.device), partner] = False
        return functional.cross_entropy(alike.masked_fill(ours, -torch.inf), partner)

    def records(self, network: Network, batch: Batch) -> list[Record]:
        """Name, speaker (its number), the pair's inner product and both embeddings."""
        first, second = self.embeddings(network, batch)
        rows = zip(batch.names, batch.labels.tolist(), first.tolist(), second.tolist(), strict=True)
        alike = (first * second).sum(dim=1).tolist()
        return [
            {"name": name, "speaker": int(label), "alike": alike[number], "embeddings": [one, other]}
            for number, (name, label, one, other) in enumerate(rows)
        ]

    def report(self, records: Sequence[Record]) -> dict[str, float]:
        """Equal error rate over all pairs of recordings of different items or of one item, and the items' number."""
        both = torch.tensor([one for record in records for one in record["embeddings"]])
        speaker = torch.tensor([record["speaker"] for record in records]).repeat_interleave(2)
        rows, columns = torch.triu_indices(len(both), len(both), 1)
        scores = (both @ both.T)[rows, columns]
        return {"eer": equal_error_rate(scores, speaker[rows] == speaker[columns]), "n": len(records)}

    def embeddings(self, network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embeddings (B, E) of the first and of the second recordings."""
        waves = torch.cat([batch.waves["first"], batch.waves["second"]])
        with torch.autocast(waves.device.type, enabled=False), torch.no_grad():
            mel = self.features.mel(waves)
        first, second = network(mel).chunk(2)
        return first, second
