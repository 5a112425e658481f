"""What every test gets: a home of its own, a plain environment, and no network."""

from __future__ import annotations

import os

# Before torch comes: two threads on models this small mostly wait for each other.
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

from weibo_tui import locale
from weibo_tui.progress import Progress
from weibo_tui.registry import isolated
from weibo_tui.registry.adapters import Adapters
from weibo_tui.registry.bases import Bases, OpenBase
from weibo_tui.workbench import Workbench
from weibo_tui.workbench.home import STARTER_ADAPTER, STARTER_BASE

# No deadline: the duration of an example depends on the machine. `--hypothesis-profile thorough` tries more.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
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
    """An empty folder that is the program's home, with no starter behind it, in an environment that says nothing
    else."""
    for name in os.environ:
        if name.startswith(("WEIBO_TUI_", "LC_")):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)  # of the terminal that the tests themselves run in
    monkeypatch.setenv("LANG", "C.UTF-8")
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("WEIBO_TUI_HOME", str(folder))
    monkeypatch.setenv("WEIBO_TUI_STARTER", str(tmp_path / "no-starter"))
    locale.use("auto")
    return folder


@pytest.fixture(autouse=True, scope="session")
def no_signal_ignored() -> None:
    """Programs that a test starts inherit what is ignored here: SIGINT in a background job, SIGHUP after nohup."""
    for number in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:  # Windows has one of them
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def in_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes from outside is read in the tests' own process, which takes a tenth of the time; `test_isolated` reads
    it in a child, as the program does."""

    def run(task: Callable[..., object], source: Path, *arguments: object) -> Iterator[Progress]:
        yield Progress("checking", 0)
        task(source.absolute(), *arguments)

    if request.path.stem != "test_isolated":
        monkeypatch.setattr(isolated, "run", run)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets to other machines, and questions for their addresses, end the test."""

    def guarded(name: str) -> object:
        def connect(self: socket.socket, address: object) -> object:
            if self.family in (socket.AF_INET, socket.AF_INET6):
                pytest.fail(f"a connection to {address!r} was tried")  # not an Exception: nothing swallows it
            return CONNECTS[name](self, address)

        return connect

    def no_lookup(host: object, *_arguments: object, **_options: object) -> NoReturn:
        pytest.fail(f"the address of {host!r} was asked for")

    for name in CONNECTS:
        monkeypatch.setattr(socket.socket, name, guarded(name))
    monkeypatch.setattr(socket, "getaddrinfo", no_lookup)


@pytest.fixture
def hub(no_network: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A small Hub on this machine, empty, which is the one that is asked; no other machine can be."""

    def guarded(name: str) -> object:
        def connect(self: socket.socket, address: object) -> object:
            if self.family != socket.AF_UNIX and not address[0].startswith("127."):  # type: ignore[index]
                pytest.fail(f"a connection to {address!r} was tried")
            return CONNECTS[name](self, address)

        return connect

    def lookup(host: object, *arguments: object, **options: object) -> object:
        if not str(host).startswith("127."):
            pytest.fail(f"the address of {host!r} was asked for")
        return LOOKUP(host, *arguments, **options)  # type: ignore[arg-type]

    for name in CONNECTS:
        monkeypatch.setattr(socket.socket, name, guarded(name))
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for name in ("HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.address)
        yield served
        for thread in threading.enumerate():
            if thread.name == "hub":  # of a fetch that was left: it ends by itself, and not in another test
                thread.join(30)


@pytest.fixture(scope="session")
def posts_file() -> Path:
    """Labelled posts of our own invention, `label,review`, half of them negative."""
    return DATA / "posts.csv"


@pytest.fixture(scope="session")
def corpus_file() -> Path:
    """Plain posts of our own invention, one a line."""
    return DATA / "corpus.txt"


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a real base, `tiny`, and an adapter trained on it, `mood`. For reading only: see `furnished`."""
    return unpack(tmp_path_factory.mktemp("stocked"))


@pytest.fixture
def furnished(home: Path, stocked: Path) -> Path:
    """The test's own home, with a copy of what is `stocked`."""
    shutil.copytree(stocked, home, dirs_exist_ok=True)
    return home


@pytest.fixture
def starter(home: Path, stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What comes with the program, for the test: what is `stocked`, under the starter's names. The home is empty."""
    folder = tmp_path / "starter"
    for kind, name, own in (("bases", STARTER_BASE, "tiny"), ("adapters", STARTER_ADAPTER, "mood")):
        shutil.copytree(stocked / kind / own, folder / kind / name)
    monkeypatch.setenv("WEIBO_TUI_STARTER", str(folder))
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Calls the command line."""
    return Command(monkeypatch, capfd)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Forty labelled posts in a file of the test's own."""
    return made_up.write_posts(tmp_path / "few.csv", 40, seed=5)


@pytest.fixture
def bench(home: Path, tmp_path: Path) -> Iterator[Workbench]:
    """A workbench with the base `small` and, on it, the adapter `mood`, both of random weights."""
    import models  # with torch and transformers, which many tests do without

    with Workbench.open(home) as opened:
        models.add_base(opened, tmp_path / "from")
        models.add_adapter(opened, opened.bases.open("small"), "mood")
        opened.use_base("small")
        opened.use_adapter("mood")
        yield opened


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> OpenBase:
    """The base `small`, of random weights, without a workbench around it."""
    import models

    folder = tmp_path_factory.mktemp("base")
    bases = Bases(folder / "bases")
    bases.add(models.write_folder(folder / "from", models.reference()), "small")
    return bases.open("small")


@pytest.fixture
def adapters(tmp_path: Path, base: OpenBase) -> Adapters:
    """A folder of adapters with one in it, `mood`."""
    import models

    found = Adapters(tmp_path / "adapters")
    adapter = models.adapter_for(base.trunk.config, labels=2)
    found.save(adapter, models.card_for(adapter, base, "mood", score={"accuracy": 0.5}, data={"files": ["a.csv"]}))
    return found
