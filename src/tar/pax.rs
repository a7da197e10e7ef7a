//! PAX records: `LENGTH KEY=VALUE\n`, told apart by their length alone, so that any byte can be in a value.

use crate::model::Timestamp;

/// The prefix of an attribute's key, by star, GNU tar and Go.
pub(super) const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";
/// The prefix of an attribute's key, by libarchive.
pub(super) const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";

/// Appends a record; the length counts its own digits.
pub(super) fn push(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + digits(length) != length {
        length = rest + digits(length);
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Splits records into keys and values; `None` if they are damaged.
pub(super) fn parse(mut records: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    while !records.is_empty() {
        let space = records.iter().position(|&b| b == b' ')?;
        let length: usize = number(&records[..space])?.try_into().ok()?;
        let record = records.get(..length)?;
        let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = body.iter().position(|&b| b == b'=')?;
        found.push((&body[..equals], &body[equals + 1..]));
        records = &records[length..];
    }
    Some(found)
}

/// A decimal number without a sign.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Seconds as PAX writes them: decimal, a fraction only where there is one.
pub(super) fn encode_time(time: Timestamp) -> String {
    if time.nanos == 0 {
        return time.secs.to_string();
    }
    // -1.25 is one second and a quarter before, in secs and nanos -2 and 750,000,000
    let (sign, secs, nanos) = if time.secs < 0 {
        ("-", -(i128::from(time.secs) + 1), 1_000_000_000 - time.nanos)
    } else {
        ("", i128::from(time.secs), time.nanos)
    };
    let text = format!("{sign}{secs}.{nanos:09}");
    text.trim_end_matches('0').to_owned()
}

/// Reads [`encode_time`]'s form; digits after the ninth are dropped.
pub(super) fn parse_time(text: &[u8]) -> Option<Timestamp> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9)
        .fold(0, |nanos, place| nanos * 10 + fraction.get(place).map_or(0, |digit| u32::from(digit - b'0')));
    let secs = i128::from(number(whole)?);
    let (secs, nanos) = match (negative, nanos) {
        (false, _) => (secs, nanos),
        (true, 0) => (-secs, 0),
        (true, _) => (-secs - 1, 1_000_000_000 - nanos),
    };
    Some(Timestamp { secs: secs.try_into().ok()?, nanos })
}

/// An attribute's name in a key: `%` and `=` are escaped.
pub(super) fn encode_name(name: &[u8]) -> Vec<u8> {
    let mut key = SCHILY_XATTR.to_vec();
    for &byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            _ => key.push(byte),
        }
    }
    key
}

/// Reads [`encode_name`]'s form (without the prefix); any other `%` stands for itself.
pub(super) fn parse_name(mut text: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let (byte, length) = match first {
            b'%' if rest.starts_with(b"25") => (b'%', 3),
            b'%' if rest.starts_with(b"3D") => (b'=', 3),
            _ => (first, 1),
        };
        name.push(byte);
        text = &text[length..];
    }
    name
}

/// A URL-encoded name, as libarchive writes it.
pub(super) fn parse_url(text: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(*bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            name.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            name.push(byte);
        }
    }
    Some(name)
}

/// Base64 with or without closing `=`, as libarchive writes values.
pub(super) fn parse_base64(text: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut bits, mut held) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    let end = text.iter().rposition(|&b| b != b'=').map_or(0, |last| last + 1);
    for &byte in &text[..end] {
        let sextet = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            value.push((bits >> held).to_le_bytes()[0]);
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_length_counts_itself() {
        for length in 0..1100 {
            let mut records = Vec::new();
            push(&mut records, b"k", &vec![b'\n'; length]);
            let end = records.iter().position(|&b| b == b' ').unwrap();
            assert_eq!(number(&records[..end]), Some(records.len() as u64), "{length}");
            assert_eq!(parse(&records).unwrap(), [(&b"k"[..], &vec![b'\n'; length][..])]);
        }
    }

    #[test]
    fn damaged_records_are_refused_not_dropped() {
        for bad in [
            &b"5 a=b"[..],
            b"99 a=b\n",
            b"6 ab\nx",
            b"x a=b\n",
            b"nothing",
            b"6 a=b\n7 ",
            b"0 a=b\n",
            b"+6 a=b\n",
        ] {
            assert_eq!(parse(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_are_read_as_written() {
        let cases = [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (1_700_000_000, 123_456_789, "1700000000.123456789"),
            (-1, 0, "-1"),
            (-2, 750_000_000, "-1.25"),
            (-1, 1, "-0.999999999"),
            (i64::MIN, 1, "-9223372036854775807.999999999"),
        ];
        for (secs, nanos, text) in cases {
            let time = Timestamp { secs, nanos };
            assert_eq!(encode_time(time), text);
            assert_eq!(parse_time(text.as_bytes()), Some(time), "{text}");
        }
        assert_eq!(parse_time(b"1.1234567899"), Some(Timestamp { secs: 1, nanos: 123_456_789 }));
        for bad in ["", "x", "1.x", "--1", "1e3", " 1"] {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn libarchives_attributes_are_decoded() {
        assert_eq!(parse_url(b"user.a%20b%25"), Some(b"user.a b%".to_vec()));
        assert_eq!(parse_url(b"user.%2"), None);
        assert_eq!(parse_base64(b"AP9v"), Some(vec![0, 255, b'o']));
        assert_eq!(parse_base64(b"cmVk"), Some(b"red".to_vec()));
        assert_eq!(parse_base64(b"cg=="), Some(b"r".to_vec()));
        assert_eq!(parse_base64(b"cg"), Some(b"r".to_vec()));
        assert_eq!(parse_base64(b"c g"), None);
    }

    #[test]
    fn equals_and_percent_in_a_name_come_back() {
        let name = b"user.a=b%c%3D";
        let key = encode_name(name);
        assert_eq!(key, b"SCHILY.xattr.user.a%3Db%25c%253D");
        assert_eq!(parse_name(&key[SCHILY_XATTR.len()..]), name);
    }
}
