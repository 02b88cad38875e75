"""The tracker's SQL, whole. Each function runs in the transaction of the connection that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow
    from psycopg.types.json import Jsonb

Row = dict[str, Any]


# A whole task; of its comments the last 20, whose number is told, and of its status changes the last 1,000.
TASK = """
SELECT t.id, t.number, t.version, t.title, t.description, t.notes, t.status, t.priority::text, t.labels, t.assignee,
    t.due_date, t.acceptance_criteria, t.repository, t.planning_references, t.symbols, t.branches, t.commits,
    t.claimed_by, t.claimed_until, t.created_at, t.updated_at, t.deleted_at,
    tasks.is_open(t.status, t.deleted_at)
        AND EXISTS (SELECT FROM tasks.dependency AS d WHERE d.task_id = t.id AND d.open) AS blocked,
    (SELECT json_build_object('id', p.id, 'title', p.title, 'status', p.status)
        FROM tasks.task AS p WHERE p.id = t.parent_id) AS parent,
    (SELECT coalesce(json_agg(json_build_object('id', s.id, 'title', s.title, 'status', s.status) ORDER BY s.number),
            '[]')
        FROM tasks.task AS s WHERE s.parent_id = t.id AND s.deleted_at IS NULL) AS subtasks,
    (SELECT coalesce(json_agg(json_build_object('id', b.id, 'title', b.title, 'status', b.status) ORDER BY b.number),
            '[]')
        FROM tasks.dependency AS d JOIN tasks.task AS b ON b.id = d.blocker_id
        WHERE d.task_id = t.id AND b.deleted_at IS NULL) AS depends_on,
    (SELECT coalesce(json_agg(json_build_object('from_status', h.from_status, 'to_status', h.to_status,
            'changed_at', h.changed_at) ORDER BY h.version), '[]')
        FROM (SELECT * FROM tasks.status_change WHERE task_id = t.id ORDER BY version DESC LIMIT 1000) AS h
    ) AS status_history,
    (SELECT coalesce(json_agg(json_build_object('author', c.author, 'body', c.body,
            'created_at', c.created_at) ORDER BY c.id), '[]')
        FROM (SELECT * FROM tasks.comment WHERE task_id = t.id ORDER BY id DESC LIMIT 20) AS c
    ) AS comments,
    (SELECT count(*) FROM tasks.comment WHERE task_id = t.id) AS comment_count
FROM tasks.task AS t
"""

GET = TASK + "WHERE t.id = %(id)s"

GET_MANY = (
    TASK + "JOIN unnest(%(numbers)s::bigint[]) WITH ORDINALITY AS wanted(number, place) USING (number) ORDER BY place"
)

FIND = """
SELECT id FROM tasks.task
WHERE id::text LIKE %(prefix)s || '%%' OR number::text = %(prefix)s
ORDER BY number::text = %(prefix)s DESC, number LIMIT 3
"""

# A task and the first entry of its audit.
CREATE = """
WITH created AS (
    INSERT INTO tasks.task (id, client_key, title, description, notes, status, priority, labels, parent_id, assignee,
        due_date, acceptance_criteria, repository, planning_references, symbols, branches, commits)
    VALUES (coalesce(%(id)s, gen_random_uuid()), %(client_key)s, %(title)s, %(description)s, %(notes)s, %(status)s,
        %(priority)s, %(labels)s, %(parent_id)s, %(assignee)s, %(due_date)s, %(acceptance_criteria)s, %(repository)s,
        %(planning_references)s, %(symbols)s, %(branches)s, %(commits)s)
    ON CONFLICT DO NOTHING
    RETURNING id, version, updated_at
)
INSERT INTO tasks.audit (task_id, version, actor, changes, changed_at)
SELECT id, version, %(actor)s, %(changes)s, updated_at FROM created
RETURNING task_id AS id
"""

CREATED_BEFORE = """
SELECT task.id, audit.changes #>> '{title,1}' AS title
FROM tasks.task JOIN tasks.audit ON audit.task_id = task.id AND audit.version = 1
WHERE client_key = %(client_key)s
"""

# Not FOR UPDATE: the foreign keys of a concurrent transaction that refers to this task need not wait.
LOCK = """
SELECT t.*, t.priority::text AS priority, t.claimed_until > clock_timestamp() AS claimed,
    EXISTS (SELECT FROM tasks.dependency WHERE task_id = t.id AND open) AS blocked,
    ARRAY(SELECT blocker_id FROM tasks.dependency WHERE task_id = t.id ORDER BY blocker_id) AS depends_on
