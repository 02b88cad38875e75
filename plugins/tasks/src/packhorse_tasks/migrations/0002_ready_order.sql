-- What can be started, in the order of its urgency, with all that decides and orders it: the ready listing and its count
-- read this index alone. `matching` and `next_ready` repeat the condition, or the planner would not see that it fits.
CREATE INDEX task_startable ON task (priority DESC, due_date, number) INCLUDE (id, claimed_until)
    WHERE deleted_at IS NULL AND (status = 'need to be done' OR (status = 'in-progress' AND claimed_by IS NOT NULL));

-- Counting reads an index alone only where the table was vacuumed; each completed task rewrites edges and documents too.
ALTER TABLE dependency SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE document SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
