//! What `ufs --version` says: which program this is, which files it reads and writes, and what it asks of the kernel.

use std::sync::LazyLock;

use crate::store;

/// The commit that a release build was made from; `src/build.rs` finds it.
const COMMIT: Option<&str> = option_env!("UFS_COMMIT");

/// Which parts of the kernel this program has code for; whether this machine's kernel has them, `ufs doctor` tells.
const KERNEL: &str =
    "OverlayFS by descriptors (fsopen, fsmount, move_mount), openat2, user namespaces, FUSE with passthrough";

static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit = COMMIT.map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!(
        "{}{commit}\nformats: store {}, index {}\nkernel: {KERNEL}",
        env!("CARGO_PKG_VERSION"),
        store::FORMAT,
        store::INDEX_FORMAT,
    )
});

/// The text after the program's name.
pub(super) fn long() -> &'static str {
    &LONG
}
