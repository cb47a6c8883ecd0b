//! Adapters on the command line. What needs one is skipped aloud where there is none, or fails where one is required.

use std::slice::from_ref;

use spectrank::gpu::{self, AdapterDescription, AdapterKind, Environment};

use crate::data::{Data, N_ITEMS};
use crate::files::Folder;
use crate::program::*;

/// The software adapter where there is one, so that a test behaves alike everywhere.
pub fn adapter() -> Option<AdapterDescription> {
    let list = gpu::list();
    let software = list.iter().find(|a| a.kind == AdapterKind::Cpu);
    if let Some(adapter) = software.or(list.first()) {
        return Some(adapter.clone());
    }
    let why = gpu::diagnose(&list, &Environment::probe());
    assert_ne!(std::env::var("SPECTRANK_REQUIRE_GPU").as_deref(), Ok("1"), "an adapter is required: {why}");
    eprintln!("SKIPPED: {why}");
    None
}

fn rerank(folder: &Folder, output: &str) -> Rerank {
    let data = Data::new();
    let (catalog, slates) = ([data.catalog_parquet(folder)], [data.slates_parquet(folder)]);
    Rerank::of(&catalog, &slates, &folder.path(output))
}

#[test]
fn devices_are_listed_as_a_table_and_as_json() {
    let list = gpu::list();
    let chosen = gpu::choose(&list, &gpu::AdapterChoice::Auto).ok();
    let table = run(["devices"]).ok().stdout;
    assert!(table.contains("auto: "), "{table}");
    assert_eq!(table.contains("auto: the CPU engine"), chosen.is_none(), "{table}");
    let json: serde_json::Value = serde_json::from_str(&run(["devices", "--json"]).ok().stdout).unwrap();
    let adapters = json["adapters"].as_array().unwrap();
    assert_eq!((adapters.len(), json["auto"].as_u64()), (list.len(), chosen.map(|i| i as u64)));
    for (found, expected) in adapters.iter().zip(&list) {
        assert!(table.contains(&expected.name), "{table}");
        assert_eq!(found["name"], expected.name.as_str());
        for key in ["kind", "backend", "driver", "max_buffer_bytes", "max_binding_bytes", "has_f16", "subgroup"] {
            assert!(found.get(key).is_some(), "no {key}: {found}");
        }
    }
}

#[test]
fn an_adapter_by_name_gives_the_slates_of_the_reference() {
    let Some(adapter) = adapter() else { return };
    let folder = Folder::new();
    let ran = rerank(&folder, "gpu.parquet").with(["--adapter", &adapter.name]).run().ok();
    assert!(ran.stderr.contains("in the engine: GPU, ") && ran.stderr.contains(&adapter.name), "{}", ran.stderr);
    rerank(&folder, "cpu.parquet").on_cpu().with(["--precision", "f64"]).run().ok();
    let (on_gpu, on_cpu) = (read_rows(&folder.path("gpu.parquet")), read_rows(&folder.path("cpu.parquet")));
    assert_eq!(on_gpu.len(), on_cpu.len());
    // These slates are well separated: there is one right answer.
    for (a, b) in on_gpu.iter().zip(&on_cpu) {
        assert_eq!((&a.slate_id, a.position, &a.item_id), (&b.slate_id, b.position, &b.item_id));
        assert!((a.utility - b.utility).abs() <= 2e-5 * b.utility.abs().max(1.0), "{a:?}\n{b:?}");
    }
}

