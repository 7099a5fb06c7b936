//! The function under the attribute, taken apart.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

use crate::Macro;
use crate::error::Error;
use crate::tokens::{Cursor, flatten, group, ident, is_group, is_punct, is_word};

/// An `async fn` without generics and parameters, which has a body.
///
/// The pieces are the user's own tokens: whatever the compiler has to say about them, it says about
/// the user's source.
pub(crate) struct Function {
    /// Doc comments included: they are attributes too.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: TokenStream,
    /// `async`
    pub(crate) async_token: Ident,
    /// `fn`
    pub(crate) fn_token: Ident,
    pub(crate) name: Ident,
    /// `()`
    pub(crate) parameters: Group,
    /// Everything between the parameters and the body: return type and where clause.
    pub(crate) returns: TokenStream,
    /// `{ .. }`
    pub(crate) body: Group,
}

/// An attribute, outer ones only: `#[..]`.
pub(crate) struct Attribute {
    pub(crate) tokens: [TokenTree; 2],
}

/// The words between visibility and name: `async fn`.
struct Qualifiers {
    async_token: Ident,
    fn_token: Ident,
}

impl Function {
    pub(crate) fn parse(item: TokenStream, by: Macro) -> Result<Self, Error> {
        let mut cursor = Cursor::new(item);
        let attributes = take_attributes(&mut cursor);
        let visibility = take_visibility(&mut cursor);
        let qualifiers = take_qualifiers(&mut cursor, by)?;
        let name = take_name(&mut cursor, by)?;
        refuse_generics(&mut cursor, by)?;
        let parameters = take_parameters(&mut cursor, by)?;
        let (returns, body) = split_off_body(cursor.rest(), by)?;
        Ok(Self {
            attributes,
            visibility,
            async_token: qualifiers.async_token,
            fn_token: qualifiers.fn_token,
            name,
            parameters,
            returns,
            body,
        })
    }
}

impl Attribute {
    /// Whether this makes a test out of a function: the last word of its path is `test`.
    pub(crate) fn is_test(&self) -> bool {
        let content = group(&self.tokens[1], Delimiter::Bracket).map(Group::stream);
        let path = content.into_iter().flat_map(flatten);
        let path = path.take_while(|token| ident(token).is_some() || is_punct(token, ':'));
        path.last().is_some_and(|last| is_word(&last, "test"))
    }
}

/// Whether the item is a function that has this name.
pub(crate) fn is_function_named(item: TokenStream, name: &str) -> bool {
    let tokens = flatten(item);
    tokens.windows(2).any(|pair| is_word(&pair[0], "fn") && is_word(&pair[1], name))
}

fn take_attributes(cursor: &mut Cursor) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    while let Some(pound) = cursor.next_if(|token| is_punct(token, '#')) {
        if let Some(brackets) = cursor.next_if(|token| is_group(token, Delimiter::Bracket)) {
            attributes.push(Attribute { tokens: [pound, brackets] });
        }
    }
    attributes
}

fn take_visibility(cursor: &mut Cursor) -> TokenStream {
    let word = cursor.next_if(|token| is_word(token, "pub"));
    let scope =
        word.is_some().then(|| cursor.next_if(|token| is_group(token, Delimiter::Parenthesis)));
    word.into_iter().chain(scope.flatten()).collect()
}

/// Takes the words up to `fn`: `async` has to be there, nothing else may be.
fn take_qualifiers(cursor: &mut Cursor, by: Macro) -> Result<Qualifiers, Error> {
    let mut async_token = None;
    let mut unwanted = Vec::new();
    loop {
        let token = cursor.next().ok_or_else(|| not_a_function(&[], by))?;
        match token {
            TokenTree::Ident(word) => match word.to_string().as_str() {
                "fn" => return check_qualifiers(async_token, word, &unwanted, by),
                "async" => async_token = Some(word),
                "const" | "unsafe" | "safe" | "extern" | "default" | "gen" => {
                    unwanted.push(TokenTree::from(word));
                }
                _ => {
                    unwanted.push(word.into());
                    return Err(not_a_function(&unwanted[..1], by));
                }
            },
            // The ABI after `extern`.
            TokenTree::Literal(_) if !unwanted.is_empty() => unwanted.push(token),
            _ => {
                unwanted.push(token);
                return Err(not_a_function(&unwanted[..1], by));
            }
        }
    }
}

