//! What scripts get for plain values of ours: numbers, times, bytes, IDs, host paths.

use std::path::PathBuf;

use rhai::{Blob, Dynamic, FLOAT, Map};

use crate::model::Timestamp;

/// A string's or blob's bytes.
pub(super) fn as_bytes(value: &Dynamic) -> Option<Vec<u8>> {
    if let Some(blob) = value.clone().try_cast::<Blob>() {
        return Some(blob);
    }
    value.clone().into_immutable_string().ok().map(|text| text.as_bytes().to_vec())
}

/// Bytes as a string where they are UTF-8, else as a blob.
pub(super) fn from_bytes(bytes: Vec<u8>) -> Dynamic {
    match String::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(error) => Dynamic::from_blob(error.into_bytes()),
    }
}

pub(super) fn int(number: u64) -> Dynamic {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// Seconds since 1970, with their fraction.
pub(super) fn seconds(time: Timestamp) -> Dynamic {
    if time.nanos == 0 {
        return time.secs.into();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a float has 53 bits: microseconds for the next centuries"
    )]
    let float = time.secs as FLOAT + FLOAT::from(time.nanos) / 1e9;
    float.into()
}

pub(super) fn id_text(id: Option<impl std::fmt::Display>) -> Dynamic {
    id.map_or(Dynamic::UNIT, |id| id.to_string().into())
}

pub(super) fn map_of<const N: usize>(pairs: [(&str, Dynamic); N]) -> Map {
    pairs.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

/// A path on the host; `()` where there is none.
pub(super) fn host_path(path: Option<PathBuf>) -> Dynamic {
    path.map_or(Dynamic::UNIT, |path| from_bytes(path.into_os_string().into_encoded_bytes()))
}
