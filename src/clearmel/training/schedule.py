"""Learning-rate schedules."""

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau


class Schedule:
    """The learning rate over a run.

    cosine: decreases after every step along half a cosine, to 1 % of its initial value. plateau: halves when the
    validation score has not improved for more than 3 epochs. none: stays constant.

    Args:
        name: cosine, plateau or none.
        optimizer: its learning rate is changed.
        n_steps: of the whole run.
        higher_is_better: direction of the validation score.
    """

    def __init__(self, name: str, optimizer: Optimizer, n_steps: int, higher_is_better: bool) -> None:
        self.name = name
        self._torch: LambdaLR | ReduceLROnPlateau  # its state is part of the resume file's format
        if name == "cosine":
            total = max(1, n_steps)
            self._torch = LambdaLR(
                optimizer, lambda step: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))
            )
        else:
            mode = "max" if higher_is_better else "min"
            self._torch = ReduceLROnPlateau(optimizer, mode, factor=0.5, patience=3)  # type: ignore[arg-type]

    def after_step(self) -> None:
        """Called after every optimizer step."""
        if self.name == "cosine":
            self._torch.step()  # type: ignore[call-arg]

    def after_epoch(self, score: float) -> None:
        """Called after every epoch that has a validation score."""
        if self.name == "plateau":
            self._torch.step(score)  # type: ignore[arg-type]

    def state_dict(self) -> dict[str, Any]:
        """The state for a resume file."""
        return dict(self._torch.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a saved state."""
        self._torch.load_state_dict(state)
