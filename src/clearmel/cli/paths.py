"""Input and output paths of the commands that work on recordings: several files or folders, and where results go."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from clearmel.cli.parser import Parser
from clearmel.core.errors import FullDiskError, InputError

PIPE = "-"
"""Standard input or output as a path."""


class Job(NamedTuple):
    """A recording, or a folder of recordings, and its output."""

    source: str
    target: str


def add_path_arguments(parser: Parser, what: str, output: str | None = None) -> None:
    """Positional FILEs, and -o where the command writes files.

    Args:
        parser: takes the arguments.
        what: names the inputs in the help, such as "recordings or folders".
        output: names the output in the help; None for a command that writes none.
    """
    parser.add_argument("paths", nargs="+", metavar="FILE", help=what)
    if output:
        parser.add_argument("-o", "--output_path", metavar="PATH", help=output)


def job(source: str, output: str) -> Job:
    """One input and its output; a file whose output is an existing folder goes into it under its own name."""
    into = PIPE not in (source, output) and Path(output).is_dir() and not Path(source).is_dir()
    return Job(source, str(Path(output, Path(source).name)) if into else output)


def jobs(paths: list[str], output: str | None, suffix: str, *, folder: bool = False) -> list[Job]:
    """The output of every input.

    Without `output` it lies beside the input: `FILE_<suffix>.ext`, or the folder `FOLDER_<suffix>`. An existing folder
    as output receives the file under its own name; several inputs need a folder, which is made.

    Args:
        paths: the inputs; "-" is standard input.
        output: a path, "-" for standard output, or None.
        suffix: such as "denoised".
        folder: each input becomes a folder of results, named after it.

    Raises:
        InputError: "-" beside other inputs, or two inputs with one output.
    """
    from clearmel.core.file_io import quoted  # imports numpy, which --help does not need

    if PIPE in paths and len(paths) > 1:
        raise InputError("- reads one recording from stdin; give it alone.")
    if PIPE in paths and output is None:
        return [Job(PIPE, PIPE)]
    several = len(paths) > 1
    if several and output is not None and (output == PIPE or Path(output).is_file()):
        raise InputError(f"{quoted(output)} cannot receive {len(paths)} results; name a folder.")
    found = []
    for text in paths:
        path = Path(text)
        stem = path.name if path.is_dir() else path.stem
        own = f"{stem}_{suffix}" if folder or path.is_dir() else f"{stem}_{suffix}{path.suffix}"
        if output is None:
            target = path.with_name(own) if path.name else Path(f"{path.resolve().name}_{suffix}")
        elif output != PIPE and (several or (not folder and not path.is_dir() and Path(output).is_dir())):
            target = Path(output, stem if folder or path.is_dir() else path.name)
        else:
            target = Path(output)
        found.append(Job(text, str(target)))
    targets = [job.target for job in found]
    if twice := next((target for target in targets if targets.count(target) > 1), None):
        raise InputError(f"two inputs would both become {quoted(twice)}; run them one after the other.")
    return found


def each(found: Iterable[Job], work: Callable[[Job], int]) -> int:
    """Works on all jobs; of several, one that fails is reported and the others go on.

    Returns:
        1 if some files failed, else 0.

    Raises:
        InputError: the only job fails, or the disk is full.
    """
    found, failed = list(found), 0
    for job in found:
        try:
            failed += work(job)
        except FullDiskError:
            raise
        except InputError as error:
            if len(found) == 1:
                raise
            failed += 1
            print(f"failed: {error.line()}", file=sys.stderr)
    return 1 if failed else 0
