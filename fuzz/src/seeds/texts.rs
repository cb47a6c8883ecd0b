//! Formats that can be written by hand.

use super::{Add, chosen};

fn npy(kind: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

pub(super) fn arrays(add: &mut Add<'_>) {
    let f32s: Vec<u8> = (0..6).flat_map(|i| (i as f32 / 4.0).to_le_bytes()).collect();
    let f64s: Vec<u8> = (0..6).flat_map(|i| f64::from(i).to_be_bytes()).collect();
    let i64s: Vec<u8> = [0i64, 3, 2, 11, -1, -1].iter().flat_map(|i| i.to_le_bytes()).collect();
    let u8s = [1, 2, 3, 4, 5, 0];
    add("npy", "c_order", chosen(0, &npy("<f4", "False", "(3, 2)", &f32s)));
    add("npy", "fortran", chosen(0, &npy(">f8", "True", "(2, 3)", &f64s)));
    add("npy", "half", chosen(0, &npy("<f2", "False", "(2, 3)", &f32s[..12])));
    for (name, rows, scores) in [
        ("pair", npy("<i8", "False", "(3, 2)", &i64s), npy("<f4", "False", "(3, 2)", &f32s)),
        ("pair_mixed", npy("|u1", "True", "(2, 3)", &u8s), npy(">f8", "False", "(2, 3)", &f64s)),
    ] {
        add("npy", name, chosen(1, &[rows, scores].concat()));
    }
}

pub(super) fn tensors(add: &mut Add<'_>) {
    let file = |header: &str, n_bytes: usize| {
        let data: Vec<u8> = (0..n_bytes / 4).flat_map(|i| (i as f32).to_le_bytes()).collect();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    };
    let one = r#"{"text":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]}}"#;
    let more = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F64","shape":[2,1],"data_offsets":[0,16]},
        "b":{"dtype":"BF16","shape":[2,2],"data_offsets":[16,24]},"c":{"dtype":"F16","shape":[2,2],"data_offsets":[24,32]},
        "ids":{"dtype":"I64","shape":[2],"data_offsets":[32,48]}}"#;
    add("safetensors", "one", file(one, 24));
    add("safetensors", "more", file(more, 48));
    for (name, content) in [
        ("tensor", &include_bytes!("../../../tests/fixtures/pytorch/tensor.pt")[..]),
        ("state_dict", include_bytes!("../../../tests/fixtures/pytorch/state_dict.pt")),
        ("scripted", include_bytes!("../../../tests/fixtures/pytorch/scripted.pt")),
        ("exported", include_bytes!("../../../tests/fixtures/pytorch/exported.pt2")),
    ] {
        add("pytorch", name, content.to_vec());
    }
}

pub(super) fn json_lines(add: &mut Add<'_>) {
    let slates = r#"{"slate_id":"q","candidates":["b",0,3],"scores":[1,0.5,-2e3],"recent":["c"],"seen":null,"surface":"home"}
{"slate_id":7,"candidates":[4,5],"scores":[0.25,1],"pinned":[{"position":1,"item":"e"}],"n":2.5,"skip":[1,{}]}
"#;
    let filter = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let filtered =
        format!("{{\"candidates\":[\"a\",1],\"scores\":[1,2],\"seen\":[\"gone\",2],\"filter\":\"{filter}\"}}\n");
    let histories = "{\"user\":\"u\",\"items\":[\"a\",3,12345678901234567890],\"x\":1e400}\n{\"items\":null}\n";
    add("json_lines", "slates", chosen(0, slates.as_bytes()));
    add("json_lines", "filtered", chosen(1, filtered.as_bytes()));
    add("json_lines", "histories", chosen(2, histories.as_bytes()));
    for (name, content) in [
        ("pins", include_str!("../../../assets/examples/pins.jsonl")),
        ("seen", include_str!("../../../assets/examples/seen.jsonl")),
        ("surfaces", include_str!("../../../assets/examples/surfaces.jsonl")),
    ] {
        let line = content.lines().next().unwrap_or_default();
        add("json_lines", name, chosen(0, line.as_bytes()));
    }
}

