"""huggingface_hub as this program uses it: quiet, by plain HTTP, and with its errors in a person's words.

A Hub is not trusted: no answer is longer than what was announced or expected, and the token goes to no other host.
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

PIECE = 2**18
"""Bytes that a break can cost at most."""

PROBE = ("uer/gpt2-chinese-cluecorpussmall", "config.json")
"""What is asked for to see whether the Hub answers."""


MOST_PAGES, LARGEST_LISTING = 100, 2**24
"""Pages that the list of a repository's files may have, and bytes of all of them."""

PARTIAL_CONTENT, TOO_MANY_REQUESTS = 206, 429

_COMMIT = re.compile("[0-9a-f]{40}")


class HubUnreachableError(WeiboTuiError):
    """The Hub, or the mirror, does not answer."""


def endpoint() -> str:
    """The address of the Hub, or of the mirror that HF_ENDPOINT names, without credentials: for messages."""
    return mask_credentials(_endpoint())


def mask_credentials(text: str) -> str:
    """Return `text` without the user name and password of the addresses in it."""
    return re.sub(r"//.*@", "//…@", text, flags=re.DOTALL)  # a password may hold anything


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return the scheme, host and port of `url`. Raises ValueError for a port that is no number."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def connect() -> HfApi:
    """The client. Nothing is asked of the Hub yet. Raises UserInputError where HF_ENDPOINT is no address."""
    try:
        scheme, host, _port = _origin(_endpoint())
        valid = scheme in ("http", "https") and bool(host) and not re.search(r"\s", _endpoint())
    except ValueError:
        valid = False
    if not valid:
        raise UserInputError(_("HF_ENDPOINT is not a valid address. Write it as in https://huggingface.co."))
    # Not before: the client reads the address when it is imported, and prints parts of one that is none.
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import logging

    constants.HF_HUB_DISABLE_TELEMETRY = True
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # its warnings would go across the screen
    return HfApi(_endpoint(), library_name="weibo-tui")


@contextmanager
def _get(url: str, begin: int = 0) -> Iterator[Any]:
    """Yield the response to a GET request, from byte `begin` on, with its body unread.

    The body is requested uncompressed, and is read by `iter_raw` only: a compressed one could be of any length."""
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
    """Yield the entries of a repository's topmost folder, as the Hub describes them. Raises HubUnreachableError for an
    answer that is none of a Hub's."""
    url, left = f"{api.endpoint}/api/{kind}s/{repository}/tree/{commit}", LARGEST_LISTING
    for _page in range(MOST_PAGES):
        body = b""
        with _get(url) as response:
            for piece in response.iter_raw(PIECE):
                body += piece
                if len(body) > left:
                    raise _no_hub()
            following = response.links.get("next", {}).get("url")
        left -= len(body)
        try:
            entries = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _no_hub() from error
        if not isinstance(entries, list):
            raise _no_hub()
        yield from entries
        if not following:
            return
        url = urljoin(url, following)
    raise _no_hub()


def download(
    api: HfApi, kind: str, repository: str, commit: str, name: str, size: int, part: Path, tell: Callable[[int], None]
) -> None:
    """Fetch the rest of a file of `size` bytes into `part`, after what is there of it. `tell` gets the length of each
    piece, or a negative one where the Hub begins again.

    A file that turns out longer is left as soon as it does. `hf_hub_download` would discard what came before a
    break."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, name, repo_type=kind, revision=commit, endpoint=api.endpoint)
    with part.open("ab") as file:
        begun = file.tell()
        if begun == size:
            return
        with _get(url, begun) as response:
            if begun and response.status_code != PARTIAL_CONTENT:
                file.seek(0)
                file.truncate()
                tell(-begun)
            for piece in response.iter_raw(PIECE):
                tell(len(piece))
                file.write(piece)
                if file.tell() > size:
                    return


def _no_hub() -> HubUnreachableError:
    return HubUnreachableError(
        _("{endpoint} answers, but not as a Hub does: check HF_ENDPOINT.").format(endpoint=endpoint())
    )


def commit_of(api: HfApi, kind: str, repository: str, name: str) -> str:
    """The commit that the main branch is at, in which there is a file `name`."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repository, name, repo_type=kind, endpoint=api.endpoint)
    commit = api.get_hf_file_metadata(url=url).commit_hash
    if not commit or not _COMMIT.fullmatch(commit):
        raise _no_hub()
    return commit


def check_reachable() -> str:
    """The address of the Hub or its mirror, which answers. Raises HubUnreachableError where it does not, UserInputError
    where it may not be asked."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    api = connect()
    try:
        commit_of(api, "model", *PROBE)
    except Exception as error:
        told = explained(error, PROBE[0], Path())
        if isinstance(told, HubUnreachableError) or isinstance(error, OfflineModeIsEnabled):
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
    place = Path(os.fsdecode(getattr(error, "filename", None) or folder))
    # One of no file at all is none of writing: SSL_CERT_FILE may name a file that does not exist.
    if isinstance(error, OSError) and error.errno is not None and not is_transport(error) and place != Path():
        return cannot_write(place, error)
    kind, message = _words(error)
    reason = mask_credentials(" ".join(str(error).split()))
    # InvalidURL quotes a piece of an address, such as of a proxy's password.
    if not reason or type(error).__name__ == "InvalidURL":
        reason = type(error).__name__
    return kind(_(message).format(repository=repository, endpoint=endpoint(), reason=reason))


def _words(error: Exception) -> tuple[type[WeiboTuiError], str]:
    """What kind of error it is here, and a template for the sentence, marked for translation."""
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    cases = (
        (
            isinstance(error, errors.OfflineModeIsEnabled),
            UserInputError,
            N_("HF_HUB_OFFLINE forbids every fetch: unset it, or add a base from a local folder."),
        ),
        (
            isinstance(error, errors.GatedRepoError),
            UserInputError,
            N_("{repository} is for those who accept its terms at {endpoint}: accept them, and set HF_TOKEN."),
        ),
        (
            isinstance(error, errors.RemoteEntryNotFoundError),
            UserInputError,
            N_("{repository} at {endpoint} lacks a file that is needed: check the name."),
        ),
        (
            status in (401, 403, 404),
            UserInputError,
            N_("{endpoint} has no {repository}, or not for everybody: check the name, or set HF_TOKEN for it."),
        ),
        (
            status == TOO_MANY_REQUESTS,
            WeiboTuiError,
            N_("{endpoint} was asked too often: wait a few minutes, then try again; what has come is kept."),
        ),
        (
            is_transport(error) or isinstance(error, errors.FileMetadataError),
            HubUnreachableError,
            N_(
                "{endpoint} cannot be reached ({reason}): try again, which goes on where it was; name a mirror in "
                "HF_ENDPOINT; or copy the model's folder here and add it with 'weibo-tui bases add'."
            ),
        ),
        (True, WeiboTuiError, N_("{repository} could not be fetched from {endpoint} ({reason}): try again.")),
    )
    return next((kind, message) for holds, kind, message in cases if holds)
