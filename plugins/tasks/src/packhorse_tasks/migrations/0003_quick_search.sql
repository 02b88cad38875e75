-- Searching reads little: words through an index without a pending list, the newest documents in their order, and the
-- nearest vectors through an HNSW index.

CREATE INDEX ON document (number);
ALTER INDEX document_words_idx SET (fastupdate = off);
SELECT gin_clean_pending_list('tasks.document_words_idx');

-- Which documents wait for a vector. Apart from them, for marking one there would write its words into their index anew.
CREATE TABLE unembedded (
    task_id uuid PRIMARY KEY REFERENCES document ON DELETE CASCADE,
    since   timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO unembedded (task_id) SELECT task_id FROM document WHERE embedder IS NULL;
ALTER TABLE embedding ADD COLUMN embedder text;
UPDATE embedding SET embedder = document.embedder FROM document WHERE document.task_id = embedding.task_id;
DELETE FROM embedding WHERE embedder IS NULL;
ALTER TABLE embedding ALTER COLUMN embedder SET NOT NULL;
ALTER TABLE document DROP COLUMN embedder;

CREATE OR REPLACE FUNCTION write_document() RETURNS trigger LANGUAGE plpgsql AS $$
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
    ON CONFLICT (task_id) DO UPDATE SET words = excluded.words;
    INSERT INTO tasks.unembedded (task_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

-- Each lexeme of a question as a query of its own.
CREATE FUNCTION lexemes(question text) RETURNS SETOF tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery
    FROM unnest(tasks.words(question))
$$;

-- The same joined: what asks for the documents that have them all.
CREATE FUNCTION every_lexeme(question text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(query::text, ' & ')::tsquery FROM tasks.lexemes(question) AS query
$$;

DROP FUNCTION question_lexemes(text);

-- An index of the vectors of one length; those of another length belong to another embedder that is not forgotten yet.
-- HNSW takes halfvecs of up to 4,000 dimensions; longer ones are compared one by one.
CREATE FUNCTION index_embeddings(dimensions int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF dimensions <= 4000 THEN
        EXECUTE format(
            'CREATE INDEX IF NOT EXISTS embedding_%1$s ON tasks.embedding'
            ' USING hnsw ((vector::halfvec(%1$s)) halfvec_cosine_ops) WHERE vector_dims(vector) = %1$s', dimensions);
    END IF;
END $$;

-- The tasks whose vectors are the nearest to the question's by cosine distance, through that index if it is there; of
-- no question (NULL) there are none.
CREATE FUNCTION nearest(question halfvec, most int) RETURNS TABLE (task_id uuid, distance float8)
LANGUAGE plpgsql STABLE STRICT SET hnsw.iterative_scan = 'strict_order' AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT task_id, vector::halfvec(%1$s) <=> $1 FROM tasks.embedding WHERE vector_dims(vector) = %1$s'
        ' ORDER BY vector::halfvec(%1$s) <=> $1 LIMIT $2', vector_dims(question)) USING question, most;
END $$;