FROM tasks.task AS t WHERE t.id = %(id)s FOR NO KEY UPDATE OF t
"""

# A new version of a task and its entry in the audit.
UPDATE = """
WITH changed AS (
    UPDATE tasks.task SET version = version + 1, updated_at = clock_timestamp(), title = %(title)s,
        description = %(description)s, notes = %(notes)s, status = %(status)s, priority = %(priority)s,
        labels = %(labels)s, parent_id = %(parent_id)s, assignee = %(assignee)s, due_date = %(due_date)s,
        acceptance_criteria = %(acceptance_criteria)s, repository = %(repository)s,
        planning_references = %(planning_references)s, symbols = %(symbols)s, branches = %(branches)s,
        commits = %(commits)s, claimed_by = %(claimed_by)s,
        claimed_until = CASE WHEN %(claimed_by)s::text IS NULL THEN NULL
            WHEN %(lease)s::float8 IS NULL THEN claimed_until
            ELSE clock_timestamp() + make_interval(secs => %(lease)s) END,
        deleted_at = CASE WHEN %(deleted)s THEN coalesce(deleted_at, clock_timestamp()) END
    WHERE id = %(id)s
    RETURNING id, version, updated_at
)
INSERT INTO tasks.audit (task_id, version, actor, changes, changed_at)
SELECT id, version, %(actor)s, %(changes)s, updated_at FROM changed
"""

COMMENT = "INSERT INTO tasks.comment (task_id, author, body) VALUES (%(id)s, %(author)s, %(body)s)"

HISTORY = """
SELECT version, actor, changes, changed_at FROM tasks.audit
WHERE task_id = %(id)s AND version > %(version)s ORDER BY version
"""

# Whoever adds an edge holds this lock until the end of the transaction: two edges that are no cycle each may be one
# together. It is taken before the lock of a row, always, so that no two writers wait for each other.
LOCK_EDGES = "SELECT pg_advisory_xact_lock(hashtext('tasks.dependency'))"

MISSING = """
SELECT wanted.id FROM unnest(%(ids)s::uuid[]) AS wanted(id)
WHERE NOT EXISTS (SELECT FROM tasks.task WHERE task.id = wanted.id)
"""

# The blockers are locked against changes of their status until the edges are there to be told of one.
LINK = """
INSERT INTO tasks.dependency (task_id, blocker_id, open)
SELECT %(id)s, b.id, tasks.is_open(b.status, b.deleted_at)
FROM tasks.task AS b WHERE b.id = ANY (%(blockers)s::uuid[]) ORDER BY b.id FOR SHARE
ON CONFLICT DO NOTHING
"""

UNLINK = "DELETE FROM tasks.dependency WHERE task_id = %(id)s AND blocker_id <> ALL (%(blockers)s::uuid[])"

# A task needs its blockers and its sub-tasks done. Every such edge among the tasks that the given ones need.
EDGES = """
WITH RECURSIVE edge(task_id, needs) AS (
    SELECT task_id, blocker_id FROM tasks.dependency
    UNION ALL
    SELECT parent_id, id FROM tasks.task WHERE parent_id IS NOT NULL
), needed(id) AS (
    SELECT unnest(%(ids)s::uuid[])
    UNION
    SELECT needs FROM needed JOIN edge ON edge.task_id = needed.id
)
SELECT edge.task_id, edge.needs FROM needed JOIN edge ON edge.task_id = needed.id
"""

TITLES = "SELECT id, title FROM tasks.task WHERE id = ANY (%(ids)s::uuid[])"

# What a short listing shows of the task t.
_SHORT = """
SELECT t.id, t.number, t.title, t.status, t.priority::text, t.assignee, t.due_date, t.labels,
    CASE WHEN t.claimed_until > clock_timestamp() THEN t.claimed_by END AS claimed_by,
    tasks.is_open(t.status, t.deleted_at)
        AND EXISTS (SELECT FROM tasks.dependency AS d WHERE d.task_id = t.id AND d.open) AS blocked
"""

# A page and the number of all in one statement. Counting reads an index; a page beyond the end is one row of NULLs.
_NEWEST_PAGE = """, counted.total
FROM (
    SELECT count(*) AS total FROM tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s)) AS counted
