"""Hyper-parameters of training and pretraining, each declared once.

A declaration holds default, range or choices, help and label. Validation, the options of `train` and `bases pretrain`
(`weibo_tui.cli.options`) and the fields of the forms (`weibo_tui.app.forms.hyperparameter_fields`) follow from it.
The module imports no torch, so that forms and help pages open at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from weibo_tui.errors import UserInputError
from weibo_tui.locale import N_, join_list
from weibo_tui.locale import gettext as _
from weibo_tui.text.cleaning import PREPROCESSING, SIMPLIFYING

DEVICES = ("auto", "cuda", "mps", "cpu")
TRAINING_DTYPES = ("auto", "float32", "bfloat16")
DTYPES = (*TRAINING_DTYPES, "int8")
CLASS_WEIGHTS = ("none", "balanced")
KEPT_SEEDS = ("first", "best")
# A copy of the keys of `ACTIVATIONS`, whose module needs torch; a test compares the two.
ACTIVATION_NAMES = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish", "tanh")
MAX_SEED = 2**32 - 1
TOKEN_UNITS = (N_("characters"), N_("pieces"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """Declaration of one hyper-parameter. Its texts are English and marked for translation."""

    name: str
    default: Any
    help: str = ""
    """Help of the option; without it there is no option."""
    label: str = ""
    """Name of the form field; without it there is no field."""
    low: float | None = None
    high: float | None = None
    exclusive: bool = False
    """The ends of the range are not allowed."""
    choices: tuple[str, ...] = ()
    group: str = N_("Training")
    """Section of the help page."""
    option: str = ""
    """Option where it is not called after the name."""
    alias: str = ""
    """Further names of the option, as other programs and versions call it, separated by spaces."""
    metavar: str | None = None
    form_help: str = ""
    """Help in the form where it differs."""
    main: bool = False
    """The form shows it first, not under "More"."""

    @property
    def option_name(self) -> str:
        """Name of the option without its dashes; problems name it so."""
        return self.option or self.name.replace("_", "-")

    def problem(self, value: Any) -> str:
        """Return the sentence that refuses `value`, or an empty text."""
        if self.choices and value not in self.choices:
            message = _("{name} is {value} and must be one of {allowed}")
            return message.format(name=self.option_name, value=value, allowed=join_list(self.choices))
        if value is not None and self.low is not None and self.high is not None and not self.low <= value <= self.high:
            message = _("{name} is {value} and must be from {low} to {high}")
            return message.format(name=self.option_name, value=value, low=self.low, high=self.high)
        return ""


def parameter(
    default: Any, about: str = "", label: str = "", low: float | None = None, high: float | None = None, **more: Any
) -> Any:
    """Declare a dataclass field as a hyper-parameter; `more` are further fields of `Parameter`."""
    return field(default=default, metadata={"help": about, "label": label, "low": low, "high": high, **more})


def parameters(kind: type) -> dict[str, Parameter]:
    """Return the hyper-parameters that a dataclass declares, by name."""
    return {item.name: Parameter(item.name, item.default, **item.metadata) for item in fields(kind)}


_adapter = partial(parameter, group=N_("Adapter"))
_data = partial(parameter, group=N_("Data"))
_evaluation = partial(parameter, group=N_("Evaluation"))
_machine = partial(parameter, group=N_("Machine"))
_model = partial(parameter, group=N_("Model"))


def _problems(values: Any) -> Iterator[str]:
    for item in parameters(type(values)).values():
        if problem := item.problem(getattr(values, item.name)):
            yield problem


def _raise_problems(problems: Iterable[str]) -> None:
    if sentence := "; ".join(problems):
        raise UserInputError(sentence + ".")


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """Device, dtype and threads; `auto` and 0 are replaced by the settings, and then by what suits the machine."""

    device: str = _machine("auto", N_("auto, cuda, mps or cpu."), N_("Device"), choices=DEVICES, metavar="NAME")
    dtype: str = _machine(
        "auto",
        N_("auto, float32 or bfloat16; int8 for predictions on a CPU."),
        N_("Numbers"),
        form_help=N_("auto, float32 or bfloat16."),
        choices=DTYPES,
        metavar="NAME",
    )
    threads: int = _machine(0, N_("CPU threads; 0: chosen automatically."), N_("Threads"), 0, 1024)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each value that no machine has."""
        yield from _problems(self)

    def training_problems(self) -> Iterator[str]:
        """Yield a sentence for each value that no training can have."""
        yield from self.problems()
        if self.dtype not in TRAINING_DTYPES and self.dtype in DTYPES:
            message = _("{name} is {value}, which is for predictions only: train with {allowed}")
            yield message.format(name="dtype", value=self.dtype, allowed=join_list(TRAINING_DTYPES))

    def check(self) -> None:
        """Raise UserInputError for values that no machine has; a training or pretraining checks them itself."""
        _raise_problems(self.problems())

    def check_training(self) -> None:
        """Raise UserInputError for values that no training can have."""
        _raise_problems(self.training_problems())


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Hyper-parameters of the training of an adapter."""

    epochs: int = parameter(2, N_("Passes over the training posts."), N_("Epochs"), 1, 1000, main=True)
    learning_rate: float = parameter(1e-3, N_("Peak learning rate."), N_("Learning rate"), 1e-7, 1.0, main=True)
    batch_size: int = parameter(32, N_("Posts per batch."), N_("Batch size"), 1, 4096, main=True)
    max_length: int = parameter(
        128, N_("Maximum number of tokens of a post."), N_("Maximum length"), 4, 131_072, main=True
    )
    emoticon_dropout: float = parameter(
        0.0,
        N_("Share of training posts whose emoticons are removed, so that the model also learns from words."),
        N_("Emoticon dropout"),
        0.0,
        1.0,
        main=True,
    )
    patience: int = parameter(
        0,
        N_("Stop after this number of validations without a better macro F1; 0: never."),
        N_("Early stopping"),
        0,
        1000,
        option="early-stopping",
        alias="patience early-stopping-patience",
    )
    validate_every: int = parameter(
        0, N_("Optimizer steps between validations; 0: validate after each epoch."), N_("Validate every"), 0, 10**9
    )
    accumulation: int = parameter(
        1, N_("Batches per optimizer step."), N_("Accumulation"), 1, 1024, alias="grad-accumulation-steps"
    )
    warmup: float = parameter(
        0.1, N_("Share of steps with a rising learning rate."), N_("Warm-up"), 0.0, 1.0, alias="warmup-ratio"
    )
    weight_decay: float = parameter(0.01, N_("Weight decay of AdamW."), N_("Weight decay"), 0.0, 1.0)
    clip: float = parameter(
        1.0, N_("Maximum gradient norm."), N_("Gradient clipping"), 1e-3, 1e3, alias="max-grad-norm"
    )
    class_weights: str = parameter(
        "none",
        N_("none, or balanced: rare labels count more."),
        N_("Class weights"),
        choices=CLASS_WEIGHTS,
        metavar="NAME",
    )
    bottleneck: int = _adapter(64, N_("Bottleneck width."), N_("Bottleneck"), 1, 4096, alias="adapter-dim", main=True)
    blocks: str = _adapter(
        "all",
        N_("Blocks with an adapter: all, last-third, last4, 0-5 or 1,3."),
        N_("Blocks"),
        metavar="BLOCKS",
        alias="layers",
    )
    activation: str = _adapter(
        "gelu", N_("Activation function of the adapters."), N_("Activation"), choices=ACTIVATION_NAMES, metavar="NAME"
    )
    dropout: float = _adapter(0.0, N_("Dropout of the adapters."), N_("Dropout"), 0.0, 0.9)
    init: float = _adapter(
        1e-3, N_("Standard deviation of the initial up-projections."), N_("Initial weights"), 0.0, 1.0, alias="init-std"
    )
    seed: int = parameter(0, N_("Seed of the initial weights and the data order."), N_("Seed"), 0, MAX_SEED)

    @property
    def posts_per_step(self) -> int:
        """Posts of one optimizer step."""
        return self.batch_size * self.accumulation

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each value that is out of range."""
        yield from _problems(self)


