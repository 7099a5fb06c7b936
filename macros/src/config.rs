//! The arguments between the parentheses of `#[monoloop::main(..)]`.

use proc_macro::{Ident, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::error::Error;
use crate::literal;
use crate::tokens::{flatten, ident, is_punct, is_word};

/// What the user asked for.
#[derive(Default)]
pub(crate) struct Config {
    /// The path given by `crate = ..`.
    runtime: Option<TokenStream>,
    /// The calls on the loop's builder, in the order written.
    settings: Vec<Setting>,
    /// Whether ctrl-c shall interrupt the run.
    pub(crate) is_interruptible: bool,
    /// The arguments met so far, to notice one that comes twice.
    seen: Vec<String>,
}

/// One call on the loop's builder.
pub(crate) struct Setting {
    /// The argument's name, which is also that of the builder's method.
    pub(crate) method: Ident,
    pub(crate) value: TokenTree,
}

/// One argument: `name` or `name = value`.
struct Argument {
    name: Ident,
    /// The tokens after `=`, never empty; `None` when the name stands alone.
    value: Option<Vec<TokenTree>>,
}

/// What kind of value an argument takes.
#[derive(Clone, Copy)]
enum Kind {
    /// A path, bare or in quotes.
    Path,
    /// `true` or `false`, or nothing, which means `true`.
    Flag,
    /// As [`Flag`](Self::Flag); decides which of the loop's methods runs the body.
    Switch,
    /// An integer literal.
    Integer,
}

/// All arguments there are.
const KNOWN: [(&str, Kind); 5] = [
    ("crate", Kind::Path),
    ("ctrl_c", Kind::Switch),
    ("virtual_time", Kind::Flag),
    ("poll_budget", Kind::Integer),
    ("io_interval", Kind::Integer),
];

impl Config {
    /// Reads the arguments: what was understood, and an error for each of the others.
    pub(crate) fn parse(arguments: TokenStream) -> (Self, Vec<Error>) {
        let mut config = Self::default();
        let mut errors = Vec::new();
        for argument in split_at_commas(arguments) {
            let outcome = argument
                .and_then(|tokens| Argument::parse(&tokens))
                .and_then(|argument| config.apply(argument));
            errors.extend(outcome.err());
        }
        (config, errors)
    }

    /// The path of the runtime crate, `::monoloop` unless the user said otherwise.
    pub(crate) fn runtime(&self) -> TokenStream {
        let default = || path_tokens(&["", "monoloop"], Span::call_site());
        self.runtime.clone().unwrap_or_else(default)
    }

    pub(crate) fn into_settings(self) -> Vec<Setting> {
        self.settings
    }

    fn apply(&mut self, argument: Argument) -> Result<(), Error> {
        let kind = argument.kind()?;
        self.note(&argument)?;
        let value = match kind {
            Kind::Path => {
                self.runtime = Some(argument.path()?);
                return Ok(());
            }
            Kind::Flag => argument.flag()?,
            Kind::Switch => {
                self.is_interruptible = is_word(&argument.flag()?, "true");
                return Ok(());
            }
            Kind::Integer => argument.integer()?,
        };
        self.settings.push(Setting { method: argument.name, value });
        Ok(())
    }

    /// Remembers that the argument was given, which may happen once.
    fn note(&mut self, argument: &Argument) -> Result<(), Error> {
        let name = argument.name.to_string();
        if self.seen.contains(&name) {
            return Err(argument.error(format!("the argument `{name}` is given twice")));
        }
        self.seen.push(name);
        Ok(())
    }
}

impl Argument {
    fn parse(tokens: &[TokenTree]) -> Result<Self, Error> {
        let Some(name) = ident(&tokens[0]) else {
            return Err(Error::across(
                tokens,
                format!("expected an argument: {}", known_arguments()),
            ));
        };
        Ok(Self { name: name.clone(), value: parse_value(name, &tokens[1..])? })
    }

    fn kind(&self) -> Result<Kind, Error> {
        let name = self.name.to_string();
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, kind)| *kind).ok_or_else(|| {
            let message = format!("unknown argument `{name}`: {}", known_arguments());
            Error::at(self.name.span(), message)
        })
    }

    /// A path, bare or as the text of a string.
    fn path(&self) -> Result<TokenStream, Error> {
        let path = match self.value.as_deref() {
            Some([TokenTree::Literal(literal)]) => {
                path_in_string(&literal.to_string(), literal.span())
            }
            Some(tokens) if is_path(tokens) => Some(tokens.iter().cloned().collect()),
            _ => None,
        };
        path.ok_or_else(|| {
            self.wrong_value("takes a path, bare or in quotes, as in `crate = path::to::monoloop`")
        })
    }

    fn flag(&self) -> Result<TokenTree, Error> {
        match self.value.as_deref() {
            None => Ok(Ident::new("true", self.name.span()).into()),
            Some([value]) if is_word(value, "true") || is_word(value, "false") => Ok(value.clone()),
            Some(_) => Err(self.wrong_value("takes `true` or `false`, or stands alone")),
        }
    }

    fn integer(&self) -> Result<TokenTree, Error> {
        match self.value.as_deref() {
            Some([value @ TokenTree::Literal(literal)])
                if literal::is_integer(&literal.to_string()) =>
            {
                Ok(value.clone())
            }
            _ => {
                Err(self
                    .wrong_value(&format!("takes an integer literal, as in `{} = 61`", self.name)))
            }
        }
    }

    /// Blames the value, or the name if there is no value.
    fn wrong_value(&self, what_it_takes: &str) -> Error {
        let message = format!("`{}` {what_it_takes}", self.name);
        match &self.value {
            Some(value) => Error::across(value, message),
            None => Error::at(self.name.span(), message),
        }
    }

    /// Blames the argument as a whole.
    fn error(&self, message: String) -> Error {
        let mut tokens = vec![TokenTree::from(self.name.clone())];
        tokens.extend(self.value.iter().flatten().cloned());
        Error::across(&tokens, message)
    }
}

