-- The control schema, version 5: alerts' timers by whose turn it is.
-- Why: a timer whose time is over goes before the messages of its practice: in the order of the queue it would wait behind all that a
--      laboratory sent before (db/src/queue.rs). Without this index each look would read all of them.
-- Locks: SHARE on the queue while the index is built: what is posted meanwhile waits. A queue is short.
-- Previous release: does not notice.

CREATE INDEX IF NOT EXISTS q_messages_timers
    ON pgmq.q_messages (coalesce(nullif(message ->> 'tenant', ''), '?'), vt, msg_id) WHERE message ? 'alert_id';
