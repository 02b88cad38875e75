"""Files that workers died of: taken alone, then cut by lines, then left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fix_index import Repository, RunningIndex, contents

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.slow]


async def test_a_file_that_killed_two_workers_is_cut_by_lines(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    """What a worker leaves behind: first it died among others, then alone."""
    repository = make_repository()
    bomb = repository.write("bomb.py", "class Bomb:\n    def method(self):\n        return 1\n")
    repository.write("README.md", "# Words\n")
    await indexing.index.index(str(repository))
    await indexing.query("DELETE FROM indexing.listing")
    await indexing.query("DELETE FROM indexing.blob")
    await indexing.query("DELETE FROM indexing.chunk")
    [found] = await indexing.index.repositories()
    await indexing.query(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, suspects, isolating)
        VALUES (%s, %s, 'running', '{bomb.py}', true)
        """,
        found.id,
        found.pool_id,
    )
    result = await indexing.index.index(str(repository))
    assert result.status == "partial"
    assert ["bomb.py" in error and "killed" in error for error in result.errors] == [True]
    listed = await contents(indexing, result.repository_id)
    assert [chunk[9] for chunk in listed["bomb.py"][-1]] == [bomb.read_text()]


async def test_a_file_that_kills_workers_cut_by_lines_too_is_left_out(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    repository.write("README.md", "# Words\n")
    first = await indexing.index.index(str(repository))
    repository.write("bomb.py", "bomb = 1\n")
    await indexing.query(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, suspects, isolating, poisonous)
        SELECT id, pool_id, 'running', '{bomb.py}', true, '{bomb.py}' FROM indexing.repository WHERE id = %s
        """,
        first.repository_id,
    )
    result = await indexing.index.index(str(repository))
    assert (result.status, result.errors) == (
        "partial", ["bomb.py: it killed the worker, cut by lines too, so it was left out."],
    )  # fmt: skip
    assert (result.files_indexed, result.reasons) == (1, {"too slow": 1})
    repository.write("bomb.py", "bomb = 2  # defused\n")
    assert (await indexing.index.index(str(repository))).files_indexed == 2


async def test_files_among_which_a_worker_died_are_taken_one_at_a_time(
    indexing: RunningIndex, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository()
    for number in range(5):
        repository.write(f"file_{number}.py", f"def function_{number}():\n    return {number}\n")
    await indexing.index.index(str(repository))
    for number in range(5):
        repository.write(f"file_{number}.py", f"def changed_{number}():\n    return {number}\n")
    [found] = await indexing.index.repositories()
    await indexing.query(
        """
        INSERT INTO indexing.job (repository_id, pool_id, status, suspects)
        VALUES (%s, %s, 'running', '{file_1.py,file_3.py}')
        """,
        found.id,
        found.pool_id,
    )
    result = await indexing.index.index(str(repository))
    assert (result.status, result.errors) == ("success", [])
    assert await indexing.query(
        "SELECT suspects, isolating, poisonous FROM indexing.job WHERE id = %s", result.job_id
    ) == [([], False, [])]
