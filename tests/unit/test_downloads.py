"""Bases and data from a Hub: fetched once, whole or not at all, however often the world breaks in."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import made_up
import models
import pytest
from commands import Command, environment, start
from hub import (
    COMMIT,
    Answer,
    Hub,
    compressed,
    cut,
    endless_pages,
    garbled,
    longer,
    next_page_elsewhere,
    serving,
    slow,
    too_long,
)
from huggingface_hub import close_session

from weibo_tui.errors import CorruptFileError, UserInputError, WeiboTuiError
from weibo_tui.progress import Progress
from weibo_tui.registry import hub as registry_hub
from weibo_tui.registry.hub_client import MOST_PAGES, PIECE, HubUnreachableError, check_reachable, mask_credentials
from weibo_tui.workbench import ImportResult, TrainingConfig, Workbench
from weibo_tui.workbench.downloads import DATA, DATA_FILE

REPOSITORY = "someone/gpt2-small"


@pytest.fixture
def model(hub: Hub, tmp_path: Path) -> dict[str, bytes]:
    """The files of a model that the Hub has, beside others that nobody needs."""
    folder = models.write_folder(tmp_path / "there", models.reference(n_embd=128))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.repositories[f"models/{REPOSITORY}"] = files | {"README.md": b"#", "tf_model.h5": bytes(20_000)}
    return files


def get(home: Path, repository: str = REPOSITORY, name: str = "") -> list[object]:
    with Workbench.open(home) as bench:
        return list(bench.get_base(repository, name))


def there(home: Path) -> list[str]:
    with Workbench.open(home) as bench:
        return [card.name for card in bench.bases.list()]


def largest(files: dict[str, bytes]) -> int:
    return max(map(len, files.values()))


def test_a_base_is_fetched_once_and_says_where_it_came_from(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    events = get(home)
    assert isinstance(events[-1], ImportResult)
    card = events[-1].card
    assert (card.name, getattr(card, "source", "")) == ("gpt2-small", REPOSITORY)
    with Workbench.open(home) as bench:
        assert bench.settings.base == ""
        kept = bench.bases.card("gpt2-small")
        assert (kept.made["repository"], kept.made["revision"]) == (REPOSITORY, COMMIT)
        assert "unknown_share" in kept.made  # how well its tokenizer serves Chinese
        by_hand = models.write_folder(home / "by hand", models.reference(n_embd=128))
        assert bench.add_base(by_hand, "by-hand").fingerprint == kept.fingerprint
        asked = len(hub.requests)
        assert list(bench.get_base(REPOSITORY)) == [ImportResult(kept)]
        assert len(hub.requests) == asked
    assert not any("README" in request or "tf_model" in request for request in hub.requests)
    assert not list((home / "downloads").glob("*/"))


def test_progress_is_told_in_bytes_up_to_all_of_them(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    fetched = [event for event in get(home) if isinstance(event, Progress) and event.stage == "fetching"]
    assert (fetched[-1].done, fetched[-1].total, fetched[-1].unit) == (sum(map(len, model.values())),) * 2 + ("B",)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    assert largest(model) > 6 * PIECE
    hub.faults = deque([cut(2 * PIECE + 5)] * 3)
    get(home)
    assert there(home) == ["gpt2-small"]
    assert hub.ranges == [0, 2 * PIECE, 4 * PIECE, 6 * PIECE]


def test_what_came_before_a_stop_is_not_fetched_again(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    size, gate = largest(model), threading.Event()
    hub.faults = deque([slow(gate, after=size // 2)])
    with Workbench.open(home) as bench:
        events = bench.get_base(REPOSITORY)
        for event in events:
            if isinstance(event, Progress) and event.stage == "fetching" and event.done > size // 4:
                break
        events.close()  # type: ignore[attr-defined]  # it is a generator
    gate.set()
    assert there(home) == []
    get(home)
    assert there(home) == ["gpt2-small"]
    assert hub.ranges[-1] > 0


def test_a_file_of_other_content_is_refused_and_fetched_anew(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    hub.faults = deque([garbled])
    with pytest.raises(CorruptFileError, match="did not come as .* names it, and was thrown away: try again"):
        get(home)
    assert there(home) == []
    get(home)
    assert there(home) == ["gpt2-small"]
    assert hub.ranges == [0, 0]


def test_a_newer_commit_is_not_mixed_with_what_came_of_an_older(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    hub.faults = deque([garbled])
    with pytest.raises(CorruptFileError):
        get(home)
    hub.commit = "2e" * 20
    get(home)
    with Workbench.open(home) as bench:
        assert bench.bases.card("gpt2-small").made["revision"] == hub.commit


@pytest.mark.parametrize(
    ("status", "headers", "kind", "words"),
    [
        (401, {}, UserInputError, "has no someone/gpt2-small, or not for everybody: check the name, or set HF_TOKEN"),
        (404, {"X-Error-Code": "RepoNotFound"}, UserInputError, "has no someone/gpt2-small, or not for everybody"),
        (403, {"X-Error-Code": "GatedRepo"}, UserInputError, "is for those who accept its terms"),
        (404, {"X-Error-Code": "EntryNotFound"}, UserInputError, "lacks a file that is needed"),
        (500, {}, WeiboTuiError, "could not be fetched"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(
    status: int, headers: dict[str, str], kind: type[Exception], words: str, home: Path, hub: Hub
) -> None:
    hub.statuses.extend([(status, headers)] * 8)
    with pytest.raises(kind, match=words) as caught:
        get(home)
    assert hub.address in str(caught.value)
    assert "\n" not in str(caught.value)
    assert there(home) == []


def test_a_hub_that_asks_to_wait_is_asked_again(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    hub.statuses.append((429, {"Retry-After": "0"}))
    with pytest.raises(WeiboTuiError, match="asked too often: wait a few minutes"):
        get(home)  # the first question is not repeated: the person is told
    get(home)
    assert there(home) == ["gpt2-small"]


def test_a_hub_that_does_not_answer_is_named_with_the_ways_round_it(
    home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub()) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.address)
    for ask in (lambda: get(home), check_reachable):
        with pytest.raises(HubUnreachableError, match="HF_ENDPOINT; or copy the model's folder here") as caught:
            ask()
        assert gone.address in str(caught.value)


def test_where_the_client_is_told_to_stay_offline_it_says_so(home: Path, hub: Hub) -> None:
    process = start("bases", "get", REPOSITORY, env=environment(HF_HUB_OFFLINE="1"))
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "HF_HUB_OFFLINE forbids every fetch: unset it" in err.decode()
    assert hub.requests == []


def test_a_hub_that_answers_is_reachable(hub: Hub) -> None:
    assert check_reachable() == hub.address


@pytest.mark.slow
def test_a_fetch_that_is_killed_again_and_again_goes_on_each_time(
    home: Path, hub: Hub, model: dict[str, bytes]
) -> None:
    gate = threading.Event()
    hub.faults = deque([slow(gate, after=2 * PIECE + 5)] * 3)
    for kill in range(1, 4):
        process = start("bases", "get", REPOSITORY)
        part = home / "downloads" / "models--someone--gpt2-small" / COMMIT / "model.safetensors.part"
        while not (part.exists() and part.stat().st_size >= kill * 2 * PIECE):
            assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate()
        assert there(home) == []
    gate.set()
    process = start("bases", "get", REPOSITORY)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err.decode().startswith("The base 'gpt2-small' is there: ")
    assert hub.ranges == [0, 2 * PIECE, 4 * PIECE, 6 * PIECE]
    assert there(home) == ["gpt2-small"]


def test_interrupted_it_says_that_the_same_command_goes_on(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    gate = threading.Event()
    hub.faults = deque([slow(gate, after=2 * PIECE + 5)])
    process = start("bases", "get", REPOSITORY)
    while not hub.ranges:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    gate.set()
    assert process.returncode == 130
    assert "what has come is kept, and the same command goes on there" in err.decode()


def test_a_model_that_is_no_gpt2_is_refused_before_its_weights_come(
    home: Path, hub: Hub, model: dict[str, bytes]
) -> None:
    config = json.loads(model["config.json"]) | {"model_type": "bert"}
    hub.repositories[f"models/{REPOSITORY}"]["config.json"] = json.dumps(config).encode()
    with pytest.raises(UserInputError, match="A base must be a GPT-2, and this model is bert"):
        get(home)
    assert hub.ranges == []


def test_a_model_without_weights_is_refused(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    del hub.repositories[f"models/{REPOSITORY}"]["model.safetensors"]
    with pytest.raises(UserInputError, match="holds no weights"):
        get(home)


def test_safetensors_come_before_pickles_and_one_file_before_several(
    home: Path, hub: Hub, model: dict[str, bytes]
) -> None:
    others = ("pytorch_model.bin", "model-00001-of-00002.safetensors", "model.safetensors.index.json")
    hub.repositories[f"models/{REPOSITORY}"] |= dict.fromkeys(others, b"x")
    get(home)
    assert not any(name in request for name in others for request in hub.requests)


@pytest.mark.parametrize("name", ["a/b/c", "../x", "a b", "", "-a/b", "a--b", "a/..", "帖/子", "a/b\x1b[31m"])
def test_names_that_no_repository_has_are_refused_unasked(name: str, home: Path, hub: Hub) -> None:
    with pytest.raises(UserInputError, match="is no name of the Hub's"):
        get(home, name)
    assert hub.requests == []


def test_there_is_room_or_nothing_is_fetched(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**6))
    with pytest.raises(WeiboTuiError, match="There is no room in .* MB are needed, 1 are free"):
        get(home)
    assert hub.ranges == []


def test_a_disk_that_takes_no_more_is_named_and_what_came_stays(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    most = 3 * PIECE
    process = start(
        "bases", "get", REPOSITORY, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    )
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{home / 'downloads'}" in err.decode()
    assert "cannot be written (File too large)" in err.decode()
    assert len(err.splitlines()) == 1
    get(home)
    assert hub.ranges == [0, most]


def test_two_programs_do_not_fetch_the_same_at_once(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    with Workbench.open(home) as bench:
        events = bench.get_base(REPOSITORY)
        next(iter(events))
        with pytest.raises(UserInputError, match="is being fetched by another program already"):
            get(home)


def test_a_name_that_is_taken_is_refused_unasked(home: Path, hub: Hub, bench: Workbench) -> None:
    with pytest.raises(UserInputError, match="A base named 'small' is there already"):
        get(home, name="small")
    assert hub.requests == []


def test_training_fetches_the_base_that_it_names(home: Path, hub: Hub, model: dict[str, bytes], few: Path) -> None:
    plan = TrainingConfig((few,), "mood", base=REPOSITORY, hyper=models.HYPER, machine=models.MACHINE)
    with Workbench.open(home) as bench:
        with pytest.raises(UserInputError, match="is not here: fetch it with 'weibo-tui bases get someone/gpt2-small'"):
            deque(bench.train(dataclasses.replace(plan, offline=True)), maxlen=0)
        assert hub.requests == []
        deque(bench.train(plan), maxlen=0)
        asked = len(hub.requests)
        assert bench.adapters.card("mood").base == "gpt2-small"
        deque(bench.train(dataclasses.replace(plan, overwrite=True)), maxlen=0)
        assert len(hub.requests) == asked


def test_the_command_line_fetches_and_lists(command: Command, hub: Hub, model: dict[str, bytes]) -> None:
    done = command.ok("bases", "get", REPOSITORY, "--name", "mine", "--json")
    assert json.loads(done.out)["name"] == "mine"
    assert REPOSITORY in command.ok("bases", "list").out
    refused = command("bases", "get", "nobody/nothing")
    assert refused.code == 2
    assert len(refused.err.splitlines()) == 1


def test_data_is_fetched_into_a_file_that_is_not_there_yet(
    command: Command, hub: Hub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "".join(f"{label},{text}\n" for text, label in made_up.posts(600, seed=1)).encode()
    hub.repositories[f"datasets/{DATA}"] = {DATA_FILE: content}
    monkeypatch.chdir(tmp_path)
    assert command.ok("data", "get").out == "weibo_senti_100k.csv\n"
    assert (tmp_path / "weibo_senti_100k.csv").read_bytes() == content
    assert "File exists: weibo_senti_100k.csv." in command("data", "get").err
    command.ok("data", "get", "--out", tmp_path / "new" / "posts.csv")
    assert (tmp_path / "new" / "posts.csv").read_bytes() == content


@pytest.mark.parametrize("commit", ["../../../evil", "main", "", "F" * 40, "a" * 39])
def test_a_commit_that_is_none_leads_to_no_folder(commit: str, home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    hub.commit = commit
    with pytest.raises(HubUnreachableError):
        get(home)
    assert not [path for path in (home / "downloads").iterdir() if path.is_dir()]


def test_what_is_too_large_for_what_it_should_be_is_refused_unfetched(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_hub, "LARGEST", 1_000_000)
    with pytest.raises(UserInputError, match="model.safetensors of someone/gpt2-small is too large"):
        get(home)
    assert hub.ranges == []


def test_a_token_stands_nowhere(
    command: Command, hub: Hub, model: dict[str, bytes], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    done = command.ok("bases", "get", REPOSITORY)
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"hf_secretsecret" not in kept
    assert "hf_secretsecret" not in done.out + done.err


# ---- a Hub that means harm


def test_fetch_longer_than_announced_ends_and_is_deleted(home: Path, hub: Hub, model: dict[str, bytes]) -> None:
    hub.faults = deque([longer])
    with pytest.raises(CorruptFileError, match="did not come as .* names it, and was thrown away"):
        get(home)
    assert not list(home.rglob("*.part"))
    assert hub.sent < 2**26
    get(home)
    assert there(home) == ["gpt2-small"]


@pytest.mark.parametrize("fault", [compressed, endless_pages, too_long])
def test_list_of_files_without_bound_is_refused(
    fault: Callable[[Answer, bytes], None], home: Path, hub: Hub, model: dict[str, bytes]
) -> None:
    hub.listings.append(fault)
    with pytest.raises(HubUnreachableError, match="answers, but not as a Hub does"):
        get(home)
    assert len(hub.requests) <= MOST_PAGES + 1


def test_token_goes_to_endpoint_only(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.listings.append(next_page_elsewhere)
    get(home)
    assert there(home) == ["gpt2-small"]
    assert hub.authorized == {hub.address.removeprefix("http://")}


def with_password(address: str) -> str:
    return address.replace("http://", "http://somebody:ses@me@")


def test_fetch_error_hides_password_of_endpoint(
    home: Path, hub: Hub, model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Hub()) as gone:
        pass
    refusals = [(500, {}), (404, {"X-Error-Code": "RepoNotFound"}), (404, {"X-Error-Code": "GatedRepo"})]
    for address, status in [(gone.address, None), *((hub.address, status) for status in refusals)]:
        monkeypatch.setenv("HF_ENDPOINT", with_password(address))
        hub.statuses.extend([status] if status else [])
        with pytest.raises(WeiboTuiError) as caught:
            get(home)
        assert address.replace("http://", "http://…@") in str(caught.value)
        assert not {"somebody", "ses", "me@"} & set(re.split(r"[:@/]", str(caught.value)))


def test_reachable_hub_is_told_without_its_password(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", with_password(hub.address))
    assert check_reachable() == hub.address.replace("http://", "http://…@")


@pytest.fixture
def new_session() -> Iterator[None]:
    """For the test, a client that reads the environment again."""
    close_session()
    yield
    close_session()


def test_mask_hides_password_of_any_characters() -> None:
    assert mask_credentials("http://me:a b/c\n@d@h.cn/x") == "http://…@h.cn/x"


def test_endpoint_is_checked_before_the_client_quotes_it() -> None:
    script = "from weibo_tui.registry.hub_client import connect; connect()"
    settled = os.environ | {"HF_ENDPOINT": "http://somebody:ses/ame@h.cn"}
    done = subprocess.run([sys.executable, "-c", script], env=settled, capture_output=True, text=True, check=False)
    assert "UserInputError: HF_ENDPOINT is not a valid address" in done.stderr
    assert "'ses'" not in done.stderr


@pytest.mark.usefixtures("new_session")
def test_proxy_that_is_no_address_is_not_quoted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://h.invalid")
    monkeypatch.setenv("HTTP_PROXY", "http://somebody:sesame/@h.cn")
    with pytest.raises(WeiboTuiError) as caught:
        get(home)
    assert "sesame" not in str(caught.value)


@pytest.mark.usefixtures("new_session")
def test_certificates_that_are_missing_are_no_failed_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://h.invalid")
    monkeypatch.setenv("SSL_CERT_FILE", str(home / "none"))
    with pytest.raises(WeiboTuiError, match="could not be fetched from http://h.invalid .*No such file"):
        get(home)


@pytest.mark.parametrize("address", ["http://me:ses/ame@h.cn", "http://me:ses ame@h.cn", "h.cn", "file:///etc"])
def test_endpoint_that_is_no_address_is_refused(address: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(UserInputError, match="HF_ENDPOINT is not a valid address. Write it as"):
        get(home)
