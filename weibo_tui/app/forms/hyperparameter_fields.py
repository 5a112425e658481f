"""Form fields: one for each declared hyper-parameter, and those of names, bases, columns and devices."""

from __future__ import annotations

import re
from collections.abc import Iterable

from weibo_tui.app.forms.fields import FieldSpec, as_choices, decimal, names, optional, short, whole
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.engine.hyperparameters import (
    BaseModelSize,
    DataSplit,
    Hyperparameters,
    Parameter,
    PretrainingHyperparameters,
    parameters,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import check_name
from weibo_tui.workbench.downloads import BASE, BASE_SIZE
from weibo_tui.workbench.home import STARTER_BASE

_BLOCKS = re.compile(r"(?:all|last\d{1,4}|\d{1,4}(?:-\d{1,4})?)(?:,(?:all|last\d{1,4}|\d{1,4}(?:-\d{1,4})?))*")


def parameter_fields(kind: type, main: bool) -> list[FieldSpec]:
    """Return the fields of the hyper-parameters that a dataclass declares: the `main` ones or the others."""
    return [_field(item) for item in parameters(kind).values() if item.label and item.main == main]


def column_fields() -> list[FieldSpec]:
    """Return the fields for the columns of a file; an empty one is detected."""
    return [
        FieldSpec("text_column", N_("Posts in"), N_("Column of the posts; else found."), read=optional),
        FieldSpec("label_column", N_("Labels in"), N_("Column of the labels; else found."), read=optional),
    ]


def first_fields() -> list[FieldSpec]:
    """Return the fields of a training that are always visible."""
    return parameter_fields(Hyperparameters, main=True)


def more_fields() -> list[FieldSpec]:
    """Return the fields of a training under "More"."""
    about_labels = N_("Names for the labels in their order, as in bad,good; else negative,positive for 0 and 1.")
    return [
        *parameter_fields(Hyperparameters, main=False),
        FieldSpec("labels", N_("Names of labels"), about_labels, read=names),
        *parameter_fields(DataSplit, main=False),
        encoding_field(),
        *machine_fields(),
    ]


def recipe_fields() -> list[FieldSpec]:
    """Return the fields of a pretraining under "More"."""
    return [
        *parameter_fields(PretrainingHyperparameters, main=False),
        *parameter_fields(BaseModelSize, main=False),
        encoding_field(),
        *machine_fields(),
    ]


def encoding_field() -> FieldSpec:
    return FieldSpec(
        "encoding", N_("Encoding"), N_("Encoding, as in utf-8, gb18030 or utf-16; else found."), read=optional
    )


def machine_fields() -> list[FieldSpec]:
    return [
        FieldSpec(
            "device",
            N_("Device"),
            N_("auto, cuda, mps or cpu."),
            "auto",
            choices=as_choices(("auto", "cuda", "mps", "cpu")),
        ),
        FieldSpec(
            "dtype",
            N_("Numbers"),
            N_("auto, float32 or bfloat16."),
            "auto",
            choices=as_choices(("auto", "float32", "bfloat16")),
        ),
        FieldSpec(
            "threads", N_("Threads"), N_("CPU threads; 0: as many as serve."), "0", whole(0, 1024), range="0 – 1,024"
        ),
    ]


def base_field(stock: Catalog, named: str) -> FieldSpec:
    """The bases that are here, and those of the Hub that would be fetched: the one that most train on, and the one
    that the settings have `named`. Where there is none, one is to be chosen: nothing is fetched that was not named."""
    remote = [one for one in dict.fromkeys((named, BASE)) if "/" in one and stock.base_from(one) is None]
    here = [card.name for card in stock.bases] or ([] if named in remote else [""])
    words = {"": N_("there is none yet")} | {one: _to_be_fetched(one) for one in remote}
    if STARTER_BASE in here and STARTER_BASE not in stock.own_bases:
        words[STARTER_BASE] = _("{name} (small)").format(name=STARTER_BASE)
    choices = tuple((one, words.get(one, one)) for one in [*here, *remote])

    def read(text: str) -> str:
        if not text:
            raise UserInputError(_("choose one, which is fetched first; or F5 brings one in"))
        return text

    default = named if named in remote else stock.base
    return FieldSpec("base", N_("Base"), N_("Base to train on."), default, read, choices)


def _to_be_fetched(repository: str) -> str:
    if repository == BASE:
        return _("{repository} ({size} MB, is fetched first)").format(repository=BASE, size=BASE_SIZE // 10**6)
    return _("{repository} (is fetched first)").format(repository=repository)


def name_field(about: str, taken: Iterable[str]) -> FieldSpec:
    """The name of what is made, which none of `taken` may be."""
    there = set(taken)

    def read(text: str) -> str:
        if not text:
            raise UserInputError(_("give it a name"))
        if text in there:
            raise UserInputError(_("there is one of that name already"))
        return check_name(text)

    return FieldSpec("name", N_("Name"), about, read=read)


def name_after(source: str, otherwise: str, taken: Iterable[str]) -> str:
    """A free name for what is made from the file `source`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:56] or otherwise
    there = set(taken)
    numbered = (f"{stem}-{number}" for number in range(2, len(there) + 3))
    return stem if stem not in there else next(name for name in numbered if name not in there)


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
    read = whole(low, high) if isinstance(item.default, int) else decimal(low, high, within=item.exclusive)
    return FieldSpec(item.name, item.label, about, f"{item.default:g}", read, range=f"{short(low)} – {short(high)}")


def _blocks(text: str) -> str:
    if not _BLOCKS.fullmatch(text.replace(" ", "")):
        raise UserInputError(_("write all, last4, 0-5 or 1,3"))
    return text
