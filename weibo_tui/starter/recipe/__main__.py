"""The command line of the recipe; see the package for the steps in their order."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.atomic import atomic_folder, atomic_write
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.paths import BUNDLED
from weibo_tui.starter.recipe import card, models, scoring
from weibo_tui.starter.recipe.sources import make_parts

app = typer.Typer(no_args_is_help=True, add_completion=False)

Data = Annotated[Path, typer.Argument(help="Folder of the datasets.", exists=True, file_okay=False)]
Work = Annotated[Path, typer.Argument(help="Folder for intermediate results.")]

BASELINES = "baselines.json"
SCORES = "scores.json"

# Bytes that the wheel has room for.
MAX_FILE_SIZE, MAX_STARTER_SIZE = 15_000_000, 25_000_000


@app.command()
def split(data: Data, work: Work) -> None:
    """Split all datasets jointly, and write the corpus."""
    for part, posts in make_parts(data, work).items():
        print(f"{part}: {posts:,} posts")


@app.command()
def pretrain(work: Work, minutes: float = 0.0, tokens: int = 0, layers: int = 6, width: int = 320) -> None:
    """Make the base from the corpus, limited by --minutes or --tokens."""
    models.pretrain(work, models.pretraining_config(work, minutes, tokens, layers, width))


@app.command()
def tune(work: Work) -> None:
    """Tune the base on labels, hidden emoticons and predicted labels, and save it as int8."""
    from weibo_tui.starter.recipe import tuning

    tuning.tune(work)


@app.command()
def adapters(work: Work, only: str = "", epochs: int = 0) -> None:
    """Train the adapters, or --only one of them, for their own number of epochs or for --epochs."""
    for task in models.TASKS:
        if only in ("", task.adapter):
            models.train(work, task, epochs)


@app.command()
def baselines(work: Work) -> None:
    """Fit and score the baselines."""
    from weibo_tui.starter.recipe.baselines import score_baselines  # scikit-learn takes seconds to import

    _write_json(work / BASELINES, {task.adapter: score_baselines(work, task) for task in models.TASKS})


@app.command()
def score(work: Work) -> None:
    """Score the adapters on the test part of each dataset, and predict the probes."""
    _write_json(work / SCORES, scoring.score_adapters(work))


@app.command("card")
def write_card(work: Work) -> None:
    """Write the model card from the scores."""
    results = [json.loads((work / name).read_text(encoding="utf-8")) for name in (SCORES, BASELINES)]
    atomic_write(work / "starter" / card.MODEL_CARD, card.render(work, *results).encode())


@app.command()
def bundle(work: Work) -> None:
    """Copy the starter into the package, unless a file or all of it is too large."""
    starter = work / "starter"
    sizes = {path: path.stat().st_size for path in starter.rglob("*") if path.is_file()}
    for path, size in sizes.items():
        if size > MAX_FILE_SIZE:
            raise UserInputError(f"{path} has {size:,} bytes, and {MAX_FILE_SIZE:,} are the most.")
    if sum(sizes.values()) > MAX_STARTER_SIZE:
        raise UserInputError(f"{starter} has {sum(sizes.values()):,} bytes, and {MAX_STARTER_SIZE:,} are the most.")
    for kind in ("bases", "adapters"):
        with atomic_folder(BUNDLED / kind, replace=True) as folder:
            shutil.copytree(starter / kind, folder, dirs_exist_ok=True)
    atomic_write(BUNDLED / card.MODEL_CARD, (starter / card.MODEL_CARD).read_bytes())
    # Files are private when written, but all users of an installation need these.
    for part in (BUNDLED / card.MODEL_CARD, BUNDLED / "bases", BUNDLED / "adapters"):
        for path in (part, *part.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    print(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, in {BUNDLED}")


def _write_json(path: Path, values: Any) -> None:
    atomic_write(path, (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode())
    print(path)


if __name__ == "__main__":
    try:
        app()
    except WeiboTuiError as error:
        sys.exit(str(error))
