//! Which value is corrected by what came later, where the version that has it stays. Asked whenever a value is read, so it is written nowhere.
//! Must stay true: a value that the laboratory corrected or took back is never shown without that; what a correction can't mean is not marked.
//! One order under two names is shown in both, too: a corrected name makes a chain of its own (`results::chain::report_key`).
//! What marks a value tells its readers, too (`notices`). Alerts are told apart in the same way (`alerts::raise`).

/// To which germ or series a value belongs, as its notes say it; as in `results::chain`. The column, in parts.
macro_rules! part_of {
    ($($notes:literal),+) => {
        concat!("ARRAY(SELECT n FROM unnest(", $($notes),+, ") AS n WHERE n LIKE 'Sub-ID %' OR n LIKE 'Belongs to:%')")
    };
}
pub(crate) use part_of;

/// Whether the row `m`, a correction, can mean the row that is named: it need not repeat what a value is told apart by.
macro_rules! fits {
    ($other:literal) => {
        concat!(
            "((m.specimen IS NULL OR m.specimen IS NOT DISTINCT FROM ",
            $other,
            ".specimen)
                       AND (m.collected_at IS NULL OR m.collected_at IS NOT DISTINCT FROM ",
            $other,
            ".collected_at)
                       AND (m.unit IS NULL OR m.unit IS NOT DISTINCT FROM ",
            $other,
            ".unit)
                       AND ",
            $crate::corrected::part_of!("m.notes"),
            " IN ('{}', ",
            $crate::corrected::part_of!($other, ".notes"),
            "))"
        )
    };
}
pub(crate) use fits;

/// Whether the version was replaced because its message was read again: the laboratory never said that.
macro_rules! misread {
    ($version:literal) => {
        concat!(
            "EXISTS (SELECT FROM reports again WHERE again.id = ",
            $version,
            ".superseded_by AND again.raw_message_id = ",
            $version,
            ".raw_message_id)"
        )
    };
}
pub(crate) use misread;

/// The newest version of the same report that came later and corrects or takes back the value `o` of `r`, which stays because of what else is
/// in it; also one that was replaced since, but not because its message was read again. When no value fits what a correction repeats,
/// because just that was wrong, all of the test is meant. A number is used again: what came after 90 days is about this only if nothing
/// nearer has the test.
macro_rules! corrected_by {
    ($besides:literal) => {
        concat!(
            "(SELECT n.id FROM reports n JOIN observations m ON m.report_id = n.id
               WHERE n.report_key = r.report_key AND n.raw_message_id <> r.raw_message_id
                 AND (n.confirmed_at, n.version) > (r.confirmed_at, r.version)
                 AND NOT ",
            $crate::corrected::misread!("n"),
            "
                 AND m.test_code = o.test_code AND o.status <> 'registered' AND m.status <> 'registered'
                 AND (m.status IN ('corrected', 'cancelled') OR (n.invalidates_earlier AND m.status_code = '08'))
                 AND ((m.value_text, m.unit, m.specimen, m.collected_at, m.flag, m.interpretation, m.status = 'cancelled')
                        IS DISTINCT FROM (o.value_text, o.unit, o.specimen, o.collected_at, o.flag, o.interpretation, o.status = 'cancelled')
                      OR NOT m.notes @> o.notes)
                 AND NOT EXISTS (SELECT FROM reports x JOIN observations q ON q.report_id = x.id
                                  WHERE x.report_key = n.report_key AND (x.confirmed_at, x.version) >= (n.confirmed_at, n.version)
                                    AND x.confirmed_at <= n.confirmed_at + interval '90 days'
                                    AND NOT ",
            $crate::corrected::misread!("x"),
            "
                                    AND (q.test_code, q.value_text, q.unit, q.specimen, q.collected_at, q.flag, q.interpretation, q.status = 'cancelled')
                                        IS NOT DISTINCT FROM
                                        (o.test_code, o.value_text, o.unit, o.specimen, o.collected_at, o.flag, o.interpretation, o.status = 'cancelled')
                                    AND q.notes @> o.notes)
                 AND (",
            $crate::corrected::fits!("o"),
            "
                      OR NOT EXISTS (SELECT FROM reports c JOIN observations p ON p.report_id = c.id
                                      WHERE c.report_key = n.report_key AND c.raw_message_id <> n.raw_message_id AND NOT ",
            $crate::corrected::misread!("c"),
            " AND (c.confirmed_at, c.version) < (n.confirmed_at, n.version)
                                        AND p.test_code = m.test_code AND p.status <> 'registered' AND ",
            $crate::corrected::fits!("p"),
            "))
                 AND (n.confirmed_at <= r.confirmed_at + interval '90 days'
                      OR (r.subject_family_name IS NOT NULL AND r.subject_given_name IS NOT NULL AND r.subject_birth_date IS NOT NULL
                          AND NOT EXISTS (SELECT FROM reports c JOIN observations p ON p.report_id = c.id
                                           WHERE c.report_key = n.report_key AND c.raw_message_id <> n.raw_message_id AND NOT ",
            $crate::corrected::misread!("c"),
            " AND (c.confirmed_at, c.version) < (n.confirmed_at, n.version)
                                             AND c.confirmed_at > n.confirmed_at - interval '90 days'
                                             AND p.test_code = m.test_code AND p.status <> 'registered')))
                 ",
            $besides,
            "
               ORDER BY n.confirmed_at DESC, n.version DESC LIMIT 1)"
        )
    };
}
pub(crate) use corrected_by;

/// Whether `x` is about the same order of the laboratory as `r`, under another name or birth date, and counts for something: one of the two is about the
/// wrong person, and only a person can say which. What one of them leaves out is no difference.
macro_rules! renamed {
    () => {
        "x.order_id = r.order_id AND x.id <> r.id AND x.superseded_by IS NULL AND x.status <> 'cancelled'
             AND coalesce((SELECT bool_or(v.status <> 'cancelled') FROM observations v WHERE v.report_id = x.id), true)
             AND x.received_at BETWEEN r.received_at - interval '90 days' AND r.received_at + interval '90 days'
             AND (lower(x.subject_family_name) <> lower(r.subject_family_name) OR lower(x.subject_given_name) <> lower(r.subject_given_name)
                  OR x.subject_birth_date <> r.subject_birth_date)"
    };
}
pub(crate) use renamed;
