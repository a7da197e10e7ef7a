//! Numbers and texts in a header's fields.

use super::BLOCK;

/// Writes `value` as octal digits over all of `field` but its closing NUL; `false` if it does not fit.
pub(super) fn put_octal(field: &mut [u8], mut value: u64) -> bool {
    let Some((end, digits)) = field.split_last_mut() else {
        return false;
    };
    *end = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value & 7).to_le_bytes()[0];
        value >>= 3;
    }
    value == 0
}

/// Reads a number: octal between spaces and NUL, or base 256 in two's complement where the first bit is set.
///
/// # Source
/// GNU tar `list.c`, `from_header`.
pub(super) fn number(field: &[u8]) -> Option<i128> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // bit 6 of the first byte is the sign
        let start = if first & 0x40 != 0 { i128::from(first) - 0x100 } else { i128::from(first & 0x3f) };
        return rest.iter().try_fold(start, |value, &byte| Some(value.checked_mul(256)? + i128::from(byte)));
    }
    let start = field.iter().position(|&b| b != b' ' && b != 0).unwrap_or(field.len());
    let digits = field[start..].split(|&b| b == b' ' || b == 0).next().unwrap_or_default();
    digits.iter().try_fold(0, |value: i128, &digit| match digit {
        b'0'..=b'7' => Some(value * 8 + i128::from(digit - b'0')),
        _ => None,
    })
}

/// A number that fits the wanted type.
pub(super) fn fitting<T: TryFrom<i128>>(field: &[u8]) -> Option<T> {
    number(field)?.try_into().ok()
}

/// A text up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// The sum of a header's bytes with its checksum as spaces.
pub(super) fn checksum(block: &[u8; BLOCK]) -> u32 {
    let (before, after) = (&block[..148], &block[156..]);
    before.iter().chain(after).map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ')
}

/// Whether the stored checksum is right (or right by the old rule that adds signed bytes).
pub(super) fn checksum_fits(block: &[u8; BLOCK]) -> bool {
    let stored = number(&block[148..156]);
    let unsigned = checksum(block);
    let high = block[..148].iter().chain(&block[156..]).filter(|&&byte| byte >= 0x80).count();
    let signed = i128::from(unsigned) - 256 * high as i128;
    stored == Some(i128::from(unsigned)) || stored == Some(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_every_form() {
        let cases: [(&[u8], Option<i128>); 12] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644\0 xxx", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"77777777", Some(0o7777_7777)),
            (b"0000648\0", None),
            (b"-1      ", None),
            (b"\x80\0\0\0\x01\0\0\0", Some(1 << 24)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\x85", Some(-123)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff", Some((1 << 62) - 1)),
        ];
        for (field, value) in cases {
            assert_eq!(number(field), value, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn octal_fills_its_field() {
        let mut field = [b'x'; 8];
        assert!(put_octal(&mut field, 0o644));
        assert_eq!(&field, b"0000644\0");
        assert!(put_octal(&mut field, 0o777_7777));
        assert!(!put_octal(&mut field, 0o1000_0000));
    }
}
