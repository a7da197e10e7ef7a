//! Mounting, resuming, unmounting and discarding.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::lowers::{Lowers, Origins};
use super::mount::Live;
use super::stack::near;
use super::{Mount, Stack, Want, Workspace};
use crate::driver::{self, DriverKind, MountError, MountSpec, Mounted};
use crate::model::LayerName;
use crate::store::{self, MountDir, NewMount, StackPart};
use crate::sys::{Dir, Errno};

/// How a stack is mounted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MountOptions {
    /// The mount point; the store's own where `None`.
    pub at: Option<PathBuf>,
    /// The mount's name; the next free `m1`, `m2`, … where `None`.
    pub name: Option<String>,
    /// Whether a mount that has the name is dropped first, with what is uncommitted in it.
    pub fresh: bool,
    /// Without an upper.
    pub read_only: bool,
    /// Without syncs: quicker, and lost if the machine stops.
    pub volatile: bool,
}

/// A mount's directories, opened for a driver.
pub(super) struct Opened {
    lowers: Lowers,
    upper: Option<(Dir, Dir)>,
    empty: Option<Dir>,
    target: Option<PathBuf>,
    read_only: bool,
    volatile: bool,
    whiteouts: crate::model::WhiteoutForm,
    identity: crate::model::Identity,
    trust: crate::model::Trust,
}

impl Opened {
    /// Opens what a store's mount directory describes.
    pub(super) fn new(workspace: &Workspace, kind: DriverKind, dir: &MountDir) -> Result<Self, Error> {
        let record = dir.record();
        let target = match kind {
            DriverKind::Direct => None,
            _ => Some(record.at.unwrap_or_else(|| dir.merged_path())),
        };
        Ok(Self {
            lowers: workspace.lowers(dir)?,
            upper: if record.read_only { None } else { Some((dir.upper()?, dir.work()?)) },
            empty: if record.read_only { Some(dir.work()?) } else { None },
            target,
            read_only: record.read_only,
            volatile: record.volatile || !workspace.store()?.is_synced(),
            whiteouts: workspace.store()?.whiteout_form(),
            identity: workspace.identity(),
            trust: workspace.store()?.trust(),
        })
    }

    /// Which layers the lowers are.
    pub(super) fn origins(self) -> Origins {
        self.lowers.origins
    }

    /// The same for a driver.
    pub(super) fn spec(&self) -> MountSpec<'_> {
        MountSpec {
            lowers: self.lowers.dirs.iter().map(|dir| dir.as_fd()).collect(),
            upper: self.upper.as_ref().map(|(upper, work)| (upper.as_fd(), work.as_fd())),
            empty: self.empty.as_ref().map(AsFd::as_fd),
            target: self.target.clone(),
            read_only: self.read_only,
            volatile: self.volatile,
            whiteouts: self.whiteouts,
            identity: self.identity,
            trust: self.trust,
        }
    }
}

