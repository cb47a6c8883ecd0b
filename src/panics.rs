//! Panics of libraries, caught and made into errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

thread_local! {
    /// True while a panic on this thread would be caught.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the messages of panics that are caught (a damaged Parquet file, a GPU that went away) off standard error: the
/// error says it all.
///
/// For programs, once at their start. It wraps the panic hook, so it is not done behind a library user's back.
pub fn silence_caught() {
    let before = take_hook();
    set_hook(Box::new(move |info| {
        if !IS_GUARDED.get() {
            before(info);
        }
    }));
}

/// Runs `work`; a panic inside it becomes its message, in one line.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(before);
    result.map_err(|cause| message(cause.as_ref()))
}

fn message(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
    text.unwrap_or("no details").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{IS_GUARDED, caught, message, silence_caught};

    #[test]
    fn a_panic_becomes_one_line() {
        assert_eq!(message(&"Error in Device::poll:\n  lost\n".to_owned()), "Error in Device::poll: lost");
        assert_eq!(message(&"text"), "text");
        assert_eq!(message(&7), "no details");
    }

    #[test]
    fn the_guard_goes_down_once_all_is_over() {
        silence_caught();
        let found = caught(|| {
            let inner = caught(|| panic!("index {}", 3));
            assert!(IS_GUARDED.get());
            inner
        });
        assert_eq!(found, Ok(Err("index 3".to_owned())));
        assert!(!IS_GUARDED.get());
        assert_eq!(caught(|| 1), Ok(1));
    }
}
