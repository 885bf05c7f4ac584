//! The code lists of the standard: what a code in a field means, in the standard's words.
//!
//! What must stay true: a code that is not in its list has no meaning here, and the same field has other codes in the
//! other version (8401, 8418, 8424). Sources: KBV LDT 3 Satzbeschreibung 3.2.20, rules E005 to E179 (the numbers below);
//! KBV LDT 2 (LDT1014.01), p. 49-56.

mod lists;

use crate::package::Version;

/// A code list: codes and meanings.
type List = [(&'static str, &'static str)];

/// What a code of LDT 3 means.
pub(crate) fn meaning(id: u16, code: &str) -> Option<&'static str> {
    in_list(ldt3(id)?, code)
}

/// What a code means in a version; none if the field has no code list, or the list not this code.
pub(crate) fn of(version: Version, id: u16, code: &str) -> Option<&'static str> {
    match version {
        Version::Ldt2 => in_list(ldt2(id)?, code),
        Version::Ldt3 => meaning(id, code),
    }
}

fn in_list(list: &'static List, code: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

fn ldt2(id: u16) -> Option<&'static List> {
    Some(match id {
        3108 => &[("1", "Mitglied"), ("3", "Familienversicherter"), ("5", "Rentner")],
        3110 => &[("M", "männlich"), ("W", "weiblich"), ("U", "unbekannt"), ("X", "unbestimmt")],
        8401 => &[
            ("E", "Endbefund"),
            ("T", "Teilbefund"),
            ("V", "vorläufiger Befund"),
            ("A", "Archivbefund"),
            ("N", "Nachforderung"),
        ],
        8403 => &[("1", "BMÄ"), ("2", "EGO"), ("3", "GOÄ 96"), ("4", "BG-Tarif"), ("5", "GOÄ 88")],
        8418 => &[("B", "bereits berichtet"), ("K", "korrigierter Wert"), ("F", "Wert fehlt, folgt")],
        8422 => &[
            ("+", "leicht erhöht"),
            ("++", "stark erhöht"),
            ("-", "leicht erniedrigt"),
            ("--", "stark erniedrigt"),
            ("!", "auffällig"),
        ],
        8501 => &[("1", "Notfall"), ("2", "eilig")],
        8609 => &[("K", "Kasse"), ("P", "privat"), ("X", "andere"), ("E", "Einsender")],
        8614 => &[("1", "Labor"), ("2", "Einweiser")],
        9106 => &[("1", "DIN 66003"), ("2", "IBM CP437"), ("3", "ISO 8859-1"), ("4", "ISO 8859-15")],
        _ => return None,
    })
}

fn ldt3(id: u16) -> Option<&'static List> {
    Some(match id {
        204 => lists::E046,
        3110 => lists::E019,
        7329 => lists::E018,
        3316 | 7401 | 7403 => lists::E169,
        3317 => lists::E179,
        3413 => lists::E054,
        3418 => lists::E055,
        3420 => lists::E056,
        4121 => lists::E008,
        7260 => lists::E057,
        7266 => lists::E051,
        7280 => lists::E049,
        7281 => lists::E069,
        7286 => lists::E059,
        7290 => lists::E030,
        7301 => lists::E064,
        7303 => lists::E050,
        7306 => lists::E058,
        7310 => lists::E033,
        7311 => lists::E034,
        7312 => lists::E035,
        7321 => lists::E023,
        7326 => lists::E068,
        7357 => lists::E026,
        7367 => lists::E025,
        7405 => lists::E060,
        7416 => lists::E061,
        7418 | 7419 | 7422 | 7426 => lists::E062,
        7420 => lists::E027,
        7424 => lists::E065,
        7425 => lists::E063,
        7427 => lists::E016,
        7428 => lists::E165,
        7431 => lists::E164,
        7432 => lists::E166,
        8401 => lists::E006,
        8418 => lists::E007,
        8419 => lists::E070,
        8422 => lists::E005,
        8424 => lists::E052,
        8501 => lists::E032,
        8611 => lists::E013,
        9970 => lists::E053,
        9981 => lists::E044,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_field_means_other_things() {
        assert_eq!(of(Version::Ldt2, 8418, "K"), Some("korrigierter Wert"));
        assert_eq!(of(Version::Ldt3, 8418, "K"), None);
        assert_eq!(of(Version::Ldt3, 8418, "08"), Some("Befundergebnis korrigiert"));
        assert_eq!(of(Version::Ldt2, 8424, "10"), None, "Mutterschaft in LDT 2");
        assert!(of(Version::Ldt3, 8424, "10").is_some());
    }
}
