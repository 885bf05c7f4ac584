//! Where one statement of a migration ends and the next begins, by a parser of PostgreSQL's language and not by its semicolons.
//! Must stay true: the statements are slices of the file, byte for byte; nothing is written anew but the one keyword that a new
//! tenant can do without.
use serde::Serialize;
use squawk_syntax::ast::{AstNode as _, Stmt};
use squawk_syntax::{Parse, SourceFile, SyntaxKind, SyntaxNode};

use crate::header::Fault;

/// Stands for the rows per transaction of a backfill.
pub const BATCH: &str = "{batch}";
/// As long as the placeholder, so that every position in the file stays what it was.
const BATCH_NUMBER: &str = "1000000";

/// One statement of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Its text as it stands in the file, with its semicolon.
    pub sql: String,
    /// The line of the file in which it begins, from 1.
    pub line: usize,
}

/// Cuts a file into its statements. `{batch}` may stand where a number can.
///
/// # Errors
/// When the text is not SQL as the parser knows it: the line and what it expected.
pub fn split(sql: &str) -> Result<Vec<Statement>, Fault> {
    let (parsed, _) = parse(sql)?;
    let nodes = parsed.tree().stmts().map(|statement| statement.syntax().clone());
    Ok(nodes
        .filter(|node| node.kind() != SyntaxKind::EMPTY_STMT)
        .map(|node| {
            let (start, end) = extent(&node);
            Statement { sql: sql[start..end].to_owned(), line: line_of(sql, start) }
        })
        .collect())
}

/// The syntax tree of a file, and the text it is of: the same length as the file, with a number for every `{batch}`.
pub(crate) fn parse(sql: &str) -> Result<(Parse<SourceFile>, String), Fault> {
    if sql.starts_with('\u{feff}') {
        let message =
            "the file begins with a byte order mark, which the server takes for a word; save it as UTF-8 without one";
        return Err(Fault { line: 1, message: message.to_owned() });
    }
    let text = sql.replace(BATCH, BATCH_NUMBER);
    let parsed = SourceFile::parse(&text);
    if let Some(error) = parsed.errors().first() {
        let at = usize::from(error.range().start());
        return Err(Fault { line: line_of(sql, at), message: format!("this is not SQL: {}", unread(sql, at)) });
    }
    Ok((parsed, text))
}

/// Where reading ended, in the words of the file: those of the parser name its own parts.
fn unread(sql: &str, at: usize) -> String {
    const LONGEST: usize = 40;
    let rest = sql.get(at..).unwrap_or_default().trim_start().lines().next().unwrap_or_default().trim_end();
    match rest.char_indices().nth(LONGEST) {
        _ if rest.is_empty() => "it ends too early".to_owned(),
        Some((end, _)) => format!("it can't be read from {:?} on", format!("{}…", &rest[..end])),
        None => format!("it can't be read from {rest:?} on"),
    }
}

/// The line of an offset, from 1.
pub(crate) fn line_of(sql: &str, offset: usize) -> usize {
    1 + sql.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// First and last byte of a node without the blanks and comments around it.
pub(crate) fn extent(node: &SyntaxNode) -> (usize, usize) {
    let mut tokens = node
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
        .map(|token| token.text_range());
    let all = node.text_range();
    let first = tokens.next().unwrap_or(all);
    let last = tokens.last().unwrap_or(first);
    (first.start().into(), last.end().into())
}

/// The same statement without CONCURRENTLY: a new tenant's tables are empty, so it runs inside its one transaction.
/// Only the keyword goes, never a word in a string, a comment or a name.
#[must_use]
pub fn for_new_tenant(statement: &Statement) -> String {
    let Ok((parsed, _)) = parse(&statement.sql) else { return statement.sql.clone() };
    let mut text = statement.sql.clone();
    let mut cuts: Vec<(usize, usize)> = parsed
        .tree()
        .syntax()
        .descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| token.kind() == SyntaxKind::CONCURRENTLY_KW)
        .filter_map(|token| {
            let parent = token.parent()?;
            match parent.kind() {
                // REINDEX (CONCURRENTLY) …: its options go as a whole, none matters to an empty table.
                SyntaxKind::REINDEX_OPTION_CONCURRENTLY => parent.parent().map(|options| extent(&options)),
                kind if takes_keyword(kind) => {
                    Some((token.text_range().start().into(), token.text_range().end().into()))
                }
                _ => None,
            }
        })
        .collect();
    cuts.dedup();
    for (start, end) in cuts.into_iter().rev() {
        let blanks = text[end..].len() - text[end..].trim_start().len();
        text.replace_range(start..end + blanks, "");
    }
    text
}

