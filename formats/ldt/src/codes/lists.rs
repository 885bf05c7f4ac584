//! The lists themselves, named by their rule (KBV LDT 3 Satzbeschreibung 3.2.20, section of the rules E).
//!
//! What must stay true: the codes are exactly those of the rule; the words are shortened, never reworded.

use super::List;

pub(super) const E005: &List = &[
    ("N", "normal"),
    ("H", "schwach erhöht"),
    ("+", "schwach erhöht"),
    ("HH", "stark erhöht"),
    ("++", "stark erhöht"),
    ("L", "schwach erniedrigt"),
    ("-", "schwach erniedrigt"),
    ("LL", "stark erniedrigt"),
    ("--", "stark erniedrigt"),
    ("–", "stark erniedrigt"),
    ("!H", "extrem erhöht"),
    ("!+", "extrem erhöht"),
    ("!L", "extrem erniedrigt"),
    ("!-", "extrem erniedrigt"),
    ("A", "auffällig"),
    ("AA", "sehr auffällig"),
];
pub(super) const E006: &List = &[("1", "Auftrag nicht abgeschlossen"), ("2", "Auftrag abgeschlossen")];
pub(super) const E007: &List = &[
    ("01", "keine gesicherte Information"),
    ("02", "Ergebnis folgt"),
    ("03", "technisch validiert"),
    ("04", "Ergebnis korrigiert"),
    ("05", "ärztlich validiert, die Analytik läuft weiter"),
    ("06", "abgeschlossen und ärztlich validiert"),
    ("07", "bereits berichtet"),
    ("08", "Befundergebnis korrigiert"),
    ("09", "Ergebnis fehlt"),
    ("10", "erweiterte Analytik erforderlich"),
    ("11", "Material fehlt"),
    ("12", "storniert"),
];
pub(super) const E008: &List = &[("0", "EBM"), ("1", "BMÄ"), ("2", "EGO"), ("3", "GOÄ"), ("4", "BG Tarif")];
pub(super) const E013: &List = &[
    ("0", "Papier"),
    ("1", "Telefon"),
    ("2", "Fax"),
    ("3", "E-Mail"),
    ("4", "DFÜ"),
    ("5", "Tourpost"),
    ("6", "KV-Connect"),
];
pub(super) const E016: &List = &[("1", "Keim"), ("2", "Pilz")];
pub(super) const E018: &List = &[("M", "männlich"), ("W", "weiblich"), ("D", "divers"), ("X", "unbestimmt")];
pub(super) const E019: &List =
    &[("M", "männlich"), ("W", "weiblich"), ("D", "divers"), ("X", "unbestimmt"), ("U", "unbekannt")];
