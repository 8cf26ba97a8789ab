"""Where a task finds its data."""

from dataclasses import dataclass
from pathlib import Path

from clearmel.options import MixOptions


@dataclass(frozen=True)
class Source:
    """Where a task finds its data.

    dataset_path: folder of the splits. flat: per split, a pair of (noisy, clean) folders that replaces
    `<dataset_path>/<split>`. cache_path: folder that caches the mels of sound files. mixing: mixtures made on the fly
    from its recordings, with `seed`, replace both. val_fold, val_fraction: the labelled files held out for validation,
    see `labels.part`. blind: training does not use them.
    """

    dataset_path: str = "."
    flat: tuple[tuple[str, tuple[str, str]], ...] = ()
    cache_path: str | None = None
    mixing: MixOptions | None = None
    seed: int = 0
    val_fold: int | None = None
    val_fraction: float = 0.2
    blind: bool = False

    def cache(self) -> Path | None:
        """The cache folder, if any."""
        return None if self.cache_path is None else Path(self.cache_path)
