"""Runs all trainings of a recipe, one after the other; each begins from the weights of the one before."""

import importlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clearmel.cli.parser import Parser
from clearmel.core.errors import InputError

TASKS = ("classification", "denoising", "cutting", "separation", "speakers")
KEYS = {"task", "model_filename", "common", "stages"}


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the recipe and trains; 1 if recordings have no decoder."""
    parser = Parser(__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="TOML file, such as recipes/denoiser.toml")
    parser.add_argument(
        "--resume", action="store_true", help="go on after an interruption, without the finished trainings"
    )
    parser.add_argument("flags", nargs="*", help="after --: flags for every training, in place of the recipe's")
    args = parser.parse_args(argv)

    from clearmel.core import distributed
    from clearmel.core.file_io import write_text

    recipe = read(args.recipe)
    if distributed.world() > 1 and len(recipe["stages"]) > 1:
        raise InputError(
            "a recipe of several trainings runs in one process; give torchrun the command of each training."
        )

    from clearmel.checkpoints import weights_file

    train = importlib.import_module(f"clearmel.cli.train_{recipe['task']}").main
    stem, done, before, status = Path(recipe["model_filename"]).stem, [], None, 0
    for number, stage in enumerate(recipe["stages"], 1):
        usual = recipe["model_filename"] if number == len(recipe["stages"]) else f"{stem}_stage{number}.pth"
        name = stage.get("model_filename", usual)
        flags = {"model_filename": name} | ({"init_filename": before} if before else {}) | recipe["common"] | stage
        words, out = [*arguments(flags), *args.flags], weights_file.models_path(name, saved=False)
        if distributed.is_rank_zero():
            print(f"training {number} of {len(recipe['stages'])}: {' '.join(words)}", flush=True)
        folds = bool(flags.get("cross_validate"))
        begun = [out.with_suffix(".resume.pth"), *(out.parent.glob(f"{out.stem}_fold*.resume.pth") if folds else ())]
        if args.resume and any(path.exists() for path in begun):  # of a finished training, nothing is left to do
            words.append("--resume")
        status = max(status, train(words))  # 1: recordings without a decoder were left out
        if distributed.is_rank_zero():
            figures = out.with_suffix(".folds.json" if folds else ".history.json")
            history = json.loads(figures.read_text(encoding="utf-8"))
            done.append({"command": f"clearmel train {recipe['task']} {' '.join(words)}", "history": history})
            log = weights_file.models_path(f"{stem}.recipe.json", saved=False)
            write_text(log, json.dumps({"recipe": str(args.recipe), "trainings": done}, indent=1))
        before = name
    return status


def read(path: Path) -> dict[str, Any]:
    """The recipe of a TOML file: task, model_filename, common (flags of all trainings), stages (flags of each).

    Raises:
        InputError: it is missing, no TOML, or has other keys.
    """
    from clearmel.core.file_io import existing, quoted

    try:
        recipe = tomllib.loads(existing(path, folder=False).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{quoted(path)}: {error}. Expected a TOML file.") from error
    recipe.setdefault("common", {})
    stages = recipe.get("stages")
    if set(recipe) != KEYS or not stages or not all(isinstance(flags, dict) for flags in [recipe["common"], *stages]):
        raise InputError(
            f"{quoted(path)} has the keys {', '.join(sorted(recipe))}; expected task, model_filename, [common] with "
            "the flags of all trainings, and a table [[stages]] with the flags of each."
        )
    if recipe["task"] not in TASKS or not isinstance(recipe["model_filename"], str):
        raise InputError(f"{quoted(path)}: task {recipe['task']!r}; expected {', '.join(TASKS)}, and a model_filename.")
    return recipe


def arguments(flags: dict[str, Any]) -> list[str]:
    """Command-line arguments of flags by name; true gives a flag without a value, false none."""
    words: list[str] = []
    for name, value in flags.items():
        if value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
