//! An allocator that counts what each thread holds.
//!
//! libFuzzer's own limits see memory that was touched; a reader that asks for what a file claims may never touch it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with a count per thread.
pub struct Counting;

/// Starts a new peak.
pub fn reset_peak() {
    PEAK_BYTES.set(HELD_BYTES.get());
}

/// Most bytes that this thread held at once since [`reset_peak`], beyond what it holds now.
pub fn peak_bytes() -> usize {
    PEAK_BYTES.get().saturating_sub(HELD_BYTES.get()).unsigned_abs()
}

fn count(n_bytes: isize) {
    // Nothing is counted where a thread is being taken down.
    let _ = HELD_BYTES.try_with(|held| {
        held.set(held.get() + n_bytes);
        let _ = PEAK_BYTES.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: everything is left to the system's allocator; counting allocates nothing and cannot panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        count(n_bytes as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, n_bytes) }
    }
}
