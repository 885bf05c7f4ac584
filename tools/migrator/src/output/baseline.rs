//! How `baseline` tells what it adopted.
use labor_migrator::baseline::Adopted;

use super::say;

/// One sentence, and what should be known besides.
pub(crate) fn adopted(json: bool, made: &Adopted) {
    let mut text =
        format!("{} is {} at version {} (by its {})", made.slug, made.tenant, made.version, made.version_from);
    if made.version_from == "argument" {
        text = text.replace("by its argument", "as was said");
    }
    if let Some(other) = &made.copy_of {
        text += &format!("; its stamp was that of {other}: the data of that tenant is now this practice's, too");
    }
    if !made.login_made {
        text += &format!("; its login {} was there and keeps its password", made.tenant.role());
    }
    say(json, &serde_json::json!(made), &text);
}