/// Every example of the README, and one text with every table, on the columns of the target's catalog.
pub(super) fn configs(add: &mut Add<'_>) {
    for (name, text) in [
        ("ahead", include_str!("../../../assets/examples/ahead.toml")),
        ("balance", include_str!("../../../assets/examples/balance.toml")),
        ("blend", include_str!("../../../assets/examples/blend.toml")),
        ("cap", include_str!("../../../assets/examples/cap.toml")),
        ("confidence", include_str!("../../../assets/examples/confidence.toml")),
        ("fresh", include_str!("../../../assets/examples/fresh.toml")),
        ("hard_and_soft", include_str!("../../../assets/examples/hard_and_soft.toml")),
        ("missing", include_str!("../../../assets/examples/missing.toml")),
        ("scale", include_str!("../../../assets/examples/scale.toml")),
        ("seen", include_str!("../../../assets/examples/seen.toml")),
        ("semantic_id", include_str!("../../../assets/examples/semantic_id.toml")),
        ("spacing", include_str!("../../../assets/examples/spacing.toml")),
        ("stock", include_str!("../../../assets/examples/stock.toml")),
        ("surfaces", include_str!("../../../assets/examples/surfaces.toml")),
        ("everything", EVERYTHING),
    ] {
        add("config", name, text.as_bytes().to_vec());
        // The same terms on columns that are there, so that they come to act.
        let bound = ["quality_class", "semantic_id"].iter().zip(["color", "sid"]);
        let bound = bound.fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
        add("config", &format!("{name}_bound"), bound.into_bytes());
    }
    for strategy in ["ssd", "dpp", "mmr", "msd", "relevance"] {
        add("config", strategy, format!("strategy = \"{strategy}\"\nslate_size = 5\n").into_bytes());
    }
}

const EVERYTHING: &str = r#"strategy = "spectral"
slate_size = 8
[relevance]
transform = "zscore"
adjust = [{ column = "price", weight = 0.5 }]
[[signal]]
name = "text"
weight = 2.0
metric = "dot"
[[signal]]
name = "image"
on_missing = "zero"
[window]
behind = 5
ahead = 2
scope = "pool"
[spectral]
strength = 0.5
spectra = 3
loading = "energy"
[[spacing]]
name = "s"
column = "brand"
values = ["b1", "b2"]
strength = 0.3
window = 4
when = { surface = "home" }
[semantic_id]
column = "sid"
strength = 0.2
window = 3
[balance]
strength = 0.1
[[cap]]
column = "color"
max = 2
window = 5
"#;

pub(super) fn cases(add: &mut Add<'_>) {
    for (name, text) in [
        ("scan", include_str!("../../../tests/fixtures/parity/a_scan_that_ends_early.json")),
        ("faint", include_str!("../../../tests/fixtures/parity/f32_faint_spectra.json")),
        ("copies", include_str!("../../../tests/fixtures/parity/f32_unit_loading_near_copies.json")),
        ("semantic", include_str!("../../../tests/fixtures/parity/no_semantic_id_penalty.json")),
        ("ties", include_str!("../../../tests/fixtures/parity/ties_to_the_higher_rank.json")),
    ] {
        add("cases", name, chosen(0, text.as_bytes()));
    }
    let small = r#"{"name":"n","config":"slate_size = 2","items":{"signals":{"t":[[1,0],null,[0.5,1]]},"storage":{"t":"f16"},
        "columns":{"c":[[1,2],[1,3],[0,0]],"x":[1,null,2.5],"b":[true,null,false],"s":["u",null,"v"],"e":[null,null,null]},
        "null_types":{"e":"text"},"ids":["a","b","c"]},"slates":[{"slate_id":"q","candidates":[0,2],"scores":[1,0.5],
        "recent":[1],"pinned":[[0,2]],"seen":[1],"attributes":{"surface":"home"},
        "seen_bloom":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}]}"#;
    add("cases", "small", chosen(0, small.as_bytes()));
    for (name, text) in [
        ("range", "spectral.strength=0.05..1:12:log\nwindow.behind=5,10,20"),
        ("strategies", "strategy=mmr,dpp\nmmr.lambda+msd.lambda=0.5..0.9:3\nslate_size=10,20"),
        ("sweeps", "mmr: mmr.lambda=0.5..0.99:20\nspectral: spectral.strength=0.1,0.2 window.ahead=1"),
    ] {
        add("cases", name, chosen(1, text.as_bytes()));
    }
    add("cases", "bloom", chosen(2, &[7; 64]));
}
