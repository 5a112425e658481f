"""Translated names of identifiers: stages, splits, kinds of work and their states."""

from __future__ import annotations

from weibo_tui.locale import N_, gettext

_STAGES = (
    *(N_("connecting"), N_("downloading"), N_("converting"), N_("checking"), N_("packing"), N_("unpacking")),
    *(N_("reading"), N_("hashing"), N_("grouping"), N_("splitting"), N_("emoticons"), N_("encoding")),
    *(N_("counting"), N_("counting characters"), N_("building the vocabulary"), N_("caching activations")),
    *(N_("training"), N_("calibration"), N_("evaluating"), N_("explaining"), N_("without emoticons")),
    *(N_("only emoticons"), N_("labeling"), N_("predicting"), N_("measuring"), N_("writing"), N_("terms")),
    *(N_("indexing"), N_("baselines")),
)
_SPLITS = (
    *(N_("train"), N_("validation"), N_("test"), N_("unlabeled"), N_("leaks")),
    *(N_("several labels"), N_("dropped"), N_("in a sample")),
)
_KINDS = (
    *(N_("pretrain"), N_("predict"), N_("evaluate"), N_("audit"), N_("export"), N_("import"), N_("download")),
    *(N_("report"), N_("estimate"), N_("compare")),
)
_STATES = (
    *(N_("waiting"), N_("working"), N_("paused"), N_("stopping"), N_("done"), N_("running")),
    *(N_("finished"), N_("stopped"), N_("failed"), N_("interrupted"), N_("queued")),
    *(N_("running elsewhere"), N_("paused elsewhere"), N_("stopping elsewhere")),
)
_FILE_STATES = (N_("ready"), N_("indexing"), N_("not opened"), N_("changed"), N_("removed"))
_LABELS = (
    *(N_("negative"), N_("positive")),
    *(N_("neutral"), N_("angry"), N_("happy"), N_("sad"), N_("fear"), N_("surprise")),
)
_SOURCES = (N_("app"), N_("cli"), N_("stdin"), N_("python"))
DISPLAY_NAMES = frozenset(_STAGES + _SPLITS + _KINDS + _STATES + _FILE_STATES)


def display_name(identifier: str) -> str:
    """Return the name of an identifier in the user's language."""
    return gettext(identifier)


def label_name(label: str) -> str:
    """Return the name of a label in the user's language, for the labels of the bundled adapters."""
    return gettext(label) if label in _LABELS else label


def source_name(source: str) -> str:
    """Return where a prediction was made, in the user's language."""
    return gettext(source) if source in _SOURCES else source