LEFT JOIN (
    SELECT * FROM tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s)
    ORDER BY number DESC LIMIT %(limit)s OFFSET %(offset)s) AS t ON true
ORDER BY t.number DESC
"""
NEWEST = _SHORT + _NEWEST_PAGE

_URGENT_PAGE = """, counted.total
FROM (
    SELECT count(*) AS total FROM tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s)) AS counted
LEFT JOIN (
    SELECT * FROM tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s)
    ORDER BY priority DESC, due_date, number LIMIT %(limit)s OFFSET %(offset)s) AS t ON true
ORDER BY t.priority DESC, t.due_date, t.number
"""
URGENT = _SHORT + _URGENT_PAGE

SUMMARIES = (
    _SHORT
    + """
FROM unnest(%(numbers)s::bigint[]) WITH ORDINALITY AS wanted(number, place) JOIN tasks.task AS t USING (number)
ORDER BY place
"""
)

# The numbers of the tasks that fit a question. `worded`: the newest of those that have every lexeme of it, ordered by
# where they have them (title 1, references 0.6, description 0.4, notes 0.2). `meant`: those nearest to its vector, if
# there is one. Documents and vectors of deleted tasks do not exist.
FITTING = """
SELECT ARRAY(
    SELECT number FROM (
        SELECT number, ts_rank('{0.2, 0.4, 0.6, 1}', words, query) AS weight
        FROM tasks.every_lexeme(%(question)s) AS query JOIN tasks.document ON words @@ query
        ORDER BY number DESC LIMIT %(worded)s) AS newest
    ORDER BY weight DESC, number DESC) AS worded,
ARRAY(
    SELECT number FROM tasks.nearest(%(vector)b::halfvec, %(meant)s) JOIN tasks.document USING (task_id)
    WHERE distance < %(farthest)s ORDER BY distance) AS meant
"""

# A filter leaves few vectors, which are compared one by one: their index would give the nearest of all tasks. (Those of
# another length are told apart in the CASE, for as a condition the planner would take it to leave next to none.)
FITTING_MATCHING = """
WITH matching AS MATERIALIZED (
    SELECT id, number FROM tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s)
)
SELECT ARRAY(
    SELECT number FROM (
        SELECT t.number, ts_rank('{0.2, 0.4, 0.6, 1}', words, query) AS weight
        FROM tasks.every_lexeme(%(question)s) AS query JOIN tasks.document ON words @@ query
        JOIN matching AS t ON id = task_id
        ORDER BY t.number DESC LIMIT %(worded)s) AS newest
    ORDER BY weight DESC, number DESC) AS worded,
ARRAY(
    SELECT number FROM (
        SELECT number, CASE WHEN vector_dims(vector) = vector_dims(%(vector)b::halfvec)
            THEN vector <=> %(vector)b::halfvec END AS distance
        FROM matching JOIN tasks.embedding ON id = task_id ORDER BY distance LIMIT %(meant)s) AS nearest
    WHERE distance < %(farthest)s ORDER BY distance) AS meant
"""

# The lexemes of a question, each with the number of tasks that have it, up to one more than are common.
LEXEMES = """
SELECT query::text, (
    SELECT count(*) FROM (SELECT FROM tasks.document WHERE words @@ query LIMIT %(common)s + 1) AS capped) AS tasks
FROM tasks.lexemes(%(question)s) AS query
"""

# Each lexeme counts by its weight in the task and its rarity.
PARTLY_WORDED = """
SELECT hit.number
FROM unnest(%(queries)s::tsquery[], %(rarities)s::float8[]) AS lexeme(query, rarity)
CROSS JOIN LATERAL (
    SELECT t.number, ts_rank('{0.2, 0.4, 0.6, 1}', words, lexeme.query) AS weight
    FROM tasks.document JOIN tasks.matching(
        %(status)s, %(branch)s, %(label)s, %(assignee)s, %(parent_id)s, %(ready)s, %(deleted)s) AS t ON id = task_id
    WHERE words @@ lexeme.query ORDER BY t.number DESC LIMIT %(most)s) AS hit
