-- What POST /v1/messages runs: STORE_MESSAGE of db/src/messages.rs, word for word (floor.rs has a test).
WITH reused AS MATERIALIZED (
  SELECT EXISTS (SELECT FROM raw_messages WHERE source_id = $2 AND sender_message_id = $3::text AND sha256 <> $4) AS so
), stored AS (
  INSERT INTO raw_messages (id, source_id, sender_message_id, sha256, body, content_type, received_at, warnings)
  SELECT $1::uuid, $2::uuid, $3::text, $4::bytea, $5::bytea, $6::text, coalesce($9::timestamptz, now()),
         CASE WHEN so THEN '[{"code": "message-id-reused"}]' ELSE '[]' END::jsonb FROM reused
  ON CONFLICT (source_id, sha256) DO NOTHING
  RETURNING id
), queued AS (
  SELECT id, guard.enqueue(id) AS entry FROM stored
), audited AS (
  INSERT INTO audit (id, actor, actor_role, action, object_kind, object_id, outcome, request_id)
  SELECT $7, $10, $11, 'message.store', 'raw_messages', id, 'success', $8 FROM stored
)
SELECT id, false AS duplicate, (SELECT so FROM reused) FROM queued WHERE entry IS NOT NULL
UNION ALL
SELECT m.id, true, false FROM raw_messages m WHERE m.source_id = $2 AND m.sha256 = $4;
