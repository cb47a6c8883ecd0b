//! Writes the seeds into one folder per target below the folder given.

use std::path::PathBuf;

// Holds what instrumented code calls.
use libfuzzer_sys as _;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "corpus".into()));
    for seed in spectrank_fuzz::seeds::all() {
        let folder = folder.join(seed.target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(seed.name), seed.data)?;
    }
    Ok(())
}