@dataclass(frozen=True, slots=True)
class DataSplit:
    """Shares of the posts that training holds back."""

    validation: float = _data(
        0.1,
        N_("Share of posts for validation, which chooses the best epoch."),
        N_("Validation share"),
        0,
        0.5,
        exclusive=True,
        alias="val-fraction",
    )
    test: float = _data(
        0.1,
        N_("Share of posts for the final test."),
        N_("Test share"),
        0,
        0.5,
        exclusive=True,
        alias="test-fraction",
    )
    split_seed: int | None = _data(None, N_("Seed of the split (default: the seed)."), N_("Split seed"), 0, MAX_SEED)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each value that is out of range."""
        yield from _problems(self)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Cleaning of the posts, in training and in every prediction of the adapter."""

    simplify: bool = _data(
        False, N_("Read traditional characters as simplified ones, also when predicting."), N_("Simplify characters")
    )

    @property
    def version(self) -> int:
        """The version of `text.cleaning.clean`."""
        return SIMPLIFYING if self.simplify else PREPROCESSING


@dataclass(frozen=True, slots=True)
class Acceleration:
    """A shortcut that changes a training in the last bits only."""

    keep_states: bool = _adapter(
        False,
        N_("Cache the activations below the first adapter on disk, so that later epochs are faster."),
        N_("Cached activations"),
        alias="cache-activations",
    )


