"""Who may import whom, and what importing does."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

EVERYONE = {"arrays", "errors", "files", "leftovers", "options"}
MAY_IMPORT = {
    "errors": set(),
    "allocation": set(),
    "leftovers": set(),
    "files": {"errors", "leftovers"},
    "arrays": {"errors", "files"},
    "options": {"errors"},
    "processes": set(),
    "bulk": {"errors", "files", "processes"},
    "cli": {"errors", "options", "processes"},
    "data_flags": {"cli", "errors", "options"},
    "audio": EVERYONE,
    "melscale": set(),
    "spectra": set(),
    "features": EVERYONE | {"melscale", "spectra"},
    "inversion": EVERYONE | {"features", "spectra"},
    "metrics": set(),
    "loudness": set(),
    "intelligibility": set(),
    "averaging": {"errors", "networks"},
    "results": EVERYONE,
    "levels": {"files"},
    "rooms": {"errors", "files"},
    "mixing": EVERYONE | {"audio", "levels", "rooms"},
    "networks": set(),
    "batching": set(),
    "kept": EVERYONE,
    "indexing": EVERYONE | {"kept"},
    "labels": EVERYONE | {"audio", "indexing"},
    "datasets": EVERYONE | {"audio", "features", "mixing", "batching", "indexing", "kept", "labels"},
    "tars": EVERYONE,
    "shards": EVERYONE | {"kept", "tars"},
    "sharded": EVERYONE | {"batching", "datasets", "features", "shards"},
    "sounds": EVERYONE | {"audio", "features", "batching", "datasets", "labels", "recordings"},
    "augmentation": {"features"},
    "planning": EVERYONE | {"audio", "mixing", "labels"},
    "recordings": EVERYONE | {"audio"},
    "mixtures": EVERYONE
    | {"audio", "levels", "mixing", "rooms", "batching", "datasets", "features", "planning", "recordings"}
    | {"synthesis", "voices", "speech"},
    "speech": EVERYONE | {"audio", "levels", "recordings"},
    "voice_mixtures": EVERYONE
    | {"levels", "mixing", "rooms"}
    | {"batching", "datasets", "features", "planning", "recordings", "speech", "voices"},
    "masks": set(),
    "mixed_folders": EVERYONE
    | {"audio", "batching", "datasets", "features", "networks", "recordings", "voice_mixtures"},
    "separating": EVERYONE | {"audio", "checkpoint", "features", "mixed_folders", "networks", "spectra"},
    "separation_report": EVERYONE | {"batching", "features", "masks", "metrics", "quality", "tasks", "voice_mixtures"},
    "voice_builder": EVERYONE | {"audio", "features", "masks", "mixed_folders", "planning", "voice_mixtures"},
    "voice_runs": EVERYONE
    | {"checkpoint", "cli", "datasets", "features", "mixed_folders", "networks", "planning", "quality", "results"}
    | {"processes", "separating", "separation_report", "tasks", "voice_mixtures"},
    "clips": EVERYONE | {"audio", "batching", "datasets", "features", "recordings", "labeler"},
    "cut_report": EVERYONE | {"metrics", "cutting", "labeler"},
    "cut_peers": EVERYONE | {"audio", "clips", "cut_report", "features", "labeler"},
    "editing": EVERYONE
    | {"audio", "checkpoint", "cutting", "features", "labeler", "networks", "splicing", "timelines"},
    "exporting": EVERYONE | {"editing", "judging", "metrics", "networks", "results"},
    "presence": EVERYONE | {"mixing", "mixtures", "batching"},
    "presence_report": EVERYONE | {"metrics", "levels"},
    "judging": EVERYONE | {"checkpoint", "audio", "batching", "features", "metrics", "networks", "sounds"},
    "synthesis": EVERYONE,
    "speaking": EVERYONE | {"audio"},
    "voices": EVERYONE,
    "cooking": EVERYONE | {"audio", "features", "levels", "mixing", "planning", "shards"},
    "builder": EVERYONE | {"cooking", "planning", "results"},
    "cards": {"networks", "features"},
    "checkpoint": EVERYONE | {"cards", "networks", "features"},
    "resuming": EVERYONE | {"cards", "checkpoint", "processes"},
    "signals": set(),
    "tasks": EVERYONE
    | {"intelligibility", "loudness", "networks", "datasets", "mixtures", "planning", "batching", "metrics", "features"}
    | {"augmentation", "labels", "presence", "sounds", "clips", "cut_report", "mixed_folders", "sharded", "shards"}
    | {"spectra", "voice_mixtures"},
    "gain_stream": EVERYONE | {"features", "networks", "spectra"},
    "enhancement": EVERYONE | {"audio", "features", "gain_stream", "inversion", "networks"},
    "pcm": EVERYONE,
    "live": EVERYONE | {"audio", "gain_stream", "networks", "pcm"},
    "quality": EVERYONE | {"audio", "enhancement", "datasets", "metrics", "networks"},
    "cutting": EVERYONE,
    "timelines": EVERYONE | {"cutting"},
    "splicing": EVERYONE | {"audio"},
    "labeler": EVERYONE | {"audio", "features", "splicing"},
    "report": EVERYONE | {"features", "melscale"},
    "clip_lists": EVERYONE,
    "programs": {"errors"},
    "whole": set(),
    "fetching": EVERYONE | {"clip_lists", "programs", "whole"},
    "downloading": EVERYONE | {"clip_lists", "fetching", "programs", "results"},
    "faces": EVERYONE | {"results"},
    "engine": EVERYONE
    | {"allocation", "cards", "tasks", "checkpoint", "datasets", "batching", "networks", "resuming", "signals"},
    "drawings": EVERYONE | {"audio", "features", "spectra", "timelines"},
    "plots": EVERYONE | {"audio", "drawings", "features", "melscale", "timelines"},
    "runs": EVERYONE
    | {"checkpoint", "cli", "engine", "plots", "quality", "report", "results", "datasets", "features", "networks"}
    | {"tasks", "data_flags", "enhancement", "labels", "presence", "presence_report", "processes"},
    "cut_runs": EVERYONE
    | {"audio", "checkpoint", "cut_peers", "cut_report", "editing", "engine", "plots", "results", "timelines"}
    | {"bulk", "labeler", "processes", "tasks"},
}
MODULES = sorted((ROOT / "src").rglob("*.py"))


def rooms(path: Path) -> set[str]:
    """The rooms of src that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "src":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("src."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("src.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = path.relative_to(ROOT / "src").parts[0].removesuffix(".py")
    if room != "__init__":
        assert rooms(path) - {room} <= MAY_IMPORT[room]


def test_no_script_is_imported_by_anything() -> None:
    scripts = {path.stem for path in ROOT.glob("*.py")}
    for path in [*MODULES, *ROOT.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not scripts & set(names), path


def test_scripts_are_thin() -> None:
    assert {path.name: n for path in ROOT.glob("*.py") if (n := len(path.read_text().splitlines())) > 60} == {}


def test_only_checkpoint_saves_and_loads_with_torch() -> None:
    for path in MODULES:
        called = {
            f"{node.value.id}.{node.attr}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        assert path.stem == "checkpoint" or not called & {"torch.load", "torch.save"}, path


def test_importing_changes_nothing() -> None:
    names = ", ".join(f"src.{name}" for name in sorted(MAY_IMPORT))
    code = (
        "import random, warnings, torch, numpy as np\n"
        "torch.manual_seed(1); np.random.seed(1); random.seed(1)\n"
        "def state(): return (torch.get_num_threads(), warnings.filters[:1], random.getstate(),"
        " torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), torch.is_grad_enabled())\n"
        f"import accelerate; before = state()\nimport {names}\nassert state() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
