//! Parts of files that stand in for memory.
//!
//! A mapped part costs no memory of this program's own: its pages come from the file when they are read, and the system takes them
//! back when it needs them. What another program does to the file shows through, though, and where it cuts the file
//! short, reading past the new end is the signal SIGBUS, which ends this program. So the file is locked for reading as long as it
//! is mapped (systems with advisory locks hold back only programs that ask), and it can be asked whether it is still what it was.

use std::fs::{File, TryLockError};
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::{Mmap, MmapMut, MmapOptions};

use crate::stamp::Stamp;

/// Bytes to a page of memory: the most of any common system.
const PAGE_BYTES: u64 = 16 << 10;

/// An open file of which parts are mapped.
#[derive(Debug)]
pub struct MappedFile {
    path: PathBuf,
    file: File,
    stamp: Stamp,
}

impl MappedFile {
    /// Locks a file for reading, where the system can.
    ///
    /// # Errors
    /// Another program has it locked for writing, or its size cannot be had.
    pub fn new(path: &Path, file: File) -> io::Result<Self> {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let why = "another program has it locked, and may be writing it";
                return Err(io::Error::new(io::ErrorKind::WouldBlock, why));
            }
            // A file system without locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        Ok(Self { path: path.to_owned(), stamp: file.metadata()?.into(), file })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True where the file has kept its size and its time of change.
    pub fn is_unchanged(&self) -> bool {
        self.file.metadata().is_ok_and(|now| Stamp::from(now) == self.stamp)
    }
}

/// Values of one type in a file, in the byte order of this machine.
#[derive(Debug)]
pub struct MappedValues<T> {
    pages: Pages,
    file: Arc<MappedFile>,
    /// Bytes of memory that [`Self::with_zeros`] may take, at most.
    max_private_bytes: u64,
    values: PhantomData<T>,
}

#[derive(Debug)]
enum Pages {
    AsInFile(Mmap),
    /// Some have been written to, and are memory now, in bytes; the file is as it was.
    Changed(MmapMut, u64),
}

/// Why rows of a mapped file could not be zeroed.
#[derive(Debug)]
pub enum ZeroError {
    /// It would take more memory than allowed.
    TooMany {
        /// Bytes it would take.
        n_bytes: u64,
    },
    /// The system refuses.
    System(io::Error),
}

impl<T: Pod> MappedValues<T> {
    /// Maps `n_values` values from byte `start` on. [`Self::with_zeros`] may take `max_private_bytes` of memory.
    ///
    /// # Errors
    /// The part lies outside the file or is not aligned, or the system refuses.
    pub fn new(file: Arc<MappedFile>, start: u64, n_values: usize, max_private_bytes: u64) -> io::Result<Self> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        let n_bytes = n_values.checked_mul(size_of::<T>()).ok_or_else(|| invalid("its size overflows"))?;
        let end = start.checked_add(n_bytes as u64).filter(|&end| end <= file.stamp.n_bytes);
        end.ok_or_else(|| invalid("its end is past the end of the file"))?;
        let mut options = MmapOptions::new();
        // A map that may be written to later sets no memory aside for that: most of it never is.
        options.offset(start).len(n_bytes).no_reserve_swap();
        // SAFETY: the part lies inside the file as it is now. Every pattern of bytes is a value of `T`, so what others write
        // to the file meanwhile can change numbers and nothing else. Where others cut it short, the system ends this program
        // before a read returns; the shared lock keeps programs that ask from doing so.
        let map = unsafe { options.map_copy_read_only(&file.file) }?;
        if bytemuck::try_cast_slice::<u8, T>(&map).is_err() {
            return Err(invalid("it is not aligned"));
        }
        Ok(Self { pages: Pages::AsInFile(map), file, max_private_bytes, values: PhantomData })
    }

    /// The values.
    pub fn values(&self) -> &[T] {
        let bytes: &[u8] = match &self.pages {
            Pages::AsInFile(map) => map,
            Pages::Changed(map, _) => map,
        };
        // Alignment was checked, and maps do not move.
        bytemuck::try_cast_slice(bytes).unwrap_or_default()
    }

    /// The file that the values are of.
    pub fn file(&self) -> &Arc<MappedFile> {
        &self.file
    }

    /// Bytes that have become this program's own, at most.
    pub fn private_bytes(&self) -> u64 {
        if let Pages::Changed(_, n_bytes) = self.pages { n_bytes } else { 0 }
    }

    /// Says that values will be read in no order: what is not in memory is read alone, not with what is around it.
    pub fn expect_no_order(&self) {
        #[cfg(unix)]
        {
            // Only a hint; what comes of it does not matter.
            let _ = match &self.pages {
                Pages::AsInFile(map) => map.advise(memmap2::Advice::Random),
                Pages::Changed(map, _) => map.advise(memmap2::Advice::Random),
            };
        }
    }

    /// Sets ascending rows of `dim` values to zero, in memory only: the pages they lie on become this program's own.
    ///
    /// # Errors
    /// That takes too much memory, or the system refuses.
    pub fn with_zeros(self, rows: &[u32], dim: usize) -> Result<Self, ZeroError> {
        let n_bytes = private_bytes(rows, (dim * size_of::<T>()) as u64);
        if n_bytes > self.max_private_bytes {
            return Err(ZeroError::TooMany { n_bytes });
        }
        let mut map = match self.pages {
            Pages::AsInFile(map) => map.make_mut().map_err(ZeroError::System)?,
            Pages::Changed(map, _) => map,
        };
        let values = bytemuck::try_cast_slice_mut::<u8, T>(&mut map).unwrap_or_default();
        for &row in rows {
            let start = row as usize * dim;
            values[start..start + dim].fill(T::zeroed());
        }
        Ok(Self { pages: Pages::Changed(map, n_bytes), ..self })
    }
}

