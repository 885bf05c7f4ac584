//! Backup, verification and restore of one tenant.
