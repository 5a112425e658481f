"""Downloads of bases and data from the Hugging Face Hub or a mirror."""

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
from weibo_tui.workbench.models import ModelLoader

BASE = "uer/gpt2-chinese-cluecorpussmall"
BASE_SIZE = 420 * 10**6
"""Approximate bytes of its download: 102 million parameters, and buffers that old versions of transformers stored."""

# The command line and the app use these before a download.
check_name, endpoint = hub.check_name, hub_client.endpoint

DATA, DATA_FILE = "dirtycomputer/weibo_senti_100k", "weibo_senti_100k.csv"

CONFIG = "config.json"
_TOKENIZER = re.compile(
    r"tokenizer\.json|vocab\.(txt|json)|merges\.txt|(tokenizer_config|special_tokens_map|added_tokens)\.json"
)
# In the order in which transformers looks for them: safetensors before pickle, one file before several.
_WEIGHTS = (
    re.compile(r"model\.safetensors"),
    re.compile(r"model(-\d{5}-of-\d{5}\.safetensors|\.safetensors\.index\.json)"),
    re.compile(r"pytorch_model\.bin"),
    re.compile(r"pytorch_model(-\d{5}-of-\d{5}\.bin|\.bin\.index\.json)"),
)


def download_base(models: ModelLoader, repository: str, name: str = "") -> Generator[Progress, None, BaseCard]:
    """Download and import a base; see `Workbench.download_base`."""
    from weibo_tui.engine.config import GPT2Config

    hub.check_name(repository)
    existing = models.find_downloaded(repository)
    if existing is not None and name in ("", existing.name):
        return existing
    name = name or repository.rpartition("/")[2][:64]
    models.bases.check_free(name)
    with hub.download_folder(models.paths.downloads, "model", repository) as folder:
        info = yield from hub.repo_info("model", repository, CONFIG)
        config_folder = yield from hub.download_files(info, [CONFIG], folder)
        GPT2Config.from_hugging_face(_read_json(config_folder / CONFIG))  # refuse other models before the download
        model_folder = yield from hub.download_files(info, [CONFIG, *_model_files(info)], folder)
        yield Progress("converting", 0)
        provenance = {"repository": repository, "revision": info.commit}
        card = yield from models.bases.import_folder(model_folder, name, origin=repository, made=provenance)
    return card


def download_data(downloads: Path, out: Path, overwrite: bool = False) -> Generator[Progress, None, None]:
    """Download weibo_senti_100k, by way of the folder `downloads`; see `Workbench.download_data`."""
    with hub.download_folder(downloads, "dataset", DATA) as folder:
        info = yield from hub.repo_info("dataset", DATA, DATA_FILE)
        path = (yield from hub.download_files(info, [DATA_FILE], folder)) / DATA_FILE
        size, done = path.stat().st_size, 0
        with path.open("rb") as source, open_output(out, "wb", overwrite=overwrite) as file:
            while chunk := source.read(2**20):
                done += file.write(chunk)
                yield Progress("writing", done, size, unit="B")


def _model_files(info: hub.Repository) -> Iterable[str]:
    """Return the files of the tokenizer and of the weights in one format."""
    for pattern in _WEIGHTS:
        weights = [name for name in info.files if pattern.fullmatch(name)]
        if weights:
            return [name for name in info.files if _TOKENIZER.fullmatch(name)] + weights
    raise UserInputError(
        _("{repository} has no weights: neither model.safetensors nor pytorch_model.bin.").format(repository=info.name)
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CorruptFileError(_("{path} is not a model configuration. Use another repository.").format(path=path.name))
    return values
