//! The most memory this program has had.

/// Most bytes of memory that were resident at a time since this program started, as the system counts them: pages of mapped
/// files are among them. Nothing where the system is not asked, which is everywhere but on Linux and Apple's systems.
pub fn peak_bytes() -> Option<u64> {
    resident_peak()
}

#[cfg(target_os = "linux")]
fn resident_peak() -> Option<u64> {
    // Not getrusage: what that tells of a program begins with the memory of the one that started it.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(target_vendor = "apple")]
fn resident_peak() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};
    // In bytes there, in kibibytes elsewhere.
    u64::try_from(getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss()).ok()
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn resident_peak() -> Option<u64> {
    None
}

#[cfg(all(test, any(target_os = "linux", target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_grows_with_what_is_touched_and_stays() {
        let before = peak_bytes().unwrap();
        let grown = {
            let block = std::hint::black_box(vec![1_u8; 256 << 20]);
            block.iter().step_by(4096).map(|&x| u64::from(x)).sum::<u64>()
        };
        let after = peak_bytes().unwrap();
        assert_eq!(grown, (256 << 20) / 4096);
        assert!(before > 1 << 20 && after >= 256 << 20, "{before} {after}");
    }
}
