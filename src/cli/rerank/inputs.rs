//! Files that a run reads, watched while it does.

use std::path::{Path, PathBuf};

use spectrank::stamp::Stamp;

use super::{Failure, Rerank};

/// The inputs as they were when the run began; nothing of what is no file.
pub struct Watch(Vec<(PathBuf, Option<Stamp>)>);

fn stamp(path: &Path) -> Option<Stamp> {
    path.metadata().ok().filter(|found| found.is_file()).map(Stamp::from)
}

fn inputs(flags: &Rerank) -> impl Iterator<Item = &PathBuf> {
    flags.catalog.iter().chain(&flags.slates).filter(|path| path.as_os_str() != "-")
}

impl Watch {
    /// Looks at every input.
    pub fn of(flags: &Rerank) -> Self {
        Self(inputs(flags).map(|path| (path.clone(), stamp(path))).collect())
    }

    /// Fails where a file has another size or time of change than at the start: what was read of it cannot be trusted.
    pub fn check(&self) -> Result<(), Failure> {
        match self.0.iter().find(|(path, before)| stamp(path) != *before) {
            None => Ok(()),
            Some((path, _)) => {
                let what =
                    "was changed while it was read, so what was ranked since may be wrong: let it be, and run again";
                Err(Failure::input(path.display(), what))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_file_that_grows_or_is_written_to_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slates.jsonl");
        std::fs::write(&path, "one").unwrap();
        let watch = || Watch(vec![(path.clone(), stamp(&path))]);
        let before = watch();
        assert!(before.check().is_ok());
        std::fs::write(&path, "more").unwrap();
        let line = before.check().unwrap_err().to_string();
        assert!(line.contains("slates.jsonl: was changed while it was read"), "{line}");
        // As long as before, at another time.
        let before = watch();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
        assert!(before.check().is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(watch().check().is_ok() && before.check().is_err());
    }
}
