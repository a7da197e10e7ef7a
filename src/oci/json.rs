//! The JSON of images, kept byte for byte; its size and its nesting are bounded.

use serde::de::DeserializeOwned;

use super::Error;
use super::blob::{Extent, Plain as _};

/// The most bytes that a manifest, an index or a config may have: what registries and other tools take, too.
pub(super) const MOST: u64 = 4 << 20;

/// All bytes of a small file.
///
/// # Errors
/// [`Error::TooBig`], [`Error::Damaged`] for one that ends early.
pub(super) fn bytes(extent: &Extent, what: &str) -> Result<Vec<u8>, Error> {
    let size = extent.len();
    let too_big = || Error::TooBig { what: what.to_owned(), size, limit: MOST };
    if size > MOST {
        return Err(too_big());
    }
    let mut bytes = vec![0; usize::try_from(size).map_err(|_| too_big())?];
    let read = extent.read_at(&mut bytes, 0).map_err(|error| Error::damaged(what, error.to_string()))?;
    if read < bytes.len() {
        return Err(Error::damaged(what, format!("it ends after {read} of {size} bytes")));
    }
    Ok(bytes)
}

/// What the bytes say; keys that are not asked for are passed over. Nesting deeper than 128 is an error.
///
/// # Errors
/// [`Error::Damaged`].
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::damaged(what, error.to_string()))
}
