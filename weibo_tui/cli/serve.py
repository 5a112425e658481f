"""`serve`: the app in a browser."""

from __future__ import annotations

import getpass
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from weibo_tui.cli.help import Command
from weibo_tui.cli.output import echo_info
from weibo_tui.extras import missing_extra
from weibo_tui.locale import gettext as _
from weibo_tui.signals import handle_stop_signals

if TYPE_CHECKING:
    from weibo_tui.web.server import Server


def add_to(app: typer.Typer) -> None:
    help_text = _(
        "Show the app in a browser. Each page is a session of its own, and all share one home. Closing the page ends "
        "its session; a training then stops with a checkpoint. Users of the page read and write your files."
    )
    app.command("serve", cls=Command, help=help_text)(serve)


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=_("Port; 0 takes any free one."))] = 8000,
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help=_("Address to listen on. Others than 127.0.0.1 need a token.")),
    ] = "127.0.0.1",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            metavar="TEXT",
            help=_("Secret in the address of the page (default: WEIBO_TUI_TOKEN, which other users cannot list)."),
        ),
    ] = "",
    sessions: Annotated[int, typer.Option("--max-sessions", min=1, help=_("Most sessions at a time."))] = 16,
) -> None:
    try:
        from weibo_tui.web.server import Server
    except ModuleNotFoundError as error:
        raise missing_extra("textual-serve", "web") from error
    server = Server(host, port, token or os.environ.get("WEIBO_TUI_TOKEN", ""), sessions, echo_info)
    import asyncio  # takes 10 ms, which other commands need not wait for

    asyncio.run(_run(server, host))


async def _run(server: Server, host: str) -> None:
    """Serve until a signal asks to stop."""
    import asyncio

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        with suppress(RuntimeError):  # the loop is closed already
            loop.call_soon_threadsafe(stopped.set)

    with handle_stop_signals(stop):
        await server.start()
        print(server.url, flush=True)  # a program that reads it must not wait for the end
        _say_how_to_reach(server, host)
        await stopped.wait()
        await server.close()


def _say_how_to_reach(server: Server, host: str) -> None:
    """Say how to open the app from another machine, and how to end the server."""
    from weibo_tui.web.access import is_loopback

    if not is_loopback(host):
        echo_info(_("The connection is not encrypted. Outside of a trusted network, forward the port by SSH instead."))
    elif connection := os.environ.get("SSH_CONNECTION", "").split():
        command = f"ssh -N -L {server.port}:127.0.0.1:{server.port} {getpass.getuser()}@{connection[2]}"
        echo_info(_("To open it on your own computer, run there: {command}").format(command=command))
    echo_info(_("Ctrl-C ends the server and its sessions."))