@dataclass(frozen=True, slots=True)
class Scoring:
    """Options that show how much a score means: comparison with baselines, and trainings with other seeds."""

    baselines: bool = _evaluation(
        True,
        N_("Compare with linear models that are trained on the same posts."),
        N_("Baselines"),
        option="baseline",
    )
    seeds: int = _evaluation(
        1, N_("Trainings with different seeds on the same split, of which one adapter is kept."), N_("Seeds"), 1, 100
    )
    keep: str = _evaluation(
        "first",
        N_("Adapter to keep of several seeds: first, or best on the validation posts."),
        N_("Kept seed"),
        choices=KEPT_SEEDS,
        metavar="NAME",
    )

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each value that is out of range."""
        yield from _problems(self)


@dataclass(frozen=True, slots=True)
class Preset:
    """Values of several hyper-parameters under one name. `summary` says them, and is marked for translation."""

    summary: str
    values: Mapping[str, Any]


_BALANCED: Mapping[str, Any] = {"epochs": 2, "patience": 0, "batch_size": 32, "blocks": "all", "keep_states": False}
PRESETS: Mapping[str, Preset] = {
    N_("quick"): Preset(
        N_("last third of the blocks, cached activations, 2 epochs"),
        {**_BALANCED, "blocks": "last-third", "keep_states": True},
    ),
    N_("balanced"): Preset(N_("all blocks, 2 epochs"), _BALANCED),
    N_("best"): Preset(N_("all blocks, up to 8 epochs with early stopping"), {**_BALANCED, "epochs": 8, "patience": 2}),
    N_("few"): Preset(
        N_("for a few hundred posts: 16 epochs, batches of 16"), {**_BALANCED, "epochs": 16, "batch_size": 16}
    ),
}


def preset_values(name: str) -> Mapping[str, Any]:
    """Return the values of a preset by hyper-parameter. Raises UserInputError for an unknown one."""
    if name in PRESETS:
        return PRESETS[name].values
    message = _("{name} is {value} and must be one of {allowed}")
    raise UserInputError(message.format(name="preset", value=name, allowed=join_list(PRESETS)) + ".")


@dataclass(frozen=True, slots=True)
class PretrainingHyperparameters:
    """Hyper-parameters of the pretraining of a base model, which takes `minutes` or `tokens`; the other is 0.

    `recall` weighs the loss at the suffix against the loss of the language model. `hide` is the share of the posts
    whose emoticons are hidden and predicted at the suffix."""

    minutes: float = parameter(
        0.0,
        N_("Minutes of computing. Give this or --tokens."),
        N_("Minutes"),
        0.0,
        1e6,
        form_help=N_("Minutes of computing; 0: tokens set the duration."),
        main=True,
    )
    tokens: int = parameter(0, N_("Stop after this number of tokens."), N_("Tokens"), 0, 10**14, main=True)
    learning_rate: float = parameter(1e-3, N_("Peak learning rate."), N_("Learning rate"), 1e-7, 1.0)
    batch_size: int = parameter(16, N_("Windows per step."), N_("Batch size"), 1, 4096)
    context: int = parameter(128, N_("Tokens per window."), N_("Context"), 2, 131_072, alias="seq-len")
    warmup: float = parameter(0.03, low=0.0, high=1.0)
    weight_decay: float = parameter(0.1, low=0.0, high=1.0)
    clip: float = parameter(1.0, low=1e-3, high=1e3)
    recall: float = parameter(
        0.5,
        N_("Weight of the loss that predicts the post's words at its end, relative to the next-token loss."),
        low=0.0,
        high=100.0,
        alias="bow-loss-weight",
    )
    hide: float = parameter(
        0.5,
        N_("Share of posts whose emoticons are hidden and predicted at the end."),
        low=0.0,
        high=1.0,
        alias="emoticon-mask-rate",
    )
    seed: int = parameter(0, N_("Seed of the data order and the initial weights."), N_("Seed"), 0, MAX_SEED)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each value that is out of range."""
        if (self.minutes > 0) == (self.tokens > 0):
            yield _("give either --minutes or --tokens")
        yield from _problems(self)


@dataclass(frozen=True, slots=True)
class BaseModelSize:
    """Size and vocabulary of the GPT-2 that pretraining makes. The ranges are those of the form."""

    layers: int = _model(6, N_("Number of blocks."), N_("Layers"), 1, 200, main=True)
    width: int = _model(320, N_("Width of the hidden states."), N_("Width"), 1, 16_384, alias="hidden-size", main=True)
    heads: int = _model(5, N_("Attention heads. The width must be a multiple of this."), N_("Heads"), 1, 256, main=True)
    vocabulary: int = _model(
        8000, N_("Maximum vocabulary size."), N_("Vocabulary"), 100, 2_000_000, option="vocab-size", main=True
    )
    positions: int = _model(
        512,
        N_("Maximum number of tokens that the model reads."),
        N_("Positions"),
        1,
        131_072,
        alias="max-positions",
        main=True,
    )
    units: str = _model(
        "characters",
        N_("Token type: characters, or pieces of several frequent characters."),
        N_("Token type"),
        choices=TOKEN_UNITS,
        alias="tokenizer",
        main=True,
    )
    emoticons: bool = _model(True, N_("Make frequent emoticons single tokens (default: yes)."), N_("Emoticons"))
