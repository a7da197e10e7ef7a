//! The kernel's overlay and ours behind FUSE, side by side, used as any program uses a mount: by paths, descriptors
//! and memory, also as other users.

mod copying;
mod directories;
mod foreign;
mod hosts;
mod limits;
mod listing;
mod mapped_times;
mod memory;
mod open_files;
mod pushed;
mod readers;
mod set_ids;
mod space;
mod special;
mod users;
mod writers;

use std::fmt::Debug;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::thread::{Gid, Uid};
use ufs::driver::{DriverKind, Mounted};
use ufs::model::WhiteoutForm;
use ufs::sys::{Errno, probe};

use crate::host::{skip, with_mounts};
use crate::semantics::case::{Build, Lower};
use crate::semantics::layers;
use crate::semantics::stage::Stage;

/// What an operation gives.
type Done<T = ()> = Result<T, Errno>;

/// One stack, mounted by the kernel and by FUSE, each with an upper of its own.
struct Pair {
    stage: Stage,
    kernel: Option<Box<dyn Mounted>>,
    fuse: Option<Box<dyn Mounted>>,
}

impl Pair {
    fn new(scratch: &Path, lowers: &[Build<'_>]) -> Self {
        let mut stage = Stage::new(scratch, &[], true);
        for (number, build) in lowers.iter().enumerate() {
            Lower::make(stage.add_lower(), number, build);
        }
        // everybody may reach the mounts
        let above = stage.upper("kernel").parent().unwrap().to_owned();
        fs::set_permissions(above, fs::Permissions::from_mode(0o755)).unwrap();
        stage.add_upper("kernel");
        stage.add_upper("fuse");
        let kernel = Some(stage.mount(DriverKind::Overlay, "kernel", WhiteoutForm::Device));
        let fuse = Some(stage.mount(DriverKind::Fuse, "fuse", WhiteoutForm::Device));
        Self { stage, kernel, fuse }
    }

    /// Changes both uppers while nothing has them mounted.
    fn change_uppers(&mut self, change: impl Fn(&Path)) {
        drop((self.kernel.take(), self.fuse.take()));
        change(&self.stage.upper("kernel"));
        change(&self.stage.upper("fuse"));
        self.kernel = Some(self.stage.mount(DriverKind::Overlay, "kernel", WhiteoutForm::Device));
        self.fuse = Some(self.stage.mount(DriverKind::Fuse, "fuse", WhiteoutForm::Device));
    }

    /// Runs the same in both mounts.
    fn each<T>(&self, act: impl Fn(&Path) -> T) -> (T, T) {
        (act(&self.stage.target("kernel")), act(&self.stage.target("fuse")))
    }

    /// Runs the same in both mounts, which give the same.
    #[track_caller]
    fn same<T: PartialEq + Debug>(&self, act: impl Fn(&Path) -> T) -> T {
        let (kernel, fuse) = self.each(act);
        assert_eq!(kernel, fuse, "kernel and FUSE");
        kernel
    }

    /// The same, whatever they give.
    #[track_caller]
    fn agree<T: PartialEq + Debug>(&self, act: impl Fn(&Path) -> T) {
        drop(self.same(act));
    }

    /// Unmounts; both left the same upper.
    #[track_caller]
    fn end(mut self) {
        drop((self.kernel.take(), self.fuse.take()));
        let [kernel, fuse] = ["kernel", "fuse"].map(|name| layers::scan(&self.stage.upper(name)));
        assert_eq!(kernel, fuse, "the kernel's upper and FUSE's");
    }
}

/// Runs a test on a pair of mounts, where both can be made.
fn with_pair(scratch: &Path, lowers: &[Build<'_>], test: impl FnOnce(Pair)) {
    match probe::fuse_device() {
        Ok(_) => test(Pair::new(scratch, lowers)),
        Err(no) => skip(&no.reason),
    }
}

/// An error's number.
fn told<T>(done: io::Result<T>) -> Done<T> {
    done.map_err(|error| Errno::from_io_error(&error).unwrap())
}

/// Somebody who is not root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
    groups: &'static [u32],
}

/// Runs something as another user: in a thread of its own, as the kernel keeps credentials by threads.
fn as_user<T: Send>(user: Option<User>, act: impl FnOnce() -> T + Send) -> T {
    let Some(user) = user else { return act() };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let groups: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            rustix::thread::set_thread_groups(&groups).unwrap();
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}
