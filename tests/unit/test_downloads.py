"""Bases and data are downloaded from a Hub once, completely or not at all, on any fault of the network and the Hub."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import made_up
import models
import pytest
from commands import Command, start
from hub import (
    COMMIT,
    Hub,
    compressed,
    cut,
    endless_pages,
    garbled,
    interrupting,
    longer,
    next_page_elsewhere,
    serving,
    slow,
    too_long,
)
from huggingface_hub import close_session, constants

from weibo_tui import ImportResult, TrainingConfig, Workbench
from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.registry import hub as registry_hub
from weibo_tui.registry import hub_client
from weibo_tui.registry.hub_client import CHUNK_SIZE, HubUnreachableError, check_reachable, mask_credentials
from weibo_tui.workbench.downloads import DATA, DATA_FILE

REPOSITORY = "someone/gpt2-small"
OTHER_FORMATS = ("pytorch_model.bin", "model-00001-of-00002.safetensors", "model.safetensors.index.json")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = models.write_folder(tmp_path_factory.mktemp("there"), models.reference(n_embd=128))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def model(hub: Hub, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a model on the Hub, among others that are not needed."""
    others = dict.fromkeys(OTHER_FORMATS, b"x") | {"README.md": b"#", "tf_model.h5": bytes(20_000)}
    hub.repositories[f"models/{REPOSITORY}"] = files | others
    return files


def get(home: Path, repository: str = REPOSITORY, name: str = "") -> list[object]:
    with Workbench(home) as wb:
        return list(wb.iter_download_base(repository, name))


def installed(home: Path) -> list[str]:
    with Workbench(home) as wb:
        return [card.name for card in wb.bases.list()]


def largest(files: dict[str, bytes]) -> int:
    return max(map(len, files.values()))


