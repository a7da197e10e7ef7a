//! Names in strings: what a half-typed string says so far, and how a name is written in one.

use crate::shell::prompt::lexer::Quote;
use crate::view::escape::is_invisible;

/// What is typed of a string so far; none if it cannot be read.
pub(super) fn read(quote: Quote, typed: &str) -> Option<String> {
    match quote {
        Quote::Single => None,
        Quote::Raw(_) => Some(typed.to_owned()),
        Quote::Backtick => Some(typed.replace("``", "`").replace("\\${", "${")),
        Quote::Double => {
            let mut text = String::with_capacity(typed.len());
            let mut chars = typed.chars();
            while let Some(c) = chars.next() {
                match c {
                    '"' => {
                        chars.next().filter(|&next| next == '"')?;
                        text.push('"');
                    }
                    '\\' => text.push(match chars.next()? {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'x' => hex(&mut chars, 2)?,
                        'u' => hex(&mut chars, 4)?,
                        'U' => hex(&mut chars, 8)?,
                        other => other,
                    }),
                    c => text.push(c),
                }
            }
            Some(text)
        }
    }
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let text: String = chars.take(digits).collect();
    if text.len() < digits {
        return None;
    }
    char::from_u32(u32::from_str_radix(&text, 16).ok()?)
}

/// A name as it is written inside of such a string; none if it cannot be.
pub(super) fn written(quote: Quote, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if quote == Quote::Double {
        let mut text = String::with_capacity(name.len());
        for c in name.chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                c if is_invisible(c) => match u32::from(c) {
                    code @ 0..0x80 => text.push_str(&format!("\\x{code:02x}")),
                    code @ 0x80..0x1_0000 => text.push_str(&format!("\\u{code:04x}")),
                    code => text.push_str(&format!("\\U{code:08x}")),
                },
                c => text.push(c),
            }
        }
        return Some(text);
    }
    // these have no way to write what cannot be seen
    if name.contains(is_invisible) {
        return None;
    }
    match quote {
        Quote::Backtick => Some(name.replace('`', "``").replace("${", "\\${")),
        Quote::Raw(hashes) => (!name.contains(&format!("\"{}", "#".repeat(hashes)))).then(|| name.to_owned()),
        _ => None,
    }
}

/// What ends a string.
pub(super) fn closing(quote: Quote) -> String {
    match quote {
        Quote::Double => "\"".to_owned(),
        Quote::Single => "'".to_owned(),
        Quote::Backtick => "`".to_owned(),
        Quote::Raw(hashes) => format!("\"{}", "#".repeat(hashes)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rhai::Engine;

    use super::*;

    fn quote() -> impl Strategy<Value = Quote> {
        prop::sample::select(vec![Quote::Double, Quote::Backtick, Quote::Raw(1), Quote::Raw(2)])
    }

    proptest! {
        #[test]
        fn a_name_reads_back_as_it_is_from_the_string_that_it_is_written_in(
            name in "[a-z\"'`\\\\$#{}\n\t\r\u{7f}\u{200b}\u{e000}é層 ]{0,8}|.{0,8}",
            quote in quote(),
        ) {
            if let Some(written) = written(quote, name.as_bytes()) {
                prop_assert_eq!(read(quote, &written), Some(name.clone()));
                let open = match quote { Quote::Raw(hashes) => format!("{}\"", "#".repeat(hashes)), _ => closing(quote) };
                let value = Engine::new().eval::<String>(&format!("{open}{written}{}", closing(quote)));
                prop_assert_eq!(value.ok(), Some(name));
            } else {
                prop_assert_ne!(quote, Quote::Double);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_have_no_string() {
        assert_eq!(written(Quote::Double, b"caf\xe9"), None);
        assert_eq!(read(Quote::Double, "a\\"), None);
        assert_eq!(read(Quote::Double, "a\\x4"), None);
        assert_eq!(read(Quote::Double, "\\x41\\u00e9\\\""), Some("Aé\"".to_owned()));
    }
}
