"""The driver for a browser: Textual's own, and exits when the server is gone, slow browsers, and any input."""

from __future__ import annotations

import codecs
import os
import signal
import sys
from typing import Any

from textual import events
from textual.drivers._byte_stream import ByteStream
from textual.drivers.web_driver import WebDriver

from weibo_tui.app.terminal.app_driver import AppDriver
from weibo_tui.app.terminal.input import InputParser
from weibo_tui.app.terminal.output import CLOSE_SECONDS, TerminalOutput

ESCAPE = "\x1b[27u"
"""The key Escape, in a form that no other key begins with."""


class BrowserDriver(AppDriver, WebDriver):
    """Exchanges packets with a server: output and input of a terminal, its size, and its focus.

    The server closes the input when the page is closed. The app then exits, as it does with a terminal that is gone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Everything else that is printed goes to stderr, because the server would read it as a packet.
        packets = os.dup(self.fileno)
        assert sys.__stderr__ is not None
        os.dup2(sys.__stderr__.fileno(), self.fileno)
        self._output = TerminalOutput(packets, "utf-8", self._exit_app, self._redraw)
        self._write = self._output.write_bytes  # type: ignore[assignment]  # returns the number of bytes too

    def start_application_mode(self) -> None:
        stops = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        super().start_application_mode()
        # A page that is opened has the focus. Textual takes it away, also from a page that has reported it already, and
        # without it a dialog gets no keys.
        self._app.call_later(self._app.post_message, events.AppFocus())
        if sys.platform != "win32":
            for number, handler in stops.items():  # Textual's own handlers do not let the app save its work
                self._loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def stop_application_mode(self) -> None:
        self._output.keep_all()
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        self._output.close(CLOSE_SECONDS)

    # ---- input

    def run_input_thread(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        packets, parser = ByteStream(), InputParser(self.process_message)
        for data in self._input_reader:
            for kind, payload in packets.feed(data) if data else ():
                if kind == "D":
                    # A packet is one key, so no other part of a sequence follows.
                    parser.feed(ESCAPE if payload == b"\x1b" else decode(payload))
                else:
                    self._on_meta(kind, payload)
            parser.tick()
        if not self.exit_event.is_set():
            self._exit_app()
