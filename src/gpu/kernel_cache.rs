//! Compiled kernels, kept on disk between runs, where the API can hand them out (Vulkan).
//!
//! A cache makes a start quicker and must never make it fail: whatever is wrong with it, the kernel is compiled as if there
//! were none. A driver may trust such data blindly. So a file is passed on only where it is the user's own, in a folder of the
//! user's own, nobody else can write to either by their modes, and it is to the last bit what a driver of this name and version
//! gave for this very kernel. Trusted are: the folders above, access lists beside the modes, and what else runs as this user.
//! Where the system is not a Unix, owners and modes are not looked at: there a user's folders are closed by where they lie.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::device::OpenDevice;
use crate::digest::Digest;
use crate::io::DraftFile;

/// Where compiled kernels are kept: a folder, or 0 for nowhere. Where it is not set, in the user's folder for caches.
pub const CACHE_VARIABLE: &str = "SPECTRANK_GPU_CACHE";

/// How a file begins; the digest follows, then the driver's data.
const MAGIC: &[u8] = b"spectrank kernel 1\n";
/// Hexadecimal digits of the digest.
const DIGEST_BYTES: usize = 32;
/// Larger files are left alone.
const MAX_BYTES: u64 = 64 << 20;
/// Files kept; the oldest go first.
const MAX_FILES: usize = 64;
/// How files end.
const EXTENSION: &str = "kernel";

/// The folder for compiled kernels of the user who runs this program; none where [`CACHE_VARIABLE`] says so, or where there
/// is no place for it.
pub fn user_folder() -> Option<PathBuf> {
    folder(cfg!(windows), |name| env::var_os(name).filter(|value| !value.is_empty()))
}

fn folder(is_windows: bool, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(set) = variable(CACHE_VARIABLE) {
        return (set != "0").then(|| set.into());
    }
    // The specification has relative paths ignored.
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = if is_windows {
        absolute("LOCALAPPDATA")
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("spectrank"))
}

/// The place of one kernel.
#[derive(Debug)]
pub(super) struct KernelFile {
    folder: PathBuf,
    /// A file that this program made in the folder: its owner is who we are.
    own: fs::Metadata,
    name: String,
    /// All that the data depend on.
    identity: String,
}

impl KernelFile {
    /// The place of a kernel that is compiled from `source`, which tells all about it. None where the device's API has no
    /// caches, or the folder is not fit for one.
    pub(super) fn of(open: &OpenDevice, folder: &Path, source: &str) -> Option<Self> {
        if !open.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let adapter = open.adapter.get_info();
        let adapter_key = wgpu::util::pipeline_cache_key(&adapter)?;
        let driver = [&adapter.name, &adapter.driver, &adapter.driver_info].map(String::as_str).join(", ");
        Self::new(folder, &adapter_key, &driver, source)
    }

    fn new(folder: &Path, adapter_key: &str, driver: &str, source: &str) -> Option<Self> {
        let (folder, own) = private(folder)?;
        let source = Digest::of(source.as_bytes()).xxh3;
        let name = format!("{adapter_key}-{source}.{EXTENSION}");
        Some(Self { folder, own, name, identity: format!("{adapter_key}\n{driver}\n{source}\n") })
    }

    /// What a driver gave for this kernel, if it is there and whole.
    pub(super) fn read(&self) -> Option<Vec<u8>> {
        let file = open_itself(&self.folder.join(&self.name)).ok()?;
        // Of the open file: what has its name may be another one by now.
        let found = file.metadata().ok()?;
        if !found.is_file() || !is_private(&found) || !is_same_owner(&found, &self.own) {
            return None;
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC).filter(|_| bytes.len() as u64 <= MAX_BYTES)?;
        let (digest, data) = rest.split_at_checked(DIGEST_BYTES)?;
        (digest == self.digest(data).as_bytes()).then(|| data.to_vec())
    }

    /// Puts the data in place, whole or not at all. Nobody is told where that fails: there is just no cache then.
    pub(super) fn write(&self, data: &[u8]) {
        if self.try_write(data).is_ok() {
            self.remove_oldest();
        }
    }

    fn try_write(&self, data: &[u8]) -> std::io::Result<()> {
        let mut file = DraftFile::create(&self.folder, true)?;
        file.write_all(MAGIC)?;
        file.write_all(self.digest(data).as_bytes())?;
        file.write_all(data)?;
        file.persist(&self.folder.join(&self.name), false)?;
        Ok(())
    }

    /// Takes the file away, because the driver did not like it.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(self.folder.join(&self.name));
    }

    fn digest(&self, data: &[u8]) -> String {
        Digest::of(&[self.identity.as_bytes(), data].concat()).xxh3
    }

    /// Files of kernels and drivers that are gone would pile up.
    fn remove_oldest(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let kernels =
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|found| found == EXTENSION));
        let dated = kernels.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
        let mut dated: Vec<_> = dated.collect();
        dated.sort();
        let n_too_many = dated.len().saturating_sub(MAX_FILES);
        for (_, path) in &dated[..n_too_many] {
            let _ = fs::remove_file(path);
        }
    }
}

/// The folder, made where it is missing, if it is the user's own and nobody else can write to it; and a file that we made there.
fn private(folder: &Path) -> Option<(PathBuf, fs::Metadata)> {
    create(folder).ok()?;
    let found = fs::metadata(folder).ok()?;
    // A file that we make is ours: it tells who we are, and that we may write here.
    let own = tempfile::tempfile_in(folder).ok()?.metadata().ok()?;
    (found.is_dir() && is_private(&found) && is_same_owner(&found, &own)).then(|| (folder.to_owned(), own))
}

