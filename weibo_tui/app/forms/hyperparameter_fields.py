"""The fields of the forms: every hyper-parameter, with what it is called, what it means, and what it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from weibo_tui.app.forms.fields import (
    FieldSpec,
    as_choices,
    decimal_number,
    format_limit,
    optional,
    parse_names,
    whole_number,
)
from weibo_tui.app.services.catalog import Catalog
from weibo_tui.engine.hyperparameters import (
    ACTIVATION_NAMES,
    CLASS_WEIGHTS,
    PRETRAINING_RANGES,
    RANGES,
    Hyperparameters,
    PretrainingHyperparameters,
)
from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _
from weibo_tui.registry.cards import check_name
from weibo_tui.workbench.downloads import BASE, BASE_SIZE
from weibo_tui.workbench.home import STARTER_BASE

# The explanations are those of the command line's options, word for word.
_FIRST = (
    ("epochs", N_("Epochs"), N_("How often each post is seen.")),
    ("learning_rate", N_("Learning rate"), N_("Learning rate at its highest.")),
    ("batch_size", N_("Batch size"), N_("Posts in a batch.")),
    ("max_length", N_("Longest post"), N_("Tokens of a post that are read.")),
    (
        "emoticon_dropout",
        N_("Emoticon dropout"),
        N_("Share of the posts shown without emoticons, so that words are learnt too."),
    ),
    ("bottleneck", N_("Bottleneck"), N_("Width of the bottlenecks.")),
)
_MORE = (
    ("patience", N_("Patience"), N_("Epochs without gain before it stops early; 0: never.")),
    ("accumulation", N_("Accumulation"), N_("Batches in a step.")),
    ("warmup", N_("Warm-up"), N_("Share of the steps in which it rises.")),
    ("weight_decay", N_("Weight decay"), N_("Weight decay of AdamW.")),
    ("clip", N_("Clip"), N_("Norm that gradients are clipped to.")),
    ("class_weights", N_("Class weights"), N_("none, or balanced: rare labels count more.")),
    ("blocks", N_("Blocks"), N_("Blocks that have one, as in all, last4, 0-5 or 1,3.")),
    ("activation", N_("Activation"), N_("Activation function in them.")),
    ("dropout", N_("Dropout"), N_("Dropout in them.")),
    ("init", N_("First weights"), N_("Standard deviation of the first up-projections.")),
    ("seed", N_("Seed"), N_("Seed of the split, the order and the first weights.")),
)
_SHARES = (
    ("validation", N_("Validation share"), N_("Share of the posts that the best epoch is chosen on.")),
    ("test", N_("Test share"), N_("Share of the posts that the score card is made on.")),
)
_RECIPE = (
    ("learning_rate", N_("Learning rate"), N_("Learning rate at its highest.")),
    ("batch_size", N_("Batch size"), N_("Windows in a step.")),
    ("context", N_("Context"), N_("Tokens in a window.")),
    ("seed", N_("Seed"), N_("Seed of the order and the first weights.")),
)
_BLOCKS = re.compile(r"(?:all|last\d{1,4}|\d{1,4}(?:-\d{1,4})?)(?:,(?:all|last\d{1,4}|\d{1,4}(?:-\d{1,4})?))*")


def column_fields() -> list[FieldSpec]:
    """How files are read; what is left empty is found."""
    return [
        FieldSpec("text_column", N_("Posts in"), N_("Column of the posts; else found."), parse=optional),
        FieldSpec("label_column", N_("Labels in"), N_("Column of the labels; else found."), parse=optional),
    ]


def first_fields() -> list[FieldSpec]:
    """The hyper-parameters that matter most."""
    return [_hyper(*one) for one in _FIRST]


def more_fields() -> list[FieldSpec]:
    """All others, how the data is dealt, and where to compute."""
    shares = [
        FieldSpec(name, label, about, "0.1", decimal_number(0, 0.5, exclusive=True), range="0 – 0.5")
        for name, label, about in _SHARES
    ]
    about_labels = N_("Names for the labels in their order, as in bad,good; else negative,positive for 0 and 1.")
    return [
        *(_hyper(*one) for one in _MORE),
        FieldSpec("labels", N_("Names of labels"), about_labels, parse=parse_names),
        *shares,
        encoding_field(),
        *machine_fields(),
    ]


def recipe_fields() -> list[FieldSpec]:
    """How to pretrain, less for how long."""
    return [_ranged(*one, getattr(PretrainingHyperparameters(), one[0]), PRETRAINING_RANGES) for one in _RECIPE]


def encoding_field() -> FieldSpec:
    return FieldSpec(
        "encoding", N_("Encoding"), N_("Encoding, as in utf-8, gb18030 or utf-16; else found."), parse=optional
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
            "threads",
            N_("Threads"),
            N_("CPU threads; 0: as many as serve."),
            "0",
            whole_number(0, 1024),
            range="0 – 1,024",
        ),
    ]


def base_field(catalog: Catalog, named: str) -> FieldSpec:
    """The bases that are here, and those of the Hub that would be fetched: the one that most train on, and the one
    that the settings have `named`. Where there is none, one is to be chosen: nothing is fetched that was not named."""
    remote = [one for one in dict.fromkeys((named, BASE)) if "/" in one and catalog.base_from(one) is None]
    here = [card.name for card in catalog.bases] or ([] if named in remote else [""])
    words = {"": N_("there is none yet")} | {one: _to_be_fetched(one) for one in remote}
    if STARTER_BASE in here and STARTER_BASE not in catalog.own_bases:
        words[STARTER_BASE] = _("{name} (small)").format(name=STARTER_BASE)
    choices = tuple((one, words.get(one, one)) for one in [*here, *remote])

    def parse(text: str) -> str:
        if not text:
            raise UserInputError(_("choose one, which is fetched first; or F5 brings one in"))
        return text

    default = named if named in remote else catalog.base
    return FieldSpec("base", N_("Base"), N_("Base to train on."), default, parse, choices)


def _to_be_fetched(repository: str) -> str:
    if repository == BASE:
        return _("{repository} ({size} MB, is fetched first)").format(repository=BASE, size=BASE_SIZE // 10**6)
    return _("{repository} (is fetched first)").format(repository=repository)


def name_field(about: str, taken: Iterable[str]) -> FieldSpec:
    """The name of what is made, which none of `taken` may be."""
    there = set(taken)

    def parse(text: str) -> str:
        if not text:
            raise UserInputError(_("give it a name"))
        if text in there:
            raise UserInputError(_("there is one of that name already"))
        return check_name(text)

    return FieldSpec("name", N_("Name"), about, parse=parse)


def name_after(source: str, otherwise: str, taken: Iterable[str]) -> str:
    """A free name for what is made from the file `source`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:56] or otherwise
    there = set(taken)
    numbered = (f"{stem}-{number}" for number in range(2, len(there) + 3))
    return stem if stem not in there else next(name for name in numbered if name not in there)


def _hyper(name: str, label: str, about: str) -> FieldSpec:
    default = getattr(Hyperparameters(), name)
    if name == "class_weights":
        return FieldSpec(name, label, about, default, choices=as_choices(CLASS_WEIGHTS))
    if name == "activation":
        return FieldSpec(name, label, about, default, choices=as_choices(ACTIVATION_NAMES))
    if name == "blocks":
        return FieldSpec(name, label, about, default, _blocks)
    return _ranged(name, label, about, default, RANGES)


def _ranged(name: str, label: str, about: str, default: float, ranges: Mapping[str, tuple[float, float]]) -> FieldSpec:
    low, high = ranges[name]
    parse = whole_number(low, high) if isinstance(default, int) else decimal_number(low, high)
    return FieldSpec(name, label, about, f"{default:g}", parse, range=f"{format_limit(low)} – {format_limit(high)}")


def _blocks(text: str) -> str:
    if not _BLOCKS.fullmatch(text.replace(" ", "")):
        raise UserInputError(_("write all, last4, 0-5 or 1,3"))
    return text
