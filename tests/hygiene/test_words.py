"""Every identifier that is shown as a word is in the catalogues."""

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


def test_stages_have_words() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    stages = set(re.findall(r'Progress\(\s*"([^"]+)"', text)) - {"step"}  # a step's parts are not shown
    assert "encoding" in stages
    assert stages <= DISPLAY_NAMES


def test_run_states_have_words() -> None:
    assert set(get_args(State)) <= DISPLAY_NAMES


def test_job_kinds_and_states_have_words() -> None:
    kinds = set(get_args(jobs.Kind)) - {"label", "open"}  # shown as the stage of its work
    assert kinds | set(get_args(jobs.State)) | set(get_args(runs_seen.State)) <= DISPLAY_NAMES
