//! The config of an image that is written: a new one, or another's with more layers, of which everything is kept that is
//! not changed, understood or not.
//!
//! # Source
//! image-spec `config.md`.

use serde_json::{Map, Value, json};

use super::Error;
use crate::model::{DiffId, Timestamp};

/// What is to be other in a config.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// The command.
    pub cmd: Option<Vec<String>>,
    /// What the command is given to.
    pub entrypoint: Option<Vec<String>>,
    /// Variables, which replace those of their names.
    pub env: Vec<(String, String)>,
    /// Labels, which replace those of their names.
    pub labels: Vec<(String, String)>,
    /// The user.
    pub user: Option<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// Ports, such as `80/tcp`, beside those that there are.
    pub expose: Vec<String>,
}

/// How a layer was made that the other config does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// When; not said where it is not known.
    pub created: Option<Timestamp>,
    /// What its maker said of it.
    pub comment: Option<String>,
}

/// The config of an image of these layers: that of another image, `base`, with what is other. Where nothing is, its very
/// bytes.
///
/// `steps` tell of all layers, bottom → top; `base` knows of its own how they were made, if they are the lowest. A new config is for `os` and `architecture`.
///
/// # Errors
/// [`Error::Damaged`] where `base` is no config.
pub fn changed(
    base: Option<&[u8]>,
    layers: &[DiffId],
    steps: &[Step],
    changes: &Changes,
    created: Timestamp,
    (os, architecture): (&str, &str),
) -> Result<Vec<u8>, Error> {
    let new = || json!({ "created": "", "architecture": architecture, "os": os, "config": {} });
    let wrong = |reason: String| Error::Damaged { what: "the image's config".to_owned(), reason };
    let mut config: Value = match base {
        Some(base) => serde_json::from_slice(base).map_err(|error| wrong(error.to_string()))?,
        None => new(),
    };
    let ids: Vec<String> = layers.iter().map(DiffId::to_string).collect();
    let before = config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    if let Some(base) = base.filter(|_| before == ids && *changes == Changes::default()) {
        return Ok(base.to_vec());
    }
    let Value::Object(map) = &mut config else { return Err(wrong("it is no object".to_owned())) };
    map.insert("created".to_owned(), moment(created).into());
    let known = if before.iter().eq(ids.iter().take(before.len())) { before.len() } else { 0 };
    map.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": ids }));
    let history = object_or(map, "history", json!([]));
    if let Value::Array(history) = history {
        if known == 0 {
            history.clear();
        }
        history.extend(steps.iter().skip(known).map(|step| {
            let mut entry =
                json!({ "created": moment(step.created.unwrap_or(created)), "created_by": "ufs" });
            if let Some(comment) = &step.comment {
                entry["comment"] = comment.as_str().into();
            }
            entry
        }));
    }
    if let Value::Object(run) = object_or(map, "config", json!({})) {
        apply(run, changes);
    }
    Ok(config.to_string().into_bytes())
}

/// A member of an object, made where it is missing or null.
fn object_or<'a>(map: &'a mut Map<String, Value>, key: &str, new: Value) -> &'a mut Value {
    let member = map.entry(key).or_insert(Value::Null);
    if member.is_null() {
        *member = new;
    }
    member
}

fn apply(run: &mut Map<String, Value>, changes: &Changes) {
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            run.insert(key.to_owned(), value);
        }
    };
    set("Cmd", changes.cmd.as_ref().map(|cmd| json!(cmd)));
    set("Entrypoint", changes.entrypoint.as_ref().map(|entrypoint| json!(entrypoint)));
    set("User", changes.user.as_ref().map(|user| json!(user)));
    set("WorkingDir", changes.workdir.as_ref().map(|workdir| json!(workdir)));
    for (name, value) in &changes.env {
        let Value::Array(env) = object_or(run, "Env", json!([])) else { break };
        let prefix = format!("{name}=");
        let text = Value::from(format!("{prefix}{value}"));
        match env.iter_mut().find(|old| old.as_str().is_some_and(|old| old.starts_with(&prefix))) {
            Some(old) => *old = text,
            None => env.push(text),
        }
    }
    let mut into = |key: &str, items: Vec<(String, Value)>| {
        if items.is_empty() {
            return;
        }
        if let Value::Object(map) = object_or(run, key, json!({})) {
            map.extend(items);
        }
    };
    into("Labels", changes.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect());
    into("ExposedPorts", changes.expose.iter().map(|port| (port.clone(), json!({}))).collect());
}

/// A time as RFC 3339 has it.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn moment(time: Timestamp) -> String {
    let days = time.secs.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // months from March on
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let clock = time.secs.rem_euclid(86_400);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_standard_has_them() {
        let text = |secs| moment(Timestamp { secs, nanos: 5 });
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        // date -u -d @1709209815 +%FT%TZ
        assert_eq!(text(1_709_209_815), "2024-02-29T12:30:15Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59Z");
        assert_eq!(text(-62_135_596_800), "0001-01-01T00:00:00Z");
    }
}