GROUP BY hit.number ORDER BY sum(weight * rarity) DESC, hit.number DESC
"""

# Vectors of another embedder mean nothing to this one.
FORGET_OTHER_EMBEDDERS = """
WITH other AS (DELETE FROM tasks.embedding WHERE embedder <> %(embedder)s RETURNING task_id)
INSERT INTO tasks.unembedded (task_id) SELECT task_id FROM other ON CONFLICT DO NOTHING
"""

# Its vectors are put in order by one process at a time.
LOCK_EMBEDDING = "SELECT pg_advisory_xact_lock(hashtext('tasks.embedding'))"

INDEX_EMBEDDINGS = "SELECT tasks.index_embeddings(%(dimensions)s)"

# One process embeds at a time; another one's turn is simply skipped.
EMBEDDING_TURN = "SELECT pg_try_advisory_xact_lock(hashtext('tasks.embedding')) AS mine"

UNEMBEDDED = """
SELECT id, version, left(concat_ws(' ', title, array_to_string(symbols, ' '), description,
    array_to_string(acceptance_criteria, ' '), notes), 4000) AS text
FROM tasks.unembedded JOIN tasks.task ON id = task_id LIMIT %(limit)s
"""

# A task that changed while it was embedded keeps waiting. The tasks are locked in the order of their ids, for two
# transactions that lock several rows must not wait for each other.
EMBED = """
WITH made AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(versions)s::int[], %(vectors)b::halfvec[]) AS made(id, version, vector)
), fresh AS (
    SELECT t.id, made.vector FROM tasks.task AS t JOIN made USING (id, version) ORDER BY t.id FOR SHARE OF t SKIP LOCKED
), served AS (
    DELETE FROM tasks.unembedded USING fresh WHERE task_id = fresh.id RETURNING task_id, fresh.vector
)
INSERT INTO tasks.embedding (task_id, embedder, vector) SELECT task_id, %(embedder)s, vector FROM served
ON CONFLICT (task_id) DO UPDATE SET embedder = excluded.embedder, vector = excluded.vector
RETURNING task_id
"""

# A reference to a folder touches every file beneath it; the caller passes the folders of its paths too.
TOUCHING = """
SELECT id, title, status, planning_references, coalesce(branches @> ARRAY[%(branch)s::text], false) AS on_branch
FROM tasks.task
WHERE deleted_at IS NULL AND status <> 'complete' AND (repository IS NULL OR repository = %(repository)s)
    AND (planning_references && %(paths)s::text[] OR branches @> ARRAY[%(branch)s::text])
ORDER BY status = 'in-progress' DESC, priority DESC, number LIMIT 200
"""

RENEW = """
UPDATE tasks.task SET claimed_until = clock_timestamp() + make_interval(secs => %(lease)s::float8) WHERE id = %(id)s
"""

NEXT = "SELECT id FROM tasks.next_ready() AS id WHERE id IS NOT NULL"

HEALTH = """
SELECT count(*) AS open, count(*) FILTER (WHERE claimed_until > clock_timestamp()) AS claimed,
    count(*) FILTER (WHERE claimed_until <= clock_timestamp()) AS lapsed
FROM tasks.task WHERE deleted_at IS NULL AND status <> 'complete'
"""

WAITING = """
SELECT count(*) AS waiting,
    count(*) FILTER (WHERE since < clock_timestamp() - make_interval(secs => %(patience)s::float8)) AS late
FROM tasks.unembedded
"""

# Statements whose best plan depends on which of their filters are given; a prepared one would get a plan for all.
_PLANNED_EACH_TIME = frozenset({NEWEST, URGENT, FITTING_MATCHING, PARTLY_WORDED})


async def rows(connection: AsyncConnection[TupleRow], statement: str, arguments: Mapping[str, Any]) -> list[Row]:
    """Run one of the statements above and return its rows by column name."""
    from psycopg.rows import dict_row

    async with connection.cursor(row_factory=dict_row) as cursor:
        prepare = False if statement in _PLANNED_EACH_TIME else None
        await cursor.execute(statement.encode(), arguments, prepare=prepare)
        # Not `description`, which would look up the type of every column.
        return await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []


async def row(connection: AsyncConnection[TupleRow], statement: str, arguments: Mapping[str, Any]) -> Row | None:
    """Run one of the statements above and return its first row, if any."""
    found = await rows(connection, statement, arguments)
    return found[0] if found else None


def as_json(value: Mapping[str, Any]) -> Jsonb:
    """Return the value as a statement takes it for a column of JSON."""
    from psycopg.types.json import Jsonb

    return Jsonb(value)


async def find_missing(connection: AsyncConnection[TupleRow], ids: Sequence[UUID]) -> list[UUID]:
    """Return those of the ids that no task has."""
    return [found["id"] for found in await rows(connection, MISSING, {"ids": list(ids)})]