pub(super) const E023: &List = &[
    ("01", "Erstveranlasser"),
    ("02", "Einsender Arzt"),
    ("03", "Einsender sonstige"),
    ("04", "Versicherter"),
    ("05", "Rechnungsempfänger"),
    ("06", "Bevollmächtigter"),
    ("07", "Laborarzt/Befundersteller"),
    ("08", "Leistungserbringer"),
    ("11", "Halter (eines Tieres)"),
    ("12", "Patient"),
    ("14", "Überweiser"),
    ("15", "staatliche Einrichtung"),
    ("16", "sonstige juristische Person"),
    ("17", "sonstige medizinische Einrichtung"),
];
pub(super) const E025: &List = &[
    ("S", "sensibel bei Standardexposition"),
    ("I", "sensibel bei erhöhter Exposition"),
    ("R", "resistent"),
    ("N", "keine Interpretation"),
];
pub(super) const E026: &List = &[
    ("0", "nicht nachweisbar / kein Wachstum"),
    ("1", "spärlich"),
    ("2", "mäßig/vereinzelt"),
    ("3", "reichlich"),
    ("4", "massenhaft"),
];
pub(super) const E027: &List = &[
    ("01", "Erstveranlasser"),
    ("02", "Einsender Arzt"),
    ("03", "Einsender sonstige"),
    ("04", "Versicherter"),
    ("05", "Rechnungsempfänger"),
    ("06", "Bevollmächtigter"),
    ("07", "Laborarzt/Befundersteller"),
    ("08", "Leistungserbringer"),
    ("09", "Softwareverantwortlicher"),
    ("10", "Zusätzlicher Befundempfänger"),
    ("11", "Halter (eines Tieres)"),
    ("12", "Patient"),
    ("14", "Überweiser"),
    ("16", "sonstige juristische Person"),
    ("17", "Medizinisch-technische/r Assistent/in (MTA)"),
    ("18", "Medizinische/r Fachangestellte/r (MFA)"),
];
pub(super) const E030: &List = &[
    ("0", "nicht getestet"),
    ("1", "sensibel/wirksam"),
    ("2", "mäßig sensibel/schwach wirksam"),
    ("3", "resistent/unwirksam"),
    ("4", "wirksam in hohen Konzentrationen"),
    ("5", "natürliche Resistenz"),
];
pub(super) const E032: &List = &[("1", "Notfall/intraoperativ"), ("2", "dringend")];
pub(super) const E033: &List = &[("1", "organisch"), ("2", "anorganisch")];
pub(super) const E034: &List = &[("1", "tierisch"), ("2", "pflanzlich"), ("3", "nicht bestimmbar")];
pub(super) const E035: &List = &[("1", "Wasser"), ("2", "Luft"), ("3", "nicht bestimmbar"), ("4", "sonstiges")];
pub(super) const E044: &List = &[("1", "eigen"), ("2", "fremd")];
pub(super) const E046: &List = &[
    ("1", "Arztpraxis"),
    ("2", "Laborarztpraxis"),
    ("3", "Laborgemeinschaft"),
    ("4", "sonstige medizinische Einrichtung"),
    ("5", "Hauptbetriebsstätte"),
    ("6", "Nebenbetriebsstätte"),
];
pub(super) const E049: &List = &[
    ("1", "pathologisch auffälliger Befund"),
    ("2", "lebensbedrohlicher Zustand"),
    ("3", "Wiedervorstellung empfohlen"),
    ("4", "Probenmaterial nicht verwendbar"),
    ("5", "Probenmaterial unvollständig"),
    ("6", "Meldung nach KFRG erfolgt"),
    ("7", "Meldung nach IfSG erfolgt"),
];
pub(super) const E050: &List = &[
    ("1", "GKV Laborfacharzt"),
    ("2", "GKV LG"),
    ("3", "PKV Laborfacharzt"),
    ("4", "PKV LG"),
    ("5", "Selektivvertrag"),
    ("6", "IgeL"),
    ("7", "Sonstige Kostenübernahme"),
    ("8", "ASV"),
    ("9", "GKV Laborfacharzt präventiv"),
    ("10", "GKV LG präventiv"),
    ("11", "keine Zuordnung"),
    ("12", "PräOP"),
    ("13", "GKV Krankenhaus"),
    ("14", "PKV Krankenhaus"),
    ("15", "GKV Muster 6 / 39"),
    ("16", "GKV Muster 10C"),
    ("17", "ÖGD"),
    ("99", "storniert"),
];
pub(super) const E051: &List =
    &[("1", "Laborgemeinschaft"), ("2", "Facharztlabor"), ("3", "Leistungserbringergemeinschaft"), ("4", "Eigenlabor")];
pub(super) const E052: &List = &[
    ("10", "Methodenspezifische Standards nach WHO"),
    ("11", "Methodenspezifische Standards nach IFCC (u.a. serologische Verfahren)"),
    ("12", "Methodenspezifische Standards nach DGKL"),
    ("13", "Sonstige Standards"),
    ("20", "Patientenspezifische Einflussgröße Alter betreffend"),
    ("21", "Patientenspezifische Einflussgröße Geschlecht betreffend"),
    ("22", "Patientenspezifische Einflussgröße Alter + Geschlecht betreffend"),
    ("23", "Patientenspezifische Einflussgröße SSW betreffend"),
    ("24", "Patientenspezifische Einflussgröße Alter + SSW betreffend"),
    ("25", "weitere patientenspezifische Einflussgrößen (z.B. Medikation)"),
    ("26", "Information zu Patientenspezifischer Einflussgröße Alter fehlte"),
    ("27", "Information zu Patientenspezifischer Einflussgröße Geschlecht fehlte"),
    ("28", "Information zu Patientenspezifischer Einflussgröße Alter und Geschlecht fehlte"),
    ("30", "Funktionsprofile"),
];
pub(super) const E053: &List = &[
    ("006", "Muster 6"),
    ("010", "Muster 10"),
    ("10A", "Muster 10A"),
    ("039", "Muster 39"),
    ("090", "Auftragsdokument PKV-FA"),
    ("091", "Auftragsdokument PKV-LG"),
    ("092", "Auftragsdokument IGeL"),
    ("093", "Auftragsdokument Sonstige Kostenübernahme"),
    ("094", "Auftragsdokument Selektivvertrag"),
    ("100", "Laborbefund"),
    ("101", "Mutterpass"),
    ("102", "Impfpass"),
    ("103", "Notfallausweis"),
    ("110", "Patientenbefund"),
    ("120", "Medikationsplan"),
    ("150", "Verlaufsbericht"),
    ("160", "Behandlungsbericht"),
    ("200", "Einverständniserklärung lt. GenDG (Gen-Diagnostik-Gesetz)"),
    ("250", "weitere laborspezifische Dokumente"),
    ("251", "Allergie/RAST"),
    ("252", "Molekulardiagnostik"),
    ("253", "Endokrinologie"),
    ("254", "Virologie"),
    ("255", "Mikrobiologie"),
    ("256", "Funktionsdiagnostik"),
    ("257", "Infektionsserologie"),
    ("258", "Kinderwunsch"),
    ("300", "Meldung gemäß IfSG (Infektionsschutz-Gesetz)"),
    ("301", "Meldung Krebsregister"),
    ("400", "Normbereichsgrafik"),
    ("500", "Rechnung"),
    ("900", "LDT-Datensatz"),
    ("999", "sonstiges"),
];
pub(super) const E054: &List =
    &[("1", "positiv"), ("2", "negativ"), ("3", "unspezifisch"), ("4", "in Abklärung"), ("5", "Abklärung empfohlen")];
