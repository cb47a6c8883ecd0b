//! Looks at this machine. Nothing here is loaded or run; files are only looked at.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Environment, Manifest, Platform};

/// Where libraries lie that the loader's cache does not list, as on systems that have no cache.
const LIBRARY_FOLDERS: [&str; 6] =
    ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/run/opengl-driver/lib"];

impl Environment {
    /// Looks at this machine.
    pub fn probe() -> Self {
        if cfg!(target_os = "windows") {
            return Self { platform: Platform::Windows, ..Self::default() };
        }
        if cfg!(target_vendor = "apple") {
            return Self { platform: Platform::MacOs, ..Self::default() };
        }
        let libraries = Libraries::of_this_machine();
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let search = ManifestSearch::new(&variable);
        let gpu_nodes = gpu_nodes();
        let denied_nodes = gpu_nodes.iter().filter(|node| is_denied(node)).cloned().collect();
        Self {
            platform: Platform::Unix,
            has_loader: libraries.has("libvulkan.so.1"),
            manifests: search.manifests(&libraries),
            driver_override: search.driver_override,
            gpu_nodes,
            denied_nodes,
            is_container: Path::new("/.dockerenv").exists()
                || Path::new("/run/.containerenv").exists()
                || variable("container").is_some()
                || variable("KUBERNETES_SERVICE_HOST").is_some(),
        }
    }
}

/// The shared libraries that a program here can load.
pub(super) struct Libraries {
    /// Files named in the dynamic loader's cache.
    pub cached: Vec<PathBuf>,
    /// Folders searched beside it.
    pub folders: Vec<PathBuf>,
}

impl Libraries {
    fn of_this_machine() -> Self {
        let mut folders: Vec<PathBuf> =
            env::var_os("LD_LIBRARY_PATH").map(|paths| env::split_paths(&paths).collect()).unwrap_or_default();
        let triple = format!("{}-linux-gnu", env::consts::ARCH);
        folders.extend(LIBRARY_FOLDERS.map(PathBuf::from));
        folders.extend(["/usr/lib", "/lib"].map(|folder| Path::new(folder).join(&triple)));
        let cached = fs::read("/etc/ld.so.cache").map(|cache| paths_in_cache(&cache)).unwrap_or_default();
        Self { cached, folders }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        let is_cached = |path: &&PathBuf| path.file_name().is_some_and(|file| file == name);
        // The cache can be older than the file system.
        self.cached.iter().filter(is_cached).any(|path| path.exists())
            || self.folders.iter().any(|folder| folder.join(name).exists())
    }
}

/// The paths in an `ld.so.cache`: its strings end in NUL and those that begin with a slash are paths. The head of the
/// file holds numbers, which this takes for one short string at most.
pub(super) fn paths_in_cache(cache: &[u8]) -> Vec<PathBuf> {
    let strings = cache.split(|&byte| byte == 0).filter(|string| string.first() == Some(&b'/'));
    strings.filter_map(|string| std::str::from_utf8(string).ok()).map(PathBuf::from).collect()
}

/// Where the Vulkan loader looks for driver manifests.
pub(super) struct ManifestSearch {
    pub driver_override: Option<(String, String)>,
    /// Files, and folders of files.
    pub places: Vec<PathBuf>,
}

impl ManifestSearch {
    /// Follows the rules of the Vulkan loader for `VK_DRIVER_FILES`, its old name, and the XDG folders.
    pub(super) fn new(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let named = |name: &str| Some((name.to_owned(), variable(name)?));
        let split = |value: &str| env::split_paths(value).filter(|path| !path.as_os_str().is_empty()).collect();
        let mut places: Vec<PathBuf> = variable("VK_ADD_DRIVER_FILES").as_deref().map(split).unwrap_or_default();
        let driver_override = named("VK_DRIVER_FILES").or_else(|| named("VK_ICD_FILENAMES"));
        if let Some((_, value)) = &driver_override {
            places.extend(split(value));
            return Self { driver_override, places };
        }
        let home = variable("HOME");
        let home_folder =
            |name: &str, below: &str| variable(name).or_else(|| Some(format!("{}/{below}", home.as_ref()?)));
        let or = |name: &str, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        let lists = [
            home_folder("XDG_CONFIG_HOME", ".config"),
            Some(or("XDG_CONFIG_DIRS", "/etc/xdg")),
            Some("/etc".to_owned()),
            home_folder("XDG_DATA_HOME", ".local/share"),
            Some(or("XDG_DATA_DIRS", "/usr/local/share:/usr/share")),
        ];
        let folders = lists.iter().flatten().flat_map(|list| env::split_paths(list));
        places.extend(folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join("vulkan/icd.d")));
        Self { driver_override, places }
    }

    pub(super) fn manifests(&self, libraries: &Libraries) -> Vec<Manifest> {
        let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut files: Vec<PathBuf> = Vec::new();
        for place in &self.places {
            match fs::read_dir(place) {
                Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path()).filter(is_json)),
                Err(_) if place.is_file() => files.push(place.clone()),
                Err(_) => {}
            }
        }
        files.sort();
        files.dedup();
        files.iter().filter_map(|file| read_manifest(file, libraries)).collect()
    }
}

/// Reads a manifest and looks for its library. One that cannot be read is none: the loader skips it too.
fn read_manifest(file: &Path, libraries: &Libraries) -> Option<Manifest> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let library = json.get("ICD")?.get("library_path")?.as_str()?;
    // A name without a slash is searched, any other is a path, from the manifest's folder where relative.
    let is_there = match library.contains('/') {
        true => file.parent()?.join(library).exists(),
        false => libraries.has(library),
    };
    Some(Manifest { path: file.display().to_string(), missing_library: (!is_there).then(|| library.to_owned()) })
}

/// Device nodes through which a GPU computes. Those for displays (`/dev/dri/card0`) exist on servers without a GPU.
fn gpu_nodes() -> Vec<String> {
    let in_folder = |folder: &str, prefix: &str| {
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        let is_numbered = |name: &String| {
            name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let mut nodes: Vec<String> = names.filter(is_numbered).map(|name| format!("{folder}/{name}")).collect();
        nodes.sort();
        nodes
    };
    [in_folder("/dev/dri", "renderD"), in_folder("/dev", "nvidia")].concat()
}

fn is_denied(node: &str) -> bool {
    let opened = File::options().read(true).write(true).open(node);
    opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}
