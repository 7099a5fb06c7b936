//! What the text of a literal means.
//!
//! `proc_macro` hands out a literal as it was written. Outside of a macro expansion its types cannot
//! even be made, so what is decided by text alone lives here, where tests reach it.

/// Whether a literal is an integer, by its text.
///
/// A suffix is let through: the compiler knows best whether it fits.
pub(crate) fn is_integer(text: &str) -> bool {
    let radix_prefix = ["0x", "0o", "0b"];
    if radix_prefix.iter().any(|prefix| text.starts_with(prefix)) {
        return true;
    }
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
    suffix.len() < text.len() && (suffix.is_empty() || suffix.starts_with(['u', 'i']))
}

/// The content of a plain string literal, by its text; `None` for every other literal.
///
/// Neither raw strings nor escapes: a path needs none of them.
pub(crate) fn string_content(text: &str) -> Option<&str> {
    let content = text.strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

/// The segments of a path such as `::some::module`, the first one empty if it starts with `::`.
///
/// `None` if it is not a path.
pub(crate) fn path_segments(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.split("::").map(str::trim).collect();
    let is_absolute = segments.len() > 1 && segments[0].is_empty();
    segments[usize::from(is_absolute)..]
        .iter()
        .all(|segment| is_identifier(segment))
        .then_some(segments)
}

fn is_identifier(text: &str) -> bool {
    let is_start = |c: char| c == '_' || c.is_alphabetic();
    text != "_"
        && text.starts_with(is_start)
        && text.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_every_base_and_with_suffixes_are_integers() {
        for text in ["0", "128", "1_000", "7u32", "7_usize", "0xff", "0o17", "0b1"] {
            assert!(is_integer(text), "{text}");
        }
    }

    #[test]
    fn floats_strings_and_characters_are_no_integers() {
        for text in ["1.0", "1e3", "1f32", "\"1\"", "'1'", "b'1'", "u1", ""] {
            assert!(!is_integer(text), "{text}");
        }
    }

    #[test]
    fn only_plain_strings_have_content() {
        assert_eq!(string_content("\"a::b\""), Some("a::b"));
        assert_eq!(string_content("\"\""), Some(""));
        for text in ["\"", "r\"a\"", "b\"a\"", "\"a\\n\"", "1"] {
            assert_eq!(string_content(text), None, "{text}");
        }
    }

    #[test]
    fn paths_split_into_segments() {
        assert_eq!(path_segments("a"), Some(vec!["a"]));
        assert_eq!(path_segments("crate::a_1"), Some(vec!["crate", "a_1"]));
        assert_eq!(path_segments("::a::b"), Some(vec!["", "a", "b"]));
        assert_eq!(path_segments(" a :: b "), Some(vec!["a", "b"]));
    }

    #[test]
    fn what_is_no_path_has_no_segments() {
        for text in ["", "::", "a::", "a::::b", "a-b", "1a", "a b", "a:b", "_", "a<b>"] {
            assert_eq!(path_segments(text), None, "{text}");
        }
    }
}