/// Reads what follows the name of an argument: nothing, or `= value`.
fn parse_value(name: &Ident, after: &[TokenTree]) -> Result<Option<Vec<TokenTree>>, Error> {
    match after {
        [] => Ok(None),
        [equals] if is_punct(equals, '=') => {
            let tokens = [name.clone().into(), equals.clone()];
            Err(Error::across(&tokens, format!("`{name} =` lacks its value")))
        }
        [equals, value @ ..] if is_punct(equals, '=') => Ok(Some(value.to_vec())),
        others => Err(Error::across(others, format!("expected `=` or `,` after `{name}`"))),
    }
}

/// The pieces between commas, none of them empty; a comma may also come last.
fn split_at_commas(arguments: TokenStream) -> Vec<Result<Vec<TokenTree>, Error>> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for token in flatten(arguments) {
        if !is_punct(&token, ',') {
            piece.push(token);
        } else if piece.is_empty() {
            pieces.push(Err(Error::at(token.span(), "expected an argument before this comma")));
        } else {
            pieces.push(Ok(std::mem::take(&mut piece)));
        }
    }
    if !piece.is_empty() {
        pieces.push(Ok(piece));
    }
    pieces
}

/// "known are `crate`, `virtual_time`, ..."
fn known_arguments() -> String {
    let names = KNOWN.map(|(name, _)| format!("`{name}`"));
    format!("known are {}", names.join(", "))
}

/// Whether the tokens are names with `::` between them, and perhaps in front.
fn is_path(tokens: &[TokenTree]) -> bool {
    let after_separator = |tokens: &[TokenTree]| match tokens {
        [first, second, ..] if is_punct(first, ':') && is_punct(second, ':') => Some(2),
        _ => None,
    };
    let mut rest = &tokens[after_separator(tokens).unwrap_or(0)..];
    while let [TokenTree::Ident(_), tail @ ..] = rest {
        match after_separator(tail) {
            None => return tail.is_empty(),
            Some(length) => rest = &tail[length..],
        }
    }
    false
}

/// The path in a string literal, every token of it at the literal's place.
fn path_in_string(literal: &str, span: Span) -> Option<TokenStream> {
    let segments = literal::path_segments(literal::string_content(literal)?)?;
    Some(path_tokens(&segments, span))
}

/// The segments with `::` between them; an empty first one makes the path start with `::`.
fn path_tokens(segments: &[&str], span: Span) -> TokenStream {
    let mut tokens: Vec<TokenTree> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            tokens.extend([
                TokenTree::from(Punct::new(':', Spacing::Joint)),
                Punct::new(':', Spacing::Alone).into(),
            ]);
        }
        if !segment.is_empty() {
            tokens.push(Ident::new(segment, span).into());
        }
    }
    for token in &mut tokens {
        token.set_span(span);
    }
    tokens.into_iter().collect()
}
