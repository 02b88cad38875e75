"""What of the process belongs to everybody: looked at before and after a plugin's code, and put back if it changed.

A plugin that replaces `json.dumps`, a signal's handler or the working directory does so for the host and all others. It
can do so at any later time too; this catches what an import or a registration leaves behind, mostly by mistake.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import json
import logging
import os
import re
import resource
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ABSENT: Any = object()
_NAMESPACES: tuple[Any, ...] = (
    *(builtins, json, logging, asyncio, asyncio.events, threading, time, os, pluggy),
    *(logging.Logger, logging.Handler, pluggy.PluginManager, json.JSONEncoder, json.JSONDecoder),
)
"""Modules and classes of which nothing may be replaced or removed; what is added disturbs nobody."""
_LAZY = (
    "fastmcp.server.server:FastMCP",
    "fastmcp.server.providers.local_provider.local_provider:LocalProvider",
    "fastmcp.tools.base:Tool",
)
"""Such classes that are looked at only when something has imported them."""
_STREAMS = ("stdin", "stdout", "stderr", "excepthook", "unraisablehook")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)
_VARIABLES = re.compile(r"PACKHORSE_|DATABASE_URL$|DB_|LOG_|PG|LD_|PYTHON|FASTMCP_|(?:HOME|PATH)$")
"""The environment variables that are the user's word; a library sets others for itself."""


@contextmanager
def kept(changed: list[str]) -> Iterator[None]:
    """Put back what the block changes for everybody, and add what that was to `changed`."""
    restorers = [look() for look in (_streams, _namespaces, _handlers, _folder, _environment, _interpreter)]
    try:
        yield
    finally:
        for restore in restorers:
            changed += restore()


def _namespaces() -> Callable[[], list[str]]:
    watched = [*_NAMESPACES, *(one for one in map(_imported, _LAZY) if one is not None)]
    saved = [(thing, vars(thing).copy()) for thing in watched]

    def restore() -> list[str]:
        changed = []
        for thing, before in saved:
            now = vars(thing)
            if now == before:  # by identity, nearly always; much faster than the look at each name
                continue
            for name, value in before.items():
                if now.get(name, _ABSENT) is not value and not name.startswith("__") and name != "environ":
                    setattr(thing, name, value)
                    if value is not None:  # else something made on demand, such as the event loop's policy
                        changed.append(f"{thing.__name__}.{name}")
        return changed

    return restore


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return vars(sys.modules.get(module, object)).get(name)


def _streams() -> Callable[[], list[str]]:
    saved = {name: getattr(sys, name, None) for name in _STREAMS}
    finders = sys.meta_path[:]

    def restore() -> list[str]:
        changed = [name for name, value in saved.items() if getattr(sys, name, _ABSENT) is not value]
        for name in changed:
            setattr(sys, name, saved[name])
        if sys.meta_path[: len(finders)] != finders:  # behind the others a new one does no harm
            sys.meta_path[:] = finders
            changed.append("meta_path")
        return [f"sys.{name}" for name in changed]

    return restore


def _handlers() -> Callable[[], list[str]]:
    saved = {number: signal.getsignal(number) for number in _SIGNALS}

    def restore() -> list[str]:
        changed = [number for number, handler in saved.items() if signal.getsignal(number) is not handler]
        if threading.current_thread() is threading.main_thread():
            for number in changed:
                handler = saved[number]
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
        return [f"the handler of {signal.Signals(number).name}" for number in changed]

    return restore


def _folder() -> Callable[[], list[str]]:
    try:
        folder = os.getcwd()  # noqa: PTH109 - Path.cwd() does the same at more expense
    except OSError:
        folder = None
    mask = _umask()

    def restore() -> list[str]:
        changed = []
        with suppress(OSError):
            if folder is not None and os.getcwd() != folder:  # noqa: PTH109 - see above
                os.chdir(folder)
                changed.append("the working directory")
        if _umask() != mask:
            os.umask(mask)
            changed.append("the umask")
        return changed

    return restore


def _umask() -> int:
    """Return the mode mask of new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _environment() -> Callable[[], list[str]]:
    before = {name: value for name, value in os.environ.items() if _VARIABLES.match(name)}

    def restore() -> list[str]:
        now = {name: value for name, value in os.environ.items() if _VARIABLES.match(name)}
        changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
        for name in changed:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]
        return changed

    return restore


def _interpreter() -> Callable[[], list[str]]:
    collecting, depth, trace = gc.isenabled(), sys.getrecursionlimit(), sys.gettrace()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def restore() -> list[str]:
        changed = []
        if sys.gettrace() is not trace:
            sys.settrace(trace)
            changed.append("the trace function")
        if gc.isenabled() != collecting:
            (gc.enable if collecting else gc.disable)()
            changed.append("the garbage collector's switch")
        if sys.getrecursionlimit() < depth:
            sys.setrecursionlimit(depth)
            changed.append("the recursion limit")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < files[0]:
            with suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(files[0], hard), hard))
            changed.append("the limit of open files")
        return changed

    return restore
