"""Tasks by name."""

from src.tasks.base import Task
from src.tasks.classification import ClassificationTask
from src.tasks.cleaning import CleaningTask
from src.tasks.denoising import DenoisingTask
from src.tasks.separation import SeparationTask

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (ClassificationTask, CleaningTask, DenoisingTask, SeparationTask)
}

__all__ = ["TASKS", "ClassificationTask", "CleaningTask", "DenoisingTask", "SeparationTask", "Task"]
