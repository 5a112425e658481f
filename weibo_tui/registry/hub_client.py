"""Quiet access to the Hugging Face Hub by plain HTTP, with the errors of huggingface_hub as sentences.

A Hub is not trusted: no response is longer than announced or expected, and the token goes to no other host.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from weibo_tui.atomic import cannot_write
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import N_
from weibo_tui.locale import gettext as _

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CHUNK_SIZE = 2**18
"""Bytes that a broken connection can lose."""

PROBE = ("uer/gpt2-chinese-cluecorpussmall", "config.json")
"""A public file, to check whether the Hub is reachable."""

MAX_PAGES, MAX_LISTING_SIZE = 100, 2**24
"""Pages of the list of a repository's files, and bytes of all of them."""

PARTIAL_CONTENT, TOO_MANY_REQUESTS = 206, 429

_COMMIT = re.compile("[0-9a-f]{40}")


class HubUnreachableError(WeiboTuiError):
    """Raised when the Hub, or the mirror, does not answer."""


def endpoint() -> str:
    """Return the address of the Hub, or of the mirror in HF_ENDPOINT, without credentials, for messages."""
    return mask_credentials(_endpoint())


def mask_credentials(text: str) -> str:
    """Return `text` without the user name and password of the addresses in it."""
    return re.sub(r"//.*@", "//…@", text, flags=re.DOTALL)  # a password may hold anything


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of `url`. Raises ValueError for an invalid port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def connect() -> HfApi:
    """Return the client, without a request. Raises UserInputError where HF_ENDPOINT is no address."""
    try:
        scheme, host, _port = _origin(_endpoint())
        valid = scheme in ("http", "https") and bool(host) and not re.search(r"\s", _endpoint())
    except ValueError:
        valid = False
    if not valid:
        raise UserInputError(_("HF_ENDPOINT is not a valid address. Write it like https://huggingface.co."))
    # After the check: the client reads the address on import, and prints parts of an invalid one.
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import logging

    constants.HF_HUB_DISABLE_TELEMETRY = True
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its warnings would appear in the app
    return HfApi(_endpoint(), library_name="weibo-tui")


@contextmanager
def _get(url: str, begin: int = 0) -> Iterator[Any]:
    """Yield the response to a GET request, from byte `begin` on, with its body unread.

    The body is uncompressed, and is read by `iter_raw` only: a compressed one could have any length."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    token = None if _origin(url) == _origin(_endpoint()) else False
    headers = build_hf_headers(library_name="weibo-tui", token=token) | {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    request: AbstractContextManager[Any] = get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    )
    with request as response:
        if response.is_error:
            raise HfHubHTTPError(f"{response.status_code} {response.reason_phrase}", response=response)
        yield response


def list_files(api: HfApi, kind: str, repository: str, commit: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of a repository's top folder in the format of the Hub's API. Raises HubUnreachableError for
    any other response."""
    url, left = f"{api.endpoint}/api/{kind}s/{repository}/tree/{commit}", MAX_LISTING_SIZE
    for _page in range(MAX_PAGES):
        body = b""
        with _get(url) as response:
            for chunk in response.iter_raw(CHUNK_SIZE):
                body += chunk
                if len(body) > left:
                    raise _not_a_hub()
            following = response.links.get("next", {}).get("url")
        left -= len(body)
        try:
            entries = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _not_a_hub() from error
        if not isinstance(entries, list):
            raise _not_a_hub()
        yield from entries
        if not following:
            return
        url = urljoin(url, following)
    raise _not_a_hub()


