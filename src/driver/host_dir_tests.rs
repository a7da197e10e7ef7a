//! A real directory as files, without privilege.

use std::io::{Read as _, Write as _};

use super::*;
use crate::model::Device;
use crate::sys::dir::own_ids;

struct Place {
    host: tempfile::TempDir,
    dir: Rc<Dir>,
    files: HostDir,
}

fn layer() -> Place {
    let host = tempfile::tempdir().unwrap();
    let dir = Rc::new(Dir::open(host.path()).unwrap());
    let files = HostDir::raw_layer(Rc::clone(&dir), Identity::AsIs, Trust::FilesOf(own_ids().0));
    Place { host, dir, files }
}

fn path(text: &str) -> LayerPath {
    LayerPath::parse(text.as_bytes()).unwrap()
}

const MODE: Mode = Mode::new(0o755);

#[test]
fn absolute_symlinks_start_at_the_root_and_nothing_leaves_it() {
    let Place { files, dir, host: _host } = layer();
    files.mkdir(&path("etc"), MODE).unwrap();
    files.symlink(b"/etc", &path("abs")).unwrap();
    files.symlink(b"../../../../etc", &path("up")).unwrap();
    files.open(&path("abs/motd"), OpenHow::rewrite(MODE)).unwrap().write_all(b"hi").unwrap();
    let mut text = String::new();
    files.open(&path("up/motd"), OpenHow::READ).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi");
    assert!(dir.dir(b"etc").unwrap().stat(b"motd").is_ok());
    assert_eq!(files.stat(&path("abs"), Follow::No).unwrap().kind(), Kind::Symlink);
    assert_eq!(files.read_link(&path("abs")).unwrap(), b"/etc");
    assert_eq!(files.stat(&path("up/passwd"), Follow::Yes).unwrap_err(), Errno::NOENT);
}

#[test]
fn a_whiteout_is_not_there_in_either_form() {
    let Place { files, dir, host: _host } = layer();
    dir.whiteout(b"dev").unwrap();
    dir.create(b"attr", MODE).unwrap();
    xattr::set_at(&*dir, b"attr", names::WHITEOUT, b"").unwrap();
    xattr::set(&*dir, names::OPAQUE, b"x").unwrap();
    dir.create(b"file", MODE).unwrap();
    let names: Vec<_> = files.read_dir(&path("")).unwrap().into_iter().map(|item| item.name).collect();
    assert_eq!(names, [Box::from(&b"file"[..])]);
    for name in ["dev", "attr"] {
        assert_eq!(files.stat(&path(name), Follow::No).unwrap_err(), Errno::NOENT, "{name}");
        assert_eq!(files.open(&path(name), OpenHow::READ).unwrap_err(), Errno::NOENT, "{name}");
        assert_eq!(files.link(&path(name), &path("other")).unwrap_err(), Errno::NOENT, "{name}");
        assert_eq!(
            files.rename(&path(name), &path("other"), RenameHow::Replace),
            Err(Errno::NOENT),
            "{name}"
        );
        files.open(&path(name), OpenHow::rewrite(MODE)).unwrap();
        assert_eq!(files.stat(&path(name), Follow::No).unwrap().kind(), Kind::File, "{name}");
    }
}

