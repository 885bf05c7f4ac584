//! The rewriter against dumps made to confuse it, cut into chunks of every size.
use super::*;

const OLD: &str = "t_oldoldoldold";
const NEW: &str = "t_newnewnewnew";

fn pieces_in_chunks(dump: &[u8], size: usize) -> Result<Vec<Piece>, BackupError> {
    pieces_permitting(dump, size, |_| Ok(()))
}

fn pieces_permitting(
    dump: &[u8],
    size: usize,
    permitted: fn(&[u8]) -> Result<(), BackupError>,
) -> Result<Vec<Piece>, BackupError> {
    let mut rewriter = Rewriter::new(TenantName::parse(OLD).unwrap(), TenantName::parse(NEW).unwrap());
    rewriter.permitted = permitted;
    let mut pieces: Vec<Piece> = Vec::new();
    for chunk in dump.chunks(size) {
        for piece in rewriter.feed(chunk)? {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Rows(rows)), Piece::Rows(more)) => rows.extend(more),
                (_, piece) => pieces.push(piece),
            }
        }
    }
    pieces.extend(rewriter.finish()?);
    Ok(pieces)
}

/// The same pieces whatever the chunks are.
fn pieces(dump: &str) -> Vec<Piece> {
    let whole = pieces_in_chunks(dump.as_bytes(), usize::MAX).unwrap();
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(pieces_in_chunks(dump.as_bytes(), size).unwrap(), whole, "in chunks of {size}");
    }
    whole
}

fn statements(dump: &str) -> String {
    match pieces(dump).as_slice() {
        [Piece::Statements(text)] => text.clone(),
        other => panic!("expected statements only, got {other:?}"),
    }
}

#[test]
fn whole_words_are_renamed_in_statements_and_longer_ones_are_not() {
    let dump = format!(
        "CREATE SCHEMA {OLD};\nGRANT ALL ON {OLD}.x TO {OLD}_app, \"{OLD}\";\nSELECT '{OLD}', x{OLD}, {OLD}x, {OLD}_apple, {OLD}_pkey, ä{OLD}, {OLD}$;\n"
    );
    let expected = format!(
        "CREATE SCHEMA {NEW};\nGRANT ALL ON {NEW}.x TO {NEW}_app, \"{NEW}\";\nSELECT '{NEW}', x{OLD}, {OLD}x, {OLD}_apple, {OLD}_pkey, ä{OLD}, {OLD}$;\n"
    );
    assert_eq!(statements(&dump), expected);
}

#[test]
fn rights_of_a_language_are_left_out() {
    let dump = "CREATE SCHEMA a;\n\n--\n-- Name: LANGUAGE plpgsql; Type: ACL\n--\n\nREVOKE ALL ON LANGUAGE plpgsql FROM PUBLIC;\nGRANT ALL ON LANGUAGE plpgsql TO labor_owner;\nGRANT ALL ON TABLE a.b TO c;\n";
    assert_eq!(statements(dump), "CREATE SCHEMA a;\nGRANT ALL ON TABLE a.b TO c;\n");
}

#[test]
fn rows_pass_byte_for_byte_whatever_they_look_like() {
    let rows = [
        format!("{OLD}\t{OLD}_app\n"),
        "\\\\.\n".to_owned(),
        "\\.x\n\\.\r\n\\\n".to_owned(),
        "COPY x (y) FROM stdin;\n".to_owned(),
        "it's -- not /* a 'string' $$ \\N\n".to_owned(),
        "windows\\r\\n\tü\u{1F9EA}\r\n\n".to_owned(),
    ]
    .concat();
    let dump = format!(
        "SET x = 1;\n\nCOPY {OLD}.a (id, \"position\") FROM stdin;\n{rows}\\.\n\n\nCOPY {OLD}.b (id) FROM stdin;\n\\.\n"
    );
    let expected = vec![
        Piece::Statements("SET x = 1;".to_owned()),
        Piece::Copy(format!("\n\nCOPY {NEW}.a (id, \"position\") FROM stdin")),
        Piece::Rows(rows.into_bytes()),
        Piece::CopyEnd,
        Piece::Copy(format!("\n\nCOPY {NEW}.b (id) FROM stdin")),
        Piece::CopyEnd,
    ];
    assert_eq!(pieces(&dump), expected);
}

