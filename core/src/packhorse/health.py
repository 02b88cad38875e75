"""Health checks of the core and of plugins, shared by `packhorse doctor`, the health resource and the HTTP probe."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from packhorse.errors import PackhorseError
from packhorse.isolation import PluginCrash, explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from packhorse.plugins import PluginHost

Status = Literal["ok", "warning", "failed"]

DEADLINE = 5.0  # seconds for one check; they run at once, so also for all of them
LITTLE_SPACE, NO_SPACE = 2_000_000_000, 200_000_000  # bytes free in the data folder
SLOW = 250.0  # milliseconds for the smallest query; tools that make several then miss their promises
_RANK: dict[Status, int] = {"ok": 0, "warning": 1, "failed": 2}


@dataclass(frozen=True, slots=True)
class Health:
    """The outcome of one check: `summary` is a sentence, `remedy` what to do when the status is not `ok`."""

    status: Status
    summary: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A named check; `run` is awaited under a deadline, and an exception in it counts as `failed`."""

    name: str
    run: Callable[[], Awaitable[Health]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `plugin` is `core` for the host's own, `milliseconds` how long it took."""

    plugin: str
    name: str
    status: Status
    summary: str
    remedy: str
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found; `status` is the worst of them."""

    status: Status
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-serialisable data."""
        return {"status": self.status, "checks": [asdict(finding) for finding in self.findings]}


async def examine(host: PluginHost) -> Report:
    """Start what the server would start, run every check and stop again; what cannot start is in the report."""
    try:
        async with host.running():
            return await report(host)
    except PackhorseError as error:
        return await report(host, not_started=error)


async def report(host: PluginHost, *, not_started: PackhorseError | None = None) -> Report:
    """Run the checks of the core and of every loaded plugin at once and return what they found; never raises.

    Args:
        host: the loaded host, running or not.
        not_started: why it is not running, if it should be.
    """
    checks = [("core", check) for check in _core_checks(host, not_started)]
    if not_started is None:  # or they would only say that nothing runs
        for plugin in host.loaded:
            checks += [(plugin, check) for check in _plugin_checks(host, plugin)]
    findings = await asyncio.gather(*(_find(plugin, check) for plugin, check in checks))
    worst = max((finding.status for finding in findings), key=_RANK.__getitem__)
    return Report(worst, tuple(findings))


async def _find(plugin: str, check: HealthCheck) -> Finding:
    start = perf_counter()
    task = asyncio.create_task(_outcome(check), name=f"packhorse-health-{plugin}")
    try:
        done, _ = await asyncio.wait({task}, timeout=DEADLINE)
    finally:
        task.cancel()  # not awaited: a check that ignores it may not hold up the report
    outcome = task.result() if done else Health("failed", f"No answer within {DEADLINE:g} seconds.", "See the log.")
    milliseconds = round((perf_counter() - start) * 1000, 1)
    return Finding(plugin, str(check.name), outcome.status, outcome.summary, outcome.remedy, milliseconds)


async def _outcome(check: HealthCheck) -> Health:
    try:
        health = await check.run()
    except PackhorseError as error:
        return Health("failed", error.message, error.remedy)
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return Health("failed", f"The check itself failed: {explain(error)}.", "See the log.")
    if type(health) is not Health or health.status not in _RANK:  # a plugin may return anything
        return Health("failed", f"The check returned {type(health).__name__} instead of a Health.", "")
    return health


def _plugin_checks(host: PluginHost, plugin: str) -> list[HealthCheck]:
    checks: list[HealthCheck] = []
    if plugin in host.ailing:
        checks.append(_known("background work", Health("failed", host.ailing[plugin], "Restart the server.")))
    if plugin in host.blocking:
        summary = f"It blocked the event loop, for {host.blocking[plugin]:.1f} seconds at worst."
        checks.append(
            _known("event loop", Health("warning", summary, "The log has the stack; report it to its author."))
        )
    if plugin in host.starting:
        checks.append(_known("start", Health("warning", "It is still starting.", "Look again in some seconds.")))
    if host.implements(plugin, "check_health"):
        try:
            for found in host.call_plugin(plugin, "check_health", context=host.context(plugin)):
                checks += [check for check in found if isinstance(check, HealthCheck)]
        except (PluginCrash, TypeError) as error:
            checks.append(_known("check_health", Health("failed", f"Its checks cannot be listed: {error}.", "")))
    return checks


def _known(name: str, health: Health) -> HealthCheck:
    async def run() -> Health:
        return health

    return HealthCheck(name, run)


def _core_checks(host: PluginHost, not_started: PackhorseError | None) -> list[HealthCheck]:
    async def database() -> Health:
        if not_started is not None:
            return Health("failed", not_started.message, not_started.remedy)
        return await _database(host)

    async def disk() -> Health:
        return await asyncio.to_thread(_disk, host)

    async def plugins() -> Health:
        return _plugins(host)

    first = "configuration" if not_started is not None and not_started.code == "configuration" else "database"
    return [HealthCheck(first, database), HealthCheck("disk", disk), HealthCheck("plugins", plugins)]


async def _database(host: PluginHost) -> Health:
    if not host.is_running:
        return Health("warning", "The database is not open in this process.", "")
    start = perf_counter()
    async with host.database.connection(deadline=DEADLINE) as connection:
        cursor = await connection.execute(
            "SELECT current_setting('server_version'), (SELECT extversion FROM pg_extension WHERE extname = 'vector')"
        )
        row = await cursor.fetchone()
    version, vector = ("?", None) if row is None else row
    milliseconds = (perf_counter() - start) * 1000
    where = "embedded" if host.core_settings.database_url is None else "at DATABASE_URL"
    summary = f"PostgreSQL {version.split()[0]} {where}, pgvector {vector or 'missing'}, {milliseconds:.1f} ms."
    if vector is None:
        return Health("failed", summary, "Run CREATE EXTENSION vector in this database as its owner.")
    if milliseconds > SLOW:
        return Health("warning", summary, "The database answers slowly; look at its load and the network.")
    return Health("ok", summary)


def _disk(host: PluginHost) -> Health:
    folder = host.core_settings.data_dir
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    summary = f"{free / 1e9:.1f} GB free in {folder}."
    if free < NO_SPACE:
        return Health("failed", summary, "Free some space or set PACKHORSE_DATA_DIR to another disk.")
    if free < LITTLE_SPACE:
        return Health("warning", summary, "Free some space before indexing a large repository.")
    return Health("ok", summary)


def _plugins(host: PluginHost) -> Health:
    out = [record for record in host.records if record.status not in {"loaded", "blocked"}]
    loaded = [record.name for record in host.records if record.loaded]
    if out:
        return Health("failed", " ".join(f"{one.name}: {one.error}" for one in out), out[0].remedy)
    if host.warnings:
        return Health("warning", " ".join(host.warnings), "Correct the list.")
    return Health("ok", f"{len(loaded)} loaded: {', '.join(loaded) or 'none'}.")
