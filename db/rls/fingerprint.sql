-- What the schemas of some tenants are, line by line: schema, tables, columns, constraints, indexes, policies, triggers, rules,
-- rights, and whatever else is in them. Two tenants with the same lines are of one class; `labor-migrator drift` shows the lines
-- in which a tenant differs, and the digest of all lines is its fingerprint.
-- Why: migrator, backup and drift reports treat a class as one schema. What somebody changed by hand has to show.
--
-- This is the middle of a statement, so that one tenant and the whole fleet can't be read in two ways: db/catalog/src/sql.rs puts
--   WITH wanted (tenant) AS (…)       before it, and
--   SELECT … FROM lines               behind it; `lines` has the columns tenant and line.
--
-- Must stay true:
-- - It is run with search_path = pg_catalog, always. PostgreSQL then writes every name of the schema with the schema before it, and
--   {tenant} takes that name's place: equal schemas have equal lines. And the plan, once made, serves all tenants.
-- - Nothing that differs between a schema and its restored copy is in a line: no object ids, no column numbers (dropped columns
--   leave gaps), no comments, no grantors, no order in which things were made or granted.
-- - One plan, made without looking at the name (plan_cache_mode = force_generic_plan), is good for any fleet, analyzed or not: from
--   the schema to its objects through pg_depend's reference index (pg_class has no index by schema), and from a table to what belongs
--   to it by the table's oid. LATERAL … OFFSET 0 keeps the planner from turning that into joins over whole catalogs.
-- - A definition is written out once, and only where there is no cheaper way to say it: this runs in every tenant's transaction.
-- Locks: ACCESS SHARE on tables whose definitions PostgreSQL opens to write them out; none for a shape.
--
-- The same text has a second reading. To write out a constraint, an index or a policy PostgreSQL opens the table, which is most of what
-- a fingerprint costs. Where this says
--   /*written*/ one expression /*stored: another */
-- the program puts the other in its place, and has what the catalogs hold instead of what PostgreSQL makes of it: the digest of those
-- lines is the **shape** of the schema. Whoever has the shape of the schema that the files make, built beside it in the same database, has its
-- lines and hence its fingerprint. Between two tenants equal shapes say nothing (what names one of them is the same bytes in both, and one of
-- the two lines says {tenant}); nor do unequal ones, ever: then the fingerprint is asked for. A shape is kept nowhere and is good for one run.
-- Must stay true of the stored form:
-- - Whatever the written form can show is in it, or in another line. Stored expressions name columns by number, so the lines of columns
--   have their numbers (and not their places).
-- - A value says where it ends, and one that is not there shows: ROW(…)::text, and not concat_ws.
-- - Of what belongs to the schema, object ids are names (oid::regclass) and the tenant's name, also as the bytes of a constant, is
--   {tenant}. What is not normalised makes the shape differ from the one that was built, which costs time and hides nothing. What stands
--   elsewhere is the same object for both; that it is renamed during a run shows in the next one.
-- - A column that only newer versions of PostgreSQL have is looked for in the catalog first and then in `relations`, which has what
--   older ones mean.
, schemas AS MATERIALIZED (
  SELECT w.tenant, n.oid, n.nspowner, n.nspacl /*written*/ /*stored:,
         (SELECT string_agg(get_byte(convert_to(w.tenant, 'UTF8'), i)::text, ' ' ORDER BY i)
            FROM generate_series(0, length(w.tenant) - 1) AS i) AS bytes */
    FROM wanted w CROSS JOIN LATERAL (
           SELECT oid, nspowner, nspacl FROM pg_namespace WHERE nspname = w.tenant OFFSET 0) n
), objects AS MATERIALIZED (
  SELECT s.tenant /*written*/ /*stored:, s.bytes */, d.classid, d.objid
    FROM schemas s CROSS JOIN LATERAL (
           SELECT classid, objid FROM pg_depend
            WHERE refclassid = 'pg_namespace'::regclass AND refobjid = s.oid OFFSET 0) d
), relations AS MATERIALIZED (
  SELECT o.tenant /*written*/ /*stored:, o.bytes */,
         c.oid, c.name, c.relkind, c.relpersistence, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity,
         c.relreplident, c.relispartition, c.relpartbound, c.reloptions /*written*/ /*stored:, true AS conenforced, false AS conperiod */
    FROM objects o CROSS JOIN LATERAL (
           SELECT oid, quote_ident(relname) AS name, relkind, relpersistence, relowner, relacl, relrowsecurity, relforcerowsecurity,
                  relreplident, relispartition, relpartbound, reloptions
             FROM pg_class WHERE oid = o.objid OFFSET 0) c
   WHERE o.classid = 'pg_class'::regclass
), spelled AS (
  SELECT tenant, concat_ws(' ', 'schema owner', pg_get_userbyid(nspowner)) AS line FROM schemas
  UNION ALL
  -- A right as \dp shows it (grantee=letters), without who granted it.
  SELECT s.tenant, concat_ws(' ', 'schema grant', substring(item::text FROM '^(.*)/'))
    FROM schemas s CROSS JOIN LATERAL unnest(coalesce(s.nspacl, acldefault('n', s.nspowner))) AS item
  UNION ALL
  SELECT tenant, concat_ws(' ', 'table', name, 'kind', relkind, 'persistence', relpersistence, 'owner', pg_get_userbyid(relowner),
                           'rls', relrowsecurity, 'forced', relforcerowsecurity, 'identity', relreplident,
                           'options ' || reloptions::text,
                           CASE relkind WHEN 'p' THEN 'by ' || pg_get_partkeydef(oid) END,
                           CASE WHEN relispartition THEN 'partition ' || pg_get_expr(relpartbound, oid) END)
    FROM relations
  UNION ALL
  SELECT r.tenant, concat_ws(' ', 'grant', r.name, substring(item::text FROM '^(.*)/'))
    FROM relations r
   CROSS JOIN LATERAL unnest(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) AS item
  UNION ALL
  -- Also on the system's own columns.
  SELECT r.tenant, concat_ws(' ', 'grant', r.name || '.' || quote_ident(a.attname), substring(item::text FROM '^(.*)/'))
    FROM relations r CROSS JOIN LATERAL (
           SELECT attname, attacl FROM pg_attribute WHERE attrelid = r.oid AND attacl IS NOT NULL AND NOT attisdropped OFFSET 0) a
   CROSS JOIN LATERAL unnest(a.attacl) AS item
  UNION ALL
  SELECT r.tenant, concat_ws(' ', 'column', r.name, lpad(a.number::text, 4, '0'), quote_ident(a.attname), a.type,
                             CASE WHEN a.attnotnull THEN 'not null' END,
                             CASE a.attgenerated WHEN '' THEN 'default ' WHEN 'v' THEN 'virtual ' ELSE 'generated ' END || a.value,
                             'identity ' || nullif(a.attidentity::text, ''), 'collation ' || a.collation::text, 'storage', a.attstorage,
                             'compression ' || nullif(a.attcompression::text, ''),
                             'statistics ' || nullif(a.attstattarget, -1)::text, 'options ' || a.attoptions::text)
    FROM relations r CROSS JOIN LATERAL (
           SELECT /*written*/ row_number() OVER (ORDER BY attnum) /*stored: attnum */ AS number,
                  attname, format_type(atttypid, atttypmod) AS type, attnotnull,
                  attgenerated, attidentity, attstorage, attcompression, attstattarget, attoptions,
                  -- A default names no column, and without a table to look into PostgreSQL need not open it.
                  CASE WHEN atthasdef THEN (SELECT pg_get_expr(d.adbin, CASE attgenerated WHEN '' THEN 0 ELSE d.adrelid END)
                                              FROM pg_attrdef d WHERE d.adrelid = attrelid AND d.adnum = attnum) END AS value,
                  CASE WHEN attcollation NOT IN (0, 'pg_catalog."default"'::regcollation) THEN attcollation::regcollation END AS collation
             FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped OFFSET 0) a
  UNION ALL
  -- The definition also says NOT VALID, DEFERRABLE and NO INHERIT.
  SELECT r.tenant, concat_ws(' ', 'constraint', r.name, quote_ident(k.conname), k.definition)
    FROM relations r CROSS JOIN LATERAL (
           SELECT conname,
                  /*written*/ pg_get_constraintdef(oid)
                  /*stored: ROW(contype, condeferrable, condeferred, convalidated, conenforced, connoinherit, conperiod, conkey,
                                confrelid::regclass, confkey, confupdtype, confdeltype, confmatchtype, confdelsetcols,
                                conpfeqop, conppeqop, conffeqop, conexclop, conindid::regclass,
                                sha256(convert_to(conbin::text, 'UTF8')))::text */ AS definition
             FROM pg_constraint WHERE conrelid = r.oid OFFSET 0) k
  UNION ALL
  -- The index of a constraint is what the constraint says, but for its options. To write out any other one, PostgreSQL looks
  -- through all operator classes of the access method, for each column.
  SELECT r.tenant, concat_ws(' ', 'index', r.name, i.definition, CASE WHEN NOT i.usable THEN 'invalid' END,
                             CASE WHEN i.indisclustered THEN 'clustered' END, CASE WHEN i.indisreplident THEN 'identity' END)
    FROM relations r CROSS JOIN LATERAL (
           SELECT /*written*/
                  CASE WHEN indexrelid = ANY (ARRAY(SELECT conindid FROM pg_constraint
                                                     WHERE conrelid = r.oid AND contype IN ('p', 'u', 'x')))
                       THEN (SELECT concat_ws(' ', 'of constraint', quote_ident(relname), 'options ' || reloptions::text)
                               FROM pg_class WHERE oid = indexrelid)
                       ELSE pg_get_indexdef(indexrelid) END
                  /*stored:
                  (SELECT ROW(relname, relkind, relam, reltablespace, reloptions,
                              indnatts, indnkeyatts, indisunique, indnullsnotdistinct, indisexclusion, indimmediate,
                              indkey, indcollation, indclass, indoption, indexprs, indpred,
                              ARRAY(SELECT attnum || attoptions::text FROM pg_attribute
                                     WHERE attrelid = indexrelid AND attoptions IS NOT NULL ORDER BY attnum))::text
                     FROM pg_class WHERE oid = indexrelid) */ AS definition,
                  indisvalid AND indisready AND indislive AS usable, indisclustered, indisreplident
             FROM pg_index WHERE indrelid = r.oid OFFSET 0) i
  UNION ALL
  SELECT r.tenant, concat_ws(' ', 'policy', r.name, quote_ident(p.polname), p.polcmd,
                             CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, 'to', p.polroles::regrole[],
                             'using ' || p.reading, 'check ' || p.writing)
    FROM relations r CROSS JOIN LATERAL (
           SELECT polname, polcmd, polpermissive, polroles,
                  /*written*/ pg_get_expr(polqual, polrelid) AS reading, pg_get_expr(polwithcheck, polrelid) AS writing
             FROM pg_policy
                  /*stored:
                  -- Cut where the object id of a table follows, and its name put there.
                  sha256(convert_to(
                    CASE strpos(trees, ':relid ') WHEN 0 THEN trees
                    ELSE (SELECT string_agg(CASE n WHEN 1 THEN piece
                                            ELSE replace(split_part(piece, ' ', 1)::oid::regclass::text, r.tenant, '{tenant}')
                                                 || substr(piece, strpos(piece, ' ')) END, ':relid ' ORDER BY n)
                            FROM unnest(string_to_array(replace(trees, ':resorigtbl ', ':resorigtbl :relid '), ':relid '))
                                 WITH ORDINALITY AS pieces (piece, n)) END, 'UTF8'))::text AS reading, NULL AS writing
             FROM pg_policy CROSS JOIN LATERAL (
                    SELECT replace(concat('using ', polqual, ' check ', polwithcheck), r.bytes, '{tenant}') AS trees OFFSET 0) t */
            WHERE polrelid = r.oid OFFSET 0) p
  UNION ALL
  -- Those of foreign keys belong to the constraint; only that one of them was switched off shows here.
  SELECT r.tenant, concat_ws(' ', 'trigger', r.name, 'enabled', g.tgenabled,
                             CASE WHEN g.tgisinternal THEN 'of ' || g.constraint ELSE pg_get_triggerdef(g.oid) END)
    FROM relations r CROSS JOIN LATERAL (
           SELECT oid, tgenabled, tgisinternal,
                  (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.oid = tgconstraint) AS constraint
             FROM pg_trigger WHERE tgrelid = r.oid AND (NOT tgisinternal OR tgenabled <> 'O') OFFSET 0) g
  UNION ALL
  SELECT r.tenant, concat_ws(' ', 'rule', r.name, 'enabled', w.ev_enabled, pg_get_ruledef(w.oid))
    FROM relations r CROSS JOIN LATERAL (SELECT oid, ev_enabled FROM pg_rewrite WHERE ev_class = r.oid OFFSET 0) w
  UNION ALL
  SELECT r.tenant, concat_ws(' ', 'inherits', r.name, i.inhseqno, i.parent)
    FROM relations r CROSS JOIN LATERAL (
           SELECT inhseqno, inhparent::regclass AS parent FROM pg_inherits WHERE inhrelid = r.oid OFFSET 0) i
  UNION ALL
  SELECT o.tenant, concat_ws(' ', 'object', i.type, i.identity)
    FROM objects o CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) AS i
   WHERE o.classid <> 'pg_class'::regclass
), lines AS (
  -- What says {tenant} already is not the tenant.
  SELECT tenant, replace(replace(line, '{tenant}', '\{tenant}'), tenant, '{tenant}') COLLATE "C" AS line FROM spelled
)
