"""Bases and data from the Hugging Face Hub, or from a mirror of it, each fetched once and kept."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from weibo_tui.atomic import open_output
from weibo_tui.errors import CorruptFileError, UserInputError
from weibo_tui.locale import gettext as _
from weibo_tui.progress import Progress
from weibo_tui.registry import hub, hub_client
from weibo_tui.registry.cards import BaseCard
from weibo_tui.workbench.home import Home

BASE = "uer/gpt2-chinese-cluecorpussmall"
BASE_SIZE = 420 * 10**6
"""Bytes, or about so many, that fetching it takes: its 102 million numbers and what old versions kept beside them."""

# For those who ask before they fetch.
check_name, endpoint = hub.check_name, hub_client.endpoint

DATA, DATA_FILE = "dirtycomputer/weibo_senti_100k", "weibo_senti_100k.csv"

CONFIG = "config.json"
_TOKENIZER = re.compile(
    r"tokenizer\.json|vocab\.(txt|json)|merges\.txt|(tokenizer_config|special_tokens_map|added_tokens)\.json"
)
# As transformers looks for them: the safe form before the pickle, one file before several.
_WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model(-\d{5}-of-\d{5}\.safetensors|\.safetensors\.index\.json)"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(r"pytorch_model(-\d{5}-of-\d{5}\.bin|\.bin\.index\.json)"),
)


def get_base(home: Home, repository: str, name: str = "") -> Generator[Progress, None, BaseCard]:
    """`Workbench.get_base`."""
    from weibo_tui.engine.config import GPT2Config

    hub.check_name(repository)
    there = home.base_from(repository)
    if there is not None and name in ("", there.name):
        return there
    name = name or repository.rpartition("/")[2][:64]
    home.bases.check_free(name)
    with hub.download_folder(home.paths.downloads, "model", repository) as folder:
        found = yield from hub.repo_info("model", repository, CONFIG)
        small = yield from hub.download_files(found, [CONFIG], folder)
        GPT2Config.from_hugging_face(_read_json(small / CONFIG))  # another model is refused before it is fetched
        whole = yield from hub.download_files(found, [CONFIG, *_wanted(found)], folder)
        yield Progress("converting", 0)
        made = {"repository": repository, "revision": found.commit}
        card = yield from home.bases.import_folder(whole, name, origin=repository, made=made)
    return card


def get_data(home: Home, out: Path, overwrite: bool = False) -> Generator[Progress, None, None]:
    """`Workbench.get_data`."""
    home.check_output(out, overwrite)
    with hub.download_folder(home.paths.downloads, "dataset", DATA) as folder:
        found = yield from hub.repo_info("dataset", DATA, DATA_FILE)
        whole = yield from hub.download_files(found, [DATA_FILE], folder)
        size, done = (whole / DATA_FILE).stat().st_size, 0
        with (whole / DATA_FILE).open("rb") as source, open_output(out, "wb", overwrite=overwrite) as file:
            while piece := source.read(2**20):
                done += file.write(piece)
                yield Progress("writing", done, size, unit="B")


def _wanted(found: hub.Repository) -> Iterable[str]:
    """The files of a model that count here: its tokenizer, and its weights in one form."""
    for form in _WEIGHTS:
        weights = [name for name in found.files if form.fullmatch(name)]
        if weights:
            return [name for name in found.files if _TOKENIZER.fullmatch(name)] + weights
    raise UserInputError(
        _("{repository} holds no weights: neither model.safetensors nor pytorch_model.bin is in it.").format(
            repository=found.name
        )
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CorruptFileError(
            _("{path} is no configuration of a model: name another repository.").format(path=path.name)
        )
    return values