/// The index that a CREATE INDEX CONCURRENTLY builds. A build that was cut off leaves it invalid, and IF NOT EXISTS is then
/// content with it: whoever runs the statement again drops an invalid index of this name first.
#[must_use]
pub fn index_built(statement: &Statement) -> Option<String> {
    let (parsed, _) = parse(&statement.sql).ok()?;
    match parsed.tree().stmts().next()? {
        Stmt::CreateIndex(create) if create.concurrently_token().is_some() => {
            Some(create.index()?.path()?.segment()?.text())
        }
        _ => None,
    }
}

/// Whether a file makes a table, or may: what a code block or a function does is not looked into.
pub(crate) fn makes_table(sql: &str) -> bool {
    use SyntaxKind as K;
    let Ok((parsed, _)) = parse(sql) else { return true };
    let makes = |node: SyntaxNode| {
        matches!(
            node.kind(),
            K::CREATE_TABLE | K::CREATE_TABLE_AS | K::CREATE_FOREIGN_TABLE | K::SELECT_INTO | K::INTO_CLAUSE | K::DO
        )
    };
    parsed.tree().syntax().descendants().any(makes)
}

/// The names in a REINDEX: of an index or a table; empty when the statement is another one.
#[must_use]
pub fn names_reindexed(statement: &Statement) -> Vec<String> {
    let Ok((parsed, _)) = parse(&statement.sql) else { return Vec::new() };
    let Some(node) = parsed.tree().stmts().next().map(|statement| statement.syntax().clone()) else {
        return Vec::new();
    };
    if node.kind() != SyntaxKind::REINDEX {
        return Vec::new();
    }
    let tokens = node.descendants_with_tokens().filter_map(|element| element.into_token());
    tokens
        .filter(|token| token.kind() == SyntaxKind::IDENT)
        .map(|token| match token.text().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => token.text().to_lowercase(),
        })
        .collect()
}

