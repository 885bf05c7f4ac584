-- What pg_dump writes of a schema ($1: its name) besides what db/rls/fingerprint.sql tells: comments, labels, who granted what and in
-- which order, tablespaces, options of TOAST tables, statistics targets of indexes. One row: a digest of it, null when the schema has objects that only
-- pg_dump can tell (functions, types, sequences, views, default rights …), and a null digest is equal to nothing.
-- Run with search_path = pg_catalog. Through reference indexes, so that it costs the same among thousands of tenants.
WITH schema AS MATERIALIZED (
  SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname = $1
), objects AS MATERIALIZED (
  SELECT d.classid, d.objid
    FROM schema s CROSS JOIN LATERAL (
           SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = s.oid OFFSET 0) d
), relations AS MATERIALIZED (
  SELECT c.*
    FROM objects o CROSS JOIN LATERAL (
           SELECT oid, relname, relkind, relacl, reltablespace, relam, reltoastrelid FROM pg_class WHERE oid = o.objid OFFSET 0) c
   WHERE o.classid = 'pg_class'::regclass
), indexes AS MATERIALIZED (
  SELECT c.*
    FROM relations r CROSS JOIN LATERAL (
           SELECT k.oid, k.relname, k.reltablespace, i.indnatts
             FROM pg_index i JOIN pg_class k ON k.oid = i.indexrelid WHERE i.indrelid = r.oid OFFSET 0) c
), parts AS MATERIALIZED (
  -- What a table has that can be remarked upon, and is no relation.
  SELECT 'pg_constraint'::regclass AS classid, p.oid, format('constraint %I %I', r.relname, p.conname) AS name
    FROM relations r CROSS JOIN LATERAL (SELECT oid, conname FROM pg_constraint WHERE conrelid = r.oid OFFSET 0) p
  UNION ALL
  SELECT 'pg_policy'::regclass, p.oid, format('policy %I %I', r.relname, p.polname)
    FROM relations r CROSS JOIN LATERAL (SELECT oid, polname FROM pg_policy WHERE polrelid = r.oid OFFSET 0) p
  UNION ALL
  SELECT 'pg_trigger'::regclass, p.oid, format('trigger %I %I', r.relname, p.tgname)
    FROM relations r CROSS JOIN LATERAL (SELECT oid, tgname FROM pg_trigger WHERE tgrelid = r.oid AND NOT tgisinternal OFFSET 0) p
  UNION ALL
  SELECT 'pg_rewrite'::regclass, p.oid, format('rule %I %I', r.relname, p.rulename)
    FROM relations r CROSS JOIN LATERAL (SELECT oid, rulename FROM pg_rewrite WHERE ev_class = r.oid OFFSET 0) p
  UNION ALL
  SELECT 'pg_class'::regclass, oid, format('relation %I', relname) FROM relations
  UNION ALL
  SELECT 'pg_class'::regclass, oid, format('index %I', relname) FROM indexes
  UNION ALL
  SELECT 'pg_namespace'::regclass, oid, 'schema' FROM schema
), lines AS (
  -- Quoted, so that no two states have one line.
  SELECT format('comment %s %L %L', p.name, d.attname, d.description) AS line
    FROM parts p CROSS JOIN LATERAL (
           SELECT description, (SELECT attname FROM pg_attribute WHERE attrelid = objoid AND attnum = objsubid AND objsubid <> 0) AS attname
             FROM pg_description WHERE objoid = p.oid AND classoid = p.classid OFFSET 0) d
  UNION ALL
  SELECT format('label %s %s %L %L', p.name, l.objsubid, l.provider, l.label)
    FROM parts p CROSS JOIN LATERAL (
           SELECT objsubid, provider, label FROM pg_seclabel WHERE objoid = p.oid AND classoid = p.classid OFFSET 0) l
  UNION ALL
  SELECT format('schema rights %L', nspacl::text) FROM schema
  UNION ALL
  -- With the options of its TOAST table, which pg_dump writes as the table's own.
  SELECT format('relation %I %L in %s %s toast %L', r.relname, r.relacl::text, r.reltablespace, r.relam,
                (SELECT reloptions::text FROM pg_class WHERE oid = r.reltoastrelid))
    FROM relations r
  UNION ALL
  SELECT format('column rights %I %I %L', r.relname, a.attname, a.attacl::text)
    FROM relations r CROSS JOIN LATERAL (
           SELECT attname, attacl FROM pg_attribute WHERE attrelid = r.oid AND attacl IS NOT NULL OFFSET 0) a
  UNION ALL
  SELECT format('index %I in %s statistics %L', i.relname, i.reltablespace, a.targets)
    FROM indexes i CROSS JOIN LATERAL (
           SELECT string_agg(attstattarget::text, ',' ORDER BY attnum) AS targets FROM pg_attribute WHERE attrelid = i.oid OFFSET 0) a
)
SELECT CASE WHEN NOT EXISTS (SELECT FROM objects WHERE classid <> 'pg_class'::regclass)
             AND NOT EXISTS (SELECT FROM relations WHERE relkind <> 'r') THEN
         encode(sha256(convert_to(string_agg(replace(line, $1, '{tenant}'), E'\n' ORDER BY line COLLATE "C"), 'UTF8')), 'hex')
       END AS besides
  FROM lines
