-- The task tracker. A row of `task` is the present state of one task; `audit` is its append-only history, written in
-- the same transaction. Lists that are only ever read whole (labels, branches, commits, …) are arrays in the row.

CREATE TYPE priority AS ENUM ('low', 'medium', 'high', 'critical');

-- The lexemes of a text, for tasks and queries alike: English stems of its words, and every identifier whole and
-- split at case, underscores and punctuation ('parseHTTPHeader' is also found by 'parse', 'http' and 'header').
-- The first 20,000 characters count: a tsvector holds a megabyte at most.
CREATE FUNCTION words(document text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('pg_catalog.english', left(document, 20000))
    || to_tsvector('pg_catalog.english', regexp_replace(
        regexp_replace(left(document, 20000), '([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])', '\1\3 \2\4', 'g'),
        '[_./\\:-]+', ' ', 'g'));

CREATE TABLE task (
    id                  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,   -- the order of creation; short enough to type
    version             int NOT NULL DEFAULT 1,                       -- grows by one with every change
    client_key          text UNIQUE,                                  -- the client's own key: creating twice is one task
    title               text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    description         text,
    notes               text,
    status              text NOT NULL DEFAULT 'need to be done'
                        CHECK (status IN ('need to be done', 'in-progress', 'complete')),
    priority            priority NOT NULL DEFAULT 'medium',
    labels              text[] NOT NULL DEFAULT '{}',
    parent_id           uuid REFERENCES task,
    assignee            text,
    due_date            date,
    acceptance_criteria text[] NOT NULL DEFAULT '{}',                 -- one that begins with '[x] ' is met
    repository          text,                                         -- absolute path of the repository, if told
    planning_references text[] NOT NULL DEFAULT '{}',                 -- relative to the repository, '/'-separated
    symbols             text[] NOT NULL DEFAULT '{}',
    branches            text[] NOT NULL DEFAULT '{}',
    commits             text[] NOT NULL DEFAULT '{}',
    claimed_by          text,
    claimed_until       timestamptz,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    deleted_at          timestamptz,                                  -- deleted, and restored by setting it to NULL
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL))
);
CREATE INDEX ON task (status, number DESC) WHERE deleted_at IS NULL;
CREATE INDEX ON task (priority DESC, due_date, number) WHERE deleted_at IS NULL AND status <> 'complete';
CREATE INDEX ON task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ON task (assignee) WHERE assignee IS NOT NULL;
CREATE INDEX ON task (repository) WHERE repository IS NOT NULL AND status <> 'complete';
CREATE INDEX ON task USING gin (branches);
CREATE INDEX ON task USING gin (labels);
CREATE INDEX ON task USING gin (planning_references);

-- Counting a listing reads an index alone where the table is vacuumed, so that is worth doing early.
ALTER TABLE task SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02);

-- What a task is found by, apart from it, so that listings read narrow rows. A deleted task is found by nothing.
CREATE TABLE document (
    task_id  uuid PRIMARY KEY REFERENCES task,
    number   bigint NOT NULL,                     -- the task's
    words    tsvector NOT NULL,
    embedder text                                 -- whose vector `embedding` holds; NULL: waits for one
);
CREATE INDEX ON document USING gin (words);
CREATE INDEX ON document (task_id) WHERE embedder IS NULL;

CREATE TABLE embedding (
    task_id uuid PRIMARY KEY REFERENCES document ON DELETE CASCADE,
    vector  halfvec NOT NULL
);
ALTER TABLE embedding ALTER COLUMN vector SET STORAGE PLAIN;

CREATE FUNCTION write_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.deleted_at IS NOT NULL THEN
        DELETE FROM tasks.document WHERE task_id = NEW.id;
        RETURN NULL;
    END IF;
    INSERT INTO tasks.document (task_id, number, words) VALUES (NEW.id, NEW.number,
        setweight(tasks.words(NEW.title || ' ' || array_to_string(NEW.labels || NEW.symbols, ' ')), 'A')
        || setweight(tasks.words(array_to_string(NEW.planning_references, ' ')), 'B')
        || setweight(tasks.words(concat_ws(' ', NEW.description, array_to_string(NEW.acceptance_criteria, ' '))), 'C')
        || setweight(tasks.words(coalesce(NEW.notes, '')), 'D'))
    ON CONFLICT (task_id) DO UPDATE SET words = excluded.words, embedder = NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER write_new_document AFTER INSERT ON task FOR EACH ROW EXECUTE FUNCTION write_document();
CREATE TRIGGER write_changed_document AFTER UPDATE ON task FOR EACH ROW
    WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.description IS DISTINCT FROM NEW.description
        OR OLD.notes IS DISTINCT FROM NEW.notes OR OLD.labels IS DISTINCT FROM NEW.labels
        OR OLD.symbols IS DISTINCT FROM NEW.symbols OR OLD.planning_references IS DISTINCT FROM NEW.planning_references
        OR OLD.acceptance_criteria IS DISTINCT FROM NEW.acceptance_criteria
        OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
    EXECUTE FUNCTION write_document();

