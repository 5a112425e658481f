"""The command line of the recipe; see the package for the steps in their order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.atomic import atomic_write
from weibo_tui.errors import WeiboTuiError
from weibo_tui.paths import BUNDLED
from weibo_tui.starter.recipe import baselines, bundle, card, models, scoring
from weibo_tui.starter.recipe.sources import make_parts

app = typer.Typer(no_args_is_help=True, add_completion=False)

Data = Annotated[Path, typer.Argument(help="Folder of the datasets.", exists=True, file_okay=False)]
Work = Annotated[Path, typer.Argument(help="Folder for intermediate results.")]

BASELINES = "floors.json"
SCORES = "scores.json"


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
def adapters(work: Work, only: str = "", epochs: int = 0) -> None:
    """Train the adapters, or --only one of them, for their own number of epochs or for --epochs."""
    for task in models.TASKS:
        if only in ("", task.adapter):
            models.train(work, task, epochs)


@app.command()
def floors(work: Work) -> None:
    """Fit and score the linear baselines."""
    _write_json(work / BASELINES, {task.adapter: baselines.score_baselines(work, task) for task in models.TASKS})


@app.command()
def score(work: Work) -> None:
    """Score the adapters on the test part of each dataset, and predict the probes."""
    _write_json(work / SCORES, scoring.score_adapters(work))


@app.command("card")
def write_card(work: Work) -> None:
    """Write the model card from the scores."""
    results = [json.loads((work / name).read_text(encoding="utf-8")) for name in (SCORES, BASELINES)]
    atomic_write(work / "starter" / card.MODEL_CARD, card.render(work, *results).encode())


@app.command("bundle")
def copy_bundle(work: Work) -> None:
    """Check the sizes, and copy the starter into the package."""
    bundle.copy_bundle(work / "starter", BUNDLED)


def _write_json(path: Path, values: Any) -> None:
    atomic_write(path, (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode())
    print(path)


if __name__ == "__main__":
    try:
        app()
    except WeiboTuiError as error:
        sys.exit(str(error))
