"""What a killed process leaves, and what two at once may not do."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from clearmel.core import temp_files
from clearmel.core.errors import InputError
from clearmel.core.file_io import claiming, ensure_writable, replacing, write_text

ROOT = Path(__file__).parents[2]


def killed(code: str, folder: Path) -> None:
    """Runs code in another process until it says a line, then kills it."""
    begun = (
        "import sys; from pathlib import Path; from clearmel.core import file_io, temp_files; "
        "folder = Path(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", begun + textwrap.dedent(code), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)


WRITING = """
    with file_io.replacing(folder / "out.txt") as temporary:
        temporary.write_text("half")
        print("ready", flush=True)
        sys.stdin.read()
"""


def test_the_next_write_removes_what_a_killed_one_left_and_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "out.txt", "whole")
    (tmp_path / ".clearmel-mine").write_text("not ours to remove")
    killed(WRITING, tmp_path)
    assert len(list(tmp_path.glob(".clearmel-*.tmp"))) == 1
    assert (tmp_path / "out.txt").read_text() == "whole"
    temp_files._swept.discard(tmp_path)  # this process has written here before
    ensure_writable(tmp_path / "other.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".clearmel-mine", "out.txt"]


def test_a_sweep_leaves_what_is_being_written(tmp_path: Path) -> None:
    with replacing(tmp_path / "a" / "b.txt") as temporary:
        temporary.write_text("half")
        temp_files.sweep(tmp_path, deep=True)
        assert temporary.exists()
    assert (tmp_path / "a" / "b.txt").read_text() == "half"


def test_the_folder_of_a_killed_process_goes_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    killed(
        '(temp_files.temporary_folder() / "big.pcm").write_text("x"); print("ready", flush=True); sys.stdin.read()',
        tmp_path,
    )
    (left,) = tmp_path.iterdir()
    ours = temp_files.temporary_folder()
    assert not left.exists()
    again = temp_files.temporary_folder()
    assert ours.exists()
    assert again.exists()
    assert ours != again


def test_only_one_run_writes_a_name_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    with claiming(tmp_path / "x.pth"):
        with pytest.raises(InputError, match="another run is writing"), claiming(tmp_path / "x.pth"):
            pass
        with claiming(tmp_path / "y.pth"):
            pass
    killed(
        'lock = file_io.claiming(folder / "x.pth"); lock.__enter__(); print("ready", flush=True); sys.stdin.read()',
        tmp_path,
    )
    with claiming(tmp_path / "x.pth"):
        pass
    assert not list(tmp_path.iterdir())


def test_without_flock_one_run_writes_a_name_and_an_old_lock_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temp_files, "fcntl", None)  # as on Windows
    with claiming(tmp_path / "x.pth"):
        with pytest.raises(InputError, match="another run is writing"), claiming(tmp_path / "x.pth"):
            pass
        [lock] = tmp_path.iterdir()
        with claiming(tmp_path / "y.pth"):
            pass
    assert not list(tmp_path.iterdir())
    lock.touch()
    two_days_ago = time.time() - 2 * temp_files.A_DAY_S
    os.utime(lock, (two_days_ago, two_days_ago))
    with claiming(tmp_path / "x.pth"):
        pass


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="lists the open files of a process")
def test_without_flock_no_file_of_a_temporary_folder_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temp_files, "fcntl", None)  # Windows cannot remove what is open
    made = temp_files.temporary_folder()
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [link for link in links if str(made) in str(link.readlink())]
    shutil.rmtree(made)


def test_a_killed_build_over_another_one_keeps_no_mel_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "clearmel", "build", "dataset", "--workers", "1", "--clip_s", "1"]
    command += ["--clean_path", str(ROOT / "data/speech"), "--noise_path", str(ROOT / "data/noise"), "--output_path"]

    def mels(folder: str) -> dict[str, bytes]:
        root = tmp_path / folder
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.npy"))}

    def build(folder: str, *flags: str) -> None:
        subprocess.run([*command, str(tmp_path / folder), *flags], check=True, capture_output=True)

    build("wanted", "--seed", "1")
    build("set", "--seed", "0")
    old = mels("set")
    with subprocess.Popen([*command, str(tmp_path / "set"), "--seed", "1", "--overwrite"]) as process:
        while not 3 <= len(list((tmp_path / "set/train/clean").rglob("[!.]*.npy"))) < len(old) / 4:
            assert process.poll() is None
        process.kill()
    build("set", "--seed", "1", "--overwrite")
    assert mels("set") == mels("wanted")
