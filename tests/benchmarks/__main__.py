"""Compare this project with other programs and hold it to targets: `python tests/benchmarks [SUITE]… [--rounds N]`.

The suites are train, predict, data, start, ui, typing, history, int8, explain, label, scale, ray and torchrun (default:
all, an hour and a half). What is compared runs in processes of its own, in turn, round after round, so that memory and
warm caches are not shared. The figures of a process are printed on stderr when it ends, and rows when all rounds have
ended.

Two are programs of their own: `python tests/benchmarks card [--rehearsal]`, for a machine with a CUDA device, and
`python tests/benchmarks classifiers FILE…`, which compares accuracies.

`--target NAME ARGUMENTS` is how one of these processes is started: it prints its figures as a JSON object, the last
line of stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

SUITES = (
    "train",
    "predict",
    "data",
    "start",
    "ui",
    "typing",
    "history",
    "int8",
    "explain",
    "label",
    "scale",
    "ray",
    "torchrun",
)
# Functions that run in a process of their own. Each returns its figures, and its module imports what it needs.
TARGETS = {
    "app at work": ("app_at_work", "run_app"),
    "label in app": ("app_labeling", "label_in_app"),
    "training alone": ("app_at_work", "train_alone"),
    "history": ("history_data", "query"),
    "prepare": ("data", "prepare"),
    "audit": ("data", "time_audit"),
    "typing": ("live_typing", "type_posts"),
    "large model": ("live_typing", "add_large_model"),
    "train": ("engine", "train"),
    "predict": ("engine", "predict"),
    "reference training": ("reference", "train"),
    "reference loop": ("reference", "predict"),
    "reference pipeline": ("reference", "classify"),
    "file stages": ("labeling_stages", "time_files"),
    "model stages": ("labeling_stages", "time_model"),
    "all cores": ("labeling_stages", "label_on_all_cores"),
    "label alone": ("ray_labeling", "label_alone"),
    "label on ray": ("ray_labeling", "label_on_ray"),
    "label with lost node": ("ray_labeling", "label_with_lost_node"),
}


def main() -> None:
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]  # `benchmarks` and `weibo_tui`
    if sys.argv[1:2] in (["card"], ["classifiers"]):
        sys.exit(import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description="Compare with other programs.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} (default: all)")
    parser.add_argument("--base", default="", help="base model (default: 12 blocks of width 768, random weights)")
    parser.add_argument("--rounds", type=int, default=0, help="rounds (default: 3 to 7, by suite)")
    about = "CSV file with a column review, for explain and scale; with a column label too, for data and int8"
    parser.add_argument("--data", type=Path, help=about)
    parser.add_argument("--json", action="store_true", help="write one JSON object a line")
    parser.add_argument("--target", nargs=2, metavar=("NAME", "ARGUMENTS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.target:
        _run_target(*options.target)
        return
    for name in options.suites:
        if name not in SUITES:
            parser.error(f"unknown suite {name}")
    _run_suites(options.suites or SUITES, (options.base, options.rounds, options.data), options.json)


def _run_target(name: str, arguments: str) -> None:
    module, function = TARGETS[name]
    print(json.dumps(getattr(import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))))


def _run_suites(names: Sequence[str], options: tuple[str, int, Path | None], as_json: bool) -> None:
    from benchmarks import runner, suites  # with torch, which not every target needs

    from weibo_tui.progress import Progress

    for name in names:
        for event in suites.SUITES[name](runner.BenchmarkOptions(*options)):
            if isinstance(event, Progress):
                figures = f": {event.note}" if event.note else ""
                print(f"{name}: {event.stage} {event.done:,} of {event.total or '?'}{figures}", file=sys.stderr)
            else:
                print(json.dumps(event.to_json()) if as_json else event.row(), flush=True)


if __name__ == "__main__":
    main()
