"""`serve`: sessions of the app that pages reach by a websocket."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from at_work import LIGHT_APP, app_at_work, check_run, started_run
from commands import Command
from web_page import open_page, serving, until

from weibo_tui import Workbench
from weibo_tui.storage.history import Analysis

pytestmark = pytest.mark.usefixtures("local_network")
POST = "今天的面真好吃，开心[哈哈]"
WAIT = (sys.executable, "-c", "import sys; sys.stdin.read()")
ECHO = (sys.executable, "-c", "import sys; print('last words 好\x1b[2J', file=sys.stderr); sys.exit(3)")


def run(scene: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, 240))


def test_typed_post_is_predicted_and_recorded(furnished: Path) -> None:
    async def scene() -> None:
        async with serving() as server, open_page(server.url) as page:
            await page.wait_for("adapter mood")
            await page.press(POST, "enter")
            await page.wait_for(POST, " ms")
            await page.press("f4")
            await page.wait_for("1–1 of 1", POST)

    run(scene())
    with Workbench(furnished) as wb:
        (entry,) = wb.history.page(10)
        assert isinstance(entry, Analysis)
        assert entry.text == POST


def test_size_keys_and_focus_reach_the_app(furnished: Path) -> None:
    async def scene() -> None:
        async with serving(LIGHT_APP) as server, open_page(server.url, 50, 20) as page:
            await page.wait_for("adapter mood")
            assert "Label a file" not in page.text
            await page.send("focus")
            await page.resize(120, 40)
            await page.wait_for("Label a file")
            await page.press("f1")
            await page.wait_for("This is a browser", "Ctrl+W")
            await page.press("\x1b", "f4")  # as a browser sends Escape
            await page.wait_for("Predictions appear here")
            await page.press("ctrl+q")
            assert await page.wait_for_end() == ""

    run(scene())


def test_dialog_has_the_focus_without_a_click(furnished: Path) -> None:
    async def scene() -> None:
        async with serving(LIGHT_APP) as server, open_page(server.url) as page:
            await page.send("focus")  # a browser sends it before the app runs
            await page.wait_for("adapter mood")
            await page.press("\x1b[200~一行\r又一行\x1b[201~")
            await page.wait_for("2 lines pasted")
            await page.press("enter")
            await page.wait_for("一行", "又一行")

    run(scene())


def test_senseless_messages_do_not_end_a_session(furnished: Path) -> None:
    async def scene() -> None:
        async with serving(LIGHT_APP) as server, open_page(server.url) as page:
            await page.wait_for("adapter mood")
            for text in ("", "{", "[" * 9999, "null", "[]", '["stdin"]', '["stdin", 1]', '["resize", {"width": "x"}]'):
                await page.websocket.send_str(text)
            await page.websocket.send_bytes(b"\xff")
            await page.send("resize", {"width": -5, "height": 10**9})
            await page.send("resize", {"width": 100, "height": 30})
            for text in ("\udcff", "\x1b[<999999999999;1;1M", "\x1b[200~", "\x1b[201~", "\x1b[x;y;zu"):
                await page.send("stdin", text)
            await page.press("f4")
            await page.wait_for("Predictions appear here")

    run(scene())


def test_end_of_app_is_explained_on_the_page() -> None:
    async def scene() -> None:
        async with serving(ECHO) as server, open_page(server.url) as page:
            assert await page.wait_for_end() == "last words 好␛[2J"
        silent = (sys.executable, "-c", "import sys; sys.exit(3)")
        async with serving(silent) as server, open_page(server.url) as page:
            assert "exit code 3" in await page.wait_for_end()
        async with serving(["/nowhere/app"]) as server, open_page(server.url) as page:
            assert await page.wait_for_end() == "Cannot start a session (No such file or directory)."

    run(scene())


def test_more_sessions_than_the_limit_are_refused() -> None:
    lines: list[str] = []

    async def wait_for_line(number: int) -> None:
        await until(lambda: len(lines) == number, lambda: str(lines))

    async def scene() -> None:
        async with serving(WAIT, max_sessions=1, log=lines.append) as server:
            for number in (1, 3):
                async with open_page(server.url):
                    await wait_for_line(number)
                    async with open_page(server.url) as other:
                        assert "All sessions" in await other.wait_for_end()
                await wait_for_line(number + 1)

    run(scene())
    opened, ended = "Session opened: 127.0.0.1 (1 session)", "Session ended: 127.0.0.1 (0 sessions)"
    assert lines == [opened, ended, opened, ended]


def state(home: Path) -> str:
    """Return the state of the run, empty before its first step."""
    found = started_run(home)
    return found.state if found else ""


@pytest.mark.slow  # the end of a session is tested below, and that of a training in test_terminal_gone
@pytest.mark.parametrize("is_lost", [False, True])
def test_training_of_closed_page_keeps_a_checkpoint(is_lost: bool, furnished: Path, posts_file: Path) -> None:
    async def scene() -> None:
        async with serving(app_at_work("train", posts_file)) as server:
            async with open_page(server.url) as page:
                await page.wait_until(lambda: state(furnished), "a step of the training")
                if is_lost:
                    page.drop()
            await until(lambda: state(furnished) == "stopped", lambda: "the end of the run")

    run(scene())
    check_run(furnished, "stopped")


@pytest.mark.slow
def test_end_of_server_during_training_keeps_a_checkpoint(furnished: Path, posts_file: Path) -> None:
    async def scene() -> None:
        lines: list[str] = []
        async with serving(app_at_work("train", posts_file), log=lines.append) as server, open_page(server.url) as page:
            await page.wait_until(lambda: state(furnished), "a step of the training")
            end = asyncio.create_task(server.close())
            assert await page.wait_for_end() == "The server has ended."
            await end
        assert "Ending 1 session … Ctrl-C again ends without waiting." in lines

    run(scene())
    check_run(furnished, "stopped")


@pytest.mark.slow
def test_app_that_quits_during_training_says_how_to_resume(furnished: Path, posts_file: Path) -> None:
    async def scene() -> None:
        async with serving(app_at_work("train", posts_file)) as server, open_page(server.url) as page:
            await page.wait_until(lambda: state(furnished), "a step of the training")
            await page.press("ctrl+q")
            await page.wait_for("Save and quit")
            await page.press("down", "enter")
            assert "weibo-tui runs resume" in await page.wait_for_end()

    run(scene())
    check_run(furnished, "stopped")


@pytest.mark.slow
def test_five_sessions_share_one_home(furnished: Path) -> None:
    posts = [f"{number}号食堂的面真好吃" for number in range(5)]

    async def scene() -> None:
        async with serving() as server, AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(open_page(server.url)) for _post in posts]
            for page, post in zip(pages, posts, strict=True):
                await page.wait_for("adapter mood")
                await page.press(post, "enter")
            for page in pages:
                await page.wait_for(" ms")
            for page in pages:
                await page.press("f4")
                await page.wait_for("1–5 of 5", *posts)

    run(scene())


# ---- the command


SERVE_TRAINING = """
import sys
from at_work import app_at_work
from pathlib import Path
from weibo_tui.web import server
command = app_at_work("train", Path(sys.argv.pop()))
server.app_command = lambda: command
from weibo_tui.cli import main
main()
"""


def serve(script: str = "from weibo_tui.cli import main; main()", *words: str) -> subprocess.Popen[str]:
    """Start the command on a free port."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    variables.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-c", script, "serve", "--port", "0", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)


