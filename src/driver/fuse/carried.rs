//! Messages whose content goes from a file's pages to the kernel's cache by a pipe; the crate has no way to say them.
//!
//! # Source
//! Linux `include/uapi/linux/fuse.h`: `fuse_out_header`, `fuse_notify_store_out`.

use std::fs::File;
use std::os::fd::AsFd;

use crate::sys::{Errno, splice};

/// `FUSE_NOTIFY_STORE`, which stands in the place of an error where nobody asked.
const STORE: i32 = 4;

/// The length of a message's header, in bytes.
const HEADER: usize = 16;

/// Begins a message: its header, then `fields`, then so much content.
fn head(code: i32, request: u64, fields: &[u8], length: usize) -> Option<Vec<u8>> {
    let whole = u32::try_from(HEADER + fields.len() + length).ok()?;
    let header = [&whole.to_ne_bytes()[..], &code.to_ne_bytes(), &request.to_ne_bytes()];
    Some([&header.concat()[..], fields].concat())
}

/// Answers the request to read a part of a file; tells whether it is answered.
pub(super) fn answer(device: impl AsFd, request: u64, (file, offset, length): (&File, u64, usize)) -> bool {
    let Some(head) = head(0, request, &[], length) else { return false };
    match splice::write_with(&head, (file, offset, length), device) {
        Ok(sent) => sent,
        // whoever asked is gone
        Err(Errno::NOENT) => true,
        Err(errno) => {
            log::debug!("an answer is written once more: {errno}");
            false
        }
    }
}

/// Puts a part of a node's file into the kernel's cache.
pub(super) fn store(device: impl AsFd, node: u64, (file, offset, length): (&File, u64, usize)) {
    let Ok(size) = u32::try_from(length) else { return };
    let fields = [&node.to_ne_bytes()[..], &offset.to_ne_bytes(), &size.to_ne_bytes(), &[0; 4]].concat();
    let Some(head) = head(STORE, 0, &fields, length) else { return };
    match splice::write_with(&head, (file, offset, length), device) {
        // the kernel has forgotten the file
        Ok(_) | Err(Errno::NOENT) => {}
        Err(errno) => log::debug!("the kernel's cache takes nothing: {errno}"),
    }
}
