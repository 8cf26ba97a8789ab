"""A whole run over speech to be cut, once its flags are parsed: evaluating weights, or editing recordings."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from src import (
    audio,
    bulk,
    checkpoint,
    cut_peers,
    cut_report,
    editing,
    engine,
    files,
    plots,
    processes,
    results,
    timelines,
)
from src.labeler.folder import Folder
from src.labeler.store import Store
from src.options import CutOptions
from src.tasks import CleaningTask
from src.tasks.base import Source


class Evaluated(NamedTuple):
    """What came of evaluating a cutter.

    report: figures, see `cut_report`. table: a row for each system where it keeps as much. curves: by system.
    """

    report: dict[str, Any]
    table: list[dict[str, Any]]
    curves: dict[str, list[dict[str, float]]]


def evaluate(args: argparse.Namespace) -> Evaluated:
    """Evaluates a cutter on labelled clips, beside others; prints JSON and writes CSV where asked for.

    Args:
        args: the flags of `data_flags.add_clip_flags`, `add_model_flag`, `add_eval_flags`, and `collar_ms`, `strength`,
            `no_peers`.
    """
    editor = editing.Editor.load(args.model_filename)
    task = CleaningTask(
        Source(args.dataset_path, cache_path=args.cache_path),
        editor.features,
        network_name=checkpoint.flag_name(editor.network),
        labels_path=args.labels_path,
        collar_s=args.collar_ms / 1000,
        threshold=editor.threshold,
    )
    data, accelerator = task.dataset("."), engine.make_accelerator(args.device)
    records = engine.evaluate(task, editor.network, data, args.batch_size, accelerator, args.workers)
    processes.main_goes_on()
    options = CutOptions.of_strength(args.strength, editor.threshold)
    rows = cut_report.rows_of(records, editor.threshold, options)
    edits = cut_report.summed([cut_report.edited(record["judged"], options) for record in records])
    systems = {args.model_filename: [record["judged"] for record in records]}
    if not args.no_peers:
        systems |= cut_peers.judge(data, systems[args.model_filename])
    whole = {name: cut_report.together(parts) for name, parts in systems.items()}
    table = [{"system": name} | cut_report.at_keep_recall(judged) for name, judged in whole.items()]
    curves = {name: cut_report.curve(judged) for name, judged in whole.items()}
    report = task.report(records) | edits | {"curve": curves[args.model_filename], "systems": table}
    results.write(report, rows, args)
    return Evaluated(report, table, curves)


def edit(args: argparse.Namespace, given: Mapping[str, Any]) -> int:
    """Edits a recording, or all of a folder, and writes time lines, labels and pictures where asked for.

    Args:
        args: the flags of `inference_cleaning.py`.
        given: fields of `CutOptions` that the user has set, None where not.

    Returns:
        How many files of a folder failed.
    """
    forms = args.timelines or (("json",) if args.timeline_only and not args.labels_path else ())
    timelines.check(forms)
    editor = editing.Editor.load(args.model_filename)
    options = CutOptions.of_strength(args.strength, editor.threshold, given)
    source, target = files.existing(args.input_path), Path(args.output_path)
    store = Store(args.labels_path, Folder(source).names) if args.labels_path else None
    board = plots.Board(argparse.Namespace(plot_dir=args.plot_dir, no_plots=not args.plot_dir))
    rows = list[dict[str, Any]]()

    def work(path: Path) -> timelines.Timeline:
        out, length_s = target / path.relative_to(source), round(audio.inspect(path).duration_s)
        with tqdm(total=length_s, unit="s", disable=True if source.is_dir() else None, leave=False) as bar:
            timeline = editor.timeline(path, options, bar.update)
        if not args.timeline_only:
            editing.render(timeline, out, options)
        for form in forms:
            timelines.write(out.with_suffix(f".{form}"), timeline, args.fps)
        board.cuts(timeline, f"{out.stem}_cuts")
        return timeline

    def done(path: Path, timeline: timelines.Timeline) -> None:
        out = target / path.relative_to(source)
        if store is not None:
            name = path.relative_to(source if source.is_dir() else source.parent)
            store.save(name.as_posix(), timeline.cuts(), timeline.duration_s, None)
        rows.append(timeline.row() | {"output": "" if args.timeline_only else str(out)})
        if not args.json:
            print(f"{timeline.summary()}  {path if args.timeline_only else out}")

    failed = bulk.each(source, audio.SUFFIXES, work, done)
    results.write(rows, rows, args)
    return failed
