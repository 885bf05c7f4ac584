-- The schema of one practice, version 2: which reader understood a message.
-- Kind: transaction
-- Phase: expand
-- Why: after an upgrade of the LDT or HL7 reader, messages that an older one read can be found and read again. A practice's schema
--      knows it, not the log: it is restored and exported with the message.
-- Locks: ACCESS EXCLUSIVE on raw_messages for an instant: a nullable column without default is written in the catalog only, no row
--        is rewritten or read.
-- Previous release: neither reads nor writes the column; its rows have null there, as rows processed before have. This release does
--        not use it either, because it serves practices that don't have it yet; the next one writes it.

ALTER TABLE raw_messages ADD COLUMN reader_version text;
COMMENT ON COLUMN raw_messages.reader_version IS 'Version of the reader that understood it; null: not processed, or processed before this was recorded';
