"""Tasks by name."""

from clearmel.tasks.base import Task
from clearmel.tasks.classification import ClassificationTask
from clearmel.tasks.cutting import CuttingTask
from clearmel.tasks.denoising import DenoisingTask
from clearmel.tasks.separation import SeparationTask
from clearmel.tasks.speakers import SpeakersTask

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (ClassificationTask, CuttingTask, DenoisingTask, SeparationTask, SpeakersTask)
}
__all__ = ["TASKS", "ClassificationTask", "CuttingTask", "DenoisingTask", "SeparationTask", "SpeakersTask", "Task"]