def test_base_is_downloaded_once_with_its_source(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    events = get(home)
    assert isinstance(events[-1], ImportResult)
    card = events[-1].card
    assert (card.name, getattr(card, "source", "")) == ("gpt2-small", REPOSITORY)
    progress = [event for event in events if isinstance(event, Progress) and event.stage == "downloading"]
    size = sum(map(len, model.values()))
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (size, size, "B")
    with Workbench(home) as wb:
        assert wb.settings.base == ""
        stored = wb.bases.card("gpt2-small")
        assert (stored.made["repository"], stored.made["revision"]) == (REPOSITORY, COMMIT)
        assert "unknown_share" in stored.made
        folder = models.write_folder(home / "by hand", models.reference(n_embd=128))
        assert wb.add_base(folder, "by-hand").fingerprint == stored.fingerprint
        requests = len(hub.requests)
        assert list(wb.iter_download_base(REPOSITORY)) == [ImportResult(stored)]
        assert len(hub.requests) == requests
    unneeded = ("README.md", "tf_model.h5", *OTHER_FORMATS)
    assert not any(name in request for name in unneeded for request in hub.requests)
    assert not list((home / "downloads").glob("*/"))


def test_broken_connection_resumes(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    assert largest(model) > 6 * CHUNK_SIZE
    hub.faults = deque([cut(2 * CHUNK_SIZE + 5)] * 3)
    get(home)
    assert installed(home) == ["gpt2-small"]
    assert hub.ranges == [0, 2 * CHUNK_SIZE, 4 * CHUNK_SIZE, 6 * CHUNK_SIZE]


def test_closed_download_resumes(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    size, gate = largest(model), threading.Event()
    hub.faults = deque([slow(gate, after=size // 2)])
    with Workbench(home) as wb:
        events = wb.iter_download_base(REPOSITORY)
        for event in events:
            if isinstance(event, Progress) and event.stage == "downloading" and event.done > size // 4:
                break
        with pytest.raises(UserInputError, match="is being downloaded by another program"):
            get(home)
        events.close()  # it is a generator
    gate.set()
    assert installed(home) == []
    get(home)
    assert installed(home) == ["gpt2-small"]
    assert hub.ranges[-1] > 0


def test_wrong_or_longer_content_is_discarded(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    for fault in (garbled, longer):
        hub.faults = deque([fault])
        with pytest.raises(CorruptFileError, match="does not match its checksum at .* and was deleted. Try again"):
            get(home)
        assert installed(home) == []
        assert not list(home.rglob("*.part"))
    assert hub.sent < 2**26
    hub.commit = "2e" * 20
    get(home)
    assert hub.ranges == [0, 0, 0]
    with Workbench(home) as wb:
        assert wb.bases.card("gpt2-small").made["revision"] == hub.commit


def test_refusal_of_the_hub_is_a_sentence(home: Path, hub: Hub) -> None:
    no_repository = "has no public repository someone/gpt2-small. Check the name, or set HF_TOKEN"
    for status, code, kind, message in (
        (401, "", UserInputError, no_repository),
        (404, "RepoNotFound", UserInputError, no_repository),
        (403, "GatedRepo", UserInputError, "requires accepting its terms"),
        (404, "EntryNotFound", UserInputError, "lacks a needed file"),
        (429, "", WeiboTuiError, "refuses more requests for now. Wait a few minutes"),
        (500, "", WeiboTuiError, "Cannot download"),
    ):
        hub.statuses = deque([(status, {"X-Error-Code": code} if code else {"Retry-After": "0"})] * 8)
        with pytest.raises(kind, match=message) as caught:
            get(home)
        assert hub.address in str(caught.value)
        assert "\n" not in str(caught.value)
        assert installed(home) == []


def test_unreachable_hub_is_named_with_alternatives(home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_reachable() == hub.address
    with serving(Hub()) as stopped:
        pass
    monkeypatch.setenv("HF_ENDPOINT", stopped.address)
    for request in (lambda: get(home), check_reachable):
        with pytest.raises(HubUnreachableError, match="HF_ENDPOINT to a mirror, or copy the model's folder") as caught:
            request()
        assert stopped.address in str(caught.value)


def test_offline_mode_is_named(command: Command, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = command("bases", "get", REPOSITORY)
    assert done.code == 2
    assert "HF_HUB_OFFLINE is set" in done.err
    assert hub.requests == []


@pytest.mark.slow
def test_killed_downloads_resume_each_time(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    gate = threading.Event()
    hub.faults = deque([slow(gate, after=2 * CHUNK_SIZE + 5)] * 3)
    for kill in range(1, 4):
        process = start("bases", "get", REPOSITORY)
        part = home / "downloads" / "models--someone--gpt2-small" / COMMIT / "model.safetensors.part"
        while not (part.exists() and part.stat().st_size >= kill * 2 * CHUNK_SIZE):
            assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate()
        assert installed(home) == []
    gate.set()
    process = start("bases", "get", REPOSITORY)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert err.decode().startswith("Added base 'gpt2-small' with ")
    assert hub.ranges == [0, 2 * CHUNK_SIZE, 4 * CHUNK_SIZE, 6 * CHUNK_SIZE]
    assert installed(home) == ["gpt2-small"]


def test_interrupted_command_says_that_it_resumes(command: Command, hub: Hub, model: dict[str, bytes]) -> None:
    hub.faults = deque([interrupting])
    done = command("bases", "get", REPOSITORY)
    assert (done.code, done.out) == (130, "")
    assert "The downloaded part is kept, and the same command continues from it" in done.err


def test_repository_without_a_gpt2_is_refused_early(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_refused(kind: type[Exception], message: str) -> None:
        with pytest.raises(kind, match=message):
            get(home)
        assert hub.ranges == []

    files, usage = hub.repositories[f"models/{REPOSITORY}"], shutil.disk_usage(home)
    with monkeypatch.context() as patch:
        patch.setattr(registry_hub, "MAX_FILE_SIZE", 1_000_000)
        check_refused(UserInputError, "model.safetensors of someone/gpt2-small is too large")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**6))
        check_refused(WeiboTuiError, "Not enough space in .* MB needed, 1 MB free")
    hub.commit = "2e" * 20
    files["config.json"] = json.dumps(json.loads(model["config.json"]) | {"model_type": "bert"}).encode()
    check_refused(UserInputError, "This model is bert. A base model must be a GPT-2")
    hub.commit = "3d" * 20
    files["config.json"] = model["config.json"]
    for name in ("model.safetensors", *OTHER_FORMATS):
        del files[name]
    check_refused(UserInputError, "weights")


def test_invalid_repository_name_is_refused(home: Path, hub: Hub) -> None:
    for name in ("a/b/c", "../x", "a b", "", "-a/b", "a--b", "a/..", "帖/子", "a/b\x1b[31m"):
        with pytest.raises(UserInputError, match="is not a repository name"):
            get(home, name)
    assert hub.requests == []


def test_full_disk_is_named_and_download_resumes(
    command: Command, home: Path, hub: Hub, model: dict[str, bytes]
) -> None:
    limit, before = 3 * CHUNK_SIZE, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        done = command("bases", "get", REPOSITORY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"Cannot write {home / 'downloads'}" in done.err
    assert "(File too large)" in done.err
    get(home)
    assert hub.ranges == [0, limit]


def test_existing_name_is_refused_without_request(home: Path, hub: Hub, wb: Workbench) -> None:
    with pytest.raises(UserInputError, match="Base exists: 'small'"):
        get(home, name="small")
    assert hub.requests == []


def test_training_downloads_the_base_it_names(home: Path, hub: Hub, model: dict[str, bytes], few: Path) -> None:
    plan = TrainingConfig((few,), "mood", base=REPOSITORY, hyper=models.HYPER, machine=models.MACHINE)
    with Workbench(home) as wb:
        with pytest.raises(
            UserInputError, match="is not installed. Download it with 'weibo-tui bases get someone/gpt2-small'"
        ):
            deque(wb.iter_train(dataclasses.replace(plan, offline=True)), maxlen=0)
        assert hub.requests == []
        deque(wb.iter_train(plan), maxlen=0)
        requests = len(hub.requests)
        assert wb.adapters.card("mood").base == "gpt2-small"
        deque(wb.iter_train(dataclasses.replace(plan, overwrite=True)), maxlen=0)
        assert len(hub.requests) == requests


def test_command_downloads_without_leaking_the_token(
    command: Command, hub: Hub, model: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    done = command.ok("bases", "get", REPOSITORY, "--name", "mine", "--json")
    assert json.loads(done.out)["name"] == "mine"
    files = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"hf_secretsecret" not in files
    assert "hf_secretsecret" not in done.out + done.err
    assert REPOSITORY in command.ok("bases", "list").out
    refused = command("bases", "get", "nobody/nothing")
    assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_data_is_downloaded_into_a_new_file(
    command: Command, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "".join(f"{label},{text}\n" for text, label in made_up.posts(600, seed=1)).encode()
    hub.repositories[f"datasets/{DATA}"] = {DATA_FILE: content}
    monkeypatch.chdir(tmp_path)
    assert command.ok("data", "get").out == "weibo_senti_100k.csv\n"
    assert (tmp_path / "weibo_senti_100k.csv").read_bytes() == content
    assert "File exists: weibo_senti_100k.csv." in command("data", "get").err
    command.ok("data", "get", "--out", tmp_path / "new" / "posts.csv")
    assert (tmp_path / "new" / "posts.csv").read_bytes() == content


# A hostile Hub.


def test_invalid_commit_makes_no_folder(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    for hub.commit in ("../../../evil", "main", "a" * 39):
        with pytest.raises(HubUnreachableError):
            get(home)
        assert not [path for path in (home / "downloads").iterdir() if path.is_dir()]


def test_endless_list_of_files_is_refused(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "MAX_PAGES", 10)
    for fault in (compressed, endless_pages, too_long):
        hub.listings, hub.requests = deque([fault]), []
        with pytest.raises(HubUnreachableError, match="is not a Hugging Face Hub"):
            get(home)
        assert len(hub.requests) <= 11


def test_token_goes_to_endpoint_only(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.listings.append(next_page_elsewhere)
    get(home)
    assert installed(home) == ["gpt2-small"]
    assert hub.authorized == {hub.address.removeprefix("http://")}


def test_errors_hide_password_of_endpoint(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub()) as stopped:
        pass
    refusals = [(500, {}), (404, {"X-Error-Code": "RepoNotFound"}), (404, {"X-Error-Code": "GatedRepo"})]
    for address, status in [(stopped.address, None), *((hub.address, status) for status in refusals)]:
        monkeypatch.setenv("HF_ENDPOINT", address.replace("//", "//somebody:ses@me@"))
        hub.statuses.extend([status] if status else [])
        with pytest.raises(WeiboTuiError) as caught:
            get(home)
        assert address.replace("http://", "http://…@") in str(caught.value)
        assert not {"somebody", "ses", "me@"} & set(re.split(r"[:@/]", str(caught.value)))
    monkeypatch.setenv("HF_ENDPOINT", hub.address.replace("//", "//somebody:ses@me@"))
    assert check_reachable() == hub.address.replace("http://", "http://…@")
    assert mask_credentials("http://me:a b/c\n@d@h.cn/x") == "http://…@h.cn/x"


@pytest.fixture
def new_session() -> Iterator[None]:
    """Make the client read the environment again."""
    close_session()
    yield
    close_session()


def test_client_quotes_no_password_of_endpoint() -> None:
    script = "from weibo_tui.registry.hub_client import connect; connect()"
    variables = os.environ | {"HF_ENDPOINT": "http://somebody:ses/ame@h.cn"}
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert "UserInputError: HF_ENDPOINT is not a valid address" in done.stderr
    assert "'ses'" not in done.stderr


@pytest.mark.usefixtures("new_session")
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HTTP_PROXY", "http://somebody:sesame/@h.cn", "^(?!.*sesame)"),
        ("SSL_CERT_FILE", "/none", "Cannot download .* from http://h.invalid .*No such file"),
    ],
)
def test_invalid_proxy_or_certificate_is_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://h.invalid")
    monkeypatch.setenv(name, value)
    with pytest.raises(WeiboTuiError, match=message):
        get(home)


def test_invalid_endpoint_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://me:ses/ame@h.cn", "http://me:ses ame@h.cn", "h.cn", "file:///etc"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(UserInputError, match="HF_ENDPOINT is not a valid address. Write it like"):
            get(home)
