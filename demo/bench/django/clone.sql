-- Copies the schema t00001, which django-tenants made, with its constraints, indexes and history of migrations, and registers the copy.
CREATE FUNCTION public.copy_first(copy text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  item record;
BEGIN
  EXECUTE format('CREATE SCHEMA %I', copy);
  FOR item IN SELECT relname FROM pg_class WHERE relnamespace = 't00001'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('CREATE TABLE %I.%I (LIKE t00001.%I INCLUDING ALL)', copy, item.relname, item.relname);
  END LOOP;
  FOR item IN SELECT relname, conname, replace(pg_get_constraintdef(k.oid), 't00001.', copy || '.') AS definition
                FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
               WHERE c.relnamespace = 't00001'::regnamespace AND contype = 'f' LOOP
    EXECUTE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', copy, item.relname, item.conname, item.definition);
  END LOOP;
  EXECUTE format('INSERT INTO %I.django_migrations OVERRIDING SYSTEM VALUE SELECT * FROM t00001.django_migrations', copy);
  EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, ''id''), (SELECT max(id) FROM t00001.django_migrations))', copy || '.django_migrations');
  INSERT INTO public.fleet_practice (schema_name, name) VALUES (copy, copy);
END
$$;
