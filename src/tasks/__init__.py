"""Tasks by name."""

from src.tasks.base import Task
from src.tasks.classification import ClassificationTask
from src.tasks.denoising import DenoisingTask

TASKS: dict[str, type[Task]] = {task.name: task for task in (ClassificationTask, DenoisingTask)}

__all__ = ["TASKS", "ClassificationTask", "DenoisingTask", "Task"]
