//! Whether two files of two layers hold the same bytes: read in step, up to the first difference.

use std::fs::File;
use std::io::{self, Read};

use super::progress::Work;
use crate::model::{Entry, LayerPath, Node};
use crate::sys::Dir;

/// The size of one step, in bytes.
const STEP: usize = 128 * 1024;

/// Compares the content of `path` in two trees; both entries are known to have the same size.
///
/// Ends at Ctrl-C, with whatever answer. A file that cannot be read counts as different: a difference shown too much is better than one hidden.
pub(super) fn same(path: &LayerPath, before: (&Dir, &Entry), after: (&Dir, &Entry), work: &Work) -> bool {
    match (&before.1.node, &after.1.node) {
        (Node::File { size: 0 }, Node::File { size: 0 }) => true,
        (Node::File { .. }, Node::File { .. }) => {
            let open = |dir: &Dir| dir.file_beneath(path);
            match (open(before.0), open(after.0)) {
                (Ok(a), Ok(b)) => same_bytes(a, b, work).unwrap_or(false),
                _ => false,
            }
        }
        (a, b) => a == b,
    }
}

fn same_bytes(mut a: File, mut b: File, work: &Work) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; STEP], vec![0; STEP]);
    loop {
        let count = a.read(&mut left)?;
        if count == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        match b.read_exact(&mut right[..count]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        if work.done(0, count as u64).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
