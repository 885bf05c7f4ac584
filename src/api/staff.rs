//! Who of the practice may ask for something, in words. The database refuses the same; its refusal could not say why.
use axum::http::StatusCode;
use labor_db::{ClaimRole, Claims};

use crate::problem::Problem;

fn refused(detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "not-your-role", "Not allowed", detail)
}

/// Everybody but patients.
pub(crate) fn required(claims: &Claims) -> Result<(), Problem> {
    match claims.role() {
        ClaimRole::Admin | ClaimRole::Doctor | ClaimRole::LabTechnician => Ok(()),
        _ => Err(refused("This is for the practice's staff.")),
    }
}

/// Who sees to alerts.
pub(crate) fn doctor_or_technician(claims: &Claims) -> Result<(), Problem> {
    match claims.role() {
        ClaimRole::Doctor | ClaimRole::LabTechnician => Ok(()),
        _ => Err(refused("Doctors and laboratory technicians of the practice see to alerts.")),
    }
}

/// Who sets limits and the ladder.
pub(crate) fn doctor_or_admin(claims: &Claims) -> Result<(), Problem> {
    match claims.role() {
        ClaimRole::Doctor | ClaimRole::Admin => Ok(()),
        _ => Err(refused("Doctors and administrators of the practice set limits and the ladder.")),
    }
}

/// Who releases to patients.
pub(crate) fn doctor(claims: &Claims) -> Result<(), Problem> {
    match claims.role() {
        ClaimRole::Doctor => Ok(()),
        _ => Err(refused("Only a doctor of the practice releases reports to patients, or takes that back.")),
    }
}

/// Who names a responsible doctor.
pub(crate) fn admin(claims: &Claims) -> Result<(), Problem> {
    match claims.role() {
        ClaimRole::Admin => Ok(()),
        _ => Err(refused("Only an administrator of the practice names the responsible doctor.")),
    }
}