/// Opens a file, and not what a link of its name leads to.
#[cfg(unix)]
fn open_itself(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

#[cfg(not(unix))]
fn open_itself(path: &Path) -> std::io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn create(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

/// False where others may write.
#[cfg(unix)]
fn is_private(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    found.permissions().mode() & 0o022 == 0
}

#[cfg(unix)]
fn is_same_owner(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    a.uid() == b.uid()
}

/// Elsewhere a user's folders are closed to others by where they lie.
#[cfg(not(unix))]
fn is_private(_: &fs::Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn is_same_owner(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(folder: &Path) -> KernelFile {
        KernelFile::new(folder, "vulkan_1_2", "card, driver 3", "source").unwrap()
    }

    #[test]
    fn the_variables_say_where() {
        let found = |is_windows, set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(*value));
            folder(is_windows, variable)
        };
        let home = ("HOME", "/home/ann");
        assert_eq!(found(false, &[home]), Some("/home/ann/.cache/spectrank".into()));
        assert_eq!(found(false, &[home, ("XDG_CACHE_HOME", "/fast")]), Some("/fast/spectrank".into()));
        assert_eq!(found(false, &[home, ("XDG_CACHE_HOME", "fast")]), Some("/home/ann/.cache/spectrank".into()));
        assert_eq!(found(false, &[home, (CACHE_VARIABLE, "/here")]), Some("/here".into()));
        for is_windows in [false, true] {
            assert_eq!(found(is_windows, &[home, (CACHE_VARIABLE, "0")]), None);
            assert_eq!(found(is_windows, &[]), None);
        }
        assert_eq!(found(true, &[home, ("LOCALAPPDATA", "/ann/Local")]), Some("/ann/Local/spectrank".into()));
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        // Made where it is missing.
        let deeper = folder.path().join("a").join("b");
        assert_eq!(place(&deeper).read(), None);
        for data in [&b"data of a driver"[..], b"other data", b""] {
            place(&deeper).write(data);
            assert_eq!(place(&deeper).read().as_deref(), Some(data));
        }
        assert_eq!(fs::read_dir(&deeper).unwrap().count(), 1);
        place(&deeper).remove();
        assert_eq!(place(&deeper).read(), None);
    }

    #[test]
    fn what_was_changed_is_not_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        place.write(b"data of a driver");
        let path = folder.path().join(&place.name);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(place.read(), None, "{length} bytes");
        }
        for i in 0..whole.len() {
            let mut changed = whole.clone();
            changed[i] ^= 4;
            fs::write(&path, changed).unwrap();
            assert_eq!(place.read(), None, "byte {i}");
        }
        fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(place.read(), None);
        fs::write(&path, &whole).unwrap();
        assert!(place.read().is_some());
    }

    #[test]
    fn what_is_of_another_kernel_card_or_driver_is_not_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let of = |key: &str, driver: &str, source: &str| KernelFile::new(folder.path(), key, driver, source).unwrap();
        let place = of("vulkan_1_2", "card, driver 3", "source");
        place.write(b"data of a driver");
        for other in [
            of("vulkan_1_3", "card, driver 3", "source"),
            of("vulkan_1_2", "card, driver 4", "source"),
            of("vulkan_1_2", "card, driver 3", "another source"),
        ] {
            // Even where the file has its name.
            if other.name != place.name {
                fs::copy(folder.path().join(&place.name), folder.path().join(&other.name)).unwrap();
            }
            assert_eq!(other.read(), None, "{other:?}");
        }
        assert!(place.read().is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for impossible in [&file, &file.join("deeper"), Path::new("")] {
            assert!(KernelFile::new(impossible, "key", "driver", "source").is_none(), "{impossible:?}");
        }
        // Nobody hears of it where the folder goes away later.
        let place = place(&folder.path().join("gone"));
        fs::remove_dir(folder.path().join("gone")).unwrap();
        place.write(b"data");
        assert_eq!(place.read(), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_write_is_not_passed_on() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        place.write(b"data");
        let path = folder.path().join(&place.name);
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(&path, 0o620);
        assert_eq!(place.read(), None);
        open(&path, 0o644);
        assert!(place.read().is_some());
        open(folder.path(), 0o777);
        assert!(KernelFile::new(folder.path(), "key", "driver", "source").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        place.write(b"data");
        let (path, elsewhere) = (folder.path().join(&place.name), folder.path().join("elsewhere"));
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(fs::read(&path).is_ok(), "the link leads to the file");
        assert_eq!(place.read(), None);
        // A new kernel takes the place of the link, not of what it leads to.
        place.write(b"other data");
        assert_eq!(place.read().as_deref(), Some(&b"other data"[..]));
        fs::rename(&elsewhere, &path).unwrap();
        assert_eq!(place.read().as_deref(), Some(&b"data"[..]));
    }

    #[test]
    fn the_oldest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("something else"), "").unwrap();
        let of = |i: usize| KernelFile::new(folder.path(), "key", "driver", &i.to_string()).unwrap();
        for i in 0..=MAX_FILES {
            of(i).write(b"data");
            let file = File::options().write(true).open(folder.path().join(&of(i).name)).unwrap();
            let age = std::time::Duration::from_secs((100 - i) as u64);
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
        of(999).write(b"data");
        let is_kept: Vec<bool> = (0..=MAX_FILES).map(|i| of(i).read().is_some()).collect();
        assert_eq!(is_kept, [&[false, false][..], &[true; MAX_FILES - 1]].concat());
        assert!(of(999).read().is_some() && folder.path().join("something else").exists());
    }
}