impl Workspace {
    /// Mounts a stack with a fresh upper and makes it current; `None` takes the best driver that works here.
    ///
    /// # Errors
    /// [`Error::MountExists`], [`Error::NoDriver`], those of the driver and of the store. Nothing is left behind.
    pub fn mount(
        &self,
        driver: Option<DriverKind>,
        stack: &Stack,
        options: &MountOptions,
    ) -> Result<Mount, Error> {
        let parts = stack.sealed_parts()?;
        if options.at.is_some() {
            self.may(Want::Mount)?;
        }
        let at = match &options.at {
            Some(at) => Some(mount_point(at, &self.host_dirs(&parts)?)?),
            None => None,
        };
        let kinds = match driver.or(self.0.options.driver) {
            Some(kind) => vec![kind],
            None if self.0.options.sandbox.is_some() => vec![DriverKind::Direct],
            None => vec![DriverKind::Overlay, DriverKind::Fuse, DriverKind::Direct],
        };
        let wanted = options.name.as_deref().map(LayerName::parse);
        let wanted = wanted.transpose().map_err(|cause| Error::Name { cause })?;
        let root = self.merged_root(&parts)?;
        let mut reasons = Vec::new();
        for &kind in &kinds {
            self.may_mount(kind)?;
            let new = NewMount {
                stack: parts.clone(),
                driver: kind.word(),
                at: at.clone(),
                read_only: options.read_only,
                volatile: options.volatile,
                root: root.clone(),
            };
            if options.fresh
                && let Some(name) = &wanted
            {
                self.drop_mount(name)?;
            }
            let dir = self.create_mount(wanted.as_ref(), &new)?;
            let name = dir.name().clone();
            match self.mount_by(kind, &dir) {
                Ok((mounted, origins)) => {
                    if kinds.len() > 1 {
                        self.note_choice(kind, &reasons);
                    }
                    let live = Live { dir, behind: false, mounted: Some(mounted), origins };
                    self.0.live.borrow_mut().insert(name.clone(), live);
                    *self.0.current.borrow_mut() = Some(name.clone());
                    self.attend(&name)?;
                    return Ok(Mount::new(self, name));
                }
                Err(error) => {
                    self.store()?.discard_mount(&dir)?;
                    match &error {
                        // a wrong mount point is wrong for every driver
                        Error::Mount(inner) if kinds.len() > 1 && inner.is_about_the_driver() => {
                            reasons.push(inner.to_string());
                        }
                        _ => return Err(error),
                    }
                }
            }
        }
        Err(Error::NoDriver { reasons: reasons.join("; ") })
    }

    fn note_choice(&self, kind: DriverKind, reasons: &[String]) {
        let how = match kind {
            DriverKind::Direct => ", without a real mount",
            _ => "",
        };
        self.note(if reasons.is_empty() {
            format!("mounted by `{kind}`: the kernel's OverlayFS works here")
        } else {
            format!("mounted by `{kind}`{how}: {}", reasons.join("; "))
        });
    }

    /// Makes a mount's directories under this name, or under the first of `m1`, `m2`, … that nobody takes first.
    fn create_mount(&self, wanted: Option<&LayerName>, new: &NewMount<'_>) -> Result<MountDir, Error> {
        let store = self.store()?;
        if let Some(name) = wanted {
            return match store.create_mount(name, new) {
                Err(store::Error::MountExists { .. }) => Err(self.mount_exists(name)?),
                made => Ok(made?),
            };
        }
        for number in 1_u64.. {
            let name = LayerName::parse(&format!("m{number}")).map_err(|cause| Error::Name { cause })?;
            if store.has_mount(&name)? {
                continue;
            }
            match store.create_mount(&name, new) {
                // another process was quicker
                Err(store::Error::MountExists { .. }) => {}
                made => return Ok(made?),
            }
        }
        Err(Error::NoMount)
    }

    /// Drops the mount of that name, if there is one and no other process uses it.
    fn drop_mount(&self, name: &LayerName) -> Result<(), Error> {
        let store = self.store()?;
        if !store.has_mount(name)? {
            return Ok(());
        }
        if let Some(user) = store.mount_user(name) {
            return Err(Error::MountExists { name: name.to_string(), user: Some(user), dirty: false });
        }
        let mount = Mount::new(self, name.clone());
        let dirty = mount.dirty().unwrap_or(true);
        if self.discard_or_keep(&mount)? && dirty {
            self.note(format!("dropped the earlier mount `{name}` with its uncommitted changes"));
        }
        Ok(())
    }

    fn mount_exists(&self, name: &LayerName) -> Result<Error, Error> {
        let user = self.store()?.mount_user(name);
        let dirty = user.is_none() && Mount::new(self, name.clone()).dirty()?;
        Ok(Error::MountExists { name: name.to_string(), user, dirty })
    }

    /// Refuses, in a sandbox, what mounts: the kernel does, too.
    fn may_mount(&self, kind: DriverKind) -> Result<(), Error> {
        if kind == DriverKind::Direct { Ok(()) } else { self.may(Want::Mount) }
    }

