//! `schema`, and what ranked files and PyTorch archives say of themselves.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use spectrank::config::Config;

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

const CONFIG: &str =
    "slate_size = 5\nsignal = [{ name = \"text\" }]\ncap = [{ column = \"quality\", max = 3, window = 2 }]\n";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch").join(name)
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn the_contract_names_what_is_needed_and_what_comes_out() {
    let folder = Folder::new();
    let config = folder.bytes("feed.toml", CONFIG.as_bytes());
    let text = run([Path::new("schema"), Path::new("--config"), &config]).ok().stdout;
    assert!(text.starts_with("{\n  \"input_names\": [\n    \"item_id\",\n    \"text\",\n    \"quality\""), "{text}");
    let contract = json(&text);
    assert_eq!(contract["output_names"].as_array().unwrap().len(), 11);
    assert_eq!(contract["inputs"]["catalog"][2]["uses"][0]["key"], "cap[0].column");
    assert_eq!(contract["configuration"]["slate_size"], 5);
    // Flags go over the file here too.
    let text = run(["schema", "--slate-size", "9", "--strategy", "relevance"]).ok().stdout;
    assert_eq!(json(&text)["configuration"]["slate_size"], 9);
}

/// Only Parquet has a place for it.
#[test]
fn a_ranked_file_carries_its_contract() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_parquet(&folder)], [data.slates_parquet(&folder)]);
    let config = folder.bytes("feed.toml", CONFIG.as_bytes());
    let output = folder.path("ranked.parquet");
    Rerank::of(&catalog, &slates, &output).on_cpu().with([Path::new("--config"), &config]).run().ok();
    let (metadata, _) = read_parquet(&output);
    let value = |key: &str| metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap();
    let printed = run([Path::new("schema"), Path::new("--config"), &config]).ok().stdout;
    assert_eq!(json(&value("spectrank.module_info")), json(&printed));
    assert!(value("spectrank.module_info").starts_with("{\"input_names\":["));
    assert_eq!(Config::from_toml(&value("spectrank.config")).unwrap(), Config::from_toml(CONFIG).unwrap());
    let names: Vec<String> = serde_json::from_value(json(&printed)["output_names"].clone()).unwrap();
    let (_, batches) = read_parquet(&output);
    assert_eq!(batches[0].schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>(), names);
}

#[test]
fn a_model_that_makes_the_embeddings_passes() {
    let folder = Folder::new();
    let config = folder.bytes("feed.toml", CONFIG.as_bytes());
    for name in ["scripted.pt", "exported.pt2"] {
        let ran = run([Path::new("schema"), Path::new("--config"), &config, Path::new("--against"), &fixture(name)]);
        let found = json(&ran.ok().stdout);
        assert_eq!(found["ok"], true);
        assert_eq!(found["provided"], serde_json::json!(["score", "text"]));
        assert_eq!(found["from_elsewhere"], serde_json::json!(["quality"]));
    }
}

#[test]
fn a_model_that_does_not_make_them_is_1() {
    let folder = Folder::new();
    let config = folder.bytes("feed.toml", b"signal = [{ name = \"image\" }, { name = \"text\" }]");
    let ran =
        run([Path::new("schema"), Path::new("--config"), &config, Path::new("--against"), &fixture("scripted.pt")]);
    let line = ran.failed(1);
    assert!(line.contains("scripted.pt: does not make image: name what the model makes"), "{line}");
    assert_eq!(json(&ran.stdout)["missing"], serde_json::json!(["image"]));
}

#[test]
fn what_says_nothing_of_itself_is_told() {
    let folder = Folder::new();
    for (path, part) in [
        (fixture("tensor.pt"), "tensor.pt: has no extra/module_info.json: save the model with torch.export.save"),
        (folder.bytes("old.pt", b"\x80\x02\x8a\x0al\xfc\x9c"), "old.pt: is no PyTorch archive"),
        (
            folder.bytes("cut.pt", &std::fs::read(fixture("scripted.pt")).unwrap()[..900]),
            "cut.pt: is no PyTorch archive",
        ),
        (folder.path("none.pt"), "none.pt: no such file"),
    ] {
        let ran = run([Path::new("schema"), Path::new("--against"), &path]);
        let line = ran.failed(1);
        assert!(line.contains(part), "{line}");
    }
}

/// The files themselves are met with the line that converts them; `tests/fixtures/pytorch/convert.sh` runs these lines.
#[test]
fn a_pytorch_file_is_met_with_the_line_that_converts_it() {
    let (folder, data) = (Folder::new(), Data::new());
    let slates = [data.slates_jsonl(&folder)];
    for (name, loader) in [
        ("tensor.pt", "torch.load(a,map_location='cpu',weights_only=True)"),
        ("state_dict.pt", "torch.load(a,map_location='cpu',weights_only=True)"),
        ("embedding.pt", "torch.load(a,map_location='cpu',weights_only=True)"),
        ("scripted.pt", "torch.jit.load(a,map_location='cpu').state_dict()"),
        ("exported.pt2", "torch.export.load(a).state_dict"),
    ] {
        let ran = Rerank::of(&[fixture(name)], &slates, Path::new("-")).on_cpu().run();
        let line = ran.failed(1);
        let stem = name.split('.').next().unwrap();
        assert!(line.contains("is a PyTorch (pickle) file") && line.contains(loader), "{line}");
        assert!(line.ends_with(&format!("{stem}.safetensors")), "{line}");
    }
}

#[test]
fn the_json_schema_takes_every_example_and_refuses_mistakes() {
    let schema = json(&run(["schema", "--json-schema"]).ok().stdout);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut texts = vec![("defaults".to_owned(), Config::default().to_toml())];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect_toml(&root.join("assets"), &mut texts);
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let snippets = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    texts.extend(snippets.map(|text| ("README".to_owned(), text.to_owned())));
    assert!(texts.len() >= 4, "{}", texts.len());
    for (name, text) in &texts {
        Config::from_toml(text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        let instance: Json = toml::from_str(text).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&instance).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    for wrong in [
        "slate_size = 0",
        "slatesize = 5",
        "strategy = \"spectrall\"",
        "[spectral]\nstrength = -1.0",
        "[spectral]\nspectra = 2.5",
        "[[signal]]\nweight = 1.0",
        "[[spacing]]\nname = \"s\"\ncolumn = \"c\"\nvalues = []\nstrength = 1.0\nwindow = 2",
        "[[filter.drop]]\ncolumn = \"c\"\non_missing = \"keep\"",
        "[semantic_id]\ncolumn = \"c\"\nstrength = 1.0\nwindow = 3\nlevel_weights = [-1.0]",
    ] {
        assert!(Config::from_toml(wrong).is_err(), "{wrong}");
        assert!(!validator.is_valid(&toml::from_str::<Json>(wrong).unwrap()), "{wrong}");
    }
}

/// Every TOML file below a folder.
fn collect_toml(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_toml(&path, texts);
        } else if path.extension().is_some_and(|e| e == "toml") {
            texts.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}
