//! Mistakes beside the practices: who else was let in, and what the server leaves to PUBLIC; as data, tried with the others in `mistakes`.
use crate::mistakes::{Mistake, mistake};

#[rustfmt::skip]
pub(crate) const BESIDE: &[Mistake] = &[
    // Somebody who is nobody of ours.
    mistake("CREATE ROLE bi LOGIN BYPASSRLS", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT pg_read_all_data TO bi", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT pg_write_all_data TO bi", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT pg_read_server_files TO bi", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT pg_write_server_files TO bi", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT pg_execute_server_program TO bi", "overseer"),
    mistake("CREATE ROLE bi LOGIN; GRANT labor_tenants TO bi", "role_member"),
    mistake("GRANT UPDATE (grace_days) ON control.requests TO labor_control", "column_grant"),
    mistake("GRANT INSERT ON control.requests TO labor_control", "grant"),
    mistake("GRANT UPDATE ON control.retention TO labor_control", "grant"),
    mistake("ALTER DATABASE isolation OWNER TO labor_control", "owner"),
    mistake("ALTER DATABASE isolation OWNER TO {b}_app", "owner"),
    mistake("ALTER TABLE guard.claim_keys DISABLE ROW LEVEL SECURITY", "rls_off"),
    mistake("GRANT UPDATE ON pg_catalog.pg_settings TO PUBLIC", "unhardened"),
    // What quotes rows in the server's log.
    mistake("ALTER DATABASE isolation SET log_min_messages = warning", "unhardened"),
    mistake("ALTER DATABASE isolation RESET log_min_messages", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_statement = 'all'", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_min_error_statement = error", "unhardened"),
    mistake("ALTER DATABASE isolation RESET log_min_error_statement", "unhardened"),
    mistake("ALTER DATABASE isolation RESET log_error_verbosity", "unhardened"),
    mistake("ALTER DATABASE isolation RESET log_parameter_max_length", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_parameter_max_length_on_error = -1", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_min_duration_statement = 100", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_min_duration_sample = 0", "unhardened"),
    mistake("ALTER DATABASE isolation SET log_transaction_sample_rate = 1", "unhardened"),
    mistake("GRANT UPDATE (setting) ON pg_catalog.pg_settings TO labor_tenants", "unhardened"),
    mistake("GRANT CONNECT ON DATABASE postgres TO PUBLIC", "unhardened"),
];
