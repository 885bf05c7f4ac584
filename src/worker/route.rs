//! Whom a message is for.
//! Must stay true: never guessed. A record goes to the practice that its recipient's BSNR names (else site id, else customer
//! number at this laboratory); when identifiers are missing or unknown it goes to nobody and is set aside for a person.
use labor_db::control::Address;
use labor_db::{Control, DbError, TenantName};
use ldt::{Package, Recipient};

use super::read::Message;

/// A recipient as the message names it, with the laboratory that its customer numbers belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addressee {
    pub(crate) recipient: Recipient,
    laboratory: Option<String>,
}

/// The recipients of a message; none when it can't be read.
pub(crate) fn recipients(bytes: &[u8]) -> Vec<Addressee> {
    Message::read(bytes).map(|message| message.addressees()).unwrap_or_default()
}

/// The recipients of a package, each once.
pub(crate) fn of_package(package: &Package) -> Vec<Addressee> {
    let laboratory = laboratory(package);
    package.recipients().into_iter().map(|recipient| Addressee { recipient, laboratory: laboratory.clone() }).collect()
}

/// The recipient of an HL7 message, if it names one: a message has one MSH-6.
pub(crate) fn of_hl7(message: &hl7::Message) -> Vec<Addressee> {
    let hl7::Recipient { bsnr, customer_number } = message.recipient.clone();
    let recipient = Recipient { bsnr, customer_number, ..Recipient::default() };
    if recipient.is_empty() {
        return Vec::new();
    }
    vec![Addressee { recipient, laboratory: Some(hl7_laboratory(message)) }]
}

/// What stands for the laboratory of an HL7 message, as of an LDT package: its BSNR, else its name.
pub(crate) fn hl7_laboratory(message: &hl7::Message) -> String {
    message.laboratory.bsnr.clone().unwrap_or_else(|| message.laboratory.name.clone())
}

/// What stands for the laboratory: its BSNR, else its name.
pub(crate) fn laboratory(package: &Package) -> Option<String> {
    package.laboratory.bsnr.clone().or_else(|| package.laboratory.name.clone())
}

/// The active practice of one recipient. A BSNR that is known decides; the weaker identifiers are asked only without a BSNR.
pub(crate) async fn tenant(control: &Control, addressee: &Addressee) -> Result<Option<TenantName>, DbError> {
    let Recipient { bsnr, site_id, customer_number } = &addressee.recipient;
    if let Some(bsnr) = bsnr {
        return control.addressee(&Address::Bsnr(bsnr.clone())).await;
    }
    if let Some(site) = site_id
        && let Some(tenant) = control.addressee(&Address::Site(site.clone())).await?
    {
        return Ok(Some(tenant));
    }
    match (&addressee.laboratory, customer_number) {
        (Some(laboratory), Some(number)) => {
            control.addressee(&Address::Customer(laboratory.clone(), number.clone())).await
        }
        _ => Ok(None),
    }
}

/// The one practice that all recipients are; `None` when there are several, none, or one that nobody knows.
pub(crate) async fn single_tenant(control: &Control, addressees: &[Addressee]) -> Result<Option<TenantName>, DbError> {
    let mut found = None;
    for addressee in addressees {
        let Some(tenant) = tenant(control, addressee).await? else { return Ok(None) };
        if found.as_ref().is_some_and(|other| *other != tenant) {
            return Ok(None);
        }
        found = Some(tenant);
    }
    Ok(found)
}
