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
fn a_path_longer_than_the_system_takes_is_gone_in_pieces() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    let name = [b'n'; 200];
    let mut at = dir.duplicate().unwrap();
    for _ in 0..100 {
        at.mkdir(&name, Mode::new(0o755)).unwrap();
        at = at.dir(&name).unwrap();
    }
    at.create(b"f", Mode::new(0o600)).unwrap();
    at.symlink(b"f", b"link").unwrap();
    let deep = [&name[..], b"/"].concat().repeat(100);
    let path = |last: &str| LayerPath::parse(&[&deep[..], last.as_bytes()].concat()).unwrap();
    assert_eq!(dir.beneath(&path("")).unwrap().stat_self().unwrap().ino, at.stat_self().unwrap().ino);
    assert!(dir.file_beneath(&path("f")).is_ok());
    assert_eq!(dir.file_beneath(&path("link")).unwrap_err(), Errno::LOOP);
    assert_eq!(dir.file_beneath(&path("none")).unwrap_err(), Errno::NOENT);
    let handle = dir.in_root(path("link").as_bytes(), OFlags::PATH | OFlags::NOFOLLOW, Mode::default());
    assert_eq!(Dir::link_target(handle.unwrap()).unwrap(), b"f");
    let (parent, last) = (path("new"), OFlags::RDWR | OFlags::CREATE);
    dir.in_root(parent.as_bytes(), last, Mode::new(0o600)).unwrap();
    assert_eq!(at.items().unwrap().len(), 3);
    // the first piece may lead over a symlink, as long as that stays inside
    dir.symlink(&name, b"first").unwrap();
    let over = [b"first", &deep[200..], b"f"].concat();
    assert!(dir.in_root(&over, OFlags::RDONLY, Mode::default()).is_ok());
    dir.remove_tree(&name).unwrap();
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