#[test]
fn a_row_need_not_be_text() {
    let dump = [b"COPY a (b) FROM stdin;\n".as_slice(), &[0xff, 0xfe, b'\n'], b"\\.\n"].concat();
    let found = pieces_in_chunks(&dump, 1).unwrap();
    assert_eq!(found[1], Piece::Rows(vec![0xff, 0xfe, b'\n']));
}

#[test]
fn a_copy_inside_of_text_is_not_one() {
    for text in [
        "CREATE FUNCTION f() AS $$\nCOPY x FROM stdin;\n\\.\n$$;\n",
        "CREATE FUNCTION f() AS $_tag1$ $$ $_tag$\nCOPY x FROM stdin;\n$_tag1$;\n",
        "COMMENT ON TABLE x IS 'it''s\nCOPY x FROM stdin;\n';\n",
        "COMMENT ON TABLE x IS E'it\\'s\nCOPY x FROM stdin;\n\\\\';\n",
        "SELECT \"a\"\";\nCOPY x FROM stdin;\n\";\n",
        "/* /* nested */\nCOPY x FROM stdin;\n*/ SELECT 1;\n",
        "/*/ COPY x FROM stdin; */ SELECT 1;\n",
        "-- it's; COPY x FROM stdin;\nSELECT 1;\n",
        "SELECT $1, a$b$, 'x' FROM stdin;\n",
        "SELECT 'path\\', ';\nCOPY x FROM stdin;\n';\n",
    ] {
        assert_eq!(statements(text), text);
    }
}

#[test]
fn a_copy_after_confusing_text_is_one() {
    for text in [
        "SELECT $1;",
        "SELECT a-- '\n;",
        "SELECT E'\\\\';",
        "SELECT 'E' 'x\\';",
        "SELECT $a$ $ $a $a$;",
        "SELECT 1 /**/;",
        "-- Name: x; Type: 'TABLE\n",
    ] {
        let found = pieces(&format!("{text}\nCOPY x (y) FROM stdin;\n\\.\n"));
        assert_eq!(found.last(), Some(&Piece::CopyEnd), "after {text}: {found:?}");
    }
}

#[test]
fn restrict_lines_vanish_and_other_commands_are_refused() {
    assert_eq!(statements("--\n\n\\restrict abc\n\nSELECT 1;\n\n\\unrestrict abc\n"), "--\n\n\nSELECT 1;\n\n");
    for command in [
        "\\! rm -rf x\n",
        "SELECT 1;\n\\connect other\n",
        "-- a comment\n\\copy x from y\n",
        "\\restrictor\n",
        "SELECT 1 \\gexec\n",
        "\\;SELECT 1;\n",
    ] {
        let refused = pieces_in_chunks(command.as_bytes(), usize::MAX);
        assert!(refused.is_err_and(|error| error.condemns()), "{command} was accepted");
    }
}

#[test]
fn a_dump_that_ends_in_the_middle_is_damaged() {
    for cut in [
        "SELECT 1",
        "SELECT 'x",
        "COPY x (y) FROM stdin;\nrow\n",
        "COPY x (y) FROM stdin;\nrow\n\\.",
        "COPY x (y) FROM stdin;",
        "SELECT $$ x;",
        "/* x",
        "\\restrict x",
    ] {
        let refused = pieces_in_chunks(cut.as_bytes(), 5);
        assert!(refused.is_err_and(|error| error.condemns()), "{cut:?} was accepted");
    }
}

#[test]
fn a_statement_that_escapes_is_refused_outside_of_rows_and_text_only() {
    let copy = "COPY x (y) FROM stdin;\nCOMMIT;\nRESET ROLE;\n\\.\n";
    let text = "CREATE FUNCTION f() AS $$\nCOMMIT;\n$$;\n-- COMMIT;\nCOMMENT ON TABLE x IS ';COMMIT;';\n";
    pieces_permitting(format!("{text}{copy}{text}").as_bytes(), 3, permitted::check).unwrap();
    for escape in ["COMMIT;\n", "-- x\n  ROLLBACK;", "CREATE TABLE x (); RESET ROLE;", "/* x */ END;"] {
        for dump in [escape.to_owned(), format!("{copy}{escape}"), format!("{text}{escape}{copy}")] {
            let refused = pieces_permitting(dump.as_bytes(), 5, permitted::check);
            assert!(refused.is_err_and(|error| error.condemns()), "{dump} was accepted");
        }
    }
}
