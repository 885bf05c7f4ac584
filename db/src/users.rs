//! People of a practice: sign-in and adding them.
//! Must stay true: a [`SignedIn`] exists only after the password was checked; hashes never leave this module but to the check.
use labor_catalog::ClaimRole;
use uuid::Uuid;

use crate::session::Query;
use crate::statements::statements;
use crate::{DbError, TenantSession, error};

statements! { Users {
    FIND_USER = "SELECT id, role, display_name, password_hash FROM users WHERE username = $1 AND active";
    AUDIT_SIGN_IN =
        "INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id) VALUES ($1, 'user.sign_in', 'users', $2, $3, $4)";
    IS_STILL = "SELECT FROM users WHERE id::text = $1 AND role = $2 AND active";
    ADD_USER = "INSERT INTO users (id, username, password_hash, role, display_name, patient_id) VALUES ($1, $2, $3, $4, $5, $6)";
    AUDIT_ADD =
        "INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id) VALUES ($1, 'user.add', 'users', $2, 'success', $3)";
    DEACTIVATE_USER = "WITH changed AS (
            UPDATE users SET active = false WHERE username = $1 AND active RETURNING id
          )
          INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
          SELECT $2, 'user.deactivate', 'users', id, 'success', $3 FROM changed RETURNING 1";
    END_NUMBER = "UPDATE doctor_numbers n SET ended_at = now() FROM users u WHERE u.id = n.user_id AND u.username = $1 AND n.ended_at IS NULL";
    /// What is audited is the number's row, where it stands for ever who had which number when; where one is taken away, the user.
    SET_LANR = "WITH doctor AS (
            SELECT id FROM users WHERE username = $1 AND active AND role = 'doctor'
          ), added AS (
            INSERT INTO doctor_numbers (id, user_id, lanr) SELECT $5, id, $2::text FROM doctor WHERE $2::text IS NOT NULL RETURNING id
          )
          INSERT INTO audit (id, action, object_kind, object_id, outcome, request_id)
          SELECT $3, 'user.set_lanr', CASE WHEN a.id IS NULL THEN 'users' ELSE 'doctor_numbers' END, coalesce(a.id, d.id), 'success', $4
            FROM doctor d LEFT JOIN added a ON true RETURNING 1";
} }

/// A user whose password was found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    id: Uuid,
    role: ClaimRole,
    display_name: String,
}

impl SignedIn {
    /// The user's id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The user's role.
    #[must_use]
    pub fn role(&self) -> ClaimRole {
        self.role
    }

    /// How colleagues see the user.
    #[must_use]
    pub fn display_name(&self) -> &str {
        &self.display_name
    }
}

/// What was looked up for a sign-in, before the password was checked.
pub struct Candidate {
    id: Uuid,
    role: ClaimRole,
    display_name: String,
    password_hash: String,
}

impl Candidate {
    /// Hash that the typed password must fit.
    #[must_use]
    pub fn password_hash(&self) -> &str {
        &self.password_hash
    }
}

/// Looks up the active user whose name the session's sign-in claim was made for.
///
/// # Errors
/// When the database can't be asked.
pub async fn find(session: &mut TenantSession, username: &str) -> Result<Option<Candidate>, DbError> {
    let rows = session.run(&[Query { sql: FIND_USER, params: &[&username] }]).await?;
    let Some(row) = rows.first().and_then(|rows| rows.first()) else {
        return Ok(None);
    };
    let role = ClaimRole::of_user(row.get(1)).ok_or(DbError::Data("users.role"))?;
    Ok(Some(Candidate { id: row.get(0), role, display_name: row.get(2), password_hash: row.get(3) }))
}

/// Writes down how a sign-in ended. `right` is the answer of the password check; only then there is a [`SignedIn`].
///
/// # Errors
/// When the audit row can't be written: then nobody is signed in.
pub async fn finish(
    session: &mut TenantSession,
    candidate: Option<Candidate>,
    right: bool,
) -> Result<Option<SignedIn>, DbError> {
    let user = candidate.filter(|_| right);
    let outcome = if user.is_some() { "success" } else { "refused" };
    let (id, object, request) = (Uuid::now_v7(), user.as_ref().map(|u| u.id), session.request_id());
    session.run(&[Query { sql: AUDIT_SIGN_IN, params: &[&id, &object, &outcome, &request] }]).await?;
    Ok(user.map(|u| SignedIn { id: u.id, role: u.role, display_name: u.display_name }))
}

/// Whether the session's user is still active in the role that the session claims.
///
/// # Errors
/// When the database can't be asked.
pub async fn is_still(session: &mut TenantSession) -> Result<bool, DbError> {
    let (id, role) = (session.claims().subject().to_owned(), session.claims().role().as_str());
    let rows = session.run(&[Query { sql: IS_STILL, params: &[&id, &role] }]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}

/// A user to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Lower case.
    pub username: String,
    /// Argon2id hash in PHC format.
    pub password_hash: String,
    /// A person's role.
    pub role: ClaimRole,
    /// How colleagues see the user.
    pub display_name: String,
    /// For patients: whose results.
    pub patient_id: Option<Uuid>,
}

/// Adds a user; `None` when the name is taken.
///
/// # Errors
/// When the session's claim may not add users, or the database can't be asked.
pub async fn add(session: &mut TenantSession, user: &NewUser) -> Result<Option<Uuid>, DbError> {
    let (id, audit_id, request) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id());
    let result = session
        .run(&[
            Query {
                sql: ADD_USER,
                params: &[
                    &id,
                    &user.username,
                    &user.password_hash,
                    &user.role.as_str(),
                    &user.display_name,
                    &user.patient_id,
                ],
            },
            Query { sql: AUDIT_ADD, params: &[&audit_id, &id, &request] },
        ])
        .await;
    match result {
        Ok(_) => Ok(Some(id)),
        Err(error) if error::is_taken(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets a user no longer sign in; open sessions end within minutes. False when there is no active user with this name.
///
/// # Errors
/// When the session's claim may not change users, or the database can't be asked.
pub async fn deactivate(session: &mut TenantSession, username: &str) -> Result<bool, DbError> {
    let (audit_id, request) = (Uuid::now_v7(), session.request_id());
    // Whoever can't sign in holds no number that a colleague may need to be given.
    let end = Query { sql: END_NUMBER, params: &[&username] };
    let deactivate = Query { sql: DEACTIVATE_USER, params: &[&username, &audit_id, &request] };
    let rows = session.run(&[end, deactivate]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}

/// Notes a doctor's number, or takes it away: genetic reports are released by the doctor who has the number of whoever is responsible.
/// False when there is no active doctor with this name.
///
/// # Errors
/// [`DbError::Conflict`] when another user has the number; else when the session's claim may not change users, or the database can't be
/// asked.
pub async fn set_lanr(session: &mut TenantSession, username: &str, lanr: Option<&str>) -> Result<bool, DbError> {
    let (audit_id, number_id, request) = (Uuid::now_v7(), Uuid::now_v7(), session.request_id());
    let end = Query { sql: END_NUMBER, params: &[&username] };
    let set = Query { sql: SET_LANR, params: &[&username, &lanr, &audit_id, &request, &number_id] };
    let rows = session.run(&[end, set]).await?;
    Ok(rows.iter().any(|rows| !rows.is_empty()))
}
