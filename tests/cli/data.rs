//! A small catalog with slates, in every form the program reads.

use std::path::PathBuf;

use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
use arrow_array::{Float64Array, Int64Array, ListArray, StringArray};
use safetensors::Dtype;

use crate::files::{Folder, col, f32_bytes};

/// Numbers in 0..1 from a counter: the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// Items with two signals, and slates of different lengths.
pub struct Data {
    pub text: Vec<[f32; 6]>,
    pub graph: Vec<[f32; 3]>,
    /// Slate id, candidate rows, scores.
    pub slates: Vec<(String, Vec<u32>, Vec<f64>)>,
}

pub const N_ITEMS: usize = 40;

impl Data {
    pub fn new() -> Self {
        let mut random = Random(7);
        let text = (0..N_ITEMS).map(|i| {
            let centre = i % 4;
            std::array::from_fn(|d| (f64::from(u8::from(d == centre)) + 0.3 * random.next()) as f32)
        });
        let text: Vec<[f32; 6]> = text.collect();
        let graph = (0..N_ITEMS).map(|_| std::array::from_fn(|_| random.next() as f32)).collect();
        let slates = [20, 33, 1, 8].iter().enumerate().map(|(s, &n)| {
            let candidates: Vec<u32> = (0..n).map(|i| ((i * 7 + s * 5) % N_ITEMS) as u32).collect();
            let scores = candidates.iter().map(|_| random.next()).collect();
            (format!("q{s}"), candidates, scores)
        });
        Self { text, graph, slates: slates.collect() }
    }

    pub fn id(row: u32) -> String {
        format!("item-{row:02}")
    }

    fn lists<const N: usize>(rows: &[[f32; N]]) -> ListArray {
        ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|r| Some(r.map(Some))))
    }

    /// Ids, a quality class (every fifth item is 1), both signals.
    pub fn catalog_parquet(&self, folder: &Folder) -> PathBuf {
        let rows = 0..N_ITEMS as u32;
        folder.parquet(
            "items.parquet",
            vec![
                ("item_id", col(StringArray::from_iter_values(rows.clone().map(Self::id)))),
                ("quality", col(Int64Array::from_iter_values(rows.clone().map(|i| i64::from(i % 5 == 0))))),
                ("fresh", col(Float64Array::from_iter_values(rows.map(|i| f64::from(i) / 100.0)))),
                ("text", col(Self::lists(&self.text))),
                ("graph", col(Self::lists(&self.graph))),
            ],
        )
    }

    /// Ids and quality class only.
    pub fn columns_parquet(&self, folder: &Folder) -> PathBuf {
        let rows = 0..N_ITEMS as u32;
        folder.parquet(
            "columns.parquet",
            vec![
                ("item_id", col(StringArray::from_iter_values(rows.clone().map(Self::id)))),
                ("quality", col(Int64Array::from_iter_values(rows.map(|i| i64::from(i % 5 == 0))))),
            ],
        )
    }

    /// The signal `text`, without ids.
    pub fn catalog_npy(&self, folder: &Folder) -> PathBuf {
        folder.npy("text.npy", &[N_ITEMS as u64, 6], &self.text.concat())
    }

    /// The signal `graph`.
    pub fn catalog_safetensors(&self, folder: &Folder) -> PathBuf {
        let bytes = f32_bytes(&self.graph.concat());
        folder.safetensors("graph.safetensors", &[("graph", Dtype::F32, vec![N_ITEMS, 3], bytes)])
    }

    /// List form by row number, with an attribute.
    pub fn slates_parquet(&self, folder: &Folder) -> PathBuf {
        let candidates = self.slates.iter().map(|(_, c, _)| Some(c.iter().copied().map(Some)));
        folder.parquet("slates.parquet", self.list_form(ListArray::from_iter_primitive::<UInt32Type, _, _>(candidates)))
    }

    /// List form by item id.
    pub fn slates_by_id(&self, folder: &Folder) -> PathBuf {
        let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        for (_, candidates, _) in &self.slates {
            builder.append_value(candidates.iter().map(|&row| Some(Self::id(row))));
        }
        folder.parquet("slates_by_id.parquet", self.list_form(builder.finish()))
    }

    fn list_form(&self, candidates: ListArray) -> Vec<(&'static str, arrow_array::ArrayRef)> {
        let scores = self.slates.iter().map(|(_, _, s)| Some(s.iter().copied().map(Some)));
        let surfaces = ["home", "search", "home", "home"];
        vec![
            ("slate_id", col(StringArray::from_iter_values(self.slates.iter().map(|(id, ..)| id)))),
            ("candidates", col(candidates)),
            ("scores", col(ListArray::from_iter_primitive::<Float64Type, _, _>(scores))),
            ("surface", col(StringArray::from_iter_values(surfaces))),
        ]
    }

    /// Long form by item id.
    pub fn slates_long(&self, folder: &Folder) -> PathBuf {
        let rows = || self.slates.iter().flat_map(|(id, c, s)| c.iter().zip(s).map(move |(&c, &s)| (id, c, s)));
        folder.parquet(
            "slates_long.parquet",
            vec![
                ("slate_id", col(StringArray::from_iter_values(rows().map(|(id, ..)| id)))),
                ("item_id", col(StringArray::from_iter_values(rows().map(|(_, c, _)| Self::id(c))))),
                ("score", col(Float64Array::from_iter_values(rows().map(|(.., s)| s)))),
            ],
        )
    }

    pub fn slates_jsonl(&self, folder: &Folder) -> PathBuf {
        let line = |(id, candidates, scores): &(String, Vec<u32>, Vec<f64>)| {
            serde_json::json!({ "slate_id": id, "candidates": candidates, "scores": scores }).to_string() + "\n"
        };
        folder.bytes("slates.jsonl", self.slates.iter().map(line).collect::<String>().as_bytes())
    }

    /// A pair of matrices as wide as the longest slate; shorter ones are filled up with row −1.
    pub fn slates_npy(&self, folder: &Folder) -> [PathBuf; 2] {
        let width = self.slates.iter().map(|(_, c, _)| c.len()).max().unwrap();
        let shape = [self.slates.len() as u64, width as u64];
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (s, (_, candidates, scores)) in self.slates.iter().enumerate() {
            rows.extend(candidates.iter().map(|&c| i64::from(c)));
            rows.resize((s + 1) * width, -1);
            values.extend_from_slice(scores);
            values.resize((s + 1) * width, 0.0);
        }
        [folder.npy("candidates.npy", &shape, &rows), folder.npy("scores.npy", &shape, &values)]
    }

    /// Rows of the output when T positions are asked for.
    pub fn n_rows(&self, slate_size: usize) -> usize {
        self.slates.iter().map(|(_, c, _)| c.len().min(slate_size)).sum()
    }
}
