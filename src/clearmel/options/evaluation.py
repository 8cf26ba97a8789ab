"""How to run an evaluation, and where its figures go."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvalOptions:
    """How to run a network over a dataset.

    batch_size: items per batch. device: see `FitOptions`. workers: processes that load data.
    """

    batch_size: int = 32
    device: str = "auto"
    workers: int = 0


@dataclass(frozen=True)
class OutputOptions:
    """Where figures go: one JSON value on stdout, and a CSV file with a row for each item."""

    json: bool = False
    csv_path: str | None = None
