//! What messages have come to, in words that are the same for every run that got as far: no ids, no times.
//!
//! What must stay true: an effect that happened twice, or in part, is another fact.
use labor_testing::Postgres;

/// Of one practice. `{t}` is its schema.
const FACTS: &str = "
  SELECT format('message %s: %s, %s', encode(m.sha256, 'hex'), m.state, m.reason) FROM {t}.raw_messages m
  UNION ALL
  SELECT format('report %s of %s, version %s: %s %s, replaced by %s, of %s, matched %s', r.record_index, encode(m.sha256, 'hex'), r.version, r.status,
                encode(r.content_sha256, 'hex'), (SELECT n.version FROM {t}.reports n WHERE n.id = r.superseded_by), r.subject_family_name,
                r.patient_id IS NOT NULL)
    FROM {t}.reports r JOIN {t}.raw_messages m ON m.id = r.raw_message_id
  UNION ALL
  SELECT format('value %s of version %s: %s %s %s', o.position, r.version, o.test_code, o.value_text, o.status)
    FROM {t}.observations o JOIN {t}.reports r ON r.id = o.report_id
  UNION ALL
  SELECT format('document %s of version %s: %s', d.position, r.version, encode(d.sha256, 'hex'))
    FROM {t}.documents d JOIN {t}.reports r ON r.id = d.report_id
  UNION ALL
  SELECT format('patient %s %s %s', p.family_name, p.given_name, p.birth_date) FROM {t}.patients p
  UNION ALL
  SELECT format('order %s', o.lab_order_number) FROM {t}.orders o
  UNION ALL
  SELECT format('notice of version %s: %s', r.version, n.kind) FROM {t}.notices n JOIN {t}.reports r ON r.id = n.report_id
  UNION ALL
  SELECT format('alert of version %s: %s %s %s', r.version, a.tier, a.test_code, a.value_text) FROM {t}.alerts a JOIN {t}.reports r ON r.id = a.report_id
  UNION ALL
  SELECT format('alert event: %s, open: %s', e.kind, s.ended_at IS NULL) FROM {t}.alert_events e JOIN {t}.alert_states s USING (alert_id)
  UNION ALL
  SELECT format('event of version %s: %s', r.version, e.kind) FROM {t}.report_events e JOIN {t}.reports r ON r.id = e.report_id
  UNION ALL
  SELECT format('audit: %s %s', a.action, a.outcome) FROM {t}.audit a WHERE a.action LIKE 'message.%'";

const QUEUE: &str = "
  SELECT format('%s: %s', CASE WHEN q.message ? 'alert_id' THEN 'timer' ELSE 'waits' END, coalesce(t.slug, 'intake')) FROM pgmq.q_messages q JOIN control.tenants t ON t.name = q.message ->> 'tenant'
  UNION ALL
  SELECT 'DEAD LETTER' FROM pgmq.q_dead_messages";

/// Sorted lines.
pub(super) async fn describe(postgres: &Postgres, database: &str) -> String {
    let client = postgres.connect(database).await.unwrap();
    let mut facts = Vec::new();
    for row in client.query(QUEUE, &[]).await.unwrap() {
        facts.push(row.get::<_, String>(0));
    }
    for tenant in client.query("SELECT name, slug FROM control.tenants ORDER BY slug", &[]).await.unwrap() {
        let (name, slug): (&str, &str) = (tenant.get(0), tenant.get(1));
        for row in client.query(&FACTS.replace("{t}", name), &[]).await.unwrap() {
            facts.push(format!("{slug}: {}", row.get::<_, &str>(0)));
        }
    }
    facts.sort();
    facts.join("\n")
}
