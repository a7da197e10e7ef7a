//! How much there is in a tree, for who wants to know how far work on it is.

use crate::model::Kind;
use crate::sys::Dir;

/// The names in a tree and the bytes of its files; less than there is where something cannot be read, and nothing where
/// `go_on` says no. Nothing is opened but directories, and mounts are not entered.
pub fn count_tree(tree: &Dir, go_on: &dyn Fn() -> bool) -> Option<(u64, u64)> {
    let (mut names, mut bytes) = (0, 0);
    let mut levels = vec![(tree.duplicate().ok()?, tree.items().ok()?.into_iter())];
    while let Some((dir, left)) = levels.last_mut() {
        let Some(item) = left.next() else {
            levels.pop();
            continue;
        };
        if !go_on() {
            return None;
        }
        names += 1;
        match item.kind {
            Some(Kind::Dir) => {
                if let Ok(inner) = dir.dir(&item.name)
                    && let Ok(items) = inner.items()
                {
                    levels.push((inner, items.into_iter()));
                }
            }
            Some(Kind::File) | None => bytes += dir.stat(&item.name).map_or(0, |stat| stat.size),
            _ => {}
        }
    }
    Some((names, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_every_byte_counts_and_it_can_be_stopped() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("a/b")).unwrap();
        std::fs::write(host.path().join("a/b/c"), "12345").unwrap();
        std::fs::write(host.path().join("d"), "678").unwrap();
        std::os::unix::fs::symlink("d", host.path().join("e")).unwrap();
        let dir = Dir::open(host.path()).unwrap();
        assert_eq!(count_tree(&dir, &|| true), Some((5, 8)));
        assert_eq!(count_tree(&dir, &|| false), None);
    }
}
