//! Reading tokens one by one, and asking what they are.
//!
//! A `macro_rules!` macro that hands a fragment on (`$vis`, `$value`) wraps it into a group without
//! delimiters. Nobody sees these groups in the source, so the readers here look through them.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// Reads tokens from the front, looking through groups without delimiters.
pub(crate) struct Cursor {
    /// What is still to be read, the next token last.
    tokens: Vec<TokenTree>,
}

impl Cursor {
    pub(crate) fn new(stream: TokenStream) -> Self {
        let mut cursor = Self { tokens: Vec::new() };
        cursor.push_front(stream);
        cursor
    }

    /// The next token, which stays where it is.
    pub(crate) fn peek(&mut self) -> Option<&TokenTree> {
        while let Some(stream) = self.tokens.last().and_then(invisible) {
            self.tokens.pop();
            self.push_front(stream);
        }
        self.tokens.last()
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Option<TokenTree> {
        self.peek()?;
        self.tokens.pop()
    }

    /// Takes the next token if it satisfies `wanted`.
    pub(crate) fn next_if(&mut self, wanted: impl FnOnce(&TokenTree) -> bool) -> Option<TokenTree> {
        if wanted(self.peek()?) { self.tokens.pop() } else { None }
    }

    /// All that is left, exactly as it was written.
    pub(crate) fn rest(mut self) -> Vec<TokenTree> {
        self.tokens.reverse();
        self.tokens
    }

    fn push_front(&mut self, stream: TokenStream) {
        let position = self.tokens.len();
        self.tokens.extend(stream);
        self.tokens[position..].reverse();
    }
}

/// All tokens of `stream`, none of them inside a group without delimiters.
pub(crate) fn flatten(stream: TokenStream) -> Vec<TokenTree> {
    let mut cursor = Cursor::new(stream);
    std::iter::from_fn(|| cursor.next()).collect()
}

/// The content of a group without delimiters.
fn invisible(token: &TokenTree) -> Option<TokenStream> {
    group(token, Delimiter::None).map(Group::stream)
}

pub(crate) fn group(token: &TokenTree, delimiter: Delimiter) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

pub(crate) fn ident(token: &TokenTree) -> Option<&Ident> {
    match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    }
}

pub(crate) fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    group(token, delimiter).is_some()
}

pub(crate) fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

pub(crate) fn is_word(token: &TokenTree, word: &str) -> bool {
    ident(token).is_some_and(|ident| ident.to_string() == word)
}

/// Fixed code, resolved where the macro was called.
pub(crate) fn code(source: &str) -> TokenStream {
    source.parse().expect("the macro's own code is valid Rust")
}
