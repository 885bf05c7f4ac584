//! Mistakes that weaken the rules that look at rows, as data; tried with the others in `mistakes`.
use crate::mistakes::{Mistake, mistake};

#[rustfmt::skip]
pub(crate) const ROW_RULES: &[Mistake] = &[
    // Rules that look at rows: a patient among those who see all, a rule gone, an actor who is not compared.
    mistake("ALTER POLICY claim_select ON {t}.reports USING ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,worker,patient}')))", "policy_missing"),
    mistake("ALTER POLICY claim_select ON {t}.documents USING ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,patient,worker}'))
             OR ((SELECT guard.permits('{t}', '{patient}')) AND EXISTS (SELECT FROM {t}.reports r WHERE r.id = report_id)))", "policy_missing"),
    mistake("ALTER POLICY claim_select ON {t}.patients USING ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,worker}'))
             OR (SELECT guard.permits('{t}', '{patient}')))", "policy_missing"),
    mistake("ALTER POLICY claim_select ON {t}.users USING ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,sign_in}'))
             OR ((SELECT guard.permits('{t}', '{patient}')) AND id::text = (SELECT guard.claim_subject())))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.audit WITH CHECK (guard.permits('{t}', '{admin,doctor,lab_technician,patient,worker,receiver,sign_in}'))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.audit WITH CHECK (guard.permits_actor('{t}', '{admin,doctor,lab_technician,patient,worker,receiver,sign_in}', guard.claim_subject(), guard.claim_role()))", "policy_missing"),

    // Whoever may change reports may release genetic ones: the rule is gone or weakened.
    mistake("ALTER POLICY claim_update ON {t}.reports WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor,worker}')))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.reports USING (true)", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.reports WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor,worker}')) AND (released_at IS NULL OR NOT genetic))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.reports WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor,worker}')) AND (released_at IS NULL
             OR NOT (genetic OR EXISTS (SELECT FROM {t}.genetic_holds h WHERE h.report_id = reports.id)) OR EXISTS (SELECT FROM {t}.genetic_holds h JOIN {t}.doctor_numbers n ON n.lanr = h.lanr WHERE h.report_id = reports.id AND n.user_id = released_by)
             OR ((SELECT guard.permits('{t}', '{worker}')) AND EXISTS (SELECT FROM {t}.report_events e
                  WHERE e.report_id = reports.id AND e.kind = 'released' AND e.actor = released_by::text))))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.reports WITH CHECK (guard.permits('{t}', '{worker}'))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.doctor_numbers WITH CHECK (guard.permits('{t}', '{admin}'))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.doctor_numbers WITH CHECK ((SELECT guard.permits('{t}', '{admin}')))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.users WITH CHECK ((SELECT guard.permits('{t}', '{admin}')))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.critical_limits WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor}')))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.report_events WITH CHECK (guard.permits_actor('{t}', '{admin,doctor,lab_technician,patient,worker}', actor, actor_role))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.genetic_holds WITH CHECK (guard.permits('{t}', '{admin,worker}'))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.alert_states WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,worker}')) AND ended_at IS NOT NULL)", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.alert_events WITH CHECK (guard.permits('{t}', '{admin,doctor,lab_technician,worker}'))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.audit WITH CHECK (guard.permits_actor('{t}', '{admin,doctor,lab_technician,patient,worker,receiver,sign_in}', actor, actor_role))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.matches WITH CHECK (guard.permits_actor('{t}', '{admin,doctor,worker}', actor, actor_role))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.notices WITH CHECK ((SELECT guard.permits('{t}', '{admin,doctor,worker}')))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.raw_messages WITH CHECK ((SELECT guard.permits('{t}', '{worker}')))", "policy_missing"),
    // The same words in another order of evaluation.
    mistake("ALTER POLICY claim_select ON {t}.patients USING (((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,worker}')) OR (SELECT guard.permits('{t}', '{patient}')))
             AND id = (SELECT u.patient_id FROM {t}.users u WHERE u.id::text = (SELECT guard.claim_subject())))", "policy_missing"),
    mistake("GRANT UPDATE (sha256) ON {t}.raw_messages TO {t}_app", "column_grant"),

    // What is added to a released report, people who are added, limits that end again, orders of what was not released.
    mistake("ALTER POLICY claim_insert ON {t}.observations WITH CHECK (guard.permits('{t}', '{worker}'))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.documents WITH CHECK (guard.permits('{t}', '{worker}'))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.users WITH CHECK (guard.permits('{t}', '{admin}'))", "policy_missing"),
    mistake("ALTER POLICY claim_update ON {t}.critical_limits USING ((SELECT guard.permits('{t}', '{admin,doctor}')))", "policy_missing"),
    mistake("ALTER POLICY claim_insert ON {t}.alert_steps WITH CHECK (guard.permits('{t}', '{admin,doctor}') AND created_by = guard.claim_subject() AND ended_at IS NULL)", "policy_missing"),
    mistake("ALTER POLICY claim_select ON {t}.orders USING ((SELECT guard.permits('{t}', '{admin,doctor,lab_technician,worker}'))
             OR ((SELECT guard.permits('{t}', '{patient}')) AND patient_id = (SELECT u.patient_id FROM {t}.users u WHERE u.id::text = (SELECT guard.claim_subject()))))", "policy_missing"),
];
