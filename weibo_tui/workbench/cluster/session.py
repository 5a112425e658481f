"""The connection to Ray: a private one on this machine, or a cluster."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weibo_tui.engine.cores import usable_cores
from weibo_tui.errors import UserInputError, WeiboTuiError
from weibo_tui.locale import gettext as _
from weibo_tui.text.terminal import truncate
from weibo_tui.version import __version__
from weibo_tui.workbench.cluster.workers import NodeResources

_OBJECTS = (100 * 2**20, 2**31)  # bytes of memory for what processes on this machine share, at least and at most
_CONNECT_SECONDS, _ANSWER_SECONDS, _CHECK_SECONDS = 10.0, 30.0, 120.0
# Ray speaks gRPC, which is HTTP/2: both sides begin with a frame of settings (RFC 9113, 3.4 and 4.1).
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4


@contextmanager
def ray_session(address: str | None, folder: Path) -> Iterator[None]:
    """Connect to the cluster at `address`, or start Ray on this machine, with its files in `folder`.

    Raise WeiboTuiError where that fails."""
    _set_environment(address)
    # Workers import from the current folder of this process first, which may have modules of any name.
    os.chdir(folder)
    import ray

    try:
        if address is None:
            _start(folder)
        else:
            _connect(address)
    except WeiboTuiError:
        raise
    except (Exception, SystemExit) as error:  # Ray exits where a server does not go on answering
        raise _no_ray(address, " ".join(str(error).split())) from error
    try:
        yield
    finally:
        ray.shutdown()


def _set_environment(address: str | None) -> None:
    """Set variables that Ray reads when it is imported."""
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",  # no network
        "RAY_ENABLE_AUTO_CONNECT": "0",  # a call after the end would start another Ray, with other settings
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # without this, Ray warns that it will change
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run` would copy the working folder to the workers
    }
    if address is None:
        # Ray runs the code that it is sent. Other machines cannot reach it, because it listens on 127.0.0.1 only, as
        # on macOS, and other users of this machine do not have the token.
        os.environ |= {
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_task_oom_retries": "3",  # by default a reader that needs too much memory is tried for ever
        }


def _no_ray(address: str | None, reason: str) -> WeiboTuiError:
    reason = truncate(reason, 300)
    if address is None:
        return WeiboTuiError(_("Ray does not start on this machine ({reason}).").format(reason=reason))
    message = _("No Ray cluster at {address} ({reason}). Start one with 'ray start', or leave out --address.")
    in_app = _("No Ray cluster at {address} ({reason}). Start one with 'ray start', or empty the field.")
    values = {"address": truncate(address, 100), "reason": reason}
    return UserInputError(message.format(**values), in_app.format(**values))


def _connect(address: str) -> None:
    if address != "auto":
        host, _sign, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise _no_ray(address, _("not of the form HOST:PORT"))
        try:
            is_ray = _answers(host.strip("[]"), int(port))
        except TimeoutError as error:
            raise _no_ray(
                address, _("no answer within {seconds} seconds").format(seconds=f"{_ANSWER_SECONDS:.0f}")
            ) from error
        except (OSError, OverflowError) as error:
            raise _no_ray(address, getattr(error, "strerror", None) or str(error)) from error
        if not is_ray:
            raise _no_ray(address, _("another program answers"))
    import ray

    ray.init(address=address, configure_logging=False, log_to_driver=False)


def _answers(host: str, port: int) -> bool:
    """Return whether a server greets as Ray does. Raise OSError where no server answers.

    Ray itself waits for minutes."""
    with socket.create_connection((host, port), _CONNECT_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return True  # it answers with TLS first
        connection.settimeout(_ANSWER_SECONDS)
        connection.sendall(_HELLO)
        return connection.recv(4, socket.MSG_WAITALL)[3:] == bytes((_SETTINGS,))


def _start(folder: Path) -> None:
    import psutil
    import ray

    ray.init(
        address="local",  # even if RAY_ADDRESS names a cluster
        num_cpus=usable_cores(),
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
        object_store_memory=int(min(max(psutil.virtual_memory().available / 5, _OBJECTS[0]), _OBJECTS[1])),
        _node_ip_address="127.0.0.1",
        _temp_dir=str(folder / "r"),  # Ray opens it to all users, but not the folder above it
    )


def live_nodes() -> list[NodeResources]:
    """Return the resources of each machine."""
    resources = [node["Resources"] for node in _nodes()]
    return [NodeResources(one.get("CPU", 0.0), one.get("GPU", 0.0), one.get("memory", 0.0)) for one in resources]


def check_nodes() -> None:
    """Raise UserInputError where a machine does not have this version of the program."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    check: Any = ray.remote(num_cpus=0)(_version)
    versions = [
        (node["NodeManagerHostname"], check.options(scheduling_strategy=strategy).remote())
        for node in _nodes()
        for strategy in [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)]
    ]
    for name, version in versions:
        try:
            installed = ray.get(version, timeout=_CHECK_SECONDS)
        except Exception as error:
            reason = truncate(" ".join(str(error).split())[-300:], 300)
            message = _("weibo-tui does not run on {node} ({reason}). Install 'weibo-tui[ray]' {version} there.")
            raise UserInputError(message.format(node=name, reason=reason, version=__version__)) from error
        if installed != __version__:
            message = _("{node} has weibo-tui {installed}, and this machine has {version}. Install the same version.")
            raise UserInputError(message.format(node=name, installed=installed, version=__version__))


def _nodes() -> list[dict[str, Any]]:
    import ray

    list_nodes: Any = ray.nodes  # has no types
    return [node for node in list_nodes() if node["Alive"]]


def _version() -> str:
    from weibo_tui.version import __version__ as installed

    return installed
