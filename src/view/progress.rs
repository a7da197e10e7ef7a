//! A line on the terminal for what takes long: a bar, or a spinner.
//!
//! It is drawn from a thread of its own, so that it moves however the work does, and it is one line that is written
//! over itself: whatever the terminal echoes behind it (`^C`) goes with it.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::escape::{fit_end, prose, width};
use super::quantity::{count, duration, size};
use super::{Paint, Style};
use crate::workspace::{Amount, Count, Progress, Total};

/// What ends sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it moves.
const TICK: Duration = Duration::from_millis(100);
/// The columns of a bar where there is little room.
const SHORT_BAR: usize = 6;
/// The columns that the words before it have at least.
const LEAST: usize = 16;
/// The columns of a bar.
const BAR: usize = 20;
/// How many bytes of a file take about as long as one more name.
const NAME: u64 = 16 << 10;
/// The columns that stay free at the end: those of the `^C` that a terminal echoes, and the last, behind which it may go
/// to the next line.
const FREE: usize = 3;
/// To the line's beginning, and what is there goes.
///
/// # Source
/// ECMA-48, 8.3.41, "EL - ERASE IN LINE".
const CLEAR: &str = "\r\x1b[K";

/// Draws progress on stderr: a bar with rate and time left, or a spinner with what was done so far where nobody knows how
/// much there is. Between [`Bar::begin`] and [`Bar::end`] there is a spinner for work that says nothing of itself too,
/// until something is printed: from then on that tells enough.
#[derive(Debug)]
pub struct Bar {
    style: Cell<Style>,
    visible: bool,
    shown: RefCell<Option<Shown>>,
}

/// A line that appears when it is time.
#[derive(Debug)]
struct Shown {
    work: Arc<Work>,
    /// Whether it goes on when the piece of work ends that it tells of.
    whole: bool,
}

#[derive(Debug)]
struct Work {
    style: Style,
    started: Instant,
    piece: Mutex<Option<Piece>>,
    /// Told when there is nothing more to draw.
    over: Condvar,
    ended: AtomicBool,
    drawn: AtomicBool,
    names: AtomicU64,
    bytes: AtomicU64,
    /// The number of the piece of work that is told of.
    number: AtomicU64,
}

/// A piece of work that says how far it is.
#[derive(Debug)]
struct Piece {
    what: String,
    total: Total,
    started: Instant,
}

impl Bar {
    /// A bar that draws as the style allows, if it is `visible` at all.
    pub fn new(style: Style, visible: bool) -> Self {
        Self { style: Cell::new(style), visible, shown: RefCell::new(None) }
    }

    /// Work begins that may say nothing of itself; `style` is what the terminal is like now.
    pub fn begin(&self, style: Style) {
        self.end();
        self.style.set(style);
        if self.visible {
            *self.shown.borrow_mut() = Some(Shown { work: Work::start(self.style.get()), whole: true });
        }
    }

    /// Takes it off the screen, for good: the work has ended, or something else is about to be written.
    pub fn end(&self) {
        if let Some(shown) = self.shown.borrow_mut().take() {
            shown.work.end();
        }
    }
}

impl Progress for Bar {
    fn is_visible(&self) -> bool {
        self.visible
    }

    fn start(&self, what: &str, total: Total) {
        if !self.visible {
            return;
        }
        let mut shown = self.shown.borrow_mut();
        let shown = shown.get_or_insert_with(|| Shown { work: Work::start(self.style.get()), whole: false });
        shown.work.number.fetch_add(1, Ordering::Relaxed);
        shown.work.names.store(0, Ordering::Relaxed);
        shown.work.bytes.store(0, Ordering::Relaxed);
        let piece = Piece { what: prose(what, &self.style.get()), total, started: Instant::now() };
        *shown.work.piece() = Some(piece);
    }

    fn advance(&self, done: Amount) {
        if let Some(shown) = &*self.shown.borrow() {
            shown.work.names.fetch_add(done.names, Ordering::Relaxed);
            shown.work.bytes.fetch_add(done.bytes, Ordering::Relaxed);
        }
    }