fn check_qualifiers(
    async_token: Option<Ident>,
    fn_token: Ident,
    unwanted: &[TokenTree],
    by: Macro,
) -> Result<Qualifiers, Error> {
    if !unwanted.is_empty() {
        let message = format!("a function under `{by}` is `async` and nothing else");
        return Err(Error::across(unwanted, message));
    }
    let async_token = async_token.ok_or_else(|| {
        let message = format!("a function under `{by}` must be `async`");
        Error::at(fn_token.span(), message)
    })?;
    Ok(Qualifiers { async_token, fn_token })
}

fn take_name(cursor: &mut Cursor, by: Macro) -> Result<Ident, Error> {
    match cursor.next() {
        Some(TokenTree::Ident(name)) => Ok(name),
        other => Err(not_a_function(other.as_slice(), by)),
    }
}

fn refuse_generics(cursor: &mut Cursor, by: Macro) -> Result<(), Error> {
    if !cursor.peek().is_some_and(|token| is_punct(token, '<')) {
        return Ok(());
    }
    let generics = take_angle_brackets(cursor);
    let message = format!("a function under `{by}` cannot have generics: nobody could choose them");
    Err(Error::across(&generics, message))
}

/// Takes everything from `<` up to the `>` that closes it.
fn take_angle_brackets(cursor: &mut Cursor) -> Vec<TokenTree> {
    let mut tokens: Vec<TokenTree> = Vec::new();
    let mut depth = 0;
    while let Some(token) = cursor.next() {
        // `->` closes nothing.
        let is_arrow = tokens.last().is_some_and(|last| is_punct(last, '-'));
        if is_punct(&token, '<') {
            depth += 1;
        } else if is_punct(&token, '>') && !is_arrow {
            depth -= 1;
        }
        tokens.push(token);
        if depth == 0 {
            break;
        }
    }
    tokens
}

fn take_parameters(cursor: &mut Cursor, by: Macro) -> Result<Group, Error> {
    match cursor.next() {
        Some(TokenTree::Group(parameters)) if parameters.delimiter() == Delimiter::Parenthesis => {
            refuse_parameters(&parameters, by)?;
            Ok(parameters)
        }
        other => Err(not_a_function(other.as_slice(), by)),
    }
}

fn refuse_parameters(parameters: &Group, by: Macro) -> Result<(), Error> {
    let inside: Vec<TokenTree> = parameters.stream().into_iter().collect();
    if inside.is_empty() {
        return Ok(());
    }
    let message = format!("a function under `{by}` cannot take parameters: nobody would pass them");
    Err(Error::across(&inside, message))
}

/// Tells the body, which comes last, from the return type and where clause before it.
fn split_off_body(mut rest: Vec<TokenTree>, by: Macro) -> Result<(TokenStream, Group), Error> {
    let last = rest.pop();
    // A block that was handed on by another macro sits in a group without delimiters.
    let visible = last.clone().map(|last| flatten(last.into()));
    match visible.as_deref() {
        Some([TokenTree::Group(body)]) if body.delimiter() == Delimiter::Brace => {
            Ok((rest.into_iter().collect(), body.clone()))
        }
        _ => Err(Error::across(last.as_slice(), format!("a function under `{by}` needs a body"))),
    }
}

/// Blames the token that gave away that this is no function.
fn not_a_function(token: &[TokenTree], by: Macro) -> Error {
    Error::across(token, format!("`{by}` goes on an `async fn`"))
}
