"""Form fields: one for each declared hyper-parameter, and those of names, bases, columns and devices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import replace

from weibo_tui.app.forms.fields import (
    FieldSpec,
    Parser,
    as_choices,
    decimal_number,
    format_limit,
    optional,
    parse_names,
    whole_number,
)
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.datasets.label_map import rule_list
from weibo_tui.datasets.tables import MAX_BAD_SHARE, parse_share
from weibo_tui.engine.hyperparameters import (
    PRESETS,
    TRAINING_DTYPES,
    Acceleration,
    BaseModelSize,
    Cleaning,
    ComputeOptions,
    DataSplit,
    Hyperparameters,
    Parameter,
    PretrainingHyperparameters,
    Scoring,
    parameters,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import check_name
from weibo_tui.text.probes import MAX_PROBES, parse_probes
from weibo_tui.workbench.downloads import BASE, BASE_SIZE
from weibo_tui.workbench.models import STARTER_BASE

_PART = r"(?:all|last-third|last\d{1,4}|\d{1,4}(?:-\d{1,4})?)"
_BLOCKS = re.compile(rf"{_PART}(?:,{_PART})*")


def parameter_fields(kind: type, main: bool) -> list[FieldSpec]:
    """Return the fields of the hyper-parameters that a dataclass declares: the `main` ones or the others."""
    return [_field(item) for item in parameters(kind).values() if item.label and item.main == main]


def column_fields() -> list[FieldSpec]:
    """Return the fields for the sheet and the columns of a file; an empty one is detected."""
    about_sheet = N_("Sheet of the workbook (default: the first). Down lists the sheets.")
    about_text = N_("Text column by name or number (default: detected). Down lists the columns.")
    about_label = N_("Label column by name or number (default: detected). Down lists the columns.")
    return [
        FieldSpec("sheet", N_("Sheet"), about_sheet, parse=optional, listed=True),
        FieldSpec("text_column", N_("Text column"), about_text, parse=optional, listed=True),
        FieldSpec("label_column", N_("Label column"), about_label, parse=optional, listed=True),
    ]


def map_field() -> FieldSpec:
    """Return the field for rules about labels."""
    about = N_("Rules for labels: 1,2=negative; <3=negative for scores; 3= leaves label 3 out.")
    return FieldSpec("map", N_("Label map"), about, parse=rule_list)


def probes_field() -> FieldSpec:
    """Return the field for the posts that each validation predicts."""

    def parse(text: str) -> tuple[str, ...] | None:
        probes = parse_probes(text)
        if len(probes or ()) > MAX_PROBES:
            raise UserInputError(_("at most {limit} posts").format(limit=MAX_PROBES))
        return probes

    about = N_("Posts that each validation predicts, separated by | (default: those of the settings); -: none.")
    return FieldSpec("probes", N_("Probe posts"), about, parse=parse)


def more_fields() -> list[FieldSpec]:
    """Return the fields of a training under "More"."""
    about_labels = N_("Label names in order, like bad,good (default: negative,positive for 0 and 1).")
    return [
        *parameter_fields(Hyperparameters, main=False),
        *parameter_fields(Acceleration, main=False),
        *parameter_fields(Scoring, main=False),
        FieldSpec("labels", N_("Label names"), about_labels, parse=parse_names),
        map_field(),
        probes_field(),
        *parameter_fields(Cleaning, main=False),
        *parameter_fields(DataSplit, main=False),
        *table_fields(),
        *training_machine_fields(),
    ]


def preset_field() -> FieldSpec:
    """Return the field for a preset, which is "custom" once the values differ from those of all presets."""
    choices = (*((name, name) for name in PRESETS), ("custom", N_("custom")))
    return FieldSpec(
        "preset", N_("Preset"), N_("Sets the values of several fields at once."), "balanced", choices=choices
    )


def recipe_fields() -> list[FieldSpec]:
    """Return the fields of a pretraining under "More"."""
    return [
        *parameter_fields(PretrainingHyperparameters, main=False),
        *parameter_fields(BaseModelSize, main=False),
        encoding_field(),
        *training_machine_fields(),
    ]


def training_machine_fields() -> list[FieldSpec]:
    """Return the fields of the machine that a training computes on, without what only predictions can use."""
    dtypes = as_choices(TRAINING_DTYPES)
    specs = parameter_fields(ComputeOptions, main=False)
    return [replace(spec, choices=dtypes) if spec.name == "dtype" else spec for spec in specs]


def table_fields() -> list[FieldSpec]:
    """Return the fields for how a file is written."""
    choices = (("", N_("detected")), ("yes", N_("yes")), ("no", N_("no")))
    header: Parser = {"": None, "yes": True, "no": False}.__getitem__
    about = N_("Whether the first row has the names of the columns (default: detected).")
    about_rows = N_("Share of rows that may be unreadable, and are skipped.")
    return [
        encoding_field(),
        FieldSpec("header", N_("Header"), about, parse=header, choices=choices),
        FieldSpec("max_bad_rows", N_("Unreadable rows"), about_rows, f"{MAX_BAD_SHARE:.0%}", parse_share),
    ]


def encoding_field() -> FieldSpec:
    return FieldSpec(
        "encoding",
        N_("Encoding"),
        N_("Encoding: utf-8, gb18030, utf-16 or another (default: detected)."),
        parse=optional,
    )


def base_field(catalog: Catalog, default: str) -> FieldSpec:
    """Return the field for the base model: the installed ones, the usual one of the Hub and the `default`.

    The latter two are downloaded first. If none is installed, the user must choose, so that nothing is downloaded
    without being named."""
    remote = [name for name in dict.fromkeys((default, BASE)) if "/" in name and catalog.base_from(name) is None]
    installed = [card.name for card in catalog.bases] or ([] if default in remote else [""])
    words = {"": N_("none yet")} | {name: _download_note(name) for name in remote}
    if STARTER_BASE in installed and STARTER_BASE not in catalog.own_bases:
        words[STARTER_BASE] = _("{name} (small)").format(name=STARTER_BASE)
    choices = tuple((name, words.get(name, name)) for name in [*installed, *remote])

    def parse(text: str) -> str:
        if not text:
            raise UserInputError(_("choose one to download first, or press F5 to import one"))
        return text

    chosen = default if default in remote else catalog.base
    return FieldSpec("base", N_("Base"), N_("Base to train on."), chosen, parse, choices)


def _download_note(repository: str) -> str:
    if repository == BASE:
        return _("{repository} ({size} MB, downloaded first)").format(repository=BASE, size=BASE_SIZE // 10**6)
    return _("{repository} (downloaded first)").format(repository=repository)


def name_field(about: str, existing: Set[str]) -> FieldSpec:
    """Return the field for a new name, which must not be one of the `existing`, to which more may be added."""

    def parse(text: str) -> str:
        if not text:
            raise UserInputError(_("give it a name"))
        if text in existing:
            raise UserInputError(_("this name exists already"))
        return check_name(text)

    return FieldSpec("name", N_("Name"), about, parse=parse)


def name_after(source: str, default: str, existing: Iterable[str]) -> str:
    """Return an unused name for what is made from the file `source`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:56] or default
    existing = set(existing)
    numbered = (f"{stem}-{number}" for number in range(2, len(existing) + 3))
    return stem if stem not in existing else next(name for name in numbered if name not in existing)


def _field(item: Parameter) -> FieldSpec:
    about = item.form_help or item.help
    if isinstance(item.default, bool):
        default = "yes" if item.default else "no"
        choices = (("yes", N_("yes")), ("no", N_("no")))
        return FieldSpec(item.name, item.label, about, default, lambda text: text == "yes", choices)
    if item.choices:
        return FieldSpec(item.name, item.label, about, item.default, choices=as_choices(item.choices))
    if item.low is None or item.high is None:
        return FieldSpec(item.name, item.label, about, item.default, _blocks)
    low, high = item.low, item.high
    limits = f"{format_limit(low)} – {format_limit(high)}"
    whole = whole_number(low, high)
    if item.default is None:
        return FieldSpec(item.name, item.label, about, "", lambda text: whole(text) if text else None, range=limits)
    parse = whole if isinstance(item.default, int) else decimal_number(low, high, exclusive=item.exclusive)
    return FieldSpec(item.name, item.label, about, f"{item.default:g}", parse, range=limits)


def _blocks(text: str) -> str:
    if not _BLOCKS.fullmatch(text.replace(" ", "")):
        raise UserInputError(_("write all, last-third, last4, 0-5 or 1,3"))
    return text
