//! What is done with which field.
//!
//! What must stay true: a field that is not listed here is masked. To keep a field is a decision that it can never say who
//! somebody is.

use ldt::Version;

/// What becomes of a field's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Codes, numbers, units, times of the laboratory's work.
    Keep,
    /// A result or range: kept if it is a number or one of the usual words, else masked.
    Value,
    /// Names of people and institutions, streets, towns.
    Name,
    /// Dates of birth and death.
    Date,
    /// Versicherten-ID.
    Insurance,
    /// Doctor numbers (LANR).
    Doctor,
    /// Other numbers that identify: another one of the same shape.
    Code,
    /// Everything that was written by hand: letters become x, digits 0.
    Text,
}

/// By version and field.
pub(super) fn class(version: Version, id: u16) -> Class {
    match id {
        203 | 205 | 211 | 216 | 600 | 1250 | 3101 | 3102 | 3107 | 3113 | 3122 | 7314 | 7358 | 8320 | 8321 | 8323 => {
            Class::Name
        }
        8300 => Class::Name,
        3103 | 7351 | 7922 => Class::Date,
        3119 => Class::Insurance,
        212 | 223 | 4241 | 4242 | 4248 => Class::Doctor,
        8615 if version == Version::Ldt2 => Class::Doctor,
        _ if CODES.contains(&id) => Class::Code,
        _ if KEPT.contains(&id) || (version == Version::Ldt2 && KEPT_FLAT.contains(&id)) => Class::Keep,
        _ if VALUES.contains(&id) => Class::Value,
        _ => Class::Text,
    }
}

/// Numbers of orders, reports, patients, practices, vessels; postcodes, phones, house numbers.
const CODES: [u16; 55] = [
    80, 200, 201, 213, 215, 222, 306, 307, 3000, 3105, 3109, 3112, 3121, 3123, 4104, 4108, 4111, 4217, 4218, 4225,
    4229, 7261, 7263, 7264, 7267, 7268, 7276, 7304, 7305, 7313, 7319, 7330, 7331, 7332, 7333, 7335, 7364, 7430, 8310,
    8311, 8312, 8313, 8315, 8316, 8322, 8324, 8608, 8612, 8622, 8623, 8625, 8990, 9980, 7334, 7275,
];

/// Results and ranges; texts, because in LDT 2 `negativ` is one.
const VALUES: [u16; 15] = [3564, 7289, 7293, 7316, 7317, 7363, 7371, 7406, 8420, 8434, 8460, 8461, 8462, 8470, 8480];

/// Codes of the standard, names of tests, materials, germs and agents, units, times of the laboratory's work.
const KEPT: [u16; 148] = [
    1, 101, 103, 105, 132, 204, 1202, 3108, 3110, 3114, 3116, 3124, 3313, 3314, 3316, 3317, 3318, 3319, 3320, 3321,
    3322, 3412, 3413, 3418, 3420, 3424, 3425, 3473, 3622, 3623, 4106, 4109, 4110, 4121, 4122, 4131, 4132, 4133, 4202,
    4204, 4210, 4221, 4231, 4239, 5001, 5005, 6001, 6003, 6004, 6221, 6303, 6328, 7251, 7253, 7260, 7265, 7266, 7273,
    7278, 7279, 7280, 7281, 7285, 7286, 7287, 7288, 7290, 7292, 7296, 7301, 7302, 7303, 7306, 7310, 7311, 7312, 7320,
    7321, 7326, 7329, 7354, 7355, 7356, 7357, 7359, 7361, 7362, 7365, 7366, 7367, 7368, 7369, 7370, 7373, 7374, 7375,
    7380, 7382, 7383, 7384, 7400, 7401, 7402, 7403, 7404, 7405, 7407, 7408, 7409, 7410, 7411, 7412, 7413, 7414, 7415,
    7416, 7417, 7418, 7419, 7420, 7421, 7422, 7424, 7425, 7426, 7427, 7428, 7431, 7432, 8401, 8406, 8410, 8411, 8418,
    8419, 8421, 8422, 8423, 8424, 8428, 8429, 8430, 8431, 8491, 8501, 8522, 9970, 9981,
];

/// What only LDT 2 has, or where it has another meaning: 8434 opens a group there, as the name of a test.
const KEPT_FLAT: [u16; 23] = [
    5002, 8301, 8302, 8303, 8403, 8425, 8432, 8433, 8434, 8503, 8510, 8511, 8512, 8520, 8521, 8609, 8611, 8614, 9103,
    9105, 9106, 9211, 9212,
];