#[test]
fn the_pace_changes_nothing_but_the_time() {
    let Some(adapter) = adapter() else { return };
    let folder = Folder::new();
    let outputs = [("slow.csv", "1"), ("fast.csv", "60000")].map(|(output, ms)| {
        rerank(&folder, output).with(["--adapter", &adapter.name, "--max-dispatch-ms", ms]).run().ok();
        std::fs::read_to_string(folder.path(output)).unwrap()
    });
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn a_catalog_can_stay_on_the_host() {
    let Some(adapter) = adapter() else { return };
    let folder = Folder::new();
    let ranked = |output: &str, more: &[&str]| {
        let ran = rerank(&folder, output).with(["--adapter", &adapter.name]).with(more).run().ok();
        (std::fs::read(folder.path(output)).unwrap(), ran.stderr)
    };
    let (on_device, said) = ranked("device.csv", &[]);
    assert!(!said.contains("host"), "{said}");
    let (on_host, said) = ranked("host.csv", &["--gpu-catalog-limit", "1KiB"]);
    assert!(said.contains("the catalog stays in the host's memory"), "{said}");
    assert_eq!(on_device, on_host);
}

/// More batches than adapters, here one that is opened several times.
#[test]
fn several_gpus_give_the_bytes_of_one() {
    let Some(adapter) = adapter() else { return };
    let folder = Folder::new();
    let catalog = Data::new().catalog_parquet(&folder);
    let line = |i: u32| {
        let [a, b, c] = [i, i + 1, i + 9].map(|row| Data::id(row % N_ITEMS as u32));
        format!(r#"{{"slate_id":"s{i}","candidates":["{a}","{b}","{c}"],"scores":[3,2.5,1]}}"#) + "\n"
    };
    let slates = folder.path("many.jsonl");
    std::fs::write(&slates, (0..2200).map(line).collect::<String>()).unwrap();
    let ranked = |output: &str, n: usize| {
        let adapters = (0..n).flat_map(|_| ["--adapter", &adapter.name]);
        let command = Rerank::of(from_ref(&catalog), from_ref(&slates), &folder.path(output));
        let ran = command.with(["--slate-size", "2", "--behind", "2"]).with(adapters).run().ok();
        assert_eq!(ran.stderr.matches("GPU, ").count(), n, "{}", ran.stderr);
        std::fs::read(folder.path(output)).unwrap()
    };
    let one = ranked("one.csv", 1);
    assert_eq!(ranked("three.csv", 3), one);
    let files = ["check".as_ref(), "--catalog".as_ref(), catalog.as_os_str(), "--slates".as_ref(), slates.as_os_str()];
    let refused = run(files.into_iter().chain(["--adapter", "0", "--adapter", "0"].map(AsRef::as_ref)));
    assert_eq!(refused.failed(2), "--adapter: only rerank takes several GPUs: name one");
}

#[test]
fn every_adapter_can_be_checked() {
    if adapter().is_none() {
        return;
    }
    let n = gpu::list().len();
    let table = run(["devices", "--check"]).ok().stdout;
    let (_, checks) = table.split_once("\nknown-answer test:\n").unwrap();
    assert_eq!(checks.lines().filter(|line| line.contains("  passed (")).count(), 2 * n, "{table}");
    let json: serde_json::Value = serde_json::from_str(&run(["devices", "--check", "--json"]).ok().stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2 * n);
    for check in checks {
        assert!(check["passed"] == true && check["problem"].is_null(), "{check}");
        assert!(check["ms"].as_f64().unwrap() > 0.0 && check["name"].is_string() && check["storage"].is_string());
    }
}

#[test]
fn a_gpu_that_cannot_be_had_is_4() {
    let folder = Folder::new();
    let ran = rerank(&folder, "out.csv").with(["--adapter", "no such adapter"]).run();
    assert!(ran.failed(4).contains("no adapter is `no such adapter`"), "{}", ran.stderr);
    let ran = rerank(&folder, "out.csv").with(["--backend", "gpu", "--precision", "f64"]).run();
    assert!(ran.failed(2).contains("runs on the CPU only: add --backend cpu"), "{}", ran.stderr);
    assert_eq!(listing(&folder), ["items.parquet", "slates.parquet"]);
}

/// Vulkan without a driver, whatever this machine has.
#[cfg(target_os = "linux")]
#[test]
fn without_a_driver_auto_takes_the_cpu_and_says_so() {
    let folder = Folder::new();
    let without_driver = |command: Rerank| {
        let mut program = program();
        program.env("VK_DRIVER_FILES", "/nonexistent.json").env("VK_ICD_FILENAMES", "/nonexistent.json");
        Ran::of(program.args(&command.0).output().unwrap())
    };
    let ran = without_driver(rerank(&folder, "out.csv")).ok();
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stderr);
    assert!(lines[0].starts_with("spectrank: using the CPU engine: "), "{}", lines[0]);
    assert!(lines[1].contains("CPU, f32"), "{}", lines[1]);
    let ran = without_driver(rerank(&folder, "out.csv").with(["--quiet"])).ok();
    assert_eq!(ran.stderr, "");
    let refused = without_driver(rerank(&folder, "other.csv").with(["--backend", "gpu"]));
    assert!(refused.failed(4).contains("ulkan"), "{}", refused.stderr);
    assert_eq!(listing(&folder), ["items.parquet", "out.csv", "slates.parquet"]);
    let devices = without_driver(Rerank(vec!["devices".into()])).ok();
    assert!(devices.stdout.contains("auto: the CPU engine (no GPU found: "), "{}", devices.stdout);
    let devices = without_driver(Rerank(vec!["devices".into(), "--json".into()])).ok();
    assert_eq!(devices.stdout, "{\"adapters\":[],\"auto\":null}\n");
    // Nothing to check is no pass.
    let unchecked = without_driver(Rerank(vec!["devices".into(), "--check".into()]));
    assert!(unchecked.failed(4).starts_with("no adapter to check: the Vulkan loader"), "{}", unchecked.stderr);
}
