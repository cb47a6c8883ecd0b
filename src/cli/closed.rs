//! Whether standard output was closed when the program was started (`spectrank … >&-`).
//!
//! Before `main`, Rust opens the null device in the place of a standard stream that is closed, so that no file of the program
//! gets its number. Afterwards nobody can tell it from `> /dev/null`, which is what some users want; so it is looked at
//! before, where the system's loader calls what programs want to have called first.

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// True where standard output was closed. Never where that cannot be found out.
pub fn was_stdout_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
mod before_main {
    use std::sync::atomic::Ordering;

    // SAFETY: the loader calls every address in this section once before `main`; this is the address of a function of the C
    // calling convention that returns nothing. Arguments that some loaders pass are not looked at, as that convention allows.
    #[used]
    #[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        // SAFETY: a question about a number, whatever it stands for; nothing of Rust's runtime is needed.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        super::WAS_CLOSED.store(flags == -1, Ordering::Relaxed);
    }
}
