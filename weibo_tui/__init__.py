"""weibo-tui: frozen Chinese GPT-2, small adapters, and what people say on Weibo.

In a notebook or a script, everything starts at the workbench::

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
    # Resolved at first use, so that importing one small module of the package does not bring all of it.
    if name == "Workbench":
        from weibo_tui.workbench import Workbench

        return Workbench
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