pub(super) const E055: &List = &[
    ("0", "negativ"),
    ("1", "1-fach positiv"),
    ("2", "2-fach positiv"),
    ("3", "3-fach positiv"),
    ("4", "4-fach positiv"),
];
pub(super) const E056: &List =
    &[("0", "Nothilfepass nur bei Nachweis Erythrozytenantikörper ausfüllen"), ("1", "Nothilfepass ausstellen")];
pub(super) const E057: &List = &[("1", "LOINC"), ("2", "LDT ELV"), ("3", "LVZ sonstige"), ("4", "sonstige mit URL")];
pub(super) const E058: &List = &[
    ("01", "numerisch"),
    ("02", "numerisch mit Messwertuntergrenze"),
    ("03", "numerisch mit Messwertobergrenze"),
    ("04", "alphanumerisch"),
    ("05", "Titer"),
    ("06", "Titer mit Untergrenze"),
    ("07", "Titer mit Obergrenze"),
    ("08", "trinäres Testergebnis"),
];
pub(super) const E059: &List = &[
    ("0", "kein Antibiogramm erstellt"),
    ("1", "Agardiffusion"),
    ("2", "Agardilution"),
    ("3", "PCR + Hybridisierung"),
    ("4", "sonstige"),
    ("5", "Breakpoint-Methode"),
];
pub(super) const E060: &List = &[("1", "vorhanden"), ("2", "nicht vorhanden")];
pub(super) const E061: &List = &[("1", "nach Entzündungsbehandlung"), ("2", "nach Oestrogenbehandlung")];
pub(super) const E062: &List = &[("1", "positiv"), ("2", "negativ"), ("3", "invalid")];
pub(super) const E063: &List = &[("1", "positiv"), ("2", "negativ"), ("3", "nicht auswertbar"), ("4", "suspekt")];
pub(super) const E064: &List = &[("0", "nicht nachweisbar"), ("1", "zweifelhaft/unspezifisch"), ("2", "nachweisbar")];
pub(super) const E065: &List = &[("1", "CLSI"), ("2", "EUCAST"), ("3", "CA-SFM")];
pub(super) const E068: &List = &[("1", "Sekunden"), ("2", "Minuten"), ("3", "Tage"), ("4", "Jahre")];
pub(super) const E069: &List = &[
    ("0", "sonstige"),
    ("1", "Antigen-Nachweis"),
    ("2", "PCR"),
    ("3", "Mikroskopie"),
    ("4", "Agglutination"),
    ("5", "Kultur"),
    ("6", "biochemische Identifikation"),
    ("7", "MALDI-TOF"),
];
pub(super) const E070: &List = &[("1", "SI-Einheit"), ("2", "abweichende Einheit"), ("9", "dimensionslose Größe")];
pub(super) const E164: &List = &[("0", "Sonstige"), ("1", "Pathologie"), ("2", "Humangenetik"), ("3", "siehe 8167")];
pub(super) const E165: &List = &[("0", "unbekannt"), ("1", "weiblich"), ("2", "männlich"), ("3", "unbestimmt")];
pub(super) const E166: &List = &[("1", "kastriert"), ("2", "sterilisiert")];
pub(super) const E169: &List = &[("1", "positiv"), ("2", "negativ"), ("3", "nicht verwertbar")];
pub(super) const E179: &List = &[("0", "nein"), ("1", "ja"), ("9", "nicht differenzierbar")];
