-- Why: takes version 2 back where it must not stay. Nothing that a practice sees is lost: which reader understood a message is known
--      again once the message is replayed.
-- Locks: ACCESS EXCLUSIVE on raw_messages for an instant; no row is rewritten.

ALTER TABLE raw_messages DROP COLUMN reader_version;
