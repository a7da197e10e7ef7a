//! Going through the layers of an image, as many at a time as there are cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::Error;
use super::image::Image;
use super::layer::{Found, Task, Watch};
use crate::sys::signals;

/// How often it is told how far the work is.
const TELL: Duration = Duration::from_millis(50);

impl Image {
    /// Goes through all layers that were not opened before; `verify`: all bytes go by, of uncompressed ones too. Tells how
    /// many bytes of blobs were done.
    ///
    /// # Errors
    /// That of a layer which cannot be read; [`Error::Interrupted`].
    pub fn open_layers(&self, verify: bool, told: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let waiting: Vec<_> = self.layers.iter().filter(|layer| !layer.is_open()).collect();
        let tasks: Vec<Task> = waiting.iter().map(|layer| layer.task()).collect();
        for (at, found) in run(&tasks, verify, told)? {
            waiting[at].take(found);
        }
        Ok(())
    }
}

/// Runs tasks in threads, and gives what each found; the first error ends all.
fn run(tasks: &[Task], verify: bool, told: &mut dyn FnMut(u64)) -> Result<Vec<(usize, Found)>, Error> {
    let (watch, next) = (Watch::default(), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
    let (send, receive) = channel();
    let (mut found, mut failed) = (Vec::with_capacity(tasks.len()), None);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, watch, next) = (send.clone(), &watch, &next);
            scope.spawn(move || {
                while let Some((at, task)) = nth(tasks, next) {
                    // who receives lives until all threads have ended
                    if send.send((at, task.run(verify, watch))).is_err() || watch.stop.load(Ordering::Relaxed)
                    {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut before = 0;
        loop {
            let received = receive.recv_timeout(TELL);
            let done = watch.done.load(Ordering::Relaxed);
            told(done - before);
            before = done;
            if signals::interrupted() {
                failed.get_or_insert(Error::Interrupted);
            }
            match received {
                Ok((at, Ok(layer))) => found.push((at, layer)),
                // of those that come later, some were only stopped
                Ok((_, Err(error))) => {
                    failed.get_or_insert(error);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if failed.is_some() {
                watch.stop.store(true, Ordering::Relaxed);
            }
        }
    });
    failed.map_or(Ok(found), Err)
}

/// The next task that no thread has.
fn nth<'a>(tasks: &'a [Task], next: &AtomicUsize) -> Option<(usize, &'a Task)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, tasks.get(at)?))
}
