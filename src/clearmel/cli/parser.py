"""Flags that the commands share, and how a command runs: a user's mistake is one line on stderr and exit status 2."""

import argparse
import dataclasses
import io
import math
import os
import re
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from clearmel.core import distributed
from clearmel.core.errors import InputError, reason, shortened
from clearmel.options import DEVICES, TRACK_STRENGTH, lufs

OPTIONAL = {"matplotlib": "plot"} | dict.fromkeys(("torch", "accelerate", "scipy", "pyroomacoustics"), "train")
"""Packages that the core does without, and the extra that installs each."""
Options = TypeVar("Options")
Number = TypeVar("Number", int, float)


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Names the defaults that there are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """argparse with defaults in the help and no abbreviated flags."""

    def __init__(self, description: str | None, prog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=(description or "").split("\n\n")[0],
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )


def run(main: Callable[[Sequence[str] | None], int | None]) -> typing.NoReturn:
    """Runs a command's main and exits: 0 done, 1 some files failed, 2 the user's mistake, 130 Ctrl-C.

    Of several processes only rank 0 prints; each error is reported once.
    """
    line = ""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not be UTF-8
    try:
        with distributed.silence_other_ranks():
            status = main(None) or 0
            sys.stdout.flush()
    except InputError as error:
        status, line = 2, f"error: {error.line()}"
    except KeyboardInterrupt:
        status, line = 130, "interrupted"
    except SystemExit as stop:  # argparse has spoken, or another process goes on alone
        status = int(stop.code or 0)
    except BrokenPipeError:  # the reader, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in OPTIONAL:
            raise
        extra = OPTIONAL[package]
        status, line = (
            2,
            f"error: this needs {package}, which is not installed. Install: pip install 'clearmel[{extra}]'",
        )
    except OSError as error:
        path = f"{shortened(repr(error.filename))}: " if error.filename else ""
        status, line = 2, f"error: {path}{reason(error)}"
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or re.search("out of memory|allocate memory", str(error)):  # torch's own
            status, line = 2, f"error: not enough memory ({reason(error)}). Use shorter files or smaller batches."
        elif distributed.is_lost_peer(error):
            status, line = (
                1,
                "error: another process of this run has gone. Run the command again; training with --resume.",
            )
        else:
            raise
    sys.exit(distributed.end(status, line))


def add_model_flag(parser: Parser, default: str) -> None:
    """--model_filename."""
    parser.add_argument("--model_filename", default=default, help="weights file in models/")


def add_passes_flag(parser: Parser) -> None:
    """--passes."""
    parser.add_argument(
        "--passes",
        type=one_to_sixteen,
        default=2,
        help="passes over each recording, a part of a frame apart; 1 to 16",
    )


def add_track_strength_flag(parser: Parser) -> None:
    """--strength of the denoiser in separated tracks."""
    parser.add_argument(
        "--strength",
        type=fraction,
        default=TRACK_STRENGTH,
        help="share of the attenuation in dB with which denoiser.pth denoises each track; 0 leaves it as separated",
    )


def add_plot_flags(parser: Parser) -> None:
    """--plot_dir and --no_plots."""
    parser.add_argument("--plot_dir", help="write pictures as PNG there (without a screen: plots/)")
    parser.add_argument("--no_plots", action="store_true", help="make no pictures")


def add_drawing_flags(parser: Parser, text: str) -> None:
    """--plot_dir and --no_plots of a command that draws only where a folder is named."""
    parser.add_argument("--plot_dir", help=text)
    parser.add_argument("--no_plots", action="store_true", help="make no pictures")


def add_json_flag(parser: Parser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print one JSON value on stdout and nothing else there")


def add_result_flags(parser: Parser) -> None:
    """--json and --csv_path."""
    add_json_flag(parser)
    parser.add_argument("--csv_path", help="write one row per item")


def add_eval_flags(parser: Parser) -> None:
    """--json, --csv_path, and how to run."""
    add_result_flags(parser)
    parser.add_argument("--batch_size", type=positive, default=32, help="items at a time")
    add_device_flag(parser)
    parser.add_argument("--workers", type=non_negative, default=0, help="processes that load data")


def add_device_flag(parser: Parser) -> None:
    """--device."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network computes")


def add_option_flags(
    parser: Parser | argparse._ArgumentGroup, options: type[Any], leave_out: Sequence[str] = (), **defaults: Any
) -> None:
    """One flag for each field of a dataclass of `clearmel.options`.

    Args:
        parser: takes the flags.
        options: the dataclass.
        leave_out: fields without a flag of their own here.
        **defaults: where they differ from the dataclass's.
    """
    kinds = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        name, default, text = f"--{field.name}", defaults.get(field.name, field.default), field.metadata["help"]
        if field.name in leave_out:
            continue
        if kinds[field.name] is bool:
            parser.add_argument(name, action="store_true", default=default, help=text)
        elif kinds[field.name] == tuple[str, ...]:
            parser.add_argument(name, type=name_list, default=default, metavar="A,B", help=text)
        else:
            kind = next(k for k in (int, float, str) if k in (kinds[field.name], *typing.get_args(kinds[field.name])))
            parser.add_argument(name, type=kind, default=default, help=text)


def add_loudness_flag(parser: Parser) -> None:
    """--loudness."""
    parser.add_argument(
        "--loudness",
        type=loudness,
        metavar="LUFS",
        help="integrated loudness of the result: podcast (-16), broadcast (-23) or a number; its true peak is at most "
        "-1 dBTP (default: the level stays)",
    )


def loudness(text: str) -> float:
    """A flag's loudness in LUFS, or its name."""
    try:
        return lufs(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """A flag's whole number of 1 or more."""
    return _number(text, int, 1, None)


def one_to_sixteen(text: str) -> int:
    """A flag's number of 1 to 16."""
    return _number(text, int, 1, 16)


def non_negative(text: str) -> int:
    """A flag's whole number of 0 or more."""
    return _number(text, int, 0, None)


def fraction(text: str) -> float:
    """A flag's number from 0 to 1."""
    return _number(text, float, 0, 1)


def decibels(text: str) -> float:
    """A flag's number of decibels from 0 to 120."""
    return _number(text, float, 0, 120)


def seconds(text: str) -> float:
    """A flag's number of seconds, 0 or more."""
    return _number(text, float, 0, None)


def milliseconds(text: str) -> float:
    """A flag's number of milliseconds from 0 to 1000."""
    return _number(text, float, 0, 1000)


def _number(text: str, kind: type[Number], low: int, high: int | None) -> Number:
    wanted = f"{low} or more" if high is None else f"{low} to {high}"
    try:
        value = kind(text)
    except ValueError:
        value = kind(low - 1)
    if not low <= value <= (math.inf if high is None else high):
        raise argparse.ArgumentTypeError(f"{text}; expected {wanted}")
    return value


def name_list(text: str) -> tuple[str, ...]:
    """A flag's list, its items between commas."""
    return tuple(name for name in text.split(",") if name)


def take(options: type[Options], args: argparse.Namespace, **extra: Any) -> Options:
    """Builds a dataclass from the flags of its names."""
    own = {field.name for field in dataclasses.fields(options)}  # type: ignore[arg-type]
    return options(**{key: value for key, value in vars(args).items() if key in own} | extra)
