//! Numbers as people read them: bytes, counts, times, ages.

use crate::model::Timestamp;

/// Bytes in binary units: `11 B`, `16.4 KiB`, `1.2 GiB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // tenths of the unit, rounded to the nearest
    let mut unit = 1_u128 << 10;
    for name in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
        if tenths < 10_240 || name == "EiB" {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit <<= 10;
    }
    format!("{bytes} B")
}

/// A count with its thousands set apart: `5,312`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its word: `1 layer`, `3 layers`.
pub(super) fn counted(number: u64, word: &str) -> String {
    match (number, word) {
        (1, _) => format!("1 {word}"),
        (_, "directory") => format!("{} directories", count(number)),
        _ => format!("{} {word}s", count(number)),
    }
}

/// A span of time: `1.2 s`, `45 s`, `2 min 5 s`, `1 h 2 min`.
pub fn duration(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// How long ago something was: `12 s ago`, `2 min ago`, `3 h ago`, `5 days ago`; a date for the future.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.secs.saturating_sub(then.secs);
    let many = |number: i64, word: &str| format!("{} ago", counted(number.unsigned_abs(), word));
    match seconds {
        ..0 => time(then),
        0 => "just now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        172_800..5_184_000 => many(seconds / 86_400, "day"),
        5_184_000..63_072_000 => many(seconds / 2_592_000, "month"),
        _ => many(seconds / 31_536_000, "year"),
    }
}

/// A moment in UTC to the second: `2026-11-23T09:22:51Z`.
pub fn time(moment: Timestamp) -> String {
    format!("{}Z", to_the_second(moment))
}

/// A moment in UTC with its nanoseconds, where it has any: `2026-11-23T09:22:51.000000001Z`.
pub fn exact_time(moment: Timestamp) -> String {
    let mut text = to_the_second(moment);
    if moment.nanos != 0 {
        text.push_str(&format!(".{:09}", moment.nanos));
    }
    text + "Z"
}

/// Two moments in UTC, as exact as tells them apart: `2026-11-23`, `09:22:51Z`, `09:22:51.000000001Z`.
pub(super) fn apart(a: Timestamp, b: Timestamp) -> [String; 2] {
    let tell: fn(Timestamp) -> String = if date(a) != date(b) {
        date
    } else if a.secs != b.secs {
        |moment| format!("{}Z", clock(moment))
    } else {
        |moment| format!("{}.{:09}Z", clock(moment), moment.nanos)
    };
    [tell(a), tell(b)]
}

/// A day in UTC: `2026-11-23`.
pub(super) fn date(moment: Timestamp) -> String {
    let (year, month, day) = civil(moment.secs.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

fn to_the_second(moment: Timestamp) -> String {
    format!("{}T{}", date(moment), clock(moment))
}

fn clock(moment: Timestamp) -> String {
    let second = moment.secs.rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Days since 1970-01-01 → year, month and day of the Gregorian calendar.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    // counted from 0000-03-01, in eras of 400 years
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}
