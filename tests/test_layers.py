"""Which package may import which, and what importing does."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LAYERS = (
    "core", "options", "audio", "segments", "augmentation", "networks", "metrics", "reporting", "checkpoints",
    "graphs", "runtime", "data", "tasks", "training", "inference", "evaluation", "onnx_export", "prepare", "web",
    "labeler", "api", "studio", "cli",
)  # fmt: skip
"""From the bottom up: a package imports only packages before it."""
PACKAGE = ROOT / "src/clearmel"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAZY = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}


def imported(path: Path) -> set[str]:
    """The packages of clearmel that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "clearmel":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("clearmel."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("clearmel.")}
    return found


def test_the_layers_are_the_packages() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages - {"static"} == set(LAYERS)


def test_the_tree_of_the_architecture_page_names_every_module() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    tree = text[text.index("    src/clearmel/") : text.index("| to change |")]
    entries = dict(re.findall(r"[├└]── (\w+)/ +(.*?)(?=\n    [├└]|\n\n)", tree, re.DOTALL))
    assert list(entries) == list(LAYERS)
    for path in MODULES:
        package, *_, name = path.relative_to(PACKAGE).with_suffix("").parts if path.parent != PACKAGE else ("", "")
        if package not in ("", "cli") and name != "__init__":  # cli: "one module per command"
            assert re.search(rf"\b{name}\b", entries[package]), path
    known = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}
    for package in ("audio", "networks", "data", "evaluation"):  # their entries hold no other words
        assert set(re.findall(r"\b[a-z]+_[a-z_]+\b", entries[package])) <= known


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    if path not in LAZY:
        own = LAYERS.index(path.relative_to(PACKAGE).parts[0])
        assert imported(path) <= set(LAYERS[: own + 1])


def test_no_script_is_imported_by_anything() -> None:
    scripts = {path.stem for path in ROOT.glob("*.py")}
    for path in [*MODULES, *ROOT.glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not scripts & set(names), path


def test_scripts_are_thin() -> None:
    assert {path.name: n for path in ROOT.glob("*.py") if (n := len(path.read_text().splitlines())) > 60} == {}


def test_one_module_saves_and_loads_with_torch() -> None:
    for path in MODULES:
        called = {
            f"{node.value.id}.{node.attr}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        assert path.stem == "weights_file" or not called & {"torch.load", "torch.save"}, path


def test_importing_changes_nothing() -> None:
    names = ", ".join(
        ".".join(("clearmel", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in MODULES
        if path.stem not in ("__init__", "__main__")
    )
    code = (
        "import random, warnings, torch, numpy as np\n"
        "torch.manual_seed(1); np.random.seed(1); random.seed(1)\n"
        "def state(): return (torch.get_num_threads(), warnings.filters[:1], random.getstate(),"
        " torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), torch.is_grad_enabled())\n"
        f"import accelerate; before = state()\nimport {names}\nassert state() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