#[test]
fn a_directory_over_a_whiteout_is_opaque() {
    let Place { files, dir, host: _host } = layer();
    for name in [&b"made"[..], b"moved", b"replaced"] {
        dir.whiteout(name).unwrap();
    }
    files.mkdir(&path("made"), Mode::new(0o500)).unwrap();
    files.mkdir(&path("plain"), MODE).unwrap();
    files.rename(&path("plain"), &path("moved"), RenameHow::NoReplace).unwrap();
    files.open(&path("file"), OpenHow::rewrite(MODE)).unwrap();
    files.rename(&path("file"), &path("replaced"), RenameHow::Replace).unwrap();
    assert_eq!(xattr::get_at(&*dir, b"made", names::OPAQUE).unwrap(), b"y");
    assert_eq!(dir.stat(b"made").unwrap().mode, Mode::new(0o500));
    assert_eq!(xattr::get_at(&*dir, b"moved", names::OPAQUE).unwrap(), b"y");
    assert_eq!(dir.stat(b"replaced").unwrap().kind, Kind::File);
    // the mark is not the user's
    assert_eq!(files.xattrs(&path("made")).unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_directory_of_whiteouts_looks_and_goes_as_an_empty_one() {
    let Place { files, dir, host: _host } = layer();
    files.mkdir(&path("d"), MODE).unwrap();
    dir.dir(b"d").unwrap().whiteout(b"gone").unwrap();
    assert_eq!(files.read_dir(&path("d")).unwrap(), []);
    files.open(&path("d/file"), OpenHow::rewrite(MODE)).unwrap();
    assert_eq!(files.rmdir(&path("d")), Err(Errno::NOTEMPTY));
    assert!(dir.dir(b"d").unwrap().stat(b"gone").is_ok());
    files.unlink(&path("d/file")).unwrap();
    files.rmdir(&path("d")).unwrap();
}

#[test]
fn owners_and_devices_that_the_host_cannot_give_are_shown_as_they_are_meant() {
    let Place { files, dir, host: _host } = layer();
    dir.create(b"null", Mode::new(0o600)).unwrap();
    xattr::set_at(&*dir, b"null", names::NODE, b"char:1:3").unwrap();
    xattr::set_at(&*dir, b"null", names::OWNER, b"7:8").unwrap();
    let stat = files.stat(&path("null"), Follow::No).unwrap();
    assert_eq!(stat.node, Node::CharDevice(Device { major: 1, minor: 3 }));
    assert_eq!((stat.uid, stat.gid), (7, 8));
    assert_eq!(files.xattr(&path("null"), names::OWNER), Err(Errno::NODATA));
    let own = dir.stat(b"null").unwrap();
    // an owner that the host does give makes the mark void
    files.chown(&path("null"), own.uid, own.gid).unwrap();
    let stat = files.stat(&path("null"), Follow::No).unwrap();
    assert_eq!((stat.uid, stat.gid), (own.uid, own.gid));
    // where marks mean nothing, it is an empty file
    let plain = HostDir::host(Rc::clone(&dir), Identity::AsIs);
    assert_eq!(plain.stat(&path("null"), Follow::No).unwrap().node, Node::File { size: 0 });
}

#[test]
fn own_files_are_roots_for_a_user_without_privilege() {
    let Place { dir, host: _host, .. } = layer();
    dir.create(b"f", Mode::new(0o444)).unwrap();
    let own = dir.stat(b"f").unwrap();
    let files =
        HostDir::raw_layer(dir, Identity::OwnIsRoot { uid: own.uid, gid: own.gid }, Trust::FilesOf(own.uid));
    let stat = files.stat(&path("f"), Follow::No).unwrap();
    assert_eq!((stat.uid, stat.gid), (0, 0));
    files.chown(&path("f"), 0, 0).unwrap();
    let stat = files.stat(&path("f"), Follow::No).unwrap();
    assert_eq!((stat.uid, stat.gid, stat.mode), (0, 0, Mode::new(0o444)));
}

#[test]
fn users_attributes_of_the_overlays_name_are_kept_apart() {
    let Place { files, dir, host: _host } = layer();
    files.open(&path("f"), OpenHow::rewrite(MODE)).unwrap();
    files.set_xattr(&path("f"), b"user.overlay.opaque", b"mine").unwrap();
    files.set_xattr(&path("f"), b"user.colour", b"red").unwrap();
    assert_eq!(xattr::get_at(&*dir, b"f", b"user.overlay.overlay.opaque").unwrap(), b"mine");
    let mut listed = files.xattrs(&path("f")).unwrap();
    listed.sort();
    assert_eq!(listed, [b"user.colour".to_vec(), b"user.overlay.opaque".to_vec()]);
    assert_eq!(files.xattr(&path("f"), b"user.overlay.opaque").unwrap(), b"mine");
    files.remove_xattr(&path("f"), b"user.overlay.opaque").unwrap();
    assert_eq!(files.xattr(&path("f"), b"user.overlay.opaque"), Err(Errno::NODATA));
}

#[test]
fn what_is_closed_answers_stale() {
    let files = HostDir::closed(Identity::AsIs);
    assert_eq!(files.stat(&path("f"), Follow::No), Err(Errno::STALE));
    assert_eq!(files.mkdir(&path("d"), MODE), Err(Errno::STALE));
}
