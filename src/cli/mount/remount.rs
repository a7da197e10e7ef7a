//! A mount that is to be changed: mount(8) does that by itself once it is told not to ask its helper.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Command;

use super::{Failure, Request};

/// Hands the options that count for any mount on to `mount -i`; gives its exit code.
pub(super) fn hand_on(request: &Request) -> Result<u8, Failure> {
    let options = OsString::from_vec(request.wanted.generic.join(&b","[..]));
    let mut command = Command::new("mount");
    command.arg("-i").arg("-o").arg(options).arg(&request.dir);
    let status = command.status().map_err(|error| Failure::new(format!("cannot run mount(8): {error}")))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