-- task_id waits for blocker_id. Together with parent_id these edges have no cycle. `open` says whether the blocker is
-- neither complete nor deleted; the trigger keeps it, so that a listing need not look at the blockers.
CREATE TABLE dependency (
    task_id    uuid NOT NULL REFERENCES task,
    blocker_id uuid NOT NULL REFERENCES task,
    open       boolean NOT NULL,
    PRIMARY KEY (task_id, blocker_id),
    CHECK (task_id <> blocker_id)
);
CREATE INDEX ON dependency (blocker_id);
CREATE INDEX ON dependency (task_id) WHERE open;

CREATE FUNCTION is_open(status text, deleted_at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN status <> 'complete' AND deleted_at IS NULL;

CREATE FUNCTION open_or_close_dependencies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks.dependency SET open = tasks.is_open(NEW.status, NEW.deleted_at) WHERE blocker_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER open_or_close_dependencies AFTER UPDATE ON task FOR EACH ROW
    WHEN (tasks.is_open(OLD.status, OLD.deleted_at) <> tasks.is_open(NEW.status, NEW.deleted_at))
    EXECUTE FUNCTION open_or_close_dependencies();

CREATE TABLE comment (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id    uuid NOT NULL REFERENCES task,
    author     text NOT NULL,
    body       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON comment (task_id, id);

-- Who changed what when: `changes` maps a field to its [old, new] values.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id    uuid NOT NULL REFERENCES task,
    version    int NOT NULL,                                          -- the task's version after the change
    actor      text NOT NULL,
    changes    jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (task_id, version)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'tasks.audit is append-only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The contract's status_history; the first entry of a task in the audit is its creation, which changes no status.
CREATE VIEW status_change AS
SELECT task_id, version, changes #>> '{status,0}' AS from_status, changes #>> '{status,1}' AS to_status, changed_at
FROM audit
WHERE version > 1 AND changes ? 'status';

-- The tasks that a listing is narrowed to; NULL does not narrow. One SELECT, so that it is planned with its caller.
-- A task is ready when it has no open blocker and nobody holds it: not begun, or begun under a claim that has run out.
-- (NOT IN hashes the few blocked ones once, whatever the statistics say.)
CREATE FUNCTION matching(
    status text, branch text, label text, assignee text, parent_id uuid, ready boolean, deleted boolean
) RETURNS SETOF task LANGUAGE sql STABLE AS $$
    SELECT t.* FROM tasks.task AS t
    WHERE (t.deleted_at IS NOT NULL) = $7
        AND ($1 IS NULL OR t.status = $1)
        AND ($2 IS NULL OR t.branches @> ARRAY[$2])
        AND ($3 IS NULL OR t.labels @> ARRAY[$3])
        AND ($4 IS NULL OR t.assignee = $4)
        AND ($5 IS NULL OR t.parent_id = $5)
        AND (NOT $6 OR (
            (t.status = 'need to be done' OR (t.status = 'in-progress' AND t.claimed_by IS NOT NULL))
            AND (t.claimed_until IS NULL OR t.claimed_until <= clock_timestamp())
            AND t.id NOT IN (SELECT d.task_id FROM tasks.dependency AS d WHERE d.open)))
$$;

-- Lock the most urgent ready task that has no open sub-tasks, and return its id. What another transaction is claiming
-- just now is passed over, so that many claim at once without waiting. The index has the order; without statistics the
-- planner would sort all tasks instead.
CREATE FUNCTION next_ready() RETURNS uuid LANGUAGE sql VOLATILE SET enable_sort = off AS $$
    SELECT t.id FROM tasks.task AS t
    WHERE t.deleted_at IS NULL AND t.status <> 'complete'
        AND (t.status = 'need to be done' OR (t.status = 'in-progress' AND t.claimed_by IS NOT NULL))
        AND (t.claimed_until IS NULL OR t.claimed_until <= clock_timestamp())
        AND NOT EXISTS (SELECT FROM tasks.dependency AS d WHERE d.task_id = t.id AND d.open)
        AND NOT EXISTS (
            SELECT FROM tasks.task AS s WHERE s.parent_id = t.id AND s.status <> 'complete' AND s.deleted_at IS NULL)
    ORDER BY t.priority DESC, t.due_date, t.number
    LIMIT 1 FOR NO KEY UPDATE OF t SKIP LOCKED
$$;

-- The lexemes of a question, each as a query of its own, with the number of tasks that have it, up to 401.
CREATE FUNCTION question_lexemes(question text) RETURNS TABLE (query tsquery, tasks bigint) LANGUAGE sql STABLE AS $$
    SELECT query, (SELECT count(*) FROM (SELECT FROM tasks.document WHERE words @@ query LIMIT 401) AS capped)
    FROM (SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery AS query
        FROM unnest(tasks.words(question))) AS lexemes
$$;
