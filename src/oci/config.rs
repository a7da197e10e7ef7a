//! An image's config, as far as it is understood; its bytes are kept as they are.
//!
//! # Source
//! image-spec `config.md`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Error;
use super::platform::Platform;
use crate::model::{DiffId, Digest, Timestamp};

/// What a config says.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default, rename = "config")]
    runtime: Option<Runtime>,
    rootfs: RootFs,
    #[serde(default)]
    history: Option<Vec<Step>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Runtime {
    #[serde(default, rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

/// One step of an image's making.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Step {
    /// When, as it stands there.
    #[serde(default)]
    created: Option<String>,
    /// The command.
    #[serde(default)]
    pub created_by: Option<String>,
    /// What else was said.
    #[serde(default)]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(default)]
    empty_layer: Option<bool>,
}

impl Config {
    /// The layers' diff IDs, bottom → top.
    ///
    /// # Errors
    /// [`Error::Damaged`] where one is none.
    pub(super) fn diff_ids(&self) -> Result<Vec<DiffId>, Error> {
        let read = |text: &String| {
            let digest = text.strip_prefix("sha256:").and_then(|hex| Digest::parse(hex).ok());
            let shown = || text.chars().take(100).collect::<String>().escape_default().to_string();
            digest
                .map(DiffId)
                .ok_or_else(|| Error::damaged("the image's config", format!("`{}` is no diff ID", shown())))
        };
        self.rootfs.diff_ids.iter().flatten().map(read).collect()
    }

    /// What machine it is for.
    pub fn platform(&self) -> Platform {
        let Self { os, architecture, variant, .. } = self;
        Platform { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() }
    }

    /// When it was made.
    pub fn created(&self) -> Option<Timestamp> {
        self.created.as_deref().and_then(moment)
    }

    /// Its labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.runtime.as_ref().and_then(|runtime| runtime.labels.as_ref());
        labels.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The steps of its making, oldest first.
    pub fn history(&self) -> &[Step] {
        self.history.as_deref().unwrap_or_default()
    }
}

impl Step {
    /// When it was.
    pub fn created(&self) -> Option<Timestamp> {
        self.created.as_deref().and_then(moment)
    }

    /// Whether it made a layer.
    pub fn makes_layer(&self) -> bool {
        self.empty_layer != Some(true)
    }
}

/// A time as RFC 3339 has it: `2024-05-01T12:00:00.5Z`, `…+02:00`.
fn moment(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let numbers = |text: &str, apart: char| -> Option<[i64; 3]> {
        let mut parts = text.split(apart);
        let mut next = || {
            let part = parts.next()?;
            (part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let found = [next()?, next()?, next()?];
        parts.next().is_none().then_some(found)
    };
    let [year, month, day] = numbers(date, '-')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    let possible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !possible || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let number = |text: &str| text.parse::<u8>().ok().map(i64::from);
            sign * (number(hours)? * 60 + number(minutes)?) * 60
        }
    };
    let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let secs = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(Timestamp { secs, nanos: nanos.parse().ok()? })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`: years begin in March, so that the
/// day which leap years add is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_fraction_and_zone() {
        let secs = |text| moment(text).map(|time| (time.secs, time.nanos));
        assert_eq!(secs("1970-01-01T00:00:00Z"), Some((0, 0)));
        // date -u -d 2024-02-29T12:30:15Z +%s
        assert_eq!(secs("2024-02-29T12:30:15.25Z"), Some((1_709_209_815, 250_000_000)));
        assert_eq!(secs("2024-02-29T14:30:15+02:00"), Some((1_709_209_815, 0)));
        assert_eq!(secs("0001-01-01T00:00:00Z"), Some((-62_135_596_800, 0)));
        for bad in ["", "2024-02-29", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "x-01-01T00:00:00Z"] {
            assert_eq!(secs(bad), None, "{bad}");
        }
    }
}