    fn finish(&self) {
        let whole = self.shown.borrow().as_ref().is_some_and(|shown| shown.whole);
        if !whole {
            self.end();
        } else if let Some(shown) = &*self.shown.borrow() {
            *shown.work.piece() = None;
            shown.work.number.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Work {
    /// Begins, with the thread that draws.
    fn start(style: Style) -> Arc<Self> {
        let work = Arc::new(Self {
            style,
            started: Instant::now(),
            piece: Mutex::new(None),
            over: Condvar::new(),
            ended: AtomicBool::new(false),
            drawn: AtomicBool::new(false),
            names: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            number: AtomicU64::new(0),
        });
        let drawing = work.clone();
        let thread = std::thread::Builder::new().name("progress".to_owned());
        if let Err(error) = thread.spawn(move || drawing.draw_until_it_ends()) {
            log::debug!("no progress is shown: {error}");
        }
        work
    }

    fn piece(&self) -> MutexGuard<'_, Option<Piece>> {
        self.piece.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what there is to do, by the way.
    fn count(self: &Arc<Self>, count: Count) {
        let (work, number) = (self.clone(), self.number.load(Ordering::Relaxed));
        let thread = std::thread::Builder::new().name("counting".to_owned());
        let spawned = thread.spawn(move || {
            let is_over =
                || work.ended.load(Ordering::Relaxed) || work.number.load(Ordering::Relaxed) != number;
            let Some(found) = count(&|| !is_over()) else { return };
            if let Some(piece) = &mut *work.piece()
                && !is_over()
            {
                piece.total = Total::Known(found);
            }
        });
        if let Err(error) = spawned {
            log::debug!("nobody counts how much there is to do: {error}");
        }
    }

    fn draw_until_it_ends(self: &Arc<Self>) {
        let mut wait = PATIENCE;
        let mut piece = self.piece();
        for step in 0.. {
            let until = |_: &mut Option<Piece>| !self.ended.load(Ordering::Relaxed);
            let waited =
                self.over.wait_timeout_while(piece, wait, until).unwrap_or_else(PoisonError::into_inner);
            if !waited.1.timed_out() {
                break;
            }
            piece = waited.0;
            wait = TICK;
            // not before somebody looks: counting takes a while too
            if let Some(Piece { total, .. }) = &mut *piece {
                match std::mem::replace(total, Total::Unknown) {
                    Total::Counted(count) => self.count(count),
                    other => *total = other,
                }
            }
            let line = self.line(piece.as_ref(), step, Instant::now());
            self.drawn.store(true, Ordering::Relaxed);
            let room = self.style.width.saturating_sub(FREE);
            write(&format!("{CLEAR}{}", fit_line(&line, room, &self.style)));
        }
    }

    fn end(&self) {
        // the thread holds this while it draws
        let piece = self.piece();
        self.ended.store(true, Ordering::Relaxed);
        if self.drawn.load(Ordering::Relaxed) {
            write(CLEAR);
        }
        drop(piece);
        self.over.notify_all();
    }

    /// The line at a moment, in pieces.
    fn line(&self, piece: Option<&Piece>, step: usize, now: Instant) -> Vec<(Paint, String)> {
        let style = &self.style;
        let spinner = || (Paint::Dim, style.signs().spinner[step % style.signs().spinner.len()].to_owned());
        let plain = |text: String| (Paint::Plain, text);
        let Some(Piece { what, total, started }) = piece else {
            return vec![
                spinner(),
                plain(format!(" {}  Ctrl-C stops it", duration(now.saturating_duration_since(self.started)))),
            ];
        };
        let done =
            Amount { names: self.names.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) };
        let took = now.saturating_duration_since(*started);
        let Total::Known(total) = *total else {
            let mut line = format!(" {what}");
            for (amount, text) in [(done.names, names(done.names)), (done.bytes, size(done.bytes))] {
                if amount > 0 {
                    line += &format!("  {text}");
                }
            }
            let rate = if done.bytes > 0 {
                size(per_second(done.bytes, took))
            } else {
                count(per_second(done.names, took))
            };
            if done != Amount::default() {
                line += &format!("  {rate}/s");
            }
            return vec![spinner(), plain(line)];
        };
        // where names are most of the work, they say more than bytes
        let far = if total.names.saturating_mul(NAME) > total.bytes {
            let shown = count(done.names.min(total.names));
            format!("{shown} of {}  {}/s", names(total.names), count(per_second(done.names, took)))
        } else {
            let shown = size(done.bytes.min(total.bytes));
            format!("{shown} of {}  {}/s", size(total.bytes), size(per_second(done.bytes, took)))
        };
        let (effort, whole) = (effort(done, total), effort(total, total));
        let left =
            u64::try_from(took.as_millis()).unwrap_or(u64::MAX).saturating_mul(whole.saturating_sub(effort));
        let left = left.checked_div(effort).map(Duration::from_millis);
        let left = left.map_or_else(String::new, |left| format!("  {} left", duration(left)));
        let far = format!("  {far}{left}");
        // a long path gives way first, then the bar
        let room = style.width.saturating_sub(FREE + width(&far));
        let what = fit_end(what, room.saturating_sub(SHORT_BAR + 2).max(LEAST), style);
        let bar = room.saturating_sub(width(&what) + 2).clamp(SHORT_BAR, BAR);
        let full = effort.min(whole).saturating_mul(bar as u64).checked_div(whole);
        let full = full.and_then(|full| usize::try_from(full).ok()).unwrap_or(0);
        vec![
            plain(format!("{what}  ")),
            (Paint::Added, style.signs().full.repeat(full)),
            (Paint::Dim, style.signs().empty.repeat(bar - full)),
            plain(far),
        ]
    }
}

/// How much work something is, as bytes of a file; names count where it is known how many there are.
fn effort(amount: Amount, total: Amount) -> u64 {
    let names = if total.names > 0 { amount.names.min(total.names) } else { 0 };
    amount.bytes.min(total.bytes).saturating_add(names.saturating_mul(NAME))
}

fn names(number: u64) -> String {
    format!("{} name{}", count(number), if number == 1 { "" } else { "s" })
}

/// So many a second, on the average.
fn per_second(amount: u64, time: Duration) -> u64 {
    let rate = u128::from(amount) * 1000 / time.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The pieces painted, as many as fit.
fn fit_line(pieces: &[(Paint, String)], mut room: usize, style: &Style) -> String {
    let mut line = String::new();
    for (paint, text) in pieces {
        let text = fit_end(text, room, style);
        room -= width(&text).min(room);
        line += &style.paint(*paint, &text);
    }
    line
}

fn write(text: &str) {
    let mut err = std::io::stderr().lock();
    if let Err(error) = err.write_all(text.as_bytes()).and_then(|()| err.flush()) {
        log::debug!("stderr: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(total: Total, names: u64, bytes: u64, style: &Style) -> String {
        let work = Work::start(*style);
        work.names.store(names, Ordering::Relaxed);
        work.bytes.store(bytes, Ordering::Relaxed);
        let started = Instant::now();
        let piece = Piece { what: "adding x".to_owned(), total, started };
        let drawn = work.line(Some(&piece), 1, started + Duration::from_secs(2));
        work.end();
        fit_line(&drawn, style.width, style)
    }

    fn known(names: u64, bytes: u64) -> Total {
        Total::Known(Amount { names, bytes })
    }

    #[test]
    fn a_bar_tells_how_much_is_done_how_fast_and_how_long_it_will_take() {
        let style = Style { unicode: false, ..Style::plain(100) };
        assert_eq!(
            line(known(0, 4 << 20), 7, 1 << 20, &style),
            "adding x  =====...............  1.0 MiB of 4.0 MiB  512.0 KiB/s  6.0 s left"
        );
        // more than was said there would be
        assert!(line(known(0, 1 << 20), 7, 4 << 20, &style).contains("====  1.0 MiB of 1.0 MiB"));
        assert!(line(known(0, 1 << 20), 0, 0, &style).ends_with("0 B of 1.0 MiB  0 B/s"));
    }

    #[test]
    fn many_small_files_are_counted_in_names_and_their_bytes_are_the_lesser_part() {
        let style = Style { unicode: false, ..Style::plain(100) };
        assert_eq!(
            line(known(20_000, 4 << 20), 5_000, 1 << 20, &style),
            "adding x  =====...............  5,000 of 20,000 names  2,500/s  6.0 s left"
        );
        assert!(line(known(1, 0), 1, 0, &style).contains("====  1 of 1 name  0/s"));
        assert!(line(known(0, 0), 1, 0, &style).ends_with("0 B of 0 B  0 B/s"));
    }

    #[test]
    fn a_spinner_tells_what_was_done_so_far_in_the_room_there_is() {
        let style = Style { unicode: false, ..Style::plain(100) };
        assert_eq!(
            line(Total::Unknown, 1234, 1 << 20, &style),
            "\\ adding x  1,234 names  1.0 MiB  512.0 KiB/s"
        );
        assert_eq!(line(Total::Unknown, 1234, 0, &style), "\\ adding x  1,234 names  617/s");
        assert_eq!(line(Total::Unknown, 0, 0, &style), "\\ adding x");
        let narrow = line(Total::Unknown, 1234, 1 << 20, &Style { width: 20, ..style });
        assert!(width(&narrow) <= 20, "{narrow}");
    }

    #[test]
    fn what_is_known_stays_known_however_often_it_is_drawn() {
        let bar = Bar::new(Style::plain(80), true);
        bar.start("adding x", known(3, 8));
        let work = bar.shown.borrow().as_ref().map(|shown| shown.work.clone()).unwrap();
        while !work.drawn.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert!(matches!(work.piece().as_ref().unwrap().total, Total::Known(Amount { names: 3, bytes: 8 })));
        bar.finish();
    }

    #[test]
    fn what_is_counted_meanwhile_makes_a_bar_of_the_spinner() {
        let bar = Bar::new(Style::plain(80), true);
        let (told, found) = std::sync::mpsc::channel();
        let count = Box::new(move |go_on: &dyn Fn() -> bool| {
            let _ = told.send(go_on());
            Some(Amount { names: 0, bytes: 8 })
        });
        bar.start("adding x", Total::Counted(count));
        assert!(found.recv().unwrap());
        let work = bar.shown.borrow().as_ref().map(|shown| shown.work.clone()).unwrap();
        while !matches!(work.piece().as_ref().unwrap().total, Total::Known(Amount { bytes: 8, .. })) {
            std::thread::yield_now();
        }
        bar.finish();
    }
}
