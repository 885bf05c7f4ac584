//! Every column of the database with its class: what identifies a person, what tells of their health, what bills, what is
//! merely technical. Exports, log hygiene and deletion proofs are built on it; a test compares it with a fresh database, so a
//! new column without a class fails the build.

/// What kind of data a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Identifies a person, or lets one be found.
    Identity,
    /// Tells something about a person's health.
    Health,
    /// Needed for invoices.
    Billing,
    /// None of these.
    Technical,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Table, without schema.
    pub table: &'static str,
    /// Column.
    pub name: &'static str,
    /// Class.
    pub class: Class,
}

const fn column(table: &'static str, name: &'static str, class: Class) -> Column {
    Column { table, name, class }
}

use Class::{Health, Identity, Technical};

/// Columns of a tenant's schema, tables in the order in which they can be restored.
#[rustfmt::skip]
pub const TENANT: &[Column] = &[
    column("refinery_schema_history", "version", Technical),
    column("refinery_schema_history", "name", Technical),
    column("refinery_schema_history", "applied_on", Technical),
    column("refinery_schema_history", "checksum", Technical),
    column("schema_stamp", "singleton", Technical),
    column("schema_stamp", "tenant", Technical),
    column("schema_stamp", "version", Technical),
    column("schema_stamp", "chain_checksum", Technical),
    column("schema_stamp", "stamped_at", Technical),
    column("patients", "id", Technical),
    column("patients", "identity_key", Identity),
    column("patients", "patient_number", Identity),
    column("patients", "family_name", Identity),
    column("patients", "given_name", Identity),
    column("patients", "birth_date", Identity),
    column("patients", "sex", Identity),
    column("patients", "insurance_number", Identity),
    column("patients", "created_at", Technical),
    column("users", "id", Technical),
    column("users", "username", Identity),
    column("users", "password_hash", Identity),
    column("users", "role", Technical),
    column("users", "display_name", Identity),
    column("users", "patient_id", Technical),
    column("users", "active", Technical),
    column("users", "created_at", Technical),
    column("raw_messages", "id", Technical),
    column("raw_messages", "source_id", Technical),
    column("raw_messages", "sender_message_id", Technical),
    column("raw_messages", "sha256", Health),
    column("raw_messages", "body", Health),
    column("raw_messages", "content_type", Technical),
    column("raw_messages", "state", Technical),
    column("raw_messages", "reason", Technical),
    column("raw_messages", "format", Technical),
    column("raw_messages", "charset", Technical),
    column("raw_messages", "warnings", Technical),
    column("raw_messages", "received_at", Technical),
    column("raw_messages", "processed_at", Technical),
    column("raw_messages", "reader_version", Technical),
    column("orders", "id", Technical),
    column("orders", "laboratory", Technical),
    column("orders", "lab_order_number", Identity),
    column("orders", "order_number", Identity),
    column("orders", "patient_id", Identity),
    column("orders", "created_at", Technical),
    column("reports", "id", Technical),
    column("reports", "raw_message_id", Technical),
    column("reports", "record_index", Technical),
    column("reports", "order_id", Technical),
    column("reports", "patient_id", Identity),
    column("reports", "report_key", Technical),
    column("reports", "version", Technical),
    column("reports", "superseded_by", Technical),
    column("reports", "content_sha256", Health),
    column("reports", "kind", Health),
    column("reports", "status", Health),
    column("reports", "laboratory_name", Health),
    column("reports", "subject_family_name", Identity),
    column("reports", "subject_given_name", Identity),
    column("reports", "subject_birth_date", Identity),
    column("reports", "order_number", Identity),
    column("reports", "lab_order_number", Identity),
    column("reports", "reported_on", Health),
    column("reports", "critical", Health),
    column("reports", "genetic", Health),
    column("reports", "invalidates_earlier", Health),
    column("reports", "notes", Health),
    column("reports", "unmapped", Health),
    column("reports", "received_at", Technical),
    column("reports", "confirmed_at", Technical),
    column("reports", "released_at", Health),
    column("observations", "id", Technical),
    column("observations", "report_id", Technical),
    column("observations", "patient_id", Identity),
    column("observations", "position", Technical),
    column("observations", "test_code", Health),
    column("observations", "test_name", Health),
    column("observations", "loinc", Health),
    column("observations", "specimen", Health),
    column("observations", "status", Health),
    column("observations", "status_code", Health),
    column("observations", "value_text", Health),
    column("observations", "value_comparator", Health),
    column("observations", "value_number", Health),
    column("observations", "unit", Health),
    column("observations", "reference_text", Health),
    column("observations", "reference_low", Health),
    column("observations", "reference_high", Health),
    column("observations", "reference_unit", Health),
    column("observations", "flag", Health),
    column("observations", "interpretation", Health),
    column("observations", "critical", Health),
    column("observations", "collected_at", Health),
    column("observations", "effective_at", Health),
    column("observations", "notes", Health),
    column("documents", "id", Technical),
    column("documents", "report_id", Technical),
    column("documents", "raw_message_id", Technical),
    column("documents", "position", Technical),
    column("documents", "media_type", Health),
    column("documents", "sha256", Health),
    column("documents", "size_bytes", Technical),
    column("documents", "scan_state", Technical),
    column("documents", "created_at", Technical),
    column("audit", "id", Technical),
    column("audit", "at", Technical),
    column("audit", "actor", Identity),
    column("audit", "actor_role", Technical),
    column("audit", "action", Technical),
    column("audit", "object_kind", Technical),
    column("audit", "object_id", Technical),
    column("audit", "outcome", Technical),
    column("audit", "request_id", Technical),
];

