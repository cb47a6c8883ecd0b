//! The GPU engine under test: one open device, an engine per problem, and a look inside for attribution.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::gpu::trace::{Phase, Snapshot};
use crate::gpu::{GpuEngine, GpuError, GpuOptions, OpenDevice, ProductErrors, ShaderChecks};
use crate::parity::attribution::{Beside, Compared, Departure, Winner};
use crate::parity::subject::{Bound, Subject, SubjectError};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

/// A GPU under test.
#[derive(Debug)]
pub struct GpuSubject {
    device: Arc<OpenDevice>,
    options: GpuOptions,
}

impl GpuSubject {
    /// The device, and how its engines are set. Known answers are not asked for: here everything is.
    pub fn new(device: impl Into<Arc<OpenDevice>>, options: GpuOptions) -> Self {
        Self { device: device.into(), options: GpuOptions { known_answer: false, ..options } }
    }

    /// The device.
    pub fn device(&self) -> &Arc<OpenDevice> {
        &self.device
    }

    /// How its engines are set.
    pub fn options(&self) -> &GpuOptions {
        &self.options
    }

    /// The same device with other settings.
    pub fn with_options(&self, options: GpuOptions) -> Self {
        Self { device: Arc::clone(&self.device), options }
    }
}

impl Subject for GpuSubject {
    fn name(&self) -> String {
        format!("GPU, {}", self.device.description)
    }

    fn variants(&self) -> Vec<(String, Box<dyn Subject + '_>)> {
        let mut variants: Vec<(String, Box<dyn Subject>)> = Vec::new();
        let mut add = |name: String, options| variants.push((name, Box::new(self.with_options(options))));
        // One step per dispatch, then more and more of them.
        for budget in [1, 300, 1_000, 4_000, 16_000] {
            let options = GpuOptions { budget, max_dispatch: None, ..self.options.clone() };
            add(format!("at most {budget} loop iterations per dispatch"), options);
        }
        let slowest = Some(Duration::from_nanos(1));
        add(
            "as little as can be per dispatch".to_owned(),
            GpuOptions { max_dispatch: slowest, ..self.options.clone() },
        );
        add("as much as can be per dispatch".to_owned(), GpuOptions { max_dispatch: None, ..self.options.clone() });
        add("in batches of 3".to_owned(), GpuOptions { max_slates: 3, ..self.options.clone() });
        add("rows brought with every batch".to_owned(), GpuOptions { max_catalog_bytes: 0, ..self.options.clone() });
        // Never the number by default: 8 on a software adapter, 64 on a GPU.
        add("over 32 lanes".to_owned(), GpuOptions { lanes: Some(32), ..self.options.clone() });
        let shader_checks = match self.options.shader_checks {
            ShaderChecks::Checked => ShaderChecks::Trusted,
            ShaderChecks::Trusted => ShaderChecks::Checked,
        };
        add(format!("{shader_checks:?} shaders").to_lowercase(), GpuOptions { shader_checks, ..self.options.clone() });
        let product_errors = match self.options.product_errors {
            ProductErrors::ByFma => ProductErrors::ByHalves,
            ProductErrors::ByHalves => ProductErrors::ByFma,
        };
        let way = match product_errors {
            ProductErrors::ByFma => "by fma where it rounds once",
            ProductErrors::ByHalves => "from products of halves",
        };
        add(format!("errors of products {way}"), GpuOptions { product_errors, ..self.options.clone() });
        variants
    }

    fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
        let engine = GpuEngine::new(Arc::clone(&self.device), problem, self.options.clone())?;
        Ok(Box::new(BoundGpu { engine, problem }))
    }
}

impl From<GpuError> for SubjectError {
    fn from(error: GpuError) -> Self {
        match error {
            GpuError::Plan(error) => Self::Unsupported(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}

struct BoundGpu<'p> {
    engine: GpuEngine<'p>,
    problem: &'p Problem<'p>,
}

impl Bound for BoundGpu<'_> {
    fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
        Ok(self.engine.rerank(slates)?)
    }

    fn departure(&mut self, slate: &PreparedSlate) -> Result<Option<Departure>, SubjectError> {
        Ok(follow(&mut self.engine, self.problem, slate)?.1)
    }
}

/// Holds every stage of a traced slate against its twin; ends at the first departure.
///
/// # Errors
/// As [`GpuEngine::rerank`].
pub fn follow(
    engine: &mut GpuEngine,
    problem: &Problem,
    slate: &PreparedSlate,
) -> Result<(Compared, Option<Departure>), GpuError> {
    let mut beside = Beside::new(problem, slate);
    let mut departure = None;
    let mut before = Phase::Eligibility;
    engine.trace_with(slate, |snapshot| {
        let phase = std::mem::replace(&mut before, snapshot.phase);
        match check(&mut beside, phase, &snapshot) {
            Ok(()) => ControlFlow::Continue(()),
            Err(found) => {
                departure = Some(found);
                ControlFlow::Break(())
            }
        }
    })?;
    Ok((beside.compared, departure))
}

/// What a step of `phase` has left behind.
fn check(beside: &mut Beside, phase: Phase, snapshot: &Snapshot) -> Result<(), Departure> {
    let n_spectra = snapshot.eigenvalues.len();
    let eigenvalues: Vec<f64> = snapshot.eigenvalues.iter().copied().map(f64::from).collect();
    let entry = |slot: usize, k: usize| snapshot.basis[slot * n_spectra + k];
    match phase {
        Phase::Eligibility if snapshot.phase != phase => beside.check_eligibility(|rank| snapshot.is_gone[rank]),
        Phase::Begin if snapshot.phase != Phase::Done => {
            beside.check_window(&snapshot.slot_items, &snapshot.slot_placed_at, snapshot.is_active)
        }
        Phase::Members if snapshot.phase == Phase::Sweep => {
            let m = snapshot.slot_items.len();
            beside.check_similarity(|a, b| snapshot.gram[a * m + b])
        }
        Phase::Rotate if snapshot.phase == Phase::Expose => beside.check_spectra(entry, &eigenvalues),
        Phase::Weights => beside.check_exposure(|slot| {
            let loading = |k: usize| eigenvalues[k] * f64::from(snapshot.inverse[k]) * entry(slot, k);
            let weight = |k: usize, l: usize| f64::from(snapshot.weights[k * n_spectra + l]);
            (0..n_spectra * n_spectra)
                .map(|i| (i / n_spectra, i % n_spectra))
                .map(|(k, l)| weight(k, l) * loading(k) * loading(l))
                .sum()
        }),
        Phase::Place => {
            let best = &snapshot.best;
            beside.check_winner(&Winner {
                rank: best.rank as usize,
                excess: best.excess,
                terms: best.terms.map(f64::from),
            })
        }
        _ => Ok(()),
    }
}
