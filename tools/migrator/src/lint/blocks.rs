//! The bodies of DO blocks: to the parser of SQL a string, here a tree of their own.
//! Must stay true: a line is one of the file, however deep blocks are in each other. What a body runs with EXECUTE is a string still.
use squawk_syntax::ast::{AstNode as _, Do};
use squawk_syntax::plpgsql::Plpgsql;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::file::File;
use crate::statements;

/// A body in PL/pgSQL, after those around it.
pub(crate) struct Block {
    around: Vec<Plpgsql>,
    body: Plpgsql,
}

/// All of a file.
pub(crate) fn of(file: &File) -> Vec<Block> {
    within(file.parsed.tree().syntax(), &[])
}

fn within(root: &SyntaxNode, around: &[Plpgsql]) -> Vec<Block> {
    let bodies = root.descendants().filter_map(Do::cast).filter_map(|block| block.plpgsql());
    bodies
        .flat_map(|body| {
            let inside = [around, std::slice::from_ref(&body)].concat();
            let deeper = within(&body.syntax(), &inside);
            std::iter::once(Block { around: around.to_vec(), body }).chain(deeper)
        })
        .collect()
}

impl Block {
    /// All nodes of a kind.
    pub(crate) fn nodes(&self, kinds: &[SyntaxKind]) -> Vec<SyntaxNode> {
        self.body.syntax().descendants().filter(|node| kinds.contains(&node.kind())).collect()
    }

    /// The line of the file in which a node begins.
    pub(crate) fn line(&self, file: &File, node: &SyntaxNode) -> usize {
        let mut tokens = node.descendants_with_tokens().filter_map(|element| element.into_token());
        let first = tokens.find(|token| !token.kind().is_trivia());
        let range = first.map_or(node.text_range(), |token| token.text_range());
        let bodies = std::iter::once(&self.body).chain(self.around.iter().rev());
        let range = bodies.fold(range, |range, body| body.source_range(range));
        statements::line_of(&file.sql, range.start().into())
    }
}
