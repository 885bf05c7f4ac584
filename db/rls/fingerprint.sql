-- Digest of the definition of one tenant's schema ($1: its name): tables, columns, constraints, indexes, policies, rights.
-- Why: tenants with the same digest form a class; the migrator, backups and drift reports treat a class as one schema.
-- Must stay true: the tenant's own name is taken out, so equal schemas have equal digests; columns are numbered without the gaps
-- that dropped ones leave, because a restored dump has none. Names of other schemas stay in.
WITH tables AS (
  SELECT c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relacl
    FROM pg_class c
   WHERE c.relkind IN ('r', 'p')
     AND c.oid IN (SELECT d.objid FROM pg_depend d
                    WHERE d.refclassid = 'pg_namespace'::regclass AND d.classid = 'pg_class'::regclass
                      AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1))
), lines AS (
  SELECT format('table %s rls=%s forced=%s', relname, relrowsecurity, relforcerowsecurity) AS line FROM tables
  UNION ALL
  SELECT format('grant %s %s to %s', t.relname, a.privilege_type, coalesce(g.rolname, 'PUBLIC'))
    FROM tables t CROSS JOIN aclexplode(t.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
  UNION ALL
  SELECT format('column %s %s %s %s not null=%s default=%s', t.relname,
                row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod),
                a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  UNION ALL
  SELECT format('constraint %s %s %s', t.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
  UNION ALL
  SELECT format('index %s %s valid=%s', t.relname, pg_get_indexdef(i.indexrelid), i.indisvalid)
    FROM tables t JOIN pg_index i ON i.indrelid = t.oid
  UNION ALL
  SELECT format('policy %s %s %s %s using %s check %s', t.relname, p.polname, p.polcmd, p.polpermissive,
                pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
)
SELECT encode(sha256(convert_to(replace(string_agg(line, E'\n' ORDER BY line COLLATE "C"), $1, '{tenant}'), 'UTF8')), 'hex') AS fingerprint
  FROM lines
