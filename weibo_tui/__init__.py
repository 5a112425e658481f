"""Sentiment classification of Weibo posts with small adapters on a frozen Chinese GPT-2.

In a notebook or a script, use the workbench::

    from weibo_tui import Workbench

    with Workbench.open() as workbench:
        for analysis in workbench.predict(["今天的面真好吃"]):
            print(analysis.label, analysis.confidence)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weibo_tui.version import __version__

if TYPE_CHECKING:
    from weibo_tui.workbench import Workbench

__all__ = ["Workbench", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported at first use, so that importing a small module does not import everything.
    if name == "Workbench":
        from weibo_tui.workbench import Workbench

        return Workbench
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