def download(
    api: HfApi, kind: str, repository: str, commit: str, name: str, size: int, part: Path, report: Callable[[int], None]
) -> None:
    """Append the rest of a file of `size` bytes to `part`. `report` gets the length of each chunk, or a negative number
    where the Hub starts again.

    A file that is longer ends the download. `hf_hub_download` would discard what came before a break."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, name, repo_type=kind, revision=commit, endpoint=api.endpoint)
    with part.open("ab") as file:
        start = file.tell()
        if start == size:
            return
        with _get(url, start) as response:
            if start and response.status_code != PARTIAL_CONTENT:
                file.seek(0)
                file.truncate()
                report(-start)
            for chunk in response.iter_raw(CHUNK_SIZE):
                report(len(chunk))
                file.write(chunk)
                if file.tell() > size:
                    return


def _not_a_hub() -> HubUnreachableError:
    message = _("{endpoint} is not a Hugging Face Hub. Check HF_ENDPOINT.")
    return HubUnreachableError(message.format(endpoint=endpoint()))


def head_commit(api: HfApi, kind: str, repository: str, name: str) -> str:
    """Return the commit of the main branch, which must have a file `name`."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, name, repo_type=kind, endpoint=api.endpoint)
    commit = api.get_hf_file_metadata(url=url).commit_hash
    if not commit or not _COMMIT.fullmatch(commit):
        raise _not_a_hub()
    return commit


def check_reachable() -> str:
    """Return the address of the Hub if it answers. Raises HubUnreachableError where it does not, UserInputError in
    offline mode."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = connect()
    try:
        head_commit(api, "model", *PROBE)
    except Exception as error:
        translated = translate_error(error, PROBE[0], Path())
        if isinstance(translated, HubUnreachableError) or isinstance(error, OfflineModeIsEnabled):
            raise translated from error
        # Any other error is an answer.
    return endpoint()


def is_transport(error: BaseException) -> bool:
    """Return whether the connection failed. The HTTP library differs between versions of the client."""
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


def translate_error(error: Exception, repository: str, folder: Path) -> WeiboTuiError:
    """Return an error of downloading `repository` into `folder` as one with a sentence for the user."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return translate_error(error.__cause__, repository, folder)
    if isinstance(error, WeiboTuiError):
        return error
    path = Path(os.fsdecode(getattr(error, "filename", None) or folder))
    # Without a path it is no failed write: SSL_CERT_FILE may name a missing file.
    if isinstance(error, OSError) and error.errno is not None and not is_transport(error) and path != Path():
        return cannot_write(path, error)
    kind, message = _classify(error)
    reason = mask_credentials(" ".join(str(error).split()))
    # InvalidURL quotes parts of an address, such as a proxy's password.
    if not reason or type(error).__name__ == "InvalidURL":
        reason = type(error).__name__
    return kind(_(message).format(repository=repository, endpoint=endpoint(), reason=reason))


def _classify(error: Exception) -> tuple[type[WeiboTuiError], str]:
    """Return the error type and the message template, marked for translation."""
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    kind: type[WeiboTuiError] = UserInputError
    if isinstance(error, errors.OfflineModeIsEnabled):
        message = N_("HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or add a base from a local folder.")
    elif isinstance(error, errors.GatedRepoError):
        message = N_("{repository} requires accepting its terms at {endpoint}. Accept them, and set HF_TOKEN.")
    elif isinstance(error, errors.RemoteEntryNotFoundError):
        message = N_("{repository} at {endpoint} lacks a needed file. Check the name.")
    elif status in (401, 403, 404):
        message = N_("{endpoint} has no public repository {repository}. Check the name, or set HF_TOKEN.")
    elif status == TOO_MANY_REQUESTS:
        kind = WeiboTuiError
        message = N_(
            "{endpoint} refuses more requests for now. Wait a few minutes, then try again. The downloaded part is kept."
        )
    elif is_transport(error) or isinstance(error, errors.FileMetadataError):
        kind = HubUnreachableError
        message = N_(
            "Cannot reach {endpoint} ({reason}). Try again to continue the download, set HF_ENDPOINT to a "
            "mirror, or copy the model's folder to this machine and add it with 'weibo-tui bases add'."
        )
    else:
        kind, message = WeiboTuiError, N_("Cannot download {repository} from {endpoint} ({reason}). Try again.")
    return kind, message
