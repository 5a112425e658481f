"""`doctor`: show versions, device, folders and models, and report problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len

from weibo_tui.cli import options
from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo, echo_info, echo_json, one_line, pad
from weibo_tui.locale import gettext as _
from weibo_tui.locale import join_list, ngettext
from weibo_tui.presentation.numbers import size
from weibo_tui.text.terminal import truncate

if TYPE_CHECKING:
    from weibo_tui.storage.database import DatabaseInfo
    from weibo_tui.workbench.doctor import DiagnosticReport, Folder, KeptFiles, StoredModel
    from weibo_tui.workbench.hardware import Hardware


def add_to(app: typer.Typer) -> None:
    app.command("doctor", cls=Command, help=_("Check versions, device, folders and models."))(doctor)


def doctor(
    network: Annotated[
        bool, typer.Option("--network", help=_("Check also that the Hugging Face Hub, or its mirror, can be reached."))
    ] = False,
    json: options.Json = False,
) -> None:
    from weibo_tui.workbench.doctor import diagnose

    report = diagnose(network=network)
    if json:
        echo_json(report.to_json())
    else:
        rows = list(_rows(report))
        width = max(cell_len(key) for key, _value in rows) + 2
        for key, value in rows:
            echo((pad(key, width) + one_line(value)).rstrip())
        for problem in ("", *report.problems) if report.problems else ():
            echo(problem and "! " + one_line(problem))
    if report.problems:
        raise typer.Exit(1)
    echo_info(_("No problems found."))


def _rows(report: DiagnosticReport) -> Iterator[tuple[str, str]]:
    """Yield names and values; an empty pair separates two parts."""
    names = {"system": _("System")}
    yield from ((names.get(name, name), version) for name, version in report.versions.items())
    yield "", ""
    if report.computer:
        yield from _computer(report.computer)
        yield "", ""
    places = {"data": _("Data"), "settings": _("Settings"), "log": _("Log")}
    yield from ((places[name], _folder(folder)) for name, folder in report.folders.items())
    for name, value in report.settings.items():
        yield _("Setting"), truncate(f"{name} = {value}", 200)
    yield "", ""
    for title, models in {_("Base"): report.bases, _("Adapter"): report.adapters}.items():
        yield from ((title, _model(model)) for model in models or [None])
    if report.database is None:
        yield _("History"), _("none yet")
    else:
        yield _("History"), _database(report.database)
    if report.files is not None:
        yield _("Files"), _kept_files(report.files)
    yield "", ""
    labels = {"locale": _("Locale"), "encoding": _("Encoding"), "colours": _("Color themes"), "size": _("Size")}
    yield from ((labels.get(name, name), value or "–") for name, value in report.terminal.items())
    yield from report.variables.items()
    if report.hub:
        yield _("Hub"), _("{address} answers").format(address=report.hub)


def _computer(computer: Hardware) -> Iterator[tuple[str, str]]:
    reason = (
        _("the first available of cuda, mps, cpu")
        if computer.chosen_by == "auto"
        else _("see {place}").format(place=computer.chosen_by)
    )
    yield _("Device"), f"{computer.device} ({reason})"
    yield (_("GPU") if computer.device == "cuda" else _("CPU")), f"{computer.name}, {size(computer.memory)}"
    yield (
        _("Cores"),
        _("{cores}, {threads} threads").format(cores=computer.cores, threads=computer.threads),
    )
    native = join_list(["float32", *["bfloat16"] * computer.bfloat16, *["int8"] * computer.int8])
    yield _("Numbers"), _("{native}; bases compute in {dtype}").format(native=native, dtype=computer.dtype)


def _database(info: DatabaseInfo) -> str:
    from weibo_tui.storage.database import LATEST_VERSION

    if info.entries is None or info.runs is None:
        return _("{size}, version {version}; this program uses version {newest}").format(
            size=size(info.size), version=info.version, newest=LATEST_VERSION
        )
    entries = ngettext("{count} entry", "{count} entries", info.entries).format(count=f"{info.entries:,}")
    runs = ngettext("{count} run", "{count} runs", info.runs).format(count=f"{info.runs:,}")
    return _("{entries}, {runs}, {size}, version {version}").format(
        entries=entries, runs=runs, size=size(info.size), version=info.version
    )


def _kept_files(kept: KeptFiles) -> str:
    number = ngettext("rows of {number:,} file kept", "rows of {number:,} files kept", kept.number)
    return f"{number.format(number=kept.number)}, {size(kept.size)}"


def _folder(folder: Folder) -> str:
    state = _("not writable")
    if folder.writable:
        state = _("writable") if folder.exists else _("not made yet")
    return _("{path} ({state}, {free} free)").format(path=folder.path, state=state, free=size(folder.free))


def _model(model: StoredModel | None) -> str:
    if model is None:
        return _("none yet")
    return f"{model.name}, {size(model.size)}" if model.sound else _("{name}, damaged").format(name=model.name)
