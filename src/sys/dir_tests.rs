//! Directories by descriptor.

use super::*;

#[test]
fn a_walk_beneath_never_leaves_the_directory() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    dir.mkdir(b"d", Mode::new(0o755)).unwrap();
    dir.symlink(b"/etc", b"link").unwrap();
    let path = |text: &str| LayerPath::parse(text.as_bytes()).unwrap();
    assert!(dir.beneath(&path("d")).is_ok());
    assert_eq!(dir.beneath(&path("link")).unwrap_err(), Errno::LOOP);
    assert_eq!(dir.file_beneath(&path("link/passwd")).unwrap_err(), Errno::LOOP);
    // as chroot: /etc means DIR/etc, which is not there
    let opened = dir.in_root(b"link/passwd", OFlags::RDONLY, Mode::default());
    assert_eq!(opened.unwrap_err(), Errno::NOENT);
}

#[test]
fn attributes_are_of_the_file_itself() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    let file = dir.create(b"f", Mode::new(0o640)).unwrap();
    assert_eq!(dir.stat(b"f").unwrap().mode, Mode::new(0o640));
    xattr::set(&file, b"user.a", b"1").unwrap();
    dir.symlink(b"f", b"s").unwrap();
    assert_eq!(xattr::all_at(&dir, b"s").unwrap(), []);
    assert_eq!(xattr::all_at(&dir, b"f").unwrap(), [(b"user.a".to_vec(), b"1".to_vec())]);
    assert_eq!(xattr::get(dir.handle(b"f").unwrap(), b"user.a").unwrap(), b"1");
}

#[test]
fn a_look_for_a_name_ends_at_the_first() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    assert!(dir.is_vacant().unwrap());
    for number in 0..1000 {
        std::fs::write(host.path().join(number.to_string()), "").unwrap();
    }
    let mut seen = 0;
    let found = dir.has(|_| {
        seen += 1;
        Ok(seen == 3)
    });
    assert_eq!((found, seen), (Ok(true), 3));
    assert!(!dir.has(|item| Ok(*item.name == *b"other")).unwrap());
    assert!(!dir.is_vacant().unwrap());
}
