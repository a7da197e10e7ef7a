//! One case a rule, by the kernel and by the union side by side.

mod attributes;
mod copying;
mod deleting;
mod limits;
mod listing;
mod moving;
mod nested;

use ufs::driver::OpenHow;

use super::ops::Rights;
use crate::host::with_mounts;

/// For writing what is there.
const WRITE: OpenHow = OpenHow { write: true, ..OpenHow::READ };

/// Whether real devices can be made and files given away.
fn is_root() -> bool {
    super::ops::rights() == Rights::Root
}
