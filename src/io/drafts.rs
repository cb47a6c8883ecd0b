//! Files in the making. They are on a list, so that a program that ends at once can take them away.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

const PREFIX: &str = ".spectrank-";
const SUFFIX: &str = ".part";

/// True where a file of this name is one in the making, or was left over by a program that was killed.
pub(crate) fn is_draft(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Every file in the making.
static DRAFTS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Outputs that were completed.
static N_KEPT: AtomicUsize = AtomicUsize::new(0);

fn drafts() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    // Nothing under this lock leaves the list half changed.
    DRAFTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file that is on the list until it has its name or is gone. Dropped, it removes itself.
pub(crate) struct DraftFile {
    // Dropped in this order: what is not on the list any more is not there either.
    file: NamedTempFile,
    listed: Listed,
}

/// A name on the list, for as long as this is there.
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        drafts().remove(&self.0);
    }
}

impl DraftFile {
    /// Makes a file in a folder, with a name that tells what it is where the program is killed: as any new file of this user, or for
    /// nobody else's eyes.
    pub(crate) fn create(folder: &Path, is_private: bool) -> std::io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        #[cfg(unix)]
        if !is_private {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        #[cfg(not(unix))]
        let _ = is_private;
        let mut drafts = drafts();
        let file = builder.tempfile_in(folder)?;
        drafts.insert(file.path().to_owned());
        let listed = Listed(file.path().to_owned());
        Ok(Self { file, listed })
    }

    pub(crate) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name. One that nobody asked for, `is_output` false, does not count as kept.
    pub(crate) fn persist(self, path: &Path, is_output: bool) -> std::io::Result<File> {
        let Self { file, listed } = self;
        // Whoever takes all away comes before or after.
        let mut drafts = drafts();
        drafts.remove(&listed.0);
        let kept = file.persist(path).map_err(|error| error.error);
        N_KEPT.fetch_add(usize::from(kept.is_ok() && is_output), Ordering::SeqCst);
        drop(drafts);
        kept
    }
}

impl Write for DraftFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What [`abandon_drafts`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned {
    /// Files in the making, which are gone.
    pub n_removed: usize,
    /// Outputs that had been completed before.
    pub n_kept: usize,
}

/// Removes every file in the making, for a program that ends right after.
///
/// From here on no file is begun, completed or given up: a thread that tries waits forever.
pub fn abandon_drafts() -> Abandoned {
    let drafts = drafts();
    let n_removed = drafts.iter().filter(|path| std::fs::remove_file(path).is_ok()).count();
    std::mem::forget(drafts);
    Abandoned { n_removed, n_kept: N_KEPT.load(Ordering::SeqCst) }
}
