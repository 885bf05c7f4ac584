//! A migration's file as a syntax tree, and what the rules ask of it.
//! Must stay true: a position in the tree is a position in the file.
use squawk_syntax::ast::AstNode as _;
use squawk_syntax::{Parse, SourceFile, SyntaxKind, SyntaxNode};

use super::{Finding, Severity, blocks};
use crate::statements;

/// A file that is SQL.
pub(crate) struct File {
    /// Its name.
    pub(crate) name: String,
    /// Its text as it is on the disk.
    pub(crate) sql: String,
    /// Its text as the parser saw it: a number for `{batch}`.
    pub(crate) text: String,
    /// Its tree.
    pub(crate) parsed: Parse<SourceFile>,
}

impl File {
    /// Reads a file; what is not SQL becomes a finding.
    pub(crate) fn parse(name: String, sql: &str) -> Result<Self, Finding> {
        match statements::parse(sql) {
            Ok((parsed, text)) => Ok(Self { name, sql: sql.to_owned(), text, parsed }),
            Err(fault) => Err(Finding {
                file: name,
                line: fault.line,
                rule: "syntax".to_owned(),
                message: fault.message,
                help: None,
                severity: Severity::Error,
            }),
        }
    }

    /// The statements, in order.
    pub(crate) fn statements(&self) -> Vec<SyntaxNode> {
        let nodes = self.parsed.tree().stmts().map(|statement| statement.syntax().clone());
        nodes.filter(|node| node.kind() != SyntaxKind::EMPTY_STMT).collect()
    }

    /// All nodes of a kind, wherever they are.
    pub(crate) fn nodes(&self, kinds: &[SyntaxKind]) -> Vec<SyntaxNode> {
        self.parsed.tree().syntax().descendants().filter(|node| kinds.contains(&node.kind())).collect()
    }

    /// The same with their lines, also in the bodies of DO blocks.
    pub(crate) fn everywhere(&self, kinds: &[SyntaxKind]) -> Vec<(SyntaxNode, usize)> {
        let mut found: Vec<_> = self.nodes(kinds).into_iter().map(|node| (node.clone(), self.line(&node))).collect();
        for block in blocks::of(self) {
            found.extend(block.nodes(kinds).into_iter().map(|node| (node.clone(), block.line(self, &node))));
        }
        found
    }

    /// The line in which a node begins.
    pub(crate) fn line(&self, node: &SyntaxNode) -> usize {
        statements::line_of(&self.sql, statements::extent(node).0)
    }

    /// An error at a node.
    pub(crate) fn error(&self, node: &SyntaxNode, rule: &str, message: impl Into<String>, help: &str) -> Finding {
        self.error_at(self.line(node), rule, message, help)
    }

    /// An error in a line.
    pub(crate) fn error_at(&self, line: usize, rule: &str, message: impl Into<String>, help: &str) -> Finding {
        Finding {
            file: self.name.clone(),
            line,
            rule: rule.to_owned(),
            message: message.into(),
            help: Some(help.to_owned()),
            severity: Severity::Error,
        }
    }
}

/// The parts of a name, as the database reads them: `"A".b` is `A` and `b`.
pub(crate) fn parts(node: &SyntaxNode) -> Vec<String> {
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia() && token.kind() != SyntaxKind::DOT)
        .map(|token| match token.text().strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => token.text().to_lowercase(),
        })
        .collect()
}

/// The last part of a name.
pub(crate) fn last_part(node: &SyntaxNode) -> String {
    parts(node).pop().unwrap_or_default()
}

/// A direct child of a kind.
pub(crate) fn child(node: &SyntaxNode, kind: SyntaxKind) -> Option<SyntaxNode> {
    node.children().find(|child| child.kind() == kind)
}

/// Whether a node of a kind is anywhere below.
pub(crate) fn holds(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.descendants().any(|below| below.kind() == kind)
}

/// Whether the keyword stands directly in the node.
pub(crate) fn has_token(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.kind() == kind)
}

/// The table that a statement is about.
pub(crate) fn table_of(statement: &SyntaxNode) -> Option<String> {
    use SyntaxKind::{RELATION_NAME, RELATION_NAME_REF, TABLE_NAME, TABLE_NAME_REF, TABLE_RELATION_NAME};
    let name = statement.children().find(|node| {
        matches!(node.kind(), RELATION_NAME | RELATION_NAME_REF | TABLE_NAME | TABLE_NAME_REF | TABLE_RELATION_NAME)
    })?;
    let inner = name.descendants().find(|node| matches!(node.kind(), RELATION_NAME_REF | TABLE_NAME | TABLE_NAME_REF));
    Some(last_part(&inner?))
}

/// The first words of a statement, for messages.
pub(crate) fn opening(statement: &SyntaxNode) -> String {
    let tokens = statement.descendants_with_tokens().filter_map(|element| element.into_token());
    let words: Vec<_> =
        tokens.filter(|token| !token.kind().is_trivia()).take(3).map(|token| token.text().to_owned()).collect();
    words.join(" ")
}
