//! What went wrong, and which tokens to blame for it.

use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

/// A mistake in what the user wrote, shown by the compiler under the tokens at fault.
#[derive(Debug)]
pub(crate) struct Error {
    /// Where the underlined piece begins.
    start: Span,
    /// Where it ends; the same as `start` when one token is at fault.
    end: Span,
    message: String,
}

impl Error {
    /// Blames one token.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self { start: span, end: span, message: message.into() }
    }

    /// Blames everything from the first to the last of `tokens`, or the macro itself if there are
    /// none.
    pub(crate) fn across(tokens: &[TokenTree], message: impl Into<String>) -> Self {
        let (start, end) = match tokens {
            [] => (Span::call_site(), Span::call_site()),
            [first, .., last] => (first.span(), last.span()),
            [only] => (only.span(), only.span()),
        };
        Self { start, end, message: message.into() }
    }

    /// The tokens that make the compiler report this error: `::core::compile_error! { "message" }`.
    ///
    /// The compiler underlines a macro call from its first token to its last. Joining two spans is
    /// not stable, so the call starts with the one and ends with the other.
    pub(crate) fn into_compile_error(self) -> TokenStream {
        let (start, end) = (self.start, self.end);
        let mut message = Literal::string(&self.message);
        message.set_span(end);
        let mut braces = Group::new(Delimiter::Brace, TokenTree::from(message).into());
        braces.set_span(end);

        let mut call = path_separator(start);
        call.extend([TokenTree::from(Ident::new("core", start))]);
        call.extend(path_separator(start));
        call.extend([
            TokenTree::from(Ident::new("compile_error", start)),
            punct('!', Spacing::Alone, start).into(),
            braces.into(),
        ]);
        call
    }
}

/// `::`
fn path_separator(span: Span) -> TokenStream {
    [TokenTree::from(punct(':', Spacing::Joint, span)), punct(':', Spacing::Alone, span).into()]
        .into_iter()
        .collect()
}

fn punct(character: char, spacing: Spacing, span: Span) -> Punct {
    let mut punct = Punct::new(character, spacing);
    punct.set_span(span);
    punct
}
