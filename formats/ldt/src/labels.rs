//! Coded result fields of microbiology, cytology, blood groups and tumours as readable German notes.
//!
//! What must stay true: the sent text is always part of the note, even if the code is unknown.

/// "Label: text" for a field that is part of a result; none if it is administration.
pub(crate) fn note(id: u16, text: &str) -> Option<String> {
    let label = label(id)?;
    Some(match crate::codes::meaning(id, text.trim()) {
        Some(meaning) => format!("{label}: {meaning} ({})", text.trim()),
        None => format!("{label}: {text}"),
    })
}

/// What the fields of a result are called, sorted by id.
const LABELS: [(u16, &str); 66] = [
    (3316, "HPV-HR-Testergebnis"),
    (3317, "HPV-Typ 16/18"),
    (3318, "HPV-Test"),
    (3319, "Ko-Test"),
    (3320, "Zeitraum sofort"),
    (3321, "Zeitraum in Monaten"),
    (3412, "Blutgruppe (Eurocode)"),
    (3413, "Antikörpersuchtest"),
    (3414, "Weitere Erythrozytenantigene"),
    (3415, "Erythrozytenantikörper"),
    (3416, "HLA-/HPA-/HNA-Antigene"),
    (3417, "HLA-/HPA-/HNA-Antikörper"),
    (3418, "Direkter Coombstest"),
    (3419, "Ergebnis der Kreuzprobe"),
    (3420, "Nothilfepass"),
    (7281, "Nachweisverfahren"),
    (7285, "Keimnummer"),
    (7286, "Resistenzmethode"),
    (7287, "Wirkstoff"),
    (7288, "Wirkstoff-Generic-Nummer"),
    (7289, "MHK-/Breakpoint-Wert"),
    (7290, "Resistenz"),
    (7293, "Menge"),
    (7301, "Ergebnis"),
    (7302, "Testmethode"),
    (7354, "Keim-/Pilz-Identifizierung"),
    (7355, "Keim/Pilz"),
    (7357, "Wachstum"),
    (7367, "Sensitivität"),
    (7368, "Zellmaterial nicht verwertbar"),
    (7369, "MHK-Einheit"),
    (7370, "Wirkstoff oder Handelsname"),
    (7372, "Tumorklassifikation"),
    (7373, "Grading"),
    (7374, "Stadium"),
    (7375, "Jahr der Tumordiagnose"),
    (7376, "Lokalisation"),
    (7377, "Maße"),
    (7378, "Farbe"),
    (7379, "Infiltrationstiefe"),
    (7400, "HPV-Befund"),
    (7401, "High-Risk"),
    (7402, "High-Risk-Typ"),
    (7403, "Low-Risk"),
    (7404, "Low-Risk-Typ"),
    (7405, "Endozervikale Zellen"),
    (7406, "Proliferationsgrad"),
    (7407, "Döderleinflora"),
    (7408, "Mischflora"),
    (7409, "Kokkenflora"),
    (7410, "Trichomonaden"),
    (7411, "Candida"),
    (7412, "Gardnerella"),
    (7413, "Codierung der Gruppe"),
    (7414, "Gruppe"),
    (7415, "Zytologische Kontrolle"),
    (7416, "Grund der Nachkontrolle"),
    (7417, "Abklärungskolposkopie"),
    (7418, "p16/Ki67"),
    (7419, "L1"),
    (7422, "Chlamydien"),
    (7424, "Resistenz erstellt nach"),
    (7425, "Extragynäkologische Zytologie"),
    (7426, "Neisseria gonorrhoeae"),
    (7427, "Art"),
    (8434, "Anforderung"),
];

/// What a field is called, if it is part of a result.
pub(crate) fn label(id: u16) -> Option<&'static str> {
    let index = LABELS.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    LABELS.get(index).map(|(_, label)| *label)
}
