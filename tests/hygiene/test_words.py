"""Every identifier that a person gets to see as a word has one in the catalogues."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import weibo_tui
from weibo_tui.app.services import jobs
from weibo_tui.app.train import run_store as runs_seen
from weibo_tui.display_names import DISPLAY_NAMES
from weibo_tui.storage.runs import State

SOURCE = Path(weibo_tui.__file__).parent


def test_every_stage_has_a_word() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    stages = set(re.findall(r'Progress\(\s*"([^"]+)"', text)) - {"step"}  # a step's parts are not shown
    assert "encoding" in stages
    assert stages <= DISPLAY_NAMES


def test_every_state_of_a_run_has_a_word() -> None:
    assert set(get_args(State)) <= DISPLAY_NAMES


def test_every_kind_and_state_of_the_apps_work_has_a_word() -> None:
    kinds = set(get_args(jobs.Kind)) - {"label"}  # shown as the stage of its work
    assert kinds | set(get_args(jobs.State)) | set(get_args(runs_seen.State)) <= DISPLAY_NAMES
