"""huggingface_hub as this program uses it: quiet, by plain HTTP, and with its errors in a person's words."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weibo_tui.errors import BadInput, WeiboTuiError
from weibo_tui.files import cannot_write
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PIECE = 2**18
"""Bytes that a break can cost at most."""

PROBE = ("uer/gpt2-chinese-cluecorpussmall", "config.json")
"""What is asked for to see whether the Hub answers."""


TOO_MANY_REQUESTS = 429

_COMMIT = re.compile("[0-9a-f]{40}")


class Unreachable(WeiboTuiError):
    """The Hub, or the mirror, does not answer."""


def endpoint() -> str:
    """The Hub's address, or that of the mirror which HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def connect() -> HfApi:
    """The client. Nothing is asked of the Hub yet."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import logging

    constants.HF_HUB_DISABLE_TELEMETRY = True
    constants.DOWNLOAD_CHUNK_SIZE = PIECE
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its warnings would go across the screen
    return HfApi(endpoint(), library_name="weibo-tui")


def download(api: HfApi, kind: str, repository: str, commit: str, name: str, size: int, part: Path, bar: Any) -> None:
    """Fetch the rest of a file of so many bytes behind what `part` holds of it. `bar` makes, as the class of a tqdm
    bar does, what is told of each piece.

    By the function below `hf_hub_download`, which throws away what came before a break."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(repository, name, repo_type=kind, revision=commit, endpoint=api.endpoint)
    with part.open("ab") as file:
        begun = file.tell()
        headers = build_hf_headers(library_name="weibo-tui")
        http_get(url, file, resume_size=begun, headers=headers, expected_size=size, tqdm_class=bar)


def commit_of(api: HfApi, kind: str, repository: str, name: str) -> str:
    """The commit that the main branch is at, in which there is a file `name`."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, name, repo_type=kind, endpoint=api.endpoint)
    commit = api.get_hf_file_metadata(url=url).commit_hash
    if not commit or not _COMMIT.fullmatch(commit):
        raise Unreachable(
            _("{endpoint} answers, but not as a Hub does: check HF_ENDPOINT.").format(endpoint=api.endpoint)
        )
    return commit


def check_reachable() -> str:
    """The address of the Hub or its mirror, which answers. Raises Unreachable where it does not, BadInput where it may
    not be asked."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = connect()
    try:
        commit_of(api, "model", *PROBE)
    except Exception as error:
        told = explained(error, PROBE[0], Path())
        if isinstance(told, Unreachable) or isinstance(error, OfflineModeIsEnabled):
            raise told from error  # whatever else it answers, it answers
    return endpoint()


def is_transport(error: BaseException) -> bool:
    """Whether the connection failed, and not what was asked. Its library differs between versions of the client."""
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


def explained(error: Exception, repository: str, folder: Path) -> WeiboTuiError:
    """`error`, which came of fetching `repository` into `folder`, in a sentence."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return explained(error.__cause__, repository, folder)
    if isinstance(error, WeiboTuiError):
        return error
    if isinstance(error, OSError) and error.errno is not None and not is_transport(error):
        return cannot_write(Path(os.fsdecode(error.filename or folder)), error)
    kind, message = _words(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return kind(_(message).format(repository=repository, endpoint=endpoint(), reason=reason))


def _words(error: Exception) -> tuple[type[WeiboTuiError], str]:
    """What kind of error it is here, and a template for the sentence, marked for translation."""
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    cases = (
        (
            isinstance(error, errors.OfflineModeIsEnabled),
            BadInput,
            N_("HF_HUB_OFFLINE forbids every fetch: unset it, or add a base from a local folder."),
        ),
        (
            isinstance(error, errors.GatedRepoError),
            BadInput,
            N_("{repository} is for those who accept its terms at {endpoint}: accept them, and set HF_TOKEN."),
        ),
        (
            isinstance(error, errors.RemoteEntryNotFoundError),
            BadInput,
            N_("{repository} at {endpoint} lacks a file that is needed: check the name."),
        ),
        (
            status in (401, 403, 404),
            BadInput,
            N_("{endpoint} has no {repository}, or not for everybody: check the name, or set HF_TOKEN for it."),
        ),
        (
            status == TOO_MANY_REQUESTS,
            WeiboTuiError,
            N_("{endpoint} was asked too often: wait a few minutes, then try again; what has come is kept."),
        ),
        (
            is_transport(error) or isinstance(error, errors.FileMetadataError),
            Unreachable,
            N_(
                "{endpoint} cannot be reached ({reason}): try again, which goes on where it was; name a mirror in "
                "HF_ENDPOINT; or copy the model's folder here and add it with 'weibo-tui bases add'."
            ),
        ),
        (True, WeiboTuiError, N_("{repository} could not be fetched from {endpoint} ({reason}): try again.")),
    )
    return next((kind, message) for holds, kind, message in cases if holds)
