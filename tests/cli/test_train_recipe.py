"""Recipes: several trainings by one command."""

import json
import re
from pathlib import Path

import pytest

from clearmel.checkpoints import weights_file
from clearmel.cli import train_recipe
from tests.conftest import ROOT, refused, run_process, run_script
from tests.data.test_labels import tones  # noqa: F401  a fixture

RECIPE = """
task = "denoising"
model_filename = "small.pth"

[common]
dataset_path = "{data}"
network = "lstm"
hidden_dim = 6
batch_size = 2
no_plots = true
attenuation = false

[[stages]]
model_filename = "first.pth"
epochs = 2

[[stages]]
epochs = 1
learning_rate = 1e-5
"""


@pytest.fixture
def recipe(workplace: Path, tree: Path) -> Path:
    """A recipe of two short trainings."""
    path = workplace / "small.toml"
    path.write_text(RECIPE.format(data=tree), encoding="utf-8")
    return path


def test_each_training_begins_from_the_one_before(recipe: Path) -> None:
    assert train_recipe.main(["--recipe", str(recipe)]) == 0
    cards = [weights_file.load(f"models/{name}.pth", "denoising").card for name in ("first", "small")]
    assert [card["training"]["epochs"] for card in cards] == [2, 1]
    assert cards[1]["training"]["init_filename"] == "first.pth"
    log = json.loads(Path("models/small.recipe.json").read_text())
    assert [len(training["history"]) for training in log["trainings"]] == [2, 1]
    assert "--learning_rate 1e-05" in log["trainings"][1]["command"]
    assert "attenuation" not in log["trainings"][0]["command"]


def test_flags_after_two_dashes_override_the_recipe(recipe: Path) -> None:
    train_recipe.main(["--recipe", str(recipe), "--", "--epochs", "1", "--seed", "5"])
    card = weights_file.load("models/first.pth", "denoising").card
    assert (card["training"]["epochs"], card["training"]["seed"]) == (1, 5)


def test_an_interrupted_recipe_goes_on_where_it_was(recipe: Path) -> None:
    train_recipe.main(["--recipe", str(recipe)])
    wanted = Path("models/small.pth").read_bytes()
    first = Path("models/first.pth").stat().st_mtime_ns
    for path in Path("models").glob("small.*"):
        path.unlink()
    train_recipe.main(["--recipe", str(recipe), "--resume"])
    assert Path("models/small.pth").read_bytes() == wanted
    assert Path("models/first.pth").stat().st_mtime_ns == first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task = ", ("Expected a TOML file",)),
        ("task = 'denoising'\nmodel_filename = 'a.pth'", ("stages",)),
        ("task = 'cooking'\nmodel_filename = 'a.pth'\n[[stages]]\nepochs = 1", ("cooking", "denoising")),
        ("task = 'denoising'\nmodel_filename = 'a.pth'\nextra = 1\n[[stages]]\nepochs = 1", ("extra",)),
        ("task = 'denoising'\nmodel_filename = 'a.pth'\n[[stages]]\nepoch = 1", ("epoch",)),
    ],
)
def test_a_recipe_that_cannot_be_run_gets_one_line(text: str, words: tuple[str, ...], workplace: Path) -> None:
    Path("bad.toml").write_text(text)
    ran = run_process("train_recipe", "--recipe", "bad.toml", cwd=workplace)
    assert ran.status == 2
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err


def test_a_missing_recipe_is_named(workplace: Path) -> None:
    refused(run_script("train_recipe", "--recipe", "absent.toml"), "absent.toml", "does not exist")


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_ship_are_complete(path: Path) -> None:
    recipe = train_recipe.read(path)
    known = run_script(f"train_{recipe['task']}", "--help").out
    for stage in recipe["stages"]:
        for name in recipe["common"] | stage:
            assert re.search(rf"--{name}\b", known), name


def test_a_recipe_may_train_once_for_each_fold(tones: Path) -> None:  # noqa: F811
    Path("folds.toml").write_text(
        "task = 'classification'\nmodel_filename = 'small.pth'\n[[stages]]\ndataset_path = 'tones'\nepochs = 1\n"
        "cross_validate = true\nhidden_dim = 4\nfeatures = 'speech40'\n"
    )
    ran = run_script("train_recipe", "--recipe", "folds.toml")
    assert ran.status == 0, ran
    [training] = json.loads(Path("models/small.recipe.json").read_text())["trainings"]
    assert training["history"]["all"]["n"] == 24


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("separator", ("--num_layers", "1")),
        ("speakers", ()),
    ],
)
def test_recipes_of_voices_run_on_other_folders(name: str, flags: tuple[str, ...], workplace: Path) -> None:
    speech, small = str(ROOT / "data/speech"), ("--hidden_dim", "8", "--batch_size", "4", "--clip_s", "1", "--no_plots")
    noise = str(ROOT / "data/noise")
    folders = ("--clean_path", speech, "--val_clean_path", speech, "--noise_path", noise, "--val_noise_path", noise)
    folders += ("--reverb", "0", *flags)
    few = ("--epochs", "1", "--epoch_items", "4", "--val_items", "8")
    recipe = ROOT / f"recipes/{name}.toml"
    assert train_recipe.main(["--recipe", str(recipe), "--", *folders, *small, *few]) == 0
    found = train_recipe.read(recipe)
    card = weights_file.load(Path("models", found["model_filename"]), found["task"]).card
    assert card["sizes"]["hidden_dim"] == 8
