"""Fixtures of all tests: an empty home, a plain environment, no network, and small models."""

from __future__ import annotations

import os

# Set before torch is imported: two threads on such small models mostly wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import gc
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import hypothesis
import made_up
import pytest
from commands import Command
from hub import Hub, serving
from stocked import unpack

from weibo_tui import Workbench, locale
from weibo_tui.progress import Progress
from weibo_tui.registry import isolated
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase
from weibo_tui.workbench.models import STARTER_ADAPTER, STARTER_BASE

# No limits of time, because they depend on the machine. The default examples are always the same ones, so that no test
# fails by chance; `--hypothesis-profile thorough` tries many others.
hypothesis.settings.register_profile(
    "default", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=50, derandomize=True
)
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("default"), max_examples=1000, derandomize=False
)
hypothesis.settings.load_profile("default")

CONNECTS = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
LOOKUP = socket.getaddrinfo
DATA = Path(__file__).parent / "data"


def pytest_collection_finish() -> None:
    """Keep the garbage collector off the imported modules, and let it run less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home folder, without bundled models, in an environment without other settings."""
    for name in os.environ:
        if name.startswith(("WEIBO_TUI_", "LC_")):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)  # of the terminal of the test run
    monkeypatch.setenv("LANG", "C.UTF-8")
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("WEIBO_TUI_HOME", str(folder))
    monkeypatch.setenv("WEIBO_TUI_STARTER", str(tmp_path / "no-starter"))
    locale.use("auto")
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_signal_ignored() -> None:
    """Reset ignored signals, which child processes inherit: SIGINT in a background job, SIGHUP after nohup."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # Windows has none
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read imported files in this process, which takes a tenth of the time; `test_isolated` uses child processes."""
    if request.path.stem != "test_isolated":
        monkeypatch.setattr(isolated, "run", run_in_process)


def run_in_process(task: Callable[..., object], source: Path, *arguments: object) -> Iterator[Progress]:
    yield Progress("checking", 0)
    task(source.absolute(), *arguments)


def guard_network(monkeypatch: pytest.MonkeyPatch, is_allowed: Callable[[socket.socket, object], bool]) -> None:
    """Fail the test at connections to addresses that are not allowed."""

    def guard(name: str) -> object:
        def connect(self: socket.socket, address: object) -> object:
            if not is_allowed(self, address):
                pytest.fail(f"a connection to {address!r} was tried")  # no Exception, so that nothing catches it
            return CONNECTS[name](self, address)

        return connect

    for name in CONNECTS:
        monkeypatch.setattr(socket.socket, name, guard(name))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test at connections to other machines, and at name lookups."""

    def no_lookup(host: object, *_arguments: object, **_options: object) -> NoReturn:
        pytest.fail(f"the address of {host!r} was asked for")

    guard_network(monkeypatch, lambda sock, _address: sock.family not in (socket.AF_INET, socket.AF_INET6))
    monkeypatch.setattr(socket, "getaddrinfo", no_lookup)


@pytest.fixture
def local_network(no_network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test connect to servers on this machine."""

    def lookup(host: object, *arguments: object, **options: object) -> object:
        if not str(host).startswith("127."):
            pytest.fail(f"the address of {host!r} was asked for")
        return LOOKUP(host, *arguments, **options)  # type: ignore[arg-type]

    guard_network(
        monkeypatch,
        lambda sock, address: sock.family == socket.AF_UNIX or address[0].startswith("127."),  # type: ignore[index]
    )
    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.fixture
def hub(local_network: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return an empty Hub on this machine, in place of the real one. No other machine can be reached."""
    for name in ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served
        for thread in threading.enumerate():
            if thread.name == "hub":  # of an abandoned download, which must not end in another test
                thread.join(30)


@pytest.fixture(scope="session")
def posts_file() -> Path:
    """Return a file of invented labeled posts, `label,review`, half of them negative."""
    return DATA / "posts.csv"


@pytest.fixture(scope="session")
def corpus_file() -> Path:
    """Return a file of invented posts, one a line."""
    return DATA / "corpus.txt"


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a trained base `tiny` and adapter `mood`. It is shared: do not change it, see `furnished`."""
    return unpack(tmp_path_factory.mktemp("stocked"))


@pytest.fixture
def furnished(home: Path, stocked: Path) -> Path:
    """Return the test's home with a copy of `stocked`."""
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    return home


@pytest.fixture
def starter(home: Path, stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of bundled models: `stocked` under the starter's names. The home is empty."""
    folder = tmp_path / "starter"
    for kind, name, own in (("bases", STARTER_BASE, "tiny"), ("adapters", STARTER_ADAPTER, "mood")):
        shutil.copytree(stocked / kind / own, folder / kind / name)
    monkeypatch.setenv("WEIBO_TUI_STARTER", str(folder))
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs the command line."""
    return Command(monkeypatch, capfd)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Return a file of forty labeled posts, which the test may change."""
    return made_up.write_posts(tmp_path / "few.csv", 40, seed=5)


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the base `small` and the adapter `mood`, of random weights. Shared: see `wb`."""
    import models  # imports torch and transformers, which many tests do not need

    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch, Workbench(folder / "home", folder / "no-starter") as opened:
        patch.setattr(isolated, "run", run_in_process)
        models.add_base(opened, folder / "from")
        models.add_adapter(opened, opened.bases.open("small"), "mood")
        opened.set_default_base("small")
        opened.set_default_adapter("mood")
    return folder / "home"


@pytest.fixture
def wb(home: Path, small_home: Path) -> Iterator[Workbench]:
    """Open a workbench with the base `small` and the adapter `mood`, of random weights."""
    shutil.copytree(small_home, home, dirs_exist_ok=True)
    with Workbench(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> OpenBase:
    """Return the base `small`, of random weights, without a workbench."""
    import models

    folder = tmp_path_factory.mktemp("base")
    bases = Bases(folder / "bases")
    bases.add(models.write_folder(folder / "from", models.reference()), "small")
    return bases.open("small")


@pytest.fixture
def adapters(tmp_path: Path, base: OpenBase) -> Adapters:
    """Return a folder of adapters with the adapter `mood`."""
    import models

    adapters = Adapters(tmp_path / "adapters")
    adapter = models.adapter_for(base.backbone.config, labels=2)
    adapters.save(adapter, models.card_for(adapter, base, "mood", score={"accuracy": 0.5}, data={"files": ["a.csv"]}))
    return adapters
