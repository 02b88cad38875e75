"""Sessions named for what they do: `nox` runs lint, types and tests; `nox -l` lists the rest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import nox

nox.needs_version = ">=2026.2"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = True

WORKERS = "2"


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff; `nox -s lint -- --fix` repairs what it can."""
    session.install(*requirements("ruff"))
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", *([] if "--fix" in session.posargs else ["--check"]), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check every package with mypy --strict."""
    session.install("-r", "requirements-dev.txt")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests that are not slow, with at least 95 % of the branches covered; arguments select and drop that."""
    session.install("-r", "requirements-dev.txt")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    # `coverage run`, not pytest-cov: our own pytest plugin imports the packages before pytest-cov would look.
    session.run("coverage", "erase")
    # A short folder of our own, because the path of a database's socket has 107 bytes at most.
    with TemporaryDirectory(prefix="ph-", ignore_cleanup_errors=True) as folder:
        options = [f"--numprocesses={WORKERS}", "--dist=loadgroup", f"--basetemp={folder}/t", "--durations=10"]
        session.run("coverage", "run", "-m", "pytest", "-m", "not slow", *options)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take more than five seconds each: wheels in fresh environments, races, long histories."""
    session.install("-r", "requirements-dev.txt")
    with TemporaryDirectory(prefix="ph-", ignore_cleanup_errors=True) as folder:
        options = [f"--numprocesses={WORKERS}", "--dist=loadgroup", f"--basetemp={folder}/t"]
        session.run("pytest", "-m", "slow", *options, *session.posargs)


@nox.session
def alone(session: nox.Session) -> None:
    """Build every wheel and install each by itself with core into a fresh environment."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "tests/integration/test_packaging_wheels.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Check the documentation: links, examples that parse, settings and hooks that exist."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "tests/unit/test_docs_hooks.py", "tests/unit/test_docs_pages.py", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """Check the promises of the reference contract, and real clients over real transports."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "tests/contract", "tests/e2e", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: `nox -s bench -- indexing --files 10000`, `nox -s bench -- retrieval --benchmark … --checkouts …`."""
    session.install("-r", "requirements-dev.txt")
    name, *arguments = session.posargs or ["indexing"]
    session.run("python", f"benchmarks/{name}.py", *arguments)


@nox.session
def faults(session: nox.Session) -> None:
    """Kill the indexer, the server and PostgreSQL fifty times each: `nox -s faults -- --kills 5 --only server`."""
    session.install("-r", "requirements-dev.txt")
    session.run("python", "benchmarks/faults.py", *session.posargs)


def requirements(*names: str) -> list[str]:
    """Return the lines of requirements-dev.txt for these tools, so that their versions stand in one place."""
    lines = Path("requirements-dev.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith(names)]
