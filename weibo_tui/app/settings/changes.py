"""Changes of settings while the app runs."""

from __future__ import annotations

from functools import partial

from weibo_tui.app.base import BaseApp
from weibo_tui.app.keymap import check_keymap
from weibo_tui.engine.hyperparameters import ComputeOptions
from weibo_tui.locale import gettext as _
from weibo_tui.locale import use
from weibo_tui.settings import Settings, environment_variable
from weibo_tui.workbench.workbench import Workbench

_COMPUTE = ("device", "dtype", "threads")
_SHOWN = ("language", "keys", "live_prediction")


def describe_machine(wb: Workbench) -> str:
    """Return device and dtype of the settings, as the status bar shows them."""
    compute = wb.compute(ComputeOptions())
    return f"{compute.device.type} {compute.dtype_name}"


async def check_machine(app: BaseApp, name: str, value: str) -> None:
    """Raise UserInputError for a device or dtype that this machine does not have."""
    machine = ComputeOptions(device=value) if name == "device" else ComputeOptions(dtype=value)
    await app.engine.call(lambda wb: wb.compute(machine))


async def apply_changes(app: BaseApp, before: Settings, name: str) -> None:
    """Apply what differs from the settings `before`. `name` is the setting that was saved."""
    after = app.settings
    if after.language != before.language:
        use(after.language)
    if after.keys != before.keys:
        app.keymap = check_keymap(after.keys)
        app.set_keymap(app.keymap)
    if after.theme != before.theme:
        app.show_theme()
    if any(getattr(after, name) != getattr(before, name) for name in _SHOWN):
        await app.update_texts()
    if after.uncertain_below != before.uncertain_below:
        await _mark_uncertain(app, after.uncertain_below)
        await app.update_texts()
    if any(getattr(after, key) != getattr(before, key) for key in _COMPUTE):
        app.show_message(_("The next prediction or job loads the model again with this setting."))
        app.device = await app.engine.call(describe_machine)
    if variable := environment_variable(name):
        message = _("Saved, but {variable} overrides it. Start weibo-tui without this variable to use it.")
        app.show_message(message.format(variable=variable), "error")


async def _mark_uncertain(app: BaseApp, below: float) -> None:
    """Mark the entries of the history by another threshold, some at a time, so that other queries need not wait."""
    last: int | None = 0
    while last is not None:
        last = await app.records.call(partial(_mark_some, below=below, after=last))


def _mark_some(wb: Workbench, below: float, after: int) -> int | None:
    # A new database would be empty.
    return wb.history.mark_uncertain(below, after) if wb.paths.database.exists() else None
