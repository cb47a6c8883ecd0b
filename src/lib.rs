//! spectrank composes recommendation slates from scored candidates: relevance, variety and spacing as one utility, on
//! the CPU or on any GPU that Vulkan, Metal or Direct3D 12 reaches.
//!
//! # The pipeline
//!
//! ```text
//! io::read_catalog   files → Catalog        rows of signals (embeddings), columns, ids
//! Config::from_toml  text  → Config         every key checked
//! Problem::new       both  → Problem        what depends on items alone, computed once
//! io::open_slates    files → Slate …        in batches; items are catalog rows
//! PreparedSlate::new Slate → PreparedSlate  checked, base scores, candidates by rank
//! Engine::rerank     slates → RankedSlate   per position:  window → window_similarity → eigensolve →
//!                                           exposure → penalty → select; strategies beside the spectral
//!                                           one have placed_similarity or residual in place of the first four
//! io::create_output  rows  → file           one row per position; folder::FolderSink: parts, with which a run can go on
//! Contract::of       Config → columns that go in and come out; check::check: files → everything that is wrong with them
//! evaluate::Measure  rows  → metrics       one measure for all; compare and tune are made of it
//! explain::explain   one slate → Explanation, on the f64 reference; report::Report makes pages of results
//! parity::replay     any engine's picks, judged by the f64 reference; parity::Harness does so for whole runs
//! ```
//!
//! # Shapes and limits
//!
//! A signal is `[n_items, dim]`, row-major, in the precision of its file (f16, f32 or f64). A slate has N candidates and
//! fills min(T, N) positions. T ≤ 500, N ≤ 10,000, window ≤ 128 items, K ≤ 16 spectra, all signals together ≤ 4,096
//! dimensions; see the constants in [`config`].
//!
//! # Tolerance
//!
//! The CPU in f64 is the reference. An engine is right where, at every position, its utility is within
//! [`parity::TOLERANCE`] · max(1, |utility|) of the reference's for the same pick, and the pick gives away no more than that
//! against the reference's best. Engines may part at ties; both slates are right then.
//!
//! # Example
//!
//! ```
//! use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
//! use spectrank::config::Config;
//! use spectrank::cpu::CpuEngine;
//! use spectrank::prepare::PreparedSlate;
//! use spectrank::problem::Problem;
//! use spectrank::slate::Slate;
//!
//! // Four items with two-dimensional embeddings: the first three are much alike.
//! let rows = vec![1.0, 0.0, 1.0, 0.1, 1.0, 0.2, 0.0, 1.0];
//! let mut catalog = Catalog::new();
//! catalog.add_signal(Embedding::new("text", 2, EmbeddingData::F32(rows.into())))?;
//!
//! let config = Config::from_toml("slate_size = 3")?;
//! let problem = Problem::new(&config, &catalog)?;
//! let slate = Slate {
//!     id: "home".to_owned(),
//!     candidates: vec![0, 1, 2, 3],
//!     scores: vec![0.9, 0.8, 0.7, 0.6],
//!     ..Slate::default()
//! };
//! let ranked = CpuEngine::<f32>::new(&problem).rerank(&[PreparedSlate::new(&problem, &slate)?]);
//! let items: Vec<u32> = ranked[0].placements.iter().map(|placement| placement.item).collect();
//! // The item that is different moves up from the end.
//! assert_eq!(items, [0, 3, 1]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`engine::Engine::choose`] takes a GPU where there is one and has the same `rerank`.

pub mod bloom;
pub mod catalog;
pub mod check;
pub mod compare;
pub mod config;
pub mod contract;
pub mod cpu;
pub mod demo;
pub mod digest;
pub mod engine;
pub mod evaluate;
pub mod explain;
pub mod folder;
pub mod gpu;
pub mod io;
pub mod memory;
pub mod metrics;
pub mod panics;
pub mod parity;
pub mod pipeline;
pub mod prepare;
pub mod problem;
pub mod real;
pub mod report;
pub mod run;
pub mod slate;
pub mod stage;
pub mod stamp;
pub mod strategy;
pub mod text;
pub mod tune;

/// Runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
