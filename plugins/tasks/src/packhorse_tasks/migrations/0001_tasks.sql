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
    words               tsvector NOT NULL,                            -- kept by the triggers below
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
CREATE INDEX ON task USING gin (words);

CREATE FUNCTION index_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.words = setweight(tasks.words(NEW.title || ' ' || array_to_string(NEW.labels || NEW.symbols, ' ')), 'A')
        || setweight(tasks.words(array_to_string(NEW.planning_references, ' ')), 'B')
        || setweight(tasks.words(concat_ws(' ', NEW.description, array_to_string(NEW.acceptance_criteria, ' '))), 'C')
        || setweight(tasks.words(coalesce(NEW.notes, '')), 'D');
    RETURN NEW;
END $$;
CREATE TRIGGER index_words_of_new BEFORE INSERT ON task FOR EACH ROW EXECUTE FUNCTION index_words();
CREATE TRIGGER index_words_of_changed BEFORE UPDATE ON task FOR EACH ROW
    WHEN (OLD.title IS DISTINCT FROM NEW.title OR OLD.description IS DISTINCT FROM NEW.description
        OR OLD.notes IS DISTINCT FROM NEW.notes OR OLD.labels IS DISTINCT FROM NEW.labels
        OR OLD.symbols IS DISTINCT FROM NEW.symbols OR OLD.planning_references IS DISTINCT FROM NEW.planning_references
        OR OLD.acceptance_criteria IS DISTINCT FROM NEW.acceptance_criteria)
    EXECUTE FUNCTION index_words();

-- task_id cannot be completed sensibly before blocker_id. Together with parent_id these edges have no cycle.
CREATE TABLE dependency (
    task_id    uuid NOT NULL REFERENCES task,
    blocker_id uuid NOT NULL REFERENCES task,
    PRIMARY KEY (task_id, blocker_id),
    CHECK (task_id <> blocker_id)
);
CREATE INDEX ON dependency (blocker_id);

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

-- A task as listings need it. It is blocked while a task that it depends on is neither complete nor deleted; it is
-- ready when it is not blocked and nobody holds it: not begun, or begun under a claim that has run out.
CREATE VIEW listed AS
SELECT task.*,
    CASE WHEN claimed_until > clock_timestamp() THEN claimed_by END AS holder,
    deleted_at IS NULL AND status <> 'complete' AND EXISTS (
        SELECT FROM dependency JOIN task AS blocker ON blocker.id = blocker_id
        WHERE task_id = task.id AND blocker.status <> 'complete' AND blocker.deleted_at IS NULL) AS blocked,
    deleted_at IS NULL
        AND (status = 'need to be done' OR (status = 'in-progress' AND claimed_by IS NOT NULL))
        AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
        AND NOT EXISTS (
            SELECT FROM dependency JOIN task AS blocker ON blocker.id = blocker_id
            WHERE task_id = task.id AND blocker.status <> 'complete' AND blocker.deleted_at IS NULL) AS ready
FROM task;

-- What an embedder makes of a task's text, filled in behind the writers' backs; `version` is that of the task then.
CREATE TABLE embedding (
    task_id  uuid PRIMARY KEY REFERENCES task,
    embedder text NOT NULL,
    version  int NOT NULL,
    vector   halfvec NOT NULL
);
ALTER TABLE embedding ALTER COLUMN vector SET STORAGE PLAIN;
