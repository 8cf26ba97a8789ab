"""`--device cuda` where no library can use it: one line that says what to install, with torch and without."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from tests.conftest import ROOT

VERBS = ("denoise", "cut", "separate", "classify")
COMMANDS = f"""
import sys
sys.modules.update(dict.fromkeys({{hidden}}))  # as if they were not installed
import onnxruntime
onnxruntime.get_available_providers = lambda: {{providers}}
from clearmel.cli import main, parser
for verb in {VERBS}:
    sys.argv = ["clearmel", verb, {str(ROOT / "data/noisy.wav")!r}, "--device", "cuda"]
    try:
        main.entry()
    except SystemExit as end:
        print(verb, end.code)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH lets any library be the driver")


@pytest.fixture
def driver(tmp_path: Path) -> dict[str, str]:
    """An environment in which a library has the name of NVIDIA's driver."""
    folder = Path(importlib.import_module("_soundfile_data").__file__ or "").parent
    shutil.copy(next(folder.glob("libsndfile*.so")), tmp_path / "libcuda.so.1")
    return os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}


@pytest.mark.parametrize("hidden", [[], ["torch"]], ids=["torch", "core"])
@pytest.mark.parametrize(
    ("providers", "words"),
    [
        (["CPUExecutionProvider"], ("pip install 'onnxruntime-gpu[cuda,cudnn]'", "a CUDA build of torch")),
        # As onnxruntime-gpu lists them, whether or not it can load the libraries of CUDA.
        (
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
            ("pip install 'onnxruntime-gpu[cuda,cudnn]'", "cannot load"),
        ),
    ],
    ids=["onnxruntime", "onnxruntime-gpu"],
)
def test_what_to_install_for_cuda(
    driver: dict[str, str], workplace: Path, hidden: list[str], providers: list[str], words: tuple[str, str]
) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is here")
    code = COMMANDS.format(hidden=hidden, providers=providers)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=driver,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.split("\n") == [*(f"{verb} 2" for verb in VERBS), ""], done
    lines = done.stderr.splitlines()
    assert len(lines) == len(VERBS), done.stderr
    for line in lines:
        assert line.startswith("error: --device cuda: "), line
        assert all(word in line for word in words), line
    assert [path.name for path in workplace.iterdir()] == ["libcuda.so.1"]
