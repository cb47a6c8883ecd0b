//! Made-up machines.

use std::fs;
use std::path::PathBuf;

use super::super::adapter::fixtures::adapter;
use super::probe::{Libraries, ManifestSearch, paths_in_cache};
use super::{Environment, Manifest, Platform, diagnose};
use crate::gpu::{AdapterDescription, AdapterError, AdapterKind, Backend};

fn software() -> Vec<AdapterDescription> {
    vec![adapter(0, "llvmpipe", AdapterKind::Cpu, Backend::Vulkan, "")]
}

fn manifest(path: &str, missing_library: Option<&str>) -> Manifest {
    Manifest { path: path.to_owned(), missing_library: missing_library.map(str::to_owned) }
}

fn message(list: &[AdapterDescription], environment: &Environment) -> String {
    let message = diagnose(list, environment).to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn no_loader_no_driver_and_no_adapter_differ() {
    let mut environment = Environment::default();
    assert!(matches!(diagnose(&[], &environment), AdapterError::NoLoader { .. }));
    assert!(message(&[], &environment).contains("libvulkan1"));

    environment.has_loader = true;
    assert!(matches!(diagnose(&[], &environment), AdapterError::NoDriver { .. }));
    let text = message(&[], &environment);
    assert!(text.contains("mesa-vulkan-drivers") && text.contains("VK_DRIVER_FILES"), "{text}");

    environment.manifests.push(manifest("/usr/share/vulkan/icd.d/radeon_icd.json", None));
    assert!(matches!(diagnose(&[], &environment), AdapterError::NoAdapter { .. }));
    assert!(message(&[], &environment).contains("kernel driver"));
}

#[test]
fn a_listed_adapter_proves_loader_and_driver() {
    // Nothing was found by looking, as where libraries lie in unusual places.
    let text = message(&software(), &Environment::default());
    assert!(text.contains("only software (llvmpipe)"), "{text}");
}

#[test]
fn a_container_without_the_gpu_is_told_how_to_get_it() {
    let environment = Environment { has_loader: true, is_container: true, ..Environment::default() };
    let text = message(&software(), &environment);
    assert!(text.contains("--device /dev/dri") && text.contains("NVIDIA_DRIVER_CAPABILITIES=all"), "{text}");
}

#[test]
fn a_container_with_half_of_nvidias_driver_is_told_the_capability() {
    let mut environment = Environment {
        has_loader: true,
        is_container: true,
        gpu_nodes: vec!["/dev/nvidia0".to_owned()],
        manifests: vec![manifest("/etc/vulkan/icd.d/nvidia_icd.json", Some("libGLX_nvidia.so.0"))],
        ..Environment::default()
    };
    let text = message(&[], &environment);
    assert!(text.contains("libGLX_nvidia.so.0") && text.contains("NVIDIA_DRIVER_CAPABILITIES"), "{text}");
    // Mesa in the image hides the same fault behind a software adapter.
    environment.manifests.push(manifest("/usr/share/vulkan/icd.d/lvp_icd.json", None));
    assert!(message(&software(), &environment).contains("NVIDIA_DRIVER_CAPABILITIES"));
    environment.manifests.clear();
    assert!(message(&[], &environment).contains("NVIDIA_DRIVER_CAPABILITIES"));
    environment.has_loader = false;
    let text = message(&[], &environment);
    assert!(text.contains("libvulkan1") && text.contains("NVIDIA_DRIVER_CAPABILITIES"), "{text}");
}

#[test]
fn a_node_that_is_closed_to_the_user_is_named() {
    let node = "/dev/dri/renderD128".to_owned();
    let environment = Environment {
        has_loader: true,
        manifests: vec![manifest("/usr/share/vulkan/icd.d/radeon_icd.json", None)],
        gpu_nodes: vec![node.clone()],
        denied_nodes: vec![node.clone()],
        ..Environment::default()
    };
    let text = message(&software(), &environment);
    assert!(text.contains(&node) && text.contains("render"), "{text}");
}

#[test]
fn a_driver_variable_that_leads_nowhere_is_named() {
    let mut environment = Environment {
        has_loader: true,
        driver_override: Some(("VK_DRIVER_FILES".to_owned(), "/no/such.json".to_owned())),
        ..Environment::default()
    };
    let text = message(&[], &environment);
    assert!(text.contains("VK_DRIVER_FILES=/no/such.json") && text.contains("unset"), "{text}");
    environment.gpu_nodes.push("/dev/dri/renderD128".to_owned());
    let text = message(&software(), &environment);
    assert!(text.contains("VK_DRIVER_FILES=/no/such.json limits"), "{text}");
}

#[test]
fn other_systems_have_no_loader_to_miss() {
    for platform in [Platform::MacOs, Platform::Windows] {
        let environment = Environment { platform, ..Environment::default() };
        assert!(matches!(diagnose(&[], &environment), AdapterError::NoAdapter { .. }));
    }
}

#[test]
fn paths_are_read_from_the_loaders_cache() {
    let cache =
        b"glibc-ld.so.cache1.1\x05\0\0\0\x2f\0\0libvulkan.so.1\0/usr/lib/libvulkan.so.1\0libz.so\0/lib/libz.so\0";
    let paths = paths_in_cache(cache);
    assert!(paths.contains(&PathBuf::from("/usr/lib/libvulkan.so.1")));
    assert!(paths.contains(&PathBuf::from("/lib/libz.so")));
}

#[test]
fn manifests_are_found_and_their_libraries_looked_for() -> std::io::Result<()> {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("vulkan/icd.d");
    fs::create_dir_all(&folder)?;
    let write = |name: &str, library: &str| {
        fs::write(folder.join(name), format!(r#"{{"ICD": {{"library_path": "{library}"}}}}"#))
    };
    fs::write(root.path().join("libdriver.so"), "")?;
    write("a.json", "libdriver.so")?;
    write("b.json", "../../libdriver.so")?;
    write("c.json", "libgone.so.0")?;
    write("d.txt", "libdriver.so")?;
    fs::write(folder.join("e.json"), "no manifest")?;

    let data = root.path().display().to_string();
    let search = ManifestSearch::new(&|name| (name == "XDG_DATA_DIRS").then(|| data.clone()));
    let libraries = Libraries { cached: Vec::new(), folders: vec![root.path().to_owned()] };
    let found = search.manifests(&libraries);
    let missing: Vec<_> =
        found.iter().filter(|m| m.path.starts_with(&data)).map(|m| m.missing_library.as_deref()).collect();
    assert_eq!(missing, [None, None, Some("libgone.so.0")]);

    let file = folder.join("a.json").display().to_string();
    let search = ManifestSearch::new(&|name| (name == "VK_ICD_FILENAMES").then(|| file.clone()));
    assert_eq!(search.manifests(&libraries), [manifest(&file, None)]);
    assert_eq!(search.driver_override, Some(("VK_ICD_FILENAMES".to_owned(), file)));
    Ok(())
}

#[test]
fn places_follow_the_loaders_rules() {
    let places = |set: &[(&str, &str)]| {
        let search = ManifestSearch::new(&|name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        search.places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        places(&[("HOME", "/h")]),
        ["/h/.config", "/etc/xdg", "/etc", "/h/.local/share", "/usr/local/share", "/usr/share"]
            .map(|folder| format!("{folder}/vulkan/icd.d"))
    );
    let both =
        [("VK_DRIVER_FILES", "/a.json:/b.json"), ("VK_ICD_FILENAMES", "/c.json"), ("VK_ADD_DRIVER_FILES", "/d.json")];
    assert_eq!(places(&both), ["/d.json", "/a.json", "/b.json"]);
}