/// Where CONCURRENTLY is a keyword and not a name.
pub(crate) fn takes_keyword(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::CREATE_INDEX
            | SyntaxKind::DROP_INDEX
            | SyntaxKind::REFRESH
            | SyntaxKind::DETACH_PARTITION
            | SyntaxKind::REINDEX_OPTION_CONCURRENTLY
            | SyntaxKind::REINDEX_TARGET_DATABASE
            | SyntaxKind::REINDEX_TARGET_INDEX
            | SyntaxKind::REINDEX_TARGET_SCHEMA
            | SyntaxKind::REINDEX_TARGET_SYSTEM
            | SyntaxKind::REINDEX_TARGET_TABLE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_table_is_told_from_what_only_mentions_it() {
        let making = [
            "CREATE  TABLE a (b int);",
            "SELECT 1; create\n table if not exists a ();",
            "CREATE UNLOGGED TABLE a (b int);",
            "CREATE TABLE a AS SELECT 1;",
            "SELECT 1 AS b INTO a;",
            "DO $$ BEGIN EXECUTE 'x'; END $$;",
        ];
        assert!(making.iter().all(|sql| makes_table(sql)), "{making:?}");
        let others = [
            "-- CREATE TABLE\nSELECT 1;",
            "COMMENT ON TABLE a IS 'CREATE TABLE';",
            "ALTER TABLE a ADD COLUMN b text;",
            "INSERT INTO a SELECT 1;",
        ];
        assert!(!others.iter().any(|sql| makes_table(sql)), "{others:?}");
    }

    #[test]
    fn an_index_that_may_be_left_invalid_is_named() {
        let built = |sql: &str| index_built(&Statement { sql: sql.to_owned(), line: 1 });
        assert_eq!(built("CREATE INDEX CONCURRENTLY IF NOT EXISTS a_b ON b (c);"), Some("a_b".to_owned()));
        assert_eq!(built("CREATE INDEX CONCURRENTLY \"A b\" ON b (c);"), Some("A b".to_owned()));
        assert_eq!(built("CREATE INDEX a ON b (c);"), None);
        assert_eq!(built("DROP INDEX CONCURRENTLY a;"), None);
    }

    #[test]
    fn what_is_indexed_anew_is_named() {
        let named = |sql: &str| names_reindexed(&Statement { sql: sql.to_owned(), line: 1 });
        assert_eq!(named("REINDEX INDEX CONCURRENTLY A_b;"), ["a_b"]);
        assert_eq!(named("REINDEX TABLE CONCURRENTLY \"A\";"), ["A"]);
        assert!(named("DROP INDEX CONCURRENTLY a;").is_empty());
    }

    fn texts(sql: &str) -> Vec<(String, usize)> {
        split(sql).unwrap().into_iter().map(|statement| (statement.sql, statement.line)).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_only_where_it_does() {
        let sql = "-- Why: a; b\nSELECT ';' /* ; /* ; */ ; */, \"a;b\";\n\nDO $x$ BEGIN PERFORM 1; END $x$;\n;\n  -- last; one\n\
                   INSERT INTO a VALUES ($$;$$, E'\\';')";
        assert_eq!(
            texts(sql),
            [
                ("SELECT ';' /* ; /* ; */ ; */, \"a;b\";".to_owned(), 2),
                ("DO $x$ BEGIN PERFORM 1; END $x$;".to_owned(), 4),
                ("INSERT INTO a VALUES ($$;$$, E'\\';')".to_owned(), 7),
            ]
        );
    }

    #[test]
    fn letters_outside_of_ascii_keep_their_place() {
        assert_eq!(
            texts("-- für Ärzte\nSELECT 'ä'; SELECT '€';"),
            [("SELECT 'ä';".into(), 2), ("SELECT '€';".into(), 2)]
        );
    }

    #[test]
    fn the_placeholder_of_a_backfill_stays() {
        let sql = "UPDATE a SET b = 1 WHERE id IN (SELECT id FROM a WHERE b IS NULL LIMIT {batch});";
        assert_eq!(texts(sql), [(sql.to_owned(), 1)]);
    }

    #[test]
    fn what_is_not_sql_is_refused_with_its_line() {
        for (sql, line) in [
            ("SELECT 1;\nCREATE NOTHING a (b int);", 2),
            ("SELECT 1\nSELECT 2;", 1),
            ("SELECT 'open;", 1),
            ("\n\n)", 3),
        ] {
            let fault = split(sql).expect_err(sql);
            assert!(fault.line.abs_diff(line) <= 1, "{sql}: {fault:?}");
            assert!(fault.message.starts_with("this is not SQL: "), "{fault:?}");
        }
        assert_eq!(split("-- nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_new_tenant_does_without_concurrently() {
        for (sql, expected) in [
            ("CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c);", "CREATE INDEX IF NOT EXISTS a ON b (c);"),
            ("create unique index concurrently a on b (c)", "create unique index a on b (c)"),
            ("DROP INDEX CONCURRENTLY IF EXISTS a;", "DROP INDEX IF EXISTS a;"),
            ("REINDEX TABLE CONCURRENTLY a;", "REINDEX TABLE a;"),
            ("REINDEX (CONCURRENTLY, VERBOSE) INDEX a;", "REINDEX INDEX a;"),
            (
                "CREATE INDEX /* CONCURRENTLY */ CONCURRENTLY \"CONCURRENTLY\" ON b ((c || 'CONCURRENTLY'));",
                "CREATE INDEX /* CONCURRENTLY */ \"CONCURRENTLY\" ON b ((c || 'CONCURRENTLY'));",
            ),
            ("ALTER TABLE a VALIDATE CONSTRAINT b;", "ALTER TABLE a VALIDATE CONSTRAINT b;"),
            ("COMMENT ON TABLE a IS 'built CONCURRENTLY';", "COMMENT ON TABLE a IS 'built CONCURRENTLY';"),
        ] {
            let statement = Statement { sql: sql.to_owned(), line: 1 };
            assert_eq!(for_new_tenant(&statement), expected);
        }
    }
}