def test_ctrl_c_ends_server_and_sessions(furnished: Path) -> None:
    with serve() as process:
        assert process.stdout is not None
        assert process.stderr is not None

        async def scene() -> None:
            async with open_page(process.stdout.readline().strip()) as page:  # type: ignore[union-attr]
                await page.wait_for("adapter mood")
                process.send_signal(signal.SIGINT)
                assert await page.wait_for_end() == "The server has ended."

        run(scene())
        assert process.wait(60) == 0
        assert "Ending 1 session …" in process.stderr.read()


@pytest.mark.slow
def test_killed_server_during_training_keeps_a_checkpoint(furnished: Path, posts_file: Path) -> None:
    with serve(SERVE_TRAINING, str(posts_file)) as process:
        assert process.stdout is not None

        async def scene() -> None:
            async with open_page(process.stdout.readline().strip()) as page:  # type: ignore[union-attr]
                await page.wait_until(lambda: state(furnished), "a step of the training")
                process.kill()
                await until(lambda: state(furnished) == "stopped", lambda: "the end of the run")

        run(scene())
    check_run(furnished, "stopped")


def test_port_in_use_is_refused_in_one_sentence(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = str(used.getsockname()[1])
        refused = command("serve", "--port", port)
    assert refused.code == 2
    assert refused.err == f"weibo-tui: Port {port} is in use. Choose another one with --port.\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_address_without_token_is_refused(host: str, command: Command) -> None:
    refused = command("serve", "--host", host)
    assert refused.code == 2
    assert "--token" in refused.err
    assert "16" in command("serve", "--host", host, "--token", "x" * 15).err


@pytest.mark.parametrize("token", ["\udcff" * 16, "x" * 16 + "\n", "\x1b" * 16])
def test_unreadable_token_is_refused(token: str, command: Command) -> None:
    refused = command("serve", "--port", "0", "--token", token)
    assert refused.code == 2
    assert "Use letters and digits" in refused.err


def test_address_of_another_machine_is_refused(command: Command) -> None:
    refused = command("serve", "--host", "192.0.2.1", "--token", "x" * 16)
    assert refused.code == 2
    assert "Cannot listen on 192.0.2.1" in refused.err


def test_missing_packages_are_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("weibo_tui.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    refused = command("serve")
    assert refused.code == 2
    assert "-m pip install 'weibo-tui[web]'" in refused.err
