//! A mount that is served by a process of its own, for whoever uses the mount himself.
//!
//! A thread that waits in the kernel for an answer of the mount cannot be ended once the server has read the request: were
//! the server in the same process, a signal that ends the process would end the server's threads first, and what the waiting
//! thread holds open (the descriptors of the process, the FUSE device among them) would keep the connection for ever. So the
//! server shares no descriptors with who uses the mount; each of the two hears when the other is gone. When this process is
//! gone the server ends at once, and with it the connection; when the mount is used by nobody any more it ends by itself.
//!
//! Two links go between them. On one this process asks and the server answers: a byte, and an errno (four bytes). On the
//! other the server tells what changes do, and says in between that all before is told.

use std::cell::RefCell;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::server::{Manner, Server};
use super::told;
use crate::driver::{Event, Listener, MountError, MountSpec, direct};
use crate::sys::apart::{self, Apart, End};
use crate::sys::{Dir, Errno, daemon, private};
use crate::union::{LowerDir, Union, Whereabouts};

/// How long whoever has files open may take to close them after the mount is out of the tree.
const PATIENCE: Duration = Duration::from_secs(1);
/// That all before is told.
const MARK: &[u8] = &[u8::MAX];

/// What the server is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ask {
    Freeze = 1,
    Thaw,
    Tell,
    TellNothing,
    Mark,
}

impl Ask {
    const ALL: [Self; 5] = [Self::Freeze, Self::Thaw, Self::Tell, Self::TellNothing, Self::Mark];
}

/// The process that serves a mount, seen from the one that uses it.
#[derive(Debug)]
pub(super) struct Served {
    process: Apart,
    /// `None` once the process was waited for.
    asks: Option<End>,
    tells: RefCell<Option<End>>,
    hearing: RefCell<Option<Hearing>>,
}

/// The thread that hears what the server tells; it ends when the server does.
struct Hearing {
    listener: Arc<Mutex<Option<Arc<dyn Listener>>>>,
    /// Each time that all before is told.
    marks: Receiver<()>,
}

impl std::fmt::Debug for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hearing").finish_non_exhaustive()
    }
}

impl Served {
    /// Starts a process that serves a stack's union to what `device` is for.
    pub(super) fn start(spec: &MountSpec<'_>, device: OwnedFd) -> Result<Self, MountError> {
        let failed = |act| move |errno| MountError::Server { act, errno };
        let (asks, asked) = apart::link().map_err(failed("make a link to the server"))?;
        let (tells, told) = apart::link().map_err(failed("make a link to the server"))?;
        let mut kept = spec.lowers.clone();
        kept.extend(spec.upper.iter().flat_map(|(upper, work)| [upper.as_fd(), work.as_fd()]));
        kept.extend([device.as_fd(), asked.as_fd(), told.as_fd()]);
        let numbers = Numbers { device: &device, asked: &asked, told: &told };
        let process = apart::start(&kept, || numbers.live(spec)).map_err(failed("start the server"))?;
        // these are the server's alone
        drop((device, asked, told));
        let mut answer = [0; 5];
        let (first, errno) = read_answer(&asks, &mut answer).map_err(failed("hear of the server"))?;
        let served =
            Self { process, asks: Some(asks), tells: RefCell::new(Some(tells)), hearing: RefCell::default() };
        match (first, errno) {
            (_, None) => Ok(served),
            (0, Some(errno)) => Err(MountError::Layers { errno }),
            (_, Some(errno)) => Err(MountError::Server { act: "serve", errno }),
        }
    }

    /// Asks the server and waits until it is done.
    fn ask(&self, what: Ask) -> Result<(), Errno> {
        let asks = self.asks.as_ref().ok_or(Errno::PIPE)?;
        asks.send(&[what as u8])?;
        match read_answer(asks, &mut [0; 5])? {
            (_, None) => Ok(()),
            (_, Some(errno)) => Err(errno),
        }
    }

    /// As [`Union::freeze`].
    pub(super) fn freeze(&self) -> Result<(), Errno> {
        self.ask(Ask::Freeze)
    }

    /// As [`Union::thaw`].
    pub(super) fn thaw(&self) -> Result<(), Errno> {
        self.ask(Ask::Thaw)
    }

    /// As [`Union::listen`]; the listener is called in a thread of this process.
    pub(super) fn listen(&self, listener: Option<Arc<dyn Listener>>) -> Result<(), Errno> {
        let listens = listener.is_some();
        if listens && self.hearing.borrow().is_none() {
            let tells = self.tells.borrow_mut().take().ok_or(Errno::PIPE)?;
            *self.hearing.borrow_mut() = Some(Hearing::start(tells)?);
        }
        if !listens {
            self.catch_up();
        }
        if let Some(hearing) = &*self.hearing.borrow() {
            *hearing.listener.lock().unwrap_or_else(PoisonError::into_inner) = listener;
            self.ask(if listens { Ask::Tell } else { Ask::TellNothing })?;
        }
        Ok(())
    }

    /// Waits until the listener has heard of all that was done so far.
    pub(super) fn catch_up(&self) {
        // of a server that is gone the thread hears no more
        if let Some(hearing) = &*self.hearing.borrow()
            && self.ask(Ask::Mark).is_ok()
            && hearing.marks.recv().is_err()
        {
            log::debug!("the server of a mount ended while it was listened to");
        }
    }

    /// Whether nobody uses the mount any more.
    pub(super) fn has_ended(&self) -> bool {
        self.asks.as_ref().is_none_or(|asks| asks.is_hung_up(Duration::ZERO))
    }

