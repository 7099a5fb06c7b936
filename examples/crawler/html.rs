//! Finds the links in a page.
//!
//! Not an HTML parser: a scanner that knows what a tag, a quoted attribute, a comment and a script look
//! like, so that it finds the links a browser would follow and none in between. It looks at each
//! character once, whatever the page looks like, and holds no copy of it.

use std::borrow::Cow;

/// Elements whose content is text, in which a `<` opens nothing but the end of the element.
const TEXT_ELEMENTS: [&str; 4] = ["script", "style", "textarea", "title"];

/// The longest character reference decoded, such as `&#x1F600;`.
const MAX_REFERENCE_LEN: usize = 10;

/// What a page says about other pages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Link<'a> {
    /// `<base href>`: the address that the links after it are relative to.
    Base(Cow<'a, str>),
    /// A page that a reader can go to from here.
    To(Cow<'a, str>),
}

/// Returns the links of a page, in the order in which they stand in it.
pub(crate) fn links(page: &str) -> Links<'_> {
    Links { rest: page }
}

/// Iterator over the links of a page. See [`links`].
#[derive(Debug)]
pub(crate) struct Links<'a> {
    /// What has not been looked at yet.
    rest: &'a str,
}

impl<'a> Iterator for Links<'a> {
    type Item = Link<'a>;

    fn next(&mut self) -> Option<Link<'a>> {
        loop {
            self.skip_past("<");
            if self.rest.is_empty() {
                return None;
            }
            if self.rest.starts_with("!--") {
                self.skip_past("-->");
                continue;
            }
            if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue; // an end tag, a doctype, or a lone `<`
            }
            let name = self.take_until(|c| c.is_ascii_whitespace() || matches!(c, '/' | '>'));
            let link = match name.to_ascii_lowercase().as_str() {
                "a" | "area" => self.attribute("href").map(Link::To),
                "frame" | "iframe" => self.attribute("src").map(Link::To),
                "base" => self.attribute("href").map(Link::Base),
                other => {
                    self.attribute("");
                    if TEXT_ELEMENTS.contains(&other) {
                        self.skip_text_of(other);
                    }
                    None
                }
            };
            if link.is_some() {
                return link;
            }
        }
    }
}

impl<'a> Links<'a> {
    /// Reads the attributes up to the end of the tag, and returns the value of the first one that is
    /// called `wanted`.
    fn attribute(&mut self, wanted: &str) -> Option<Cow<'a, str>> {
        let mut found = None;
        loop {
            self.take_until(|c| !c.is_ascii_whitespace() && c != '/');
            if self.rest.is_empty() {
                return found;
            }
            if self.rest.starts_with('>') {
                self.rest = &self.rest[1..];
                return found;
            }
            let (name, value) = self.name_and_value();
            if found.is_none() && name.eq_ignore_ascii_case(wanted) {
                found = Some(decode(value));
            }
        }
    }

    /// Reads `name`, `name=value`, `name="value"` or `name='value'`.
    fn name_and_value(&mut self) -> (&'a str, &'a str) {
        let name = self.take_until(|c| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'));
        self.skip_whitespace();
        let Some(after_equals) = self.rest.strip_prefix('=') else {
            return (name, "");
        };
        self.rest = after_equals;
        self.skip_whitespace();
        for quote in ['"', '\''] {
            if let Some(quoted) = self.rest.strip_prefix(quote) {
                self.rest = quoted;
                let value = self.take_until(|c| c == quote);
                self.rest = self.rest.get(1..).unwrap_or_default();
                return (name, value);
            }
        }
        (name, self.take_until(|c| c.is_ascii_whitespace() || c == '>'))
    }

    fn skip_text_of(&mut self, element: &str) {
        while !self.rest.is_empty() {
            self.skip_past("</");
            let name = self.rest.get(..element.len());
            if name.is_some_and(|name| name.eq_ignore_ascii_case(element)) {
                return;
            }
        }
    }

    fn skip_whitespace(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Skips to behind the next `marker`, or to the end where there is none.
    fn skip_past(&mut self, marker: &str) {
        self.rest = self.rest.split_once(marker).map_or("", |(_, after)| after);
    }

    /// Takes the characters before the first one that is an `end`.
    fn take_until(&mut self, end: impl Fn(char) -> bool) -> &'a str {
        let len = self.rest.find(end).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }
}

/// Decodes the character references that occur in addresses, above all `&amp;`.
fn decode(value: &str) -> Cow<'_, str> {
    let Some(first) = value.find('&') else {
        return Cow::Borrowed(value);
    };
    let (plain, mut rest) = value.split_at(first);
    let mut decoded = plain.to_owned();
    while let Some(c) = rest.chars().next() {
        let (c, len) = reference(rest).unwrap_or((c, c.len_utf8()));
        decoded.push(c);
        rest = &rest[len..];
    }
    Cow::Owned(decoded)
}

/// The character that `text` begins with a reference to, and the length of that reference.
fn reference(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix('&')?;
    let len = body.bytes().take(MAX_REFERENCE_LEN).position(|b| b == b';')?;
    let body = &body[..len];
    let c = match body {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = body.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((c, len + "&;".len()))
}
