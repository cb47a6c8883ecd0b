//! Which double precision the kernel computes in: the device's own, where it is quick at that, or pairs of f32.
//!
//! A GPU made for data centres adds and multiplies doubles half as often as singles, one made for games a sixty-fourth or a sixteenth as
//! often; a sum and product of pairs takes some thirty operations in single precision. No API says which it is: so the device does
//! sums of products in both ways, and the time they take says.

use std::time::{Duration, Instant};

use super::adapter::AdapterKind;
use super::device::OpenDevice;
use super::error::GpuError;
use super::planted::Planted;
use super::question::Question;
use super::shader;
use crate::parity::random::Random;

/// How the kernel computes in double precision where single precision is not enough: the window's similarities and its eigensolve, and
/// residuals. The ways differ by rounding alone, and all are held to the same bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum)]
pub enum Doubles {
    /// The device's own, where it has such numbers and was seen to be quicker with them, which is asked once per device; else pairs.
    #[default]
    Quicker,
    /// The device's own, where it has such numbers; else pairs.
    Native,
    /// Pairs of f32, which every device has.
    Pairs,
}

impl Doubles {
    /// True where a kernel on this device computes in the device's own.
    pub fn are_native(self, open: &OpenDevice) -> bool {
        match self {
            Self::Pairs => false,
            Self::Native => open.has_doubles(),
            Self::Quicker => open.is_quick_in_doubles(),
        }
    }

    /// What is asked for on this device: native or pairs.
    pub(super) fn resolved(self, open: &OpenDevice, planted: &Planted) -> Self {
        let is_quick = self == Self::Quicker && planted.quick_doubles && open.has_doubles();
        if is_quick || self.are_native(open) { Self::Native } else { Self::Pairs }
    }

    /// What a kernel on this device computes in: `native` or `pairs`.
    pub fn name_on(self, open: &OpenDevice) -> &'static str {
        if self.are_native(open) { "native" } else { "pairs" }
    }
}

/// Pairs have to take so many times as long: a device that is near it does not move from one way to the other between runs.
const LEAST_GAIN: f64 = 1.5;
/// Every way is tried so often, and the quickest counts.
const N_TRIES: usize = 4;
/// Workgroups of a try: few, and where that is over too soon to be timed, more. With the most, pairs take half a millisecond on the largest
/// GPUs by their data sheets, several times what it takes to submit and read back anything.
const WORKGROUPS: [u32; 3] = [128, 4096, 32_768];
/// A try that takes so long says something.
const LONG_ENOUGH: Duration = Duration::from_micros(500);
/// Lanes of a workgroup, and numbers that they multiply by.
const N: usize = 64;

/// Every lane adds up the same products in four sums, by way of workgroup memory, as the kernel does. All workgroups write the same
/// numbers: with a result of their own the compiler could not leave them out, and reading them back would take longer than the sums.
const MAIN: &str = "
@group(0) @binding(0) var<storage, read> numbers: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> results: array<vec2<f32>>;
var<workgroup> factors: array<Double, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    unknown_zero = bitcast<u32>(numbers[64].x);
    let own = of_pair(numbers[lane].xy);
    factors[lane] = of_pair(numbers[lane].zw);
    workgroupBarrier();
    var first = double(0.0);
    var second = double(0.0);
    var third = double(0.0);
    var fourth = double(0.0);
    for (var turn = 0u; turn < 256u; turn += 4u) {
        first = accumulate(first, own, factors[turn % 64u]);
        second = accumulate(second, own, factors[(turn + 1u) % 64u]);
        third = accumulate(third, own, factors[(turn + 2u) % 64u]);
        fourth = accumulate(fourth, own, factors[(turn + 3u) % 64u]);
    }
    results[lane] = pair_of(add(add(settled(first), settled(second)), add(settled(third), settled(fourth))));
}";

/// True where sums of products take noticeably less time in the device's own doubles, and come out right; none where the device does
/// not answer: what is wrong with it, others find out.
pub(super) fn are_quicker(open: &OpenDevice) -> Option<bool> {
    // A driver that computes on the CPU spends its time elsewhere, and several times as long on compiling.
    if !open.has_doubles() || open.description.kind == AdapterKind::Cpu {
        return Some(false);
    }
    // Where one way is wrong, known answers say so of the other.
    let DoubleTimes { pairs, native } = times(open).ok()?;
    Some(native.zip(pairs).is_some_and(|(native, pairs)| pairs.as_secs_f64() > LEAST_GAIN * native.as_secs_f64()))
}

/// How long sums of products take in either way, everything included that a dispatch takes; none where they come out wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubleTimes {
    /// In pairs of f32.
    pub pairs: Option<Duration>,
    /// In the device's own doubles.
    pub native: Option<Duration>,
}

/// Times both ways on a device that has doubles of its own.
pub(super) fn times(open: &OpenDevice) -> Result<DoubleTimes, GpuError> {
    let (numbers, wanted) = numbers();
    let question = |(_, doubles): (&str, &str)| {
        let source = format!(
            "const IS_F16 = 0u;\nconst IS_FMA_FUSED = {}u;\n{}\n{doubles}\n{MAIN}",
            u8::from(open.is_fma_fused()),
            shader::EXACT
        );
        Question::new(open, "doubles", source, &numbers, (N * size_of::<[f32; 2]>()) as u64)
    };
    let ways = [question(shader::PAIRS)?, question(shader::NATIVE)?];
    let mut least = [Duration::MAX; 2];
    let mut are_right = [true; 2];
    for n_workgroups in WORKGROUPS {
        least = [Duration::MAX; 2];
        for _ in 0..N_TRIES {
            for (i, way) in ways.iter().enumerate() {
                let start = Instant::now();
                let sums = way.ask::<[f32; 2]>(n_workgroups)?;
                least[i] = start.elapsed().min(least[i]);
                are_right[i] &= are_sums(&sums, &wanted);
            }
        }
        if least.iter().all(|time| *time >= LONG_ENOUGH) {
            break;
        }
    }
    let [pairs, native] = [0, 1].map(|i| are_right[i].then_some(least[i]));
    Ok(DoubleTimes { pairs, native })
}

/// Numbers as pairs of f32, with a zero at their end, and every lane's sum.
fn numbers() -> (Vec<f32>, Vec<f64>) {
    let mut random = Random(64);
    let mut pairs = || {
        let pair = |x: &f64| [*x as f32, (x - f64::from(*x as f32)) as f32];
        random.normals(N).iter().map(pair).collect::<Vec<_>>()
    };
    let (own, factors) = (pairs(), pairs());
    let value = |[high, low]: [f32; 2]| f64::from(high) + f64::from(low);
    let total: f64 = factors.iter().map(|&factor| value(factor)).sum();
    let sums = own.iter().map(|&own| 4.0 * value(own) * total).collect();
    let numbers = own.iter().zip(&factors).flat_map(|(own, factor)| [own[0], own[1], factor[0], factor[1]]);
    (numbers.chain([0.0; 4]).collect(), sums)
}

/// To what 48 bits leave of 256 products.
fn are_sums(sums: &[[f32; 2]], wanted: &[f64]) -> bool {
    let is_near = |(&[high, low], wanted): (&[f32; 2], &f64)| {
        (f64::from(high) + f64::from(low) - wanted).abs() < 1e-11 * wanted.abs().max(1.0)
    };
    sums.len() == wanted.len() && sums.iter().zip(wanted).all(is_near)
}