    /// Ends the server of a mount that is out of the tree. Whoever still has a file open gets a moment to close it.
    pub(super) fn end(&mut self) {
        let Some(asks) = self.asks.take() else { return };
        if !self.process.end(&asks, PATIENCE) {
            log::debug!("a FUSE mount was still in use when its server ended");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}

impl Hearing {
    fn start(tells: End) -> Result<Self, Errno> {
        let listener: Arc<Mutex<Option<Arc<dyn Listener>>>> = Arc::default();
        let (marked, marks) = mpsc::channel();
        let told = Arc::clone(&listener);
        let named = std::thread::Builder::new().name("ufs-hear".to_owned());
        let started = named.spawn(move || {
            let (mut buffer, mut joined) = (vec![0; told::PIECE], told::Joined::default());
            while let Ok(Some(piece)) = tells.receive(&mut buffer) {
                let Some(message) = joined.take(piece) else { continue };
                if message == MARK {
                    if marked.send(()).is_err() {
                        return;
                    }
                    continue;
                }
                let listener = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let (Some(listener), Some(event)) = (listener, told::decode(&message)) {
                    listener.hear(event);
                }
            }
        });
        started.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        Ok(Self { listener, marks })
    }
}

/// An answer: what it is about, and what it failed with.
fn read_answer(asks: &End, buffer: &mut [u8; 5]) -> Result<(u8, Option<Errno>), Errno> {
    match asks.receive(buffer)? {
        Some(&[what, a, b, c, d]) => {
            let errno = i32::from_le_bytes([a, b, c, d]);
            Ok((what, (errno != 0).then(|| Errno::from_raw_os_error(errno))))
        }
        _ => Err(Errno::PIPE),
    }
}

/// What the server takes over from its origin.
struct Numbers<'a> {
    device: &'a OwnedFd,
    asked: &'a End,
    told: &'a End,
}

/// Hands on what the union tells; the thread of [`Numbers::live`] sends it, so that no change waits for a listener.
struct Mouth(Sender<Option<Event>>);

impl Listener for Mouth {
    fn hear(&self, event: Event) {
        // without that thread nobody listens
        drop(self.0.send(Some(event)));
    }
}

impl Numbers<'_> {
    /// The server's life: until its origin is gone, or nobody uses the mount any more.
    fn live(&self, spec: &MountSpec<'_>) {
        // whether the origin is there to hear it
        let answer = |what: u8, done: Result<(), Errno>| {
            let errno = done.err().map_or(0, Errno::raw_os_error);
            self.asked.send(&[&[what][..], &errno.to_le_bytes()].concat()).is_ok()
        };
        let refuse = |what: u8, errno: Errno| {
            answer(what, Err(errno));
        };
        let union = match direct::open_union(spec, quiet) {
            Ok(union) => Arc::new(union),
            Err(errno) => return refuse(0, errno),
        };
        let served = || {
            let (ended, lifeline) = daemon::lifeline()?;
            let device = crate::sys::file::duplicate(self.device)?;
            let served = Server::serve(Arc::clone(&union), Manner::default(), Some(lifeline), device);
            Ok::<_, Errno>((ended, served.map_err(|error| error.errno().unwrap_or(Errno::IO))?))
        };
        let (ended, _server) = match served() {
            Ok(served) => served,
            Err(errno) => return refuse(1, errno),
        };
        let (say, said) = mpsc::channel();
        if !answer(1, Ok(())) {
            return;
        }
        std::thread::scope(|scope| {
            let mut speaks = false;
            let mut said = Some(said);
            while self.asked.wait(ended.as_fd()) == Ok(true) {
                let mut buffer = [0; 8];
                let Ok(Some(&[what])) = self.asked.receive(&mut buffer) else { break };
                let Some(ask) = Ask::ALL.into_iter().find(|ask| *ask as u8 == what) else { break };
                if ask == Ask::Tell
                    && let Some(said) = said.take()
                {
                    speaks = std::thread::Builder::new().spawn_scoped(scope, || self.speak(said)).is_ok();
                }
                if !answer(what, obey(ask, &union, &say, speaks)) {
                    break;
                }
            }
            // no thread is waited for
            apart::exit();
        });
    }

    /// Sends what is told, in order.
    fn speak(&self, said: Receiver<Option<Event>>) {
        for event in said {
            let message = event.map_or_else(|| MARK.to_vec(), |event| told::encode(&event));
            for piece in told::pieces(&message) {
                if self.told.send(&piece).is_err() {
                    return;
                }
            }
        }
    }
}

/// A layer that does not remember that it was read, where this process may have it so.
fn quiet(dir: Dir) -> LowerDir {
    match private::read_only(&dir) {
        Ok(quiet) => LowerDir { dir: quiet, whereabouts: Whereabouts::Other(dir) },
        Err(_) => LowerDir { dir, whereabouts: Whereabouts::Itself },
    }
}

/// Does what the origin asks for.
fn obey(ask: Ask, union: &Union, say: &Sender<Option<Event>>, speaks: bool) -> Result<(), Errno> {
    match ask {
        Ask::Freeze => union.freeze(),
        Ask::Thaw => union.thaw(),
        Ask::Tell | Ask::Mark if !speaks => return Err(Errno::AGAIN),
        Ask::Tell => union.listen(Some(Arc::new(Mouth(say.clone())))),
        Ask::TellNothing => union.listen(None),
        Ask::Mark => return say.send(None).map_err(|_| Errno::PIPE),
    }
    Ok(())
}
