-- The control schema, version 4: the queue by whose turn it is.
-- Why: workers take from each practice in turn, so that a thousand messages of one do not hold up the one message of another. They
--      look for the next practice that has a message which is due (db/src/queue.rs): without this index each look would read the whole queue.
--      A malformed entry, which names nobody, has its turn too: as '?'.
-- Locks: SHARE on the queue while the index is built: what is posted meanwhile waits. A queue is short.
-- Previous release: does not notice.

CREATE INDEX IF NOT EXISTS q_messages_turns
    ON pgmq.q_messages (coalesce(nullif(message ->> 'tenant', ''), '?'), vt, msg_id);
