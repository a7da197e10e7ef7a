//! What is written on the host, over what is there.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::model::{Device, Node};
use crate::store::{Error, Present, write_host_file};
use crate::sys::Errno;

fn write(host: &Path, present: Present) -> Result<(), Error> {
    write_host_file(host, 0o666, present, |out| {
        out.write_all(b"written").unwrap();
        Ok(())
    })
}

#[test]
fn a_pipe_is_written_to_and_stays() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    dir.mknod(b"pipe", &Node::Fifo, Mode::new(0o600)).unwrap();
    symlink("pipe", host.path().join("link")).unwrap();
    for (name, present) in [("pipe", Present::Replace), ("link", Present::Replace), ("pipe", Present::Keep)] {
        let reader = std::thread::spawn({
            let pipe = host.path().join("pipe");
            move || fs::read(pipe).unwrap()
        });
        write(&host.path().join(name), present).unwrap();
        assert_eq!(reader.join().unwrap(), b"written");
    }
    assert!(host.path().join("pipe").symlink_metadata().unwrap().file_type().is_fifo());
    assert_eq!(dir.items().unwrap().len(), 2);
}

#[test]
fn a_device_is_written_to_and_stays() {
    let host = tempfile::tempdir().unwrap();
    let dir = Dir::open(host.path()).unwrap();
    let null = Node::CharDevice(Device { major: 1, minor: 3 });
    if dir.mknod(b"null", &null, Mode::new(0o666)).is_err() {
        // only root of the machine makes one
        return;
    }
    symlink("null", host.path().join("link")).unwrap();
    for name in ["null", "link"] {
        // where devices are not opened (`nodev`), it stays all the same
        let written = write(&host.path().join(name), Present::Replace);
        assert!(written.is_ok() || written.unwrap_err().errno() == Some(Errno::ACCESS));
    }
    assert!(host.path().join("null").symlink_metadata().unwrap().file_type().is_char_device());
    assert!(host.path().join("link").symlink_metadata().unwrap().is_symlink());
}

#[test]
fn symlinks_are_followed_and_a_file_keeps_its_mode() {
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("dir/file"), "earlier").unwrap();
    fs::set_permissions(at("dir/file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("dir/file", at("link")).unwrap();
    symlink("dir/new", at("to-nothing")).unwrap();
    symlink("round", at("round")).unwrap();
    for name in ["link", "to-nothing", "round"] {
        assert!(write(&at(name), Present::Keep).is_err(), "{name}");
    }
    assert_eq!(fs::read(at("dir/file")).unwrap(), b"earlier");
    for (name, target) in [("link", "dir/file"), ("to-nothing", "dir/new")] {
        write(&at(name), Present::Replace).unwrap();
        assert_eq!(fs::read(at(target)).unwrap(), b"written");
        assert!(at(name).symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(at("dir/file").metadata().unwrap().mode() & 0o7777, 0o640);
    assert_eq!(write(&at("round"), Present::Replace).unwrap_err().errno(), Some(Errno::LOOP));
    assert_eq!(fs::read_dir(at("dir")).unwrap().count(), 2);
}

#[test]
fn what_a_process_has_open_is_written_to() {
    use std::os::fd::AsRawFd as _;
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("file"), "something longer").unwrap();
    let open = fs::File::open(host.path().join("file")).unwrap();
    write(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd())), Present::Replace).unwrap();
    // the same file, not another one of its name
    assert_eq!(open.metadata().unwrap().len(), 7);
}
