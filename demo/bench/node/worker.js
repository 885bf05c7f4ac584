// The worker: four jobs at a time, as Labor's; parses, and stores patient, report and values in one transaction.
'use strict';

const crypto = require('node:crypto');
const Queue = require('bull');
const { Pool } = require('pg');
const { parse } = require('./parser');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const queue = new Queue('messages', process.env.REDIS_URL);

const LOAD = "SELECT body, received_at FROM raw_messages WHERE id = $1 AND state = 'received' FOR UPDATE";
const PATIENT = `INSERT INTO patients (id, tenant_id, family_name, given_name, birth_date, sex) VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (tenant_id, family_name, given_name, birth_date, sex) DO UPDATE SET sex = excluded.sex RETURNING id`;
const REPORT = `INSERT INTO reports (id, tenant_id, raw_message_id, patient_id, status, laboratory_name, order_number, lab_order_number,
  reported_on, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`;
const VALUES = `INSERT INTO observations (id, tenant_id, report_id, patient_id, position, test_code, test_name, value_text, unit,
  reference_low, reference_high, flag)
  SELECT id, $2, $3, $4, position, code, name, value, unit, low, high, flag
  FROM unnest($1::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
    AS t (id, position, code, name, value, unit, low, high, flag)`;
const DOCUMENT = 'INSERT INTO documents (id, report_id, media_type, size_bytes) VALUES ($1, $2, $3, $4)';
const DONE = "UPDATE raw_messages SET state = 'processed', processed_at = now() WHERE id = $1";

async function store(client, tenant, message, receivedAt, read) {
  for (const report of read.reports) {
    const who = [crypto.randomUUID(), tenant, report.familyName ?? '', report.givenName, report.birthDate ?? '', report.sex];
    const patient = (await client.query({ name: 'patient', text: PATIENT, values: who })).rows[0].id;
    const id = crypto.randomUUID();
    const about = [report.status ?? 'E', read.laboratory, report.orderNumber, report.labOrderNumber, report.reported, receivedAt];
    await client.query({ name: 'report', text: REPORT, values: [id, tenant, message, patient, ...about] });
    const column = (of) => report.tests.map(of);
    await client.query({
      name: 'values',
      text: VALUES,
      values: [
        column(() => crypto.randomUUID()), tenant, id, patient,
        column((_, position) => position), column((test) => test.code), column((test) => test.name), column((test) => test.value),
        column((test) => test.unit), column((test) => test.low), column((test) => test.high), column((test) => test.flag),
      ],
    });
    if (report.document) await client.query(DOCUMENT, [crypto.randomUUID(), id, 'application/pdf', report.document.length]);
  }
  await client.query({ name: 'done', text: DONE, values: [message] });
}

queue.process(4, async ({ data: { tenant, message } }) => {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query({ name: 'load', text: LOAD, values: [message] });
    if (rows.length > 0) await store(client, tenant, message, rows[0].received_at, parse(rows[0].body));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
});
queue.isReady().then(() => console.log('working'));
queue.on('failed', (job, error) => console.error('failed', job.id, error.message));
process.on('SIGTERM', () => process.exit(0));
