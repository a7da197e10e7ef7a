//! How much memory and stack this thread has taken: the bounds that keep a script from taking the process down.
//!
//! An allocation that fails and a stack that ends both abort the process, which then leaves its mounts. So both are
//! asked for while there is still room to end in order.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The stack that [`on_deep_stack`] takes, in bytes; only what is used of it takes memory.
pub const DEEP_STACK: usize = 1 << 30;
/// The least that is worth having.
const LEAST_STACK: usize = 1 << 20;

thread_local! {
    /// What this thread allocated less what it freed, in bytes. What moves between threads counts where it was made.
    static TAKEN: Cell<isize> = const { Cell::new(0) };
    /// What must be left of the stack; 0 where this thread has its usual one.
    static RESERVE: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count for each thread.
struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn count(more: usize, less: usize) {
    // a layout has at most isize::MAX bytes
    TAKEN.set(TAKEN.get().wrapping_add_unsigned(more).wrapping_sub_unsigned(less));
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: each call is the system allocator's own, with what the caller gave. The count is a plain number of this thread
// that needs no memory to be set up and none to be dropped.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let at = unsafe { System.alloc(layout) };
        count(if at.is_null() { 0 } else { layout.size() }, 0);
        at
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let at = unsafe { System.alloc_zeroed(layout) };
        count(if at.is_null() { 0 } else { layout.size() }, 0);
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) };
        count(0, layout.size());
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promised.
        let new = unsafe { System.realloc(at, layout, size) };
        if !new.is_null() {
            count(size, layout.size());
        }
        new
    }
}

/// What this thread allocated and did not free, in bytes.
pub fn taken() -> usize {
    TAKEN.get().try_into().unwrap_or(0)
}

/// The memory of the machine, in bytes.
pub fn of_machine() -> usize {
    let info = rustix::system::sysinfo();
    let bytes = u128::from(info.totalram) * u128::from(info.mem_unit);
    bytes.try_into().unwrap_or(usize::MAX)
}

/// Runs on a stack of this many bytes, or of as many as the system gives, still on this thread: values that are nested
/// deeply are drawn, compared and dropped by recursion.
pub fn on_deep_stack<T>(size: usize, run: impl FnOnce() -> T) -> T {
    let mut size = size.max(LEAST_STACK);
    while !may_have(size) {
        size /= 2;
        if size < LEAST_STACK {
            log::debug!("no memory for a deep stack");
            return run();
        }
    }
    stacker::grow(size, || {
        let before = RESERVE.replace(size / 2);
        let result = run();
        RESERVE.set(before);
        result
    })
}

/// Whether the system gives so much at once.
#[expect(unsafe_code, reason = "mmap, munmap")]
fn may_have(size: usize) -> bool {
    let Some(size) = size.checked_add(1 << 20) else { return false };
    let (access, how) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping at a place of the kernel's choice concerns no memory that is in use.
    let place = unsafe { libc::mmap(std::ptr::null_mut(), size, access, how, -1, 0) };
    if place == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: it was mapped right now, and nobody knows of it.
    unsafe { libc::munmap(place, size) == 0 }
}

/// Whether more than half of the deep stack is used: what still runs on it needs the rest.
pub fn is_stack_short() -> bool {
    let reserve = RESERVE.get();
    reserve != 0 && stacker::remaining_stack().is_some_and(|left| left < reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_counted_until_it_is_freed() {
        let before = taken();
        let mut block = vec![0_u8; 1 << 20];
        assert!(taken() >= before + (1 << 20));
        block.reserve_exact(3 << 20);
        assert!(taken() >= before + (4 << 20) - 1);
        drop(block);
        assert!(taken() < before + (1 << 20));
    }

    #[test]
    fn a_deep_stack_is_short_when_half_of_it_is_used() {
        fn dive() -> usize {
            let room = std::hint::black_box([0_u8; 1 << 12]);
            if is_stack_short() { 1 } else { dive() + 1 + usize::from(room[17]) }
        }
        assert!(!is_stack_short());
        let depth = on_deep_stack(64 << 20, dive);
        assert!((1000..=8192).contains(&depth), "{depth}");
        assert!(!is_stack_short());
    }

    #[test]
    fn a_stack_that_no_machine_has_becomes_a_smaller_one() {
        assert_eq!(on_deep_stack(usize::MAX / 2, || 1), 1);
    }
}
