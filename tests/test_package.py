"""What an installation brings: requirements that agree, a wheel with its weights, and a command without torch."""

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import soundfile as sf
from packaging.requirements import Requirement

from clearmel.checkpoints import stored
from clearmel.cli.main import VERBS
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    parts = [line.split("#")[0].strip().split("==") for line in lines]
    return {part[0]: part[1] for part in parts if len(part) == 2}


def test_the_pinned_versions_are_those_that_the_package_asks_for() -> None:
    users, tests = pins("requirements.txt"), pins("requirements.txt") | pins("requirements-dev.txt")
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert requirement.specifier.contains(users[requirement.name]), requirement
    for extra in ("train", "plot", "metrics", "otio", "speech", "dev"):
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            if requirement.name != "clearmel":
                assert requirement.specifier.contains(tests[requirement.name]), requirement


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installation lies on disk."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_holds_the_package_and_its_weights_and_nothing_else(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir()} == {"clearmel", "clearmel-0.1.0.dist-info"}
    shipped = {path.name for path in (wheel / "clearmel/models").glob("*.pth")}
    tracked = subprocess.run(["git", "ls-files", "models/*.pth"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode == 0:
        assert {Path(line).name for line in tracked.stdout.split()} - set(stored.SAME) == shipped
    assert {"denoiser.pth", "cutter.pth", "noise_presence.pth", "separator.pth"} <= shipped


def test_weights_with_two_names_are_the_same_and_a_wheel_has_both(
    wheel: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del workplace  # a folder without weights
    for name, same in stored.SAME.items():
        assert (ROOT / "models" / name).read_bytes() == (ROOT / "models" / same).read_bytes()
        assert stored.models_path(name, saved=True) == ROOT / "models" / name
        monkeypatch.setattr(stored, "__file__", str(wheel / "clearmel/checkpoints/stored.py"))
        assert stored.models_path(name, saved=True) == wheel / "clearmel/models" / same
        assert stored.models_path(name, saved=False) == Path("models", name)


def test_an_installed_wheel_denoises_a_file_from_any_folder(wheel: Path, workplace: Path) -> None:
    (workplace / "in.wav").write_bytes((ROOT / "data/noisy.wav").read_bytes())
    environment = {"PYTHONPATH": str(wheel), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]}
    where = "import clearmel; print(clearmel.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=workplace, env=environment, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()).is_relative_to(wheel)
    done = subprocess.run(
        [sys.executable, "-m", "clearmel", "denoise", "in.wav"], cwd=workplace, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "saved in_denoised.wav\n"
    before, after = sf.read("in.wav")[0], sf.read("in_denoised.wav")[0]
    assert before.shape == after.shape
    assert (after**2).mean() < 0.9 * (before**2).mean()  # the noise is gone


def core_distributions() -> set[str]:
    """The declared dependencies of the core, and theirs."""
    found, open_ = set[str](), [Requirement(text) for text in PROJECT["dependencies"]]
    while open_:
        requirement = open_.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            open_ += map(Requirement, metadata.requires(name) or [])
    return found


def test_the_core_runs_every_verb_without_torch_or_a_network(wheel: Path, workplace: Path) -> None:
    """In an environment of its own, which holds the wheel and the dependencies that it declares."""
    venv.create("core", with_pip=False, symlinks=os.name != "nt")
    [site] = Path("core").absolute().rglob("site-packages")
    sources = [(wheel, path.name) for path in wheel.iterdir()]
    for name in core_distributions():
        files = metadata.files(name) or []
        sources += [(Path(str(files[0].locate())).parents[len(files[0].parts) - 1], file.parts[0]) for file in files]
    for folder, name in set(sources):
        if name not in ("..", "__pycache__"):
            (site / name).symlink_to(folder / name)
    [python] = [path for path in Path("core").absolute().glob("*/python*") if path.stem == "python"]
    environment = {"OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, ROOT / "tests/installed.py", ROOT / "data"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["verbs", "page", "interface"]


def test_the_list_of_verbs_needs_nothing_heavy(workplace: Path) -> None:
    code = (
        "import sys; from clearmel.cli.main import main; main(['--help']); import clearmel\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'soundfile'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert re.search(rf"^  {verb} +\w.*$", done.stdout, re.MULTILINE), verb