/// Columns of the control schema.
#[rustfmt::skip]
pub const CONTROL: &[Column] = &[
    column("refinery_schema_history", "version", Technical),
    column("refinery_schema_history", "name", Technical),
    column("refinery_schema_history", "applied_on", Technical),
    column("refinery_schema_history", "checksum", Technical),
    column("tenants", "name", Technical),
    column("tenants", "kind", Technical),
    column("tenants", "slug", Technical),
    column("tenants", "display_name", Technical),
    column("tenants", "state", Technical),
    column("tenants", "created_at", Technical),
    column("tenant_identifiers", "kind", Technical),
    column("tenant_identifiers", "issuer", Technical),
    column("tenant_identifiers", "value", Technical),
    column("tenant_identifiers", "tenant", Technical),
    column("sources", "id", Technical),
    column("sources", "name", Technical),
    column("sources", "state", Technical),
    column("sources", "secret_version", Technical),
    column("sources", "window_seconds", Technical),
    column("sources", "allowed_from", Technical),
    column("sources", "created_at", Technical),
    column("operators", "id", Technical),
    column("operators", "username", Identity),
    column("operators", "display_name", Identity),
    column("operators", "created_at", Technical),
    column("runs", "id", Technical),
    column("runs", "command", Technical),
    column("runs", "started_by", Technical),
    column("runs", "started_at", Technical),
    column("runs", "finished_at", Technical),
    column("runs", "succeeded", Technical),
    column("runs", "failed", Technical),
    column("ledger", "tenant", Technical),
    column("ledger", "version", Technical),
    column("ledger", "chain_checksum", Technical),
    column("ledger", "fingerprint", Technical),
    column("ledger", "run_id", Technical),
    column("ledger", "migrated_at", Technical),
    column("ledger", "last_error", Technical),
    column("ledger", "last_error_at", Technical),
    column("requests", "id", Technical),
    column("requests", "kind", Technical),
    column("requests", "tenant", Technical),
    column("requests", "reason", Technical),
    column("requests", "requested_by", Technical),
    column("requests", "requested_at", Technical),
    column("requests", "approved_by", Technical),
    column("requests", "approved_at", Technical),
    column("requests", "state", Technical),
    column("requests", "steps", Technical),
    column("requests", "finished_at", Technical),
    column("requests", "certificate", Technical),
    column("holds", "id", Technical),
    column("holds", "tenant", Technical),
    column("holds", "holder", Technical),
    column("holds", "reason", Technical),
    column("holds", "created_at", Technical),
    column("holds", "until", Technical),
];

/// The tables of a tenant's schema, in the order in which they can be restored.
#[must_use]
pub fn tenant_tables() -> Vec<&'static str> {
    let mut tables: Vec<_> = TENANT.iter().map(|column| column.table).collect();
    tables.dedup();
    tables
}