/// Bytes of the pages on which ascending rows lie, counted once each.
fn private_bytes(rows: &[u32], row_bytes: u64) -> u64 {
    let mut n_pages = 0;
    let mut next_page = 0;
    for &row in rows {
        let start = u64::from(row) * row_bytes;
        // The first row need not begin with a page, so a row can reach into one more.
        let (first, end) = (start / PAGE_BYTES, (start + row_bytes).div_ceil(PAGE_BYTES) + 1);
        n_pages += end - first.max(next_page).min(end);
        next_page = end;
    }
    n_pages * PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(content: &[f32], max_private_bytes: u64) -> (tempfile::NamedTempFile, MappedValues<f32>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytemuck::cast_slice::<f32, u8>(content)).unwrap();
        let open = Arc::new(MappedFile::new(file.path(), File::open(file.path()).unwrap()).unwrap());
        let values = MappedValues::new(open, 4, content.len() - 1, max_private_bytes).unwrap();
        (file, values)
    }

    #[test]
    fn values_are_those_of_the_file_and_zeros_stay_out_of_it() {
        let content: Vec<f32> = (0..10_001).map(|i| i as f32).collect();
        let (file, values) = mapped(&content, u64::MAX);
        assert_eq!(values.values(), &content[1..]);
        values.expect_no_order();
        let zeroed = values.with_zeros(&[0, 4999], 2).unwrap();
        assert_eq!(zeroed.values()[..3], [0.0, 0.0, 3.0]);
        assert_eq!(zeroed.values()[9_997..], [9_998.0, 0.0, 0.0]);
        assert!(zeroed.file().is_unchanged());
        assert_eq!(std::fs::read(file.path()).unwrap(), bytemuck::cast_slice::<f32, u8>(&content));
    }

    #[test]
    fn zeros_take_no_more_memory_than_allowed() {
        let (_file, values) = mapped(&[0.0; 101], 4 * PAGE_BYTES);
        let values = values.with_zeros(&[1, 2], 2).unwrap();
        let refused = mapped(&[0.0; 101], PAGE_BYTES).1.with_zeros(&[1], 2);
        assert!(matches!(refused, Err(ZeroError::TooMany { n_bytes }) if n_bytes == 2 * PAGE_BYTES));
        drop(values);
        // Rows next to each other share pages; rows far apart do not.
        assert_eq!(private_bytes(&[0, 1, 2], 64), 2 * PAGE_BYTES);
        assert_eq!(private_bytes(&[0, 1000, 2000], PAGE_BYTES), 6 * PAGE_BYTES);
        assert_eq!(private_bytes(&(0..1000).collect::<Vec<_>>(), PAGE_BYTES), 1001 * PAGE_BYTES);
    }

    #[test]
    fn what_does_not_lie_in_the_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0; 64]).unwrap();
        let open = Arc::new(MappedFile::new(file.path(), File::open(file.path()).unwrap()).unwrap());
        let map = |start, n| MappedValues::<f64>::new(open.clone(), start, n, 0).map(|values| values.values().len());
        assert_eq!(map(0, 8).unwrap(), 8);
        for (start, n) in [(0, 9), (64, 1), (u64::MAX, 1), (8, usize::MAX), (4, 2)] {
            assert_eq!(map(start, n).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{start} {n}");
        }
    }

    #[test]
    fn a_file_that_changes_or_is_being_written_is_noticed() {
        let (file, values) = mapped(&[1.0; 100], 0);
        assert!(values.file().is_unchanged());
        std::fs::write(file.path(), [0; 800]).unwrap();
        assert!(!values.file().is_unchanged());
        drop(values);
        let writer = File::options().write(true).open(file.path()).unwrap();
        writer.lock().unwrap();
        let refused = MappedFile::new(file.path(), File::open(file.path()).unwrap()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
