//! The fused shader: the files of `shaders/` in pipeline order, after the constants that Rust owns.

use std::fmt::Write;

use crate::bloom;
use crate::config::{MAX_SPECTRA, MAX_WINDOW, Strategy};
use crate::gpu::layout::{
    BOUND_SLACK, CONTROL_WORDS, COST_VECTORS, FIRST_CHUNK_PART, HEADER_WORDS, MANY_LANES, MARK_PLACED, MEMBER_CHUNK,
    PAST_CHUNK, Phase,
};
use crate::stage::{eigensolve, exposure, residual};
use crate::strategy::dpp;

/// Errors of sums and products.
pub(super) const EXACT: &str = include_str!("../../shaders/common/exact.wgsl");
/// Double precision from pairs of f32.
pub(super) const PAIRS: (&str, &str) = ("common/double", include_str!("../../shaders/common/double.wgsl"));
/// The same, as devices have it.
pub(super) const NATIVE: (&str, &str) =
    ("common/native_double", include_str!("../../shaders/common/native_double.wgsl"));

/// Every file of the fused shader but for the one of double precision, in pipeline order. WGSL allows declarations in any order.
const FILES: [(&str, &str); 18] = [
    ("common/bindings", include_str!("../../shaders/common/bindings.wgsl")),
    ("common/state", include_str!("../../shaders/common/state.wgsl")),
    ("common/exact", EXACT),
    ("eligibility", include_str!("../../shaders/eligibility.wgsl")),
    ("window", include_str!("../../shaders/window.wgsl")),
    ("window_similarity", include_str!("../../shaders/window_similarity.wgsl")),
    ("eigensolve", include_str!("../../shaders/eigensolve.wgsl")),
    ("eigensolve/cholesky", include_str!("../../shaders/eigensolve/cholesky.wgsl")),
    ("eigensolve/gram_schmidt", include_str!("../../shaders/eigensolve/gram_schmidt.wgsl")),
    ("eigensolve/ritz", include_str!("../../shaders/eigensolve/ritz.wgsl")),
    ("eigensolve/jacobi", include_str!("../../shaders/eigensolve/jacobi.wgsl")),
    ("exposure", include_str!("../../shaders/exposure.wgsl")),
    ("placed_similarity", include_str!("../../shaders/placed_similarity.wgsl")),
    ("residual", include_str!("../../shaders/residual.wgsl")),
    ("baseline", include_str!("../../shaders/baseline.wgsl")),
    ("penalty", include_str!("../../shaders/penalty.wgsl")),
    ("select", include_str!("../../shaders/select.wgsl")),
    ("fused", include_str!("../../shaders/fused.wgsl")),
];

/// Entry point of the fused shader.
pub const ENTRY_POINT: &str = "rerank";

/// The whole source; in the device's own double precision where `has_doubles`, which takes `SHADER_F64` and `SHADER_INT64`.
pub fn source(has_doubles: bool) -> String {
    let mut text = constants();
    for (name, file) in FILES.into_iter().chain([if has_doubles { NATIVE } else { PAIRS }]) {
        let _ = write!(text, "// ---- shaders/{name}.wgsl\n{file}\n");
    }
    text
}

/// Every strategy by its name in the shader.
const STRATEGIES: [(Strategy, &str); 6] = [
    (Strategy::Spectral, "SPECTRAL"),
    (Strategy::Ssd, "SSD"),
    (Strategy::Dpp, "DPP"),
    (Strategy::Mmr, "MMR"),
    (Strategy::Msd, "MSD"),
    (Strategy::Relevance, "RELEVANCE"),
];

/// Columns are divided by a factor in single precision as long as it magnifies rounding by no more than this: products are off by
/// some 1e-7, and what is left of a thousandth when columns are made orthonormal in the end is 1e-10.
const MOST_MAGNIFIED: f64 = 1e4;
/// What the first rotations, in single precision, leave beside the diagonal: as much as rounding does.
const FIRST_JACOBI_TOLERANCE: f64 = f32::EPSILON as f64;
/// What the second ones leave. Loadings are in single precision, which does not see it.
const LAST_JACOBI_TOLERANCE: f64 = 1e-10;

const FADE_SLOPE: f64 = 1.0 / (residual::FADE_FULL - residual::FADE_GONE);

/// What single precision lacks of a number.
fn rest(x: f64) -> f64 {
    x - f64::from(x as f32)
}

/// Numbers that must be the same in a shader and its CPU twin are written once, in Rust.
fn constants() -> String {
    let mut text = String::from("// ---- from Rust\n");
    let floats = [
        ("ENTRY_SCALE", eigensolve::ENTRY_SCALE),
        ("COLLAPSE", eigensolve::COLLAPSE),
        ("NOTHING", eigensolve::NOTHING),
        ("LEAST_SHARE", eigensolve::LEAST_SHARE),
        ("MOST_MAGNIFIED", MOST_MAGNIFIED),
        ("DROP", eigensolve::DROP),
        ("FIRST_JACOBI_TOLERANCE", FIRST_JACOBI_TOLERANCE),
        ("LAST_JACOBI_TOLERANCE", LAST_JACOBI_TOLERANCE),
        ("COUPLING_WIDTH", exposure::COUPLING_WIDTH),
        ("COUPLING_REACH", exposure::COUPLING_REACH),
        ("FADE_GONE", residual::FADE_GONE),
        ("FADE_GONE_REST", rest(residual::FADE_GONE)),
        ("FADE_SLOPE", FADE_SLOPE),
        ("FADE_SLOPE_REST", rest(FADE_SLOPE)),
        ("MOST_VOLUME", residual::MOST_VOLUME),
        ("DISTANCE_FLOOR", dpp::FLOOR),
        ("BOUND_SLACK", BOUND_SLACK),
    ];
    for (name, value) in floats {
        let _ = writeln!(text, "const {name}: f32 = {:e};", value as f32);
    }
    let counts = [
        ("MAX_SPECTRA", MAX_SPECTRA),
        ("MAX_WINDOW", MAX_WINDOW),
        ("JACOBI_SWEEPS", eigensolve::JACOBI_SWEEPS),
        ("COST_VECTORS", COST_VECTORS),
        ("HEADER_WORDS", HEADER_WORDS),
        ("CONTROL_WORDS", CONTROL_WORDS),
        ("MEMBER_CHUNK", MEMBER_CHUNK),
        ("PAST_CHUNK", PAST_CHUNK),
        ("MANY_LANES", MANY_LANES),
        ("FIRST_CHUNK_PART", FIRST_CHUNK_PART),
        ("BLOCK_WORDS", bloom::BLOCK_WORDS),
        ("MARK_PLACED", MARK_PLACED as usize),
    ];
    for (name, value) in counts {
        let _ = writeln!(text, "const {name}: u32 = {value}u;");
    }
    let salts = bloom::SALTS.map(|salt| format!("{salt:#x}u")).join(", ");
    let _ = writeln!(text, "const BLOOM_SALTS = array<u32, BLOCK_WORDS>({salts});");
    for (strategy, name) in STRATEGIES {
        let _ = writeln!(text, "const {name}: u32 = {}u;", strategy as u32);
    }
    for (phase, name) in Phase::ALL {
        let _ = writeln!(text, "const PHASE_{name}: u32 = {}u;", phase as u32);
    }
    text
}