    fn mount_by(&self, kind: DriverKind, dir: &MountDir) -> Result<(Box<dyn Mounted>, Origins), Error> {
        self.may_mount(kind)?;
        let opened = Opened::new(self, kind, dir)?;
        let mounted = driver::mount(kind, &opened.spec())?;
        Ok((mounted, opened.origins()))
    }

    fn host_dirs(&self, stack: &[StackPart]) -> Result<Vec<PathBuf>, Error> {
        let store = self.store()?;
        Ok(stack
            .iter()
            .map(|part| match part {
                StackPart::Sealed(id) => store.tree_path(*id),
                StackPart::Host(dir) => dir.clone(),
            })
            .collect())
    }

    /// Every mount of the store, those of earlier runs and of other processes too, by name.
    pub fn mounts(&self) -> Result<Vec<Mount>, Error> {
        let (records, damaged) = self.store()?.mounts_and_damage()?;
        let mut names: Vec<_> = records.into_iter().map(|record| record.name).chain(damaged).collect();
        names.sort_unstable();
        Ok(names.into_iter().map(|name| Mount::new(self, name)).collect())
    }

    /// The mount of that name.
    ///
    /// # Errors
    /// [`Error::UnknownMount`] with the nearest name.
    pub fn mount_named(&self, text: &str) -> Result<Mount, Error> {
        match LayerName::parse(text) {
            Ok(name) if self.store()?.has_mount(&name)? => Ok(Mount::new(self, name)),
            _ => Err(self.unknown_mount(text)?),
        }
    }

    pub(super) fn unknown_mount(&self, text: &str) -> Result<Error, Error> {
        let names: Vec<String> = self.store()?.mounts()?.iter().map(|mount| mount.name.to_string()).collect();
        Ok(Error::UnknownMount { name: text.to_owned(), near: near(text, &names) })
    }

    /// Makes a mount current, and mounts it again if it is not mounted.
    pub fn use_mount(&self, mount: &Mount) -> Result<Mount, Error> {
        let name = mount.layer_name().clone();
        if !mount.mounted() {
            let mut live = self.take(&name)?;
            let outcome = self.mount_again(&mut live);
            self.0.live.borrow_mut().insert(name.clone(), live);
            outcome?;
            self.attend(&name)?;
        }
        *self.0.current.borrow_mut() = Some(name);
        Ok(mount.clone())
    }

    fn mount_again(&self, live: &mut Live) -> Result<(), Error> {
        let record = live.dir.record();
        if let Some(at) = &record.at {
            mount_point(at, &self.host_dirs(&record.stack)?)?;
        }
        let kind = DriverKind::parse(&record.driver).unwrap_or(DriverKind::Direct);
        self.store()?.end_commit(&live.dir)?;
        if let Some(strays) = self.store()?.ready_again(&live.dir)? {
            self.note(format!(
                "somebody wrote to the mount point of `{}` while nothing was mounted there: the files are in `{}`",
                live.dir.name(),
                strays.display()
            ));
        }
        let (mounted, origins) = self.mount_by(kind, &live.dir)?;
        (live.mounted, live.origins, live.behind) = (Some(mounted), origins, false);
        Ok(())
    }

    /// Takes hold of a mount: ours already, or left by an earlier run. It must be put back.
    pub(super) fn take(&self, name: &LayerName) -> Result<Live, Error> {
        if let Some(live) = self.0.live.borrow_mut().remove(name) {
            return Ok(live);
        }
        let dir = self.open_left(name)?;
        self.store()?.take_over(&dir)?;
        Ok(Live { dir, behind: false, mounted: None, origins: Origins::default() })
    }

    /// Opens a mount that no process uses, unmounted if an earlier run left it mounted.
    fn open_left(&self, name: &LayerName) -> Result<MountDir, Error> {
        let store = self.store()?;
        if !store.has_mount(name)? {
            return Err(self.unknown_mount(name.as_str())?);
        }
        let dir = store.open_mount(name)?;
        let record = dir.record();
        if dir.may_be_mounted() {
            // what an earlier run left goes, before its upper is used again
            let target = record.at.unwrap_or_else(|| dir.merged_path());
            driver::unmount_left_over(&target, dir.path())?;
            if !record.read_only {
                driver::refuse_used_upper(&target, &dir.upper()?, &dir.merged()?)?;
            }
        }
        Ok(dir)
    }

