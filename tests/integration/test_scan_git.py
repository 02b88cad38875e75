"""Scanning real git repositories: every file once, every omission with its reason, nothing of theirs executed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from packhorse_indexing.scan import Head, Limits, Scan, Skip, git, identify, scan

pytestmark = pytest.mark.integration

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")


def run_git(folder: Path, *arguments: str) -> str:
    command = ["git", *IDENTITY, "-c", "protocol.file.allow=always", "-C", str(folder), *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def put(folder: Path, name: str, text: str = "x = 1\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def commit(folder: Path, message: str = "change") -> str:
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-qm", message, "--allow-empty")
    return run_git(folder, "rev-parse", "HEAD")


def paths(found: Scan) -> list[str]:
    return sorted(entry.path for entry in found.files)


def reasons(found: Scan) -> dict[str, str]:
    return {skip.path: skip.reason for skip in found.skipped}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init", "-q")
    put(folder, "src/app.py")
    put(folder, "README.md", "# Read me\n")
    commit(folder, "first")
    return folder


def test_tracked_and_untracked_files_are_found_with_their_signature(repository: Path) -> None:
    put(repository, "new.py")
    found = scan(repository)
    assert paths(found) == ["README.md", "new.py", "src/app.py"]
    entry = next(item for item in found.files if item.path == "new.py")
    status = (repository / "new.py").stat()
    assert (entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode) == (
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
    )  # fmt: skip
    assert found.skipped == []


def test_every_kind_of_ignore_rule_is_obeyed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = repository.parent / "config"
    put(config, "git/ignore", "global.log\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    monkeypatch.setenv("HOME", str(config))
    git._excludes_file.cache_clear()
    put(repository, ".gitignore", "*.tmp\n/build/\n!keep.tmp\n")
    put(repository, "src/.gitignore", "!deep.tmp\nlocal.py\n")
    put(repository, ".git/info/exclude", "excluded.py\n")
    for name in ("a.tmp", "keep.tmp", "src/deep.tmp", "src/local.py", "build/x.py", "excluded.py", "global.log"):
        put(repository, name)
    tracked = put(repository, "tracked.tmp")
    run_git(repository, "add", "-f", str(tracked))
    try:
        expected = [
            ".gitignore",
            "README.md",
            "keep.tmp",
            "src/.gitignore",
            "src/app.py",
            "src/deep.tmp",
            "tracked.tmp",
        ]
        assert paths(scan(repository)) == expected
        ignored = {path for path, reason in reasons(scan(repository, ignored=True)).items() if reason == "ignored"}
        assert ignored == {"a.tmp", "build/", "excluded.py", "global.log", "src/local.py"}
    finally:
        git._excludes_file.cache_clear()


@pytest.mark.parametrize("name", [".mcpignore", ".cursorignore", ".rooignore", ".contextignore"])
def test_the_ignore_files_of_tools_hold_for_tracked_files_at_every_level(repository: Path, name: str) -> None:
    put(repository, name, "docs/\n*.gen.py\n!keep.gen.py\n")
    put(repository, "src/" + name, "private.py\n")
    for file in ("docs/a.md", "x.gen.py", "keep.gen.py", "src/private.py", "src/y.gen.py"):
        put(repository, file)
    commit(repository)
    found = scan(repository)
    assert paths(found) == sorted([name, "README.md", "keep.gen.py", "src/" + name, "src/app.py"])
    assert reasons(found) == dict.fromkeys(["docs/a.md", "src/private.py", "src/y.gen.py", "x.gen.py"], "ignored")


def test_what_is_not_indexed_has_a_reason(repository: Path) -> None:
    (repository / "link.py").symlink_to("src/app.py")
    (repository / "outside").symlink_to("/etc")
    (repository / "loop").symlink_to(".")
    put(repository, "big.py", "x" * 3000)
    for name in (".env", ".env.local", "deploy/key.pem", "id_rsa", "package-lock.json", "app.min.js"):
        put(repository, name)
    put(repository, ".env.example")
    put(repository, "id_rsa.pub")
    put(repository, ".npmrc", "//registry.example.org/:_authToken=abc\n")
    put(repository, "web/.npmrc", "save-exact=true\n")
    put(repository, "gone.py")
    commit(repository)
    (repository / "gone.py").unlink()
    (repository / "src" / "app.py").unlink()
    (repository / "src" / "app.py").mkdir()
    put(repository, "src/app.py/inner.py")
    found = scan(repository, Limits(max_bytes=2000))
    assert reasons(found) == {
        "link.py": "symlink", "outside": "symlink", "loop": "symlink", "big.py": "too large", ".env": "secret",
        ".env.local": "secret", "deploy/key.pem": "secret", "id_rsa": "secret", ".npmrc": "secret",
        "package-lock.json": "generated", "app.min.js": "generated",
    }  # fmt: skip
    assert paths(found) == [".env.example", "README.md", "id_rsa.pub", "src/app.py/inner.py", "web/.npmrc"]


def test_a_tracked_file_that_became_a_pipe_is_never_opened(repository: Path) -> None:
    for name in ("pipe.py", "socket.py"):
        put(repository, name)
    commit(repository)
    for name in ("pipe.py", "socket.py"):
        (repository / name).unlink()
    os.mkfifo(repository / "pipe.py")
    here = Path.cwd()
    os.chdir(repository)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.py")
            assert reasons(scan(repository)) == {"pipe.py": "special file", "socket.py": "special file"}
    finally:
        os.chdir(here)


def test_a_name_that_is_not_utf8_is_reported_readably(repository: Path) -> None:
    with open(os.fsencode(repository) + b"/caf\xe9.py", "w") as file:  # noqa: PTH123 - the name is bytes
        file.write("x = 1\n")
    put(repository, "größe 日本\t.py")
    found = scan(repository)
    assert found.skipped == [Skip("caf\\xe9.py", "encoding")]
    assert "größe 日本\t.py" in paths(found)


def test_submodules_and_embedded_repositories_are_read_with_their_own_rules(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    run_git(library, "init", "-q")
    put(library, "lib.py")
    put(library, ".gitignore", "*.out\n")
    commit(library)
    run_git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    put(repository, "vendor/library/a.out")
    shutil.copytree(library, repository / "embedded")
    put(repository, ".gitignore", "*.md\n")
    put(repository, "embedded/notes.md")
    put(repository, ".mcpignore", "vendor/library/lib.py\n")
    found = scan(repository)
    assert {"embedded/lib.py", "embedded/notes.md", "vendor/library/.gitignore"} <= set(paths(found))
    assert reasons(found)["vendor/library/lib.py"] == "ignored"
    assert reasons(found)["vendor/library/a.out"] == "ignored"
    assert not any(".git/" in path for path in paths(found))


def test_a_folder_inside_a_repository_is_listed_alone(repository: Path) -> None:
    put(repository, "src/.gitignore", "out/\n")
    put(repository, "src/out/made.py")
    assert paths(scan(repository / "src")) == [".gitignore", "app.py"]
    assert paths(scan(repository / "src" / "out")) == ["made.py"]
    assert identify(repository / "src") == identify(repository)


def test_the_head_is_read_in_all_its_forms(repository: Path) -> None:
    revision = run_git(repository, "rev-parse", "HEAD")

    def head() -> tuple[str | None, str | None]:
        found = scan(repository).head
        assert found is not None
        return found.branch, found.revision

    assert head() == ("main", revision)
    run_git(repository, "checkout", "-qb", "feature/x")
    run_git(repository, "pack-refs", "--all")
    assert head() == ("feature/x", revision)
    run_git(repository, "checkout", "-q", "--detach")
    assert head() == (None, revision)
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")
    assert head() == (None, None)
    (repository / ".git" / "HEAD").write_text("ref: refs/heads/unborn\n")
    assert head() == ("unborn", None)


def test_worktrees_and_clones_of_one_history_are_one_family(repository: Path, tmp_path: Path) -> None:
    root = run_git(repository, "rev-parse", "HEAD")
    commit(repository, "second")
    run_git(repository, "worktree", "add", "-q", str(tmp_path / "worktree"), "-b", "other")
    run_git(tmp_path, "clone", "-q", str(repository), str(tmp_path / "clone"))
    folders = (repository, tmp_path / "worktree", tmp_path / "clone")
    assert {identify(folder) for folder in folders} == {f"git:{root}"}
    assert scan(tmp_path / "worktree").head == Head("other", run_git(repository, "rev-parse", "HEAD"))
    assert paths(scan(tmp_path / "worktree")) == paths(scan(repository))


def test_without_a_true_first_commit_the_family_is_the_folder(repository: Path, tmp_path: Path) -> None:
    for number in range(3):
        commit(repository, str(number))
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", str(tmp_path / "shallow"))
    assert identify(tmp_path / "shallow") == f"folder:{(tmp_path / 'shallow' / '.git').resolve()}"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert identify(empty) == f"folder:{empty.resolve()}"
    run_git(empty, "init", "-q")
    assert identify(empty) == f"folder:{(empty / '.git').resolve()}"


def test_replaced_and_grafted_history_does_not_change_the_family(repository: Path) -> None:
    root = run_git(repository, "rev-parse", "HEAD")
    commit(repository, "second")
    third = commit(repository, "third")
    run_git(repository, "replace", "--graft", third)
    git._root_commit.cache_clear()
    assert identify(repository) == f"git:{root}"


def canary(folder: Path) -> tuple[Path, Path]:
    """Return a program and the file that proves that it ran."""
    proof = folder / "EXECUTED"
    program = folder / "canary.sh"
    program.write_text(f"#!/bin/sh\necho run >> '{proof}'\nexit 0\n")
    program.chmod(0o755)
    return program, proof


HOSTILE = {
    "fsmonitor": [("core.fsmonitor", "{program}")],
    "fsmonitor 1": [("core.fsmonitor", "{program}"), ("core.fsmonitorHookVersion", "1")],
    "hooks path": [("core.hooksPath", "{folder}")],
    "filters": [("filter.evil.clean", "{program}"), ("filter.evil.process", "{program}")],
    "diff": [("diff.external", "{program}"), ("diff.evil.textconv", "{program}")],
    "aliases": [("alias.ls-files", "!{program}"), ("alias.rev-list", "!{program}")],
    "pager": [("core.pager", "{program}"), ("pager.ls-files", "{program}"), ("pager.rev-list", "{program}")],
    "include": [("include.path", "{include}")],
    "credentials": [("credential.helper", "!{program}"), ("core.askPass", "{program}")],
    "ssh": [("core.sshCommand", "{program}"), ("core.gitProxy", "{program}")],
    "work tree": [("core.worktree", "/etc")],
    "bare": [("core.bare", "true")],
    "alternate refs": [("core.alternateRefsCommand", "{program}")],
    "editor": [("core.editor", "{program}"), ("sequence.editor", "{program}")],
    "gpg": [("gpg.program", "{program}"), ("log.showSignature", "true")],
    "excludes file": [("core.excludesFile", "{fifo}")],
    "attributes file": [("core.attributesFile", "{fifo}")],
    "promisor": [
        ("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "ext::{program}"), ("remote.origin.uploadpack", "{program}"),
        ("protocol.ext.allow", "always"), ("protocol.allow", "always"), ("remote.origin.vcs", "ext"),
    ],
    "unparsable": [("core.bigFileThreshold", "nonsense")],
}  # fmt: skip


def test_the_canary_would_sing(repository: Path, tmp_path: Path) -> None:
    program, proof = canary(tmp_path)
    run_git(repository, "-c", f"core.fsmonitor={program}", "status")
    assert proof.exists()


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_configuration_executes_nothing_and_hides_nothing(
    repository: Path, tmp_path: Path, attack: str
) -> None:
    program, proof = canary(tmp_path)
    put(repository, ".gitattributes", "* filter=evil diff=evil\n")
    revision = commit(repository, "attributes")
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout", "pre-auto-gc"):
        for folder in (repository / ".git" / "hooks", tmp_path):
            folder.mkdir(exist_ok=True)
            shutil.copy(program, folder / hook)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    include = put(tmp_path, "include.config", f"[core]\n\tfsmonitor = {program}\n[alias]\n\tls-files = !{program}\n")
    for key, value in HOSTILE[attack]:
        filled = value.format(program=program, folder=tmp_path, include=include, fifo=fifo)
        subprocess.run(["git", "config", "--file", str(repository / ".git" / "config"), key, filled], check=True)
    if attack == "promisor":
        # A first commit that is not there has to be fetched, if anything is.
        for loose in sorted((repository / ".git" / "objects").glob("??/*")):
            if loose.parent.name + loose.name != revision:
                loose.unlink()
    git._root_commit.cache_clear()
    put(repository, "src/app.py", "y = 2\n")
    found = scan(repository, Limits(git_seconds=5), ignored=True)
    assert paths(found) == [".gitattributes", "README.md", "src/app.py"]
    assert not proof.exists(), proof.read_text()


def test_a_nested_bare_repository_is_never_taken_for_one(repository: Path, tmp_path: Path) -> None:
    program, proof = canary(tmp_path)
    bare = repository / "nested"
    run_git(tmp_path, "init", "-q", "--bare", str(bare))
    subprocess.run(["git", "config", "--file", str(bare / "config"), "core.fsmonitor", str(program)], check=True)
    subprocess.run(["git", "config", "--file", str(bare / "config"), "core.worktree", str(bare)], check=True)
    put(bare, "inner/code.py")
    for folder in (repository, bare, bare / "inner"):
        assert any(path.endswith("code.py") for path in paths(scan(folder)))
    assert not proof.exists()


def test_a_git_file_that_points_nowhere_or_is_a_pipe_is_no_repository(tmp_path: Path) -> None:
    for content in ("gitdir: /nowhere\n", "nonsense\n", "gitdir: ../../../etc\n", "x" * 10_000):
        put(tmp_path, ".git", content)
        put(tmp_path, "a.py")
        assert paths(scan(tmp_path)) == ["a.py"]
        assert scan(tmp_path).head is None
    (tmp_path / ".git").unlink()
    os.mkfifo(tmp_path / ".git")
    assert paths(scan(tmp_path)) == ["a.py"]


def test_a_repository_that_belongs_to_another_user_is_listed_all_the_same(repository: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 4242, 4242)
    assert paths(scan(repository)) == ["README.md", "src/app.py"]


@pytest.mark.parametrize("damage", ["index", "missing"])
def test_when_git_fails_the_walk_obeys_the_same_rules(
    repository: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    put(repository, ".gitignore", "*.tmp\n")
    put(repository, ".git/info/exclude", "excluded.py\n")
    put(repository, "a.tmp")
    put(repository, "excluded.py")
    if damage == "index":
        (repository / ".git" / "index").write_bytes(b"no index at all")
    else:
        monkeypatch.setenv("PATH", "relative:/nowhere")
        git.find_program.cache_clear()
        git._excludes_file.cache_clear()
        git._root_commit.cache_clear()
    try:
        found = scan(repository)
        assert paths(found) == [".gitignore", "README.md", "src/app.py"]
        assert reasons(found) == {"a.tmp": "ignored", "excluded.py": "ignored"}
        if damage == "missing":
            assert found.family == f"folder:{(repository / '.git').resolve()}"
    finally:
        git.find_program.cache_clear()
        git._excludes_file.cache_clear()
        git._root_commit.cache_clear()


def test_a_git_that_hangs_is_ended_and_the_walk_used(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = repository.parent / "bin"
    program = put(fake, "git", "#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(git, "find_program", lambda: str(program))
    monkeypatch.setattr(git, "_excludes_file", lambda: "/dev/null")
    git._root_commit.cache_clear()
    assert paths(scan(repository, Limits(git_seconds=0.3))) == ["README.md", "src/app.py"]
    git._root_commit.cache_clear()


def test_the_users_environment_does_not_lead_git_astray(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, proof = canary(tmp_path)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.fsmonitor")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(program))
    assert paths(scan(repository)) == ["README.md", "src/app.py"]
    assert not proof.exists()
