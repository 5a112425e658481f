"""The workflows run the README's commands and name test files that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / ".github/workflows/tests.yml").read_text("utf-8")
POSIX_ONLY = re.compile(r"^(?:import|from) (?:fcntl|pty|resource|termios|terminal|disks)\b", re.MULTILINE)


def test_workflow_runs_the_readme_test_command() -> None:
    command = re.search(r"<!-- ci: test -->\n```bash\n(.+)\n```", (ROOT / "README.md").read_text("utf-8"))
    assert command
    assert f"run: {command[1]}\n" in WORKFLOW


def test_workflow_names_existing_portable_tests() -> None:
    paths = re.findall(r"tests/\w+/test_\w+\.py$", WORKFLOW, re.MULTILINE)
    assert len(paths) > 5
    for path in paths:
        assert not POSIX_ONLY.search((ROOT / path).read_text("utf-8")), path