    /// Unmounts; the upper stays.
    pub fn unmount(&self, mount: &Mount) -> Result<(), Error> {
        let name = mount.layer_name();
        self.tell_changes_of(mount)?;
        let mut live = self.0.live.borrow_mut();
        if let Some(mounted) = live.get_mut(name).and_then(|held| held.mounted.as_mut()) {
            mounted.unmount()?;
        } else {
            drop(live);
            mount.record()?;
            return Err(Error::NotMounted { name: mount.name() });
        }
        let mut dir = None;
        if let Some(held) = live.get_mut(name) {
            held.mounted = None;
            dir = Some(held.dir.clone());
        }
        let next = live.iter().find(|(_, held)| held.mounted.is_some()).map(|(name, _)| name.clone());
        drop(live);
        self.attend(name)?;
        let mut current = self.0.current.borrow_mut();
        if current.as_ref() == Some(name) {
            *current = next;
        }
        match dir {
            Some(dir) => Ok(self.store()?.sync_mount(&dir)?),
            None => Ok(()),
        }
    }

    /// Drops a mount and its upper. Of one whose record does not read back the files are kept aside, with a note.
    pub fn discard(&self, mount: &Mount) -> Result<(), Error> {
        self.discard_or_keep(mount).map(drop)
    }

    /// As [`Workspace::discard`]; whether its files are gone.
    fn discard_or_keep(&self, mount: &Mount) -> Result<bool, Error> {
        if mount.mounted() {
            self.unmount(mount)?;
        }
        let live = self.0.live.borrow_mut().remove(mount.layer_name());
        let dir = match live {
            Some(live) => live.dir,
            // nothing is written of whose it is: a full disk may have no room for that
            None => match self.open_left(mount.layer_name()) {
                Err(Error::Store(store::Error::DamagedMount { name, .. })) => {
                    let aside = self.put_aside(&name)?;
                    self.note(format!("`{name}` was damaged, so its files are kept: `{}`", aside.display()));
                    return Ok(false);
                }
                opened => opened?,
            },
        };
        self.store()?.discard_mount(&dir)?;
        Ok(true)
    }

    /// Frees the name of a mount that cannot be mounted again: nothing tells what its files are worth. Gives where they are.
    pub(super) fn put_aside(&self, name: &LayerName) -> Result<PathBuf, Error> {
        let store = self.store()?;
        let damaged = store.open_damaged_mount(name)?;
        driver::unmount_left_over(&damaged.merged, &damaged.path)?;
        if let Some((upper, merged)) = damaged.dirs()? {
            driver::refuse_used_upper(&damaged.merged, &upper, &merged)?;
        }
        Ok(store.put_aside(&damaged)?)
    }

    /// The current mount.
    ///
    /// # Errors
    /// [`Error::NoMount`].
    pub fn current(&self) -> Result<Mount, Error> {
        match &*self.0.current.borrow() {
            Some(name) => Ok(Mount::new(self, name.clone())),
            None => Err(Error::NoMount),
        }
    }
}

/// The real path of a mount point; refuses one that is missing, no directory, not empty, or inside a layer of the
/// stack.
fn mount_point(at: &Path, lowers: &[PathBuf]) -> Result<PathBuf, Error> {
    let refused = |cause: std::io::Error| MountError::Target {
        act: "mount at",
        target: at.to_owned(),
        errno: Errno::from_io_error(&cause).unwrap_or(Errno::IO),
    };
    let real = at.canonicalize().map_err(refused)?;
    for lower in lowers {
        if lower.canonicalize().is_ok_and(|lower| real.starts_with(lower)) {
            return Err(MountError::InsideLower { target: at.to_owned(), lower: lower.clone() }.into());
        }
    }
    let mut items = std::fs::read_dir(&real).map_err(refused)?;
    if items.next().is_some() {
        return Err(MountError::NotEmpty { target: at.to_owned() }.into());
    }
    Ok(real)
}
