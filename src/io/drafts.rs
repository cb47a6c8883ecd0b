//! Files in the making. They are on a list, so that a program that ends at once can take them away.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

/// Every file in the making.
static DRAFTS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

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
    /// Makes a file in a folder.
    pub(crate) fn create(builder: &Builder<'_, '_>, folder: &Path) -> std::io::Result<Self> {
        let mut drafts = drafts();
        let file = builder.tempfile_in(folder)?;
        drafts.insert(file.path().to_owned());
        let listed = Listed(file.path().to_owned());
        Ok(Self { file, listed })
    }

    pub(crate) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name.
    pub(crate) fn persist(self, path: &Path) -> std::io::Result<File> {
        let Self { file, listed } = self;
        // Whoever takes all away comes before or after.
        let mut drafts = drafts();
        drafts.remove(&listed.0);
        let kept = file.persist(path).map_err(|error| error.error);
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

/// Removes every file in the making, for a program that ends right after; how many that were.
///
/// From here on no file is begun, completed or given up: a thread that tries waits forever.
pub fn abandon_drafts() -> usize {
    let drafts = drafts();
    let n_removed = drafts.iter().filter(|path| std::fs::remove_file(path).is_ok()).count();
    std::mem::forget(drafts);
    n_removed
}
