"""Where everything is logged: loguru to this process's own rotating file, with the standard library's loggers caught.

Nothing is ever written to standard output, which may be the protocol, nor to standard error, which a client may not
read.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from loguru import logger

from packhorse.logfile import LogFile, remove_old_files
from packhorse.redaction import redact, visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from loguru import Message, Record

    from packhorse.settings import CoreSettings

LONGEST_TEXT = 20_000
"""Characters of a message or of a traceback that are kept; the middle of a longer one is left out."""

# Libraries whose information is noise to a reader of this log unless they look for a defect.
_CHATTY = ("asyncio", "fastmcp", "httpx", "httpcore", "mcp", "uvicorn", "watchfiles")
_FRAMEWORKS = ("fastmcp", "FastMCP", "mcp", "uvicorn")


def log_path(settings: CoreSettings) -> Path:
    """Return the path, without the process's number, under which processes with these settings log."""
    return settings.log_file or settings.data_dir / "logs" / "packhorse.log"


@contextmanager
def logging_to_file(settings: CoreSettings) -> Iterator[LogFile]:
    """Send loguru, the standard library's logging, warnings and uncaught exceptions to this process's log file.

    A folder that cannot be written is no reason to stop: the file's `problem` says what is wrong, and it is tried
    again from time to time.
    """
    path = log_path(settings)
    remove_old_files(path)
    file = LogFile(path)
    write = _json_writer(file) if settings.log_json else _text_writer(file)
    restore = _intercept(settings)
    ours = _Sinks(write, settings.log_level)
    _open.append(ours)
    try:
        yield file
    finally:
        _open.remove(ours)
        restore()
        ours.close()
        file.close()


class _Sinks:
    """Our loguru sink and the root logger's handler, and that there are no others."""

    def __init__(self, write: Any, level: str) -> None:
        self._write, self._level = write, level
        self._handlers = logging.getLogger().handlers[:]
        logger.remove()
        self._sink = self._add()

    def _add(self) -> int:
        # `diagnose` would write the values of variables, secrets included, into tracebacks.
        return logger.add(
            self._write, level=self._level, format="{message}", diagnose=False, backtrace=False, catch=True
        )

    def reclaim(self) -> bool:
        """Take away every sink and handler but ours; True when one of ours had been taken away."""
        root = logging.getLogger()
        taken = any(handler not in root.handlers for handler in self._handlers)
        root.handlers = self._handlers[:]
        taken |= not self.close()
        logger.remove()
        self._sink = self._add()
        return taken

    def close(self) -> bool:
        """Take our sink away; False when somebody else has."""
        try:
            logger.remove(self._sink)
        except ValueError:
            return False
        return True


_open: list[_Sinks] = []


def reclaim() -> bool:
    """Undo what foreign code did to this process's logging; True when it had taken away what we log with.

    A sink of its own on standard error would log what is drained from there, and drain what it logs, without end.
    Outside of `logging_to_file`, in a test, nothing is done.
    """
    return bool(_open) and _open[-1].reclaim()


def silence_frameworks() -> None:
    """Take away the terminal handlers that FastMCP and MCP install when imported, so that their records reach ours."""
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in _FRAMEWORKS:
            library = logging.getLogger(name)
            library.handlers.clear()
            library.propagate = True


class _Intercept(logging.Handler):
    """Hands the standard library's records to loguru under the name of their logger."""

    def __init__(self, verbose: bool) -> None:
        super().__init__()
        self.verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING and not self.verbose and record.name.split(".")[0].lower() in _CHATTY:
            return
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a record's arguments run foreign code, and logging must not raise
            text = f"{record.msg} (its arguments could not be formatted: {error!r})"
        level: str | int = record.levelname
        try:
            logger.level(record.levelname)
        except ValueError:
            level = record.levelno

        def name_origin(found: Record) -> None:
            found.update({"name": record.name, "function": record.funcName, "line": record.lineno})

        logger.patch(name_origin).opt(exception=record.exc_info).log(level, "{}", text)


def _intercept(settings: CoreSettings) -> Any:
    root = logging.getLogger()
    before = (
        root.handlers[:],
        root.level,
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
    )
    root.handlers = [_Intercept(verbose=settings.log_level in {"TRACE", "DEBUG"})]
    root.setLevel(logging.DEBUG if settings.log_level in {"TRACE", "DEBUG"} else logging.INFO)
    silence_frameworks()
    logging.captureWarnings(True)

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            logger.opt(exception=(kind, error, trace)).error("an exception that nothing caught")

    sys.excepthook = uncaught
    threading.excepthook = lambda found: uncaught(found.exc_type, found.exc_value, found.exc_traceback)
    sys.unraisablehook = lambda found: uncaught(found.exc_type, found.exc_value, found.exc_traceback)

    def restore() -> None:
        logging.captureWarnings(False)
        root.handlers, level, sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning = before
        root.setLevel(level)

    return restore


def _text_writer(file: LogFile) -> Any:
    def write(message: Message) -> None:
        record = message.record
        extra = " ".join(f"{name}={_clean(str(value))}" for name, value in record["extra"].items())
        head = (
            f"{record['time']:YYYY-MM-DDTHH:mm:ss.SSSZZ} {record['level'].name:<8} "
            f"{record['name']}:{record['function']}:{record['line']}"
        )
        lines = [f"{head} | {_clean(record['message'])}" + (f" | {extra}" if extra else "")]
        # Indented, so that no line of an exception's own text can pass for an entry.
        lines += [f"    {visible(line, keep=chr(9))}" for line in _traceback(record)]
        file.write("\n".join(lines) + "\n")

    return write


def _json_writer(file: LogFile) -> Any:
    def write(message: Message) -> None:
        record = message.record
        entry: dict[str, object] = {
            "time": record["time"].isoformat(),
            "level": record["level"].name,
            "logger": record["name"],
            "function": record["function"],
            "line": record["line"],
            "process": record["process"].id,
            "thread": record["thread"].name,
            "message": _clean(record["message"]),
        }
        if trace := _traceback(record):
            entry["exception"] = [visible(line) for line in trace]
        if record["extra"]:
            entry["extra"] = {name: _clean(str(value)) for name, value in record["extra"].items()}
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    return write


def _traceback(record: Any) -> list[str]:
    found = record["exception"]
    if found is None or found.value is None:
        return []
    text = "".join(traceback.format_exception(found.type, found.value, found.traceback))
    return redact(_shortened(text)).rstrip("\n").split("\n")


def _clean(text: str) -> str:
    return visible(redact(_shortened(text)))


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]} … {len(text) - LONGEST_TEXT} characters left out … {text[-half:]}"
