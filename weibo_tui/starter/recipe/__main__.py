"""`python -m weibo_tui.starter.recipe STEP …`; see the package for the steps in their order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from weibo_tui.atomic import atomic_write
from weibo_tui.errors import WeiboTuiError
from weibo_tui.paths import BUNDLED
from weibo_tui.starter.recipe import baselines as linear
from weibo_tui.starter.recipe import bundle as bundling
from weibo_tui.starter.recipe import card, models, scoring
from weibo_tui.starter.recipe.sources import make_parts

app = typer.Typer(no_args_is_help=True, add_completion=False)

Data = Annotated[Path, typer.Argument(help="Folder of the data sets.", exists=True, file_okay=False)]
Work = Annotated[Path, typer.Argument(help="Folder for all that comes on the way.")]

FLOORS = "floors.json"
SCORES = "scores.json"


@app.command()
def split(data: Data, work: Work) -> None:
    """Split the data sets over all of them jointly, and write the corpus."""
    for part, posts in make_parts(data, work).items():
        print(f"{part}: {posts:,} posts")


@app.command()
def pretrain(work: Work, minutes: float = 0.0, tokens: int = 0, layers: int = 6, width: int = 320) -> None:
    """Make the base from the corpus, bounded by --minutes or by --tokens."""
    models.pretrain(work, models.plan_of(work, minutes, tokens, layers, width))


@app.command()
def adapters(work: Work, only: str = "", epochs: int = 0) -> None:
    """Train the adapters, or --only one of them; --epochs trains so long, instead of as long as each is said to."""
    for task in models.TASKS:
        if only in ("", task.adapter):
            models.train(work, task, epochs)


@app.command()
def floors(work: Work) -> None:
    """Fit and score the linear models."""
    _keep(work / FLOORS, {task.adapter: linear.floors(work, task) for task in models.TASKS})


@app.command()
def score(work: Work) -> None:
    """Score the adapters on the test part, set by set, and judge the probes."""
    _keep(work / SCORES, scoring.scores(work))


@app.command("card")
def write_card(work: Work) -> None:
    """Write the model card from what was scored."""
    found = [json.loads((work / name).read_text(encoding="utf-8")) for name in (SCORES, FLOORS)]
    atomic_write(work / "starter" / card.MODEL_CARD, card.render(work, *found).encode())


@app.command()
def bundle(work: Work) -> None:
    """Check sizes, and lay the starter into the package."""
    bundling.bundle(work / "starter", BUNDLED)


def _keep(path: Path, found: Any) -> None:
    atomic_write(path, (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode())
    print(path)


if __name__ == "__main__":
    try:
        app()
    except WeiboTuiError as error:
        sys.exit(str(error))
