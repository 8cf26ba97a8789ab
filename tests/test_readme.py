"""The README's commands run as written, on a copy of what is committed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMMANDS = [line for line in LINES if line.startswith(("python ", "clearmel "))]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("clone") / "clearmel"
    ignored = shutil.ignore_patterns(".git", ".venv", "demo", "plots", "*.resume.pth", "*.history.json", "__pycache__")
    shutil.copytree(ROOT, target, ignore=ignored)
    for made in ("train", "val", "audio", "mix.csv", "build.json"):
        path = target / "data" / made
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return target


def test_every_command_of_the_readme_runs_as_written(copy: Path) -> None:
    assert len(COMMANDS) >= 9
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
    for command in COMMANDS:
        program, _, rest = command.partition(" ")
        line = f"{sys.executable} {'-m clearmel ' if program == 'clearmel' else ''}{rest}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=copy, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_readme_names_every_script_and_file_that_it_speaks_of() -> None:
    for script in ROOT.glob("*.py"):
        assert script.name in README
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in name:
            assert (ROOT / name).exists(), name


def test_shipped_weights_have_their_cards() -> None:
    cards = (ROOT / "models/README.md").read_text(encoding="utf-8")
    for weights in (ROOT / "models").glob("*.pth"):
        if not weights.name.startswith("demo_") and not weights.name.endswith(".resume.pth"):
            assert f"## {weights.name}" in cards
