"""The app as a script uses it. It needs a terminal of its own; see `suites`."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

from benchmarks.runner import Figures

from weibo_tui.app import app as main


class ScriptedApp(main.WeiboApp):
    """Runs a script after its first paint, then exits."""

    CSS_PATH = str(Path(main.__file__).with_name("styles.tcss"))

    def __init__(self) -> None:
        super().__init__()
        self.figures: Figures = {}
        self.error: Exception | None = None

    def measure(self) -> Figures:
        """Run the app and return the figures. Raise the error of the script."""
        self.run()
        self.stop_workers()
        if self.error is not None:
            raise self.error
        print()  # after what resets the terminal
        return self.figures

    @abstractmethod
    async def script(self) -> Figures:
        """Use the app, and return figures."""

    def _load(self) -> None:
        self.run_task(self._run_script())

    async def _run_script(self) -> None:
        try:
            self.figures = await self.script()
        except Exception as error:
            self.error = error
        self.exit()
