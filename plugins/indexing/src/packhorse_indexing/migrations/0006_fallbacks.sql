-- Files that were cut by lines are few, and counted after every run.

CREATE INDEX ON blob (pool_id, id) WHERE fallback IS NOT NULL;
