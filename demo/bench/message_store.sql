-- What POST /v1/messages runs: STORE of db/src/messages.rs, word for word (floor.rs has a test).
WITH stored AS (
  INSERT INTO raw_messages (id, source_id, sender_message_id, sha256, body, content_type, received_at)
  VALUES ($1, $2, $3, $4, $5, $6, coalesce($9, now()))
  ON CONFLICT (source_id, sha256) DO NOTHING
  RETURNING id
), queued AS (
  SELECT id, guard.enqueue(id) AS entry FROM stored
), audited AS (
  INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
  SELECT $7, $10, $11, 'message.store', 'raw_messages', id, 'success', $8 FROM stored
)
SELECT id, false AS duplicate FROM queued WHERE entry IS NOT NULL
UNION ALL
SELECT m.id, true FROM raw_messages m WHERE m.source_id = $2 AND m.sha256 = $4;
