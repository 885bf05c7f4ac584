// The webhook and the doctor's list, as one writes them with Express, bull and pg. What is answered with 202 is on disk; the job is added
// after the commit, so a crash in between leaves a message without a job (a sweep for those is left out).
'use strict';

const crypto = require('node:crypto');
const express = require('express');
const Queue = require('bull');
const { Pool } = require('pg');

const TENANT = 1;
const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const queue = new Queue('messages', process.env.REDIS_URL);
const tokens = new Set();
const app = express();

const same = (a, b) => a.length === b.length && crypto.timingSafeEqual(a, b);

app.post('/v1/messages', express.raw({ type: () => true, limit: '32mb' }), async (request, response) => {
  const timestamp = request.get('x-labor-timestamp') ?? '';
  const [, signature] = (request.get('x-labor-signature') ?? '').split('v1=');
  const age = Math.abs(Date.now() / 1000 - Number(timestamp));
  if (request.get('x-labor-source') !== process.env.SOURCE_ID || !(age < 7 * 24 * 3600)) return response.status(401).end();
  const wanted = crypto.createHmac('sha256', process.env.SOURCE_SECRET).update(`${timestamp}.`).update(request.body).digest();
  if (!same(Buffer.from(signature ?? '', 'hex'), wanted)) return response.status(401).end();
  const sha256 = crypto.createHash('sha256').update(request.body).digest();
  let id = crypto.randomUUID();
  const stored = await pool.query({
    name: 'store',
    text: `INSERT INTO raw_messages (id, tenant_id, source_id, sha256, body) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (source_id, sha256) DO NOTHING RETURNING id`,
    values: [id, TENANT, process.env.SOURCE_ID, sha256, request.body],
  });
  const duplicate = stored.rowCount === 0;
  if (duplicate) {
    const known = await pool.query('SELECT id FROM raw_messages WHERE source_id = $1 AND sha256 = $2', [process.env.SOURCE_ID, sha256]);
    id = known.rows[0].id;
  } else {
    await queue.add({ tenant: TENANT, message: id }, { attempts: 12, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: true });
  }
  response.status(202).json({ message_id: id, sha256: sha256.toString('hex'), bytes: request.body.length, duplicate });
});

app.post('/v1/sign-in', express.json(), (request, response) => {
  if (!same(Buffer.from(String(request.body.password)), Buffer.from(process.env.DOCTOR_PASSWORD))) return response.status(401).end();
  const token = crypto.randomBytes(32).toString('hex');
  tokens.add(token);
  response.json({ access_token: token });
});

const COLUMNS = `r.id, 1 AS version, r.status, p.family_name, p.given_name, r.laboratory_name, r.order_number, r.lab_order_number,
  r.reported_on, r.received_at, to_char(r.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS cursor,
  (SELECT count(*)::int FROM observations o WHERE o.report_id = r.id) AS observations,
  (SELECT count(*)::int FROM observations o WHERE o.report_id = r.id AND o.flag IS NOT NULL) AS abnormal`;
const FROM = 'FROM reports r JOIN patients p ON p.id = r.patient_id WHERE r.tenant_id = $1';
const ORDER = 'ORDER BY r.received_at DESC, r.id DESC LIMIT $2';

app.get('/v1/reports', async (request, response) => {
  if (!tokens.has((request.get('authorization') ?? '').replace('Bearer ', ''))) return response.status(401).end();
  const limit = Number(request.query.limit ?? 50);
  const [at, id] = String(request.query.after ?? '').split('_');
  const { rows } = id
    ? await pool.query({
        name: 'next',
        text: `SELECT ${COLUMNS} ${FROM} AND (r.received_at, r.id) < ($3, $4) ${ORDER}`,
        values: [TENANT, limit, at, id],
      })
    : await pool.query({ name: 'first', text: `SELECT ${COLUMNS} ${FROM} ${ORDER}`, values: [TENANT, limit] });
  const last = rows.length === limit ? rows[rows.length - 1] : undefined;
  response.json({ items: rows, next: last && `${last.cursor}_${last.id}` });
});

const server = app.listen(0, '127.0.0.1', 1024, () => console.log(`listening ${server.address().port}`));
process.on('SIGTERM', () => process.exit(0));
