//! Bytes and operations of each stage of the GPU kernel, and how near a device comes to what its memory and its lanes allow:
//! for the spectral strategy and those to compare with, or for the one configuration that is given.
//!
//! ```text
//! cargo bench --bench roofline                                             counts, from the CPU engine's results
//! cargo bench --bench roofline -- --config 'strategy = "dpp"'              of one configuration
//! cargo bench --bench roofline -- --adapter NAME                           a GPU: its ceilings, measured, and the share reached
//! cargo bench --bench roofline -- --gbytes-per-s 3350 --gflops 67000       the least times of a device that is not here
//! ```

#![allow(clippy::unwrap_used, reason = "a bench may stop at the first thing that is not as it should be")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::plan::{DeviceLimits, Plan};
use spectrank::gpu::roofline::{DoubleCosts, STAGES, StageWork, Work};
use spectrank::gpu::{self, AdapterChoice, Doubles, GpuEngine, GpuOptions, OpenDevice};
use spectrank::parity::recipe::{Cloud, Items, Recipe, Request, Storage};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

/// Counts the work of the GPU kernel.
#[derive(Debug, Parser)]
struct Arguments {
    /// Slates.
    #[arg(long, default_value_t = 256)]
    slates: usize,
    /// Candidates per slate.
    #[arg(long, default_value_t = 500)]
    candidates: usize,
    /// Embedding dimension.
    #[arg(long, default_value_t = 256)]
    dim: usize,
    /// Positions per slate.
    #[arg(long, default_value_t = 100)]
    positions: usize,
    /// Configuration (TOML text) beside the slate size [default: each strategy's, one after the other].
    #[arg(long)]
    config: Option<String>,
    /// Lanes per slate, a power of two [default: as the engine chooses].
    #[arg(long)]
    lanes: Option<usize>,
    /// Double precision: `pairs` of f32, the device's own (`native`), or the `quicker` of both. Without a device: `pairs` or `native`.
    #[arg(long, value_enum, default_value = "quicker")]
    doubles: Doubles,
    /// Every scan goes to its end.
    #[arg(long)]
    without_pruning: bool,
    /// GPU to measure. Without one, the work is counted for 64 lanes and the smallest limits there are.
    #[arg(long)]
    adapter: Option<AdapterChoice>,
    /// Memory bandwidth, in 10⁹ bytes per second [default: measured, where an adapter is named].
    #[arg(long)]
    gbytes_per_s: Option<f64>,
    /// Single-precision throughput, in 10⁹ operations per second, a fused one counted as two [default: measured, where an
    /// adapter is named].
    #[arg(long)]
    gflops: Option<f64>,
    /// Ignored; cargo passes it.
    #[arg(long)]
    bench: bool,
}

/// What every API grants.
const LEAST_LIMITS: DeviceLimits = DeviceLimits {
    binding_bytes: 128 << 20,
    workgroup_bytes: 16 << 10,
    workgroup_invocations: 256,
    groups_per_dimension: 65_535,
    catalog_bytes: u64::MAX,
};

/// Name and configuration of what is counted where none is given.
const STRATEGIES: [(&str, &str); 5] = [
    ("spectral", ""),
    ("mmr", "strategy = \"mmr\"\n[mmr]\nlambda = 0.5"),
    ("msd", "strategy = \"msd\"\n[msd]\nlambda = 0.5"),
    ("dpp", "strategy = \"dpp\"\n[relevance]\ntransform = \"zscore\""),
    ("ssd", "strategy = \"ssd\"\n[relevance]\ntransform = \"zscore\""),
];

/// Memory bandwidth and throughput, where they are known.
type Ceilings = (Option<f64>, Option<f64>);

fn main() {
    let arguments = Arguments::parse();
    let mut ceilings = (arguments.gbytes_per_s, arguments.gflops);
    let device = arguments.adapter.as_ref().map(|adapter| {
        let device = gpu::open(adapter).unwrap();
        println!("{}", device.description);
        let measured = (gbytes_per_s(&device), gflops(&device));
        ceilings = (ceilings.0.or(Some(measured.0)), ceilings.1.or(Some(measured.1)));
        Arc::new(device)
    });
    match &arguments.config {
        Some(text) => count(&arguments, &text.replace("\\n", "\n"), device.as_ref(), ceilings),
        None => {
            for (name, text) in STRATEGIES {
                println!("{name}");
                count(&arguments, text, device.as_ref(), ceilings);
                println!();
            }
        }
    }
}

/// Composes slates with a configuration, and prints what the kernel does for them.
fn count(arguments: &Arguments, text: &str, device: Option<&Arc<OpenDevice>>, ceilings: Ceilings) {
    let text = format!("slate_size = {}\n{text}", arguments.positions);
    let n_items = (arguments.candidates * 64).max(1);
    let case = Recipe {
        seed: 1,
        items: Items::new(n_items, Cloud::Clusters(40, 0.8), vec![arguments.dim], Storage::F16),
        requests: vec![Request::new(arguments.candidates, 0, 0); arguments.slates],
        config: Config::from_toml(&text).unwrap(),
    };
    let case = case.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
    let (plan, ranked, took) = match device {
        None => {
            let plan = Plan::new(&problem, &LEAST_LIMITS, arguments.lanes.unwrap_or(64), usize::MAX).unwrap();
            (plan, CpuEngine::<f32>::new(&problem).rerank(&slates), None)
        }
        Some(device) => {
            let engine = |max_in_flight| {
                let Arguments { lanes, doubles, .. } = *arguments;
                let options = GpuOptions { max_in_flight, lanes, doubles, ..GpuOptions::default() };
                GpuEngine::new(device.clone(), &problem, options).unwrap()
            };
            let (mut alone, mut engine) = (engine(1), engine(2));
            // The first run finds the pace.
            let ranked = engine.rerank(&slates).unwrap();
            assert!(alone.rerank(&slates).unwrap() == ranked, "a batch beside it changes a result");
            let [one, two] = [&mut alone, &mut engine].map(|engine| seconds_per_slate(engine, &slates));
            println!(
                "one batch at a time: {:.1} µs a slate; two: {:.1} µs ({} batches began beside another; none: ask for more --slates)",
                one * 1e6,
                two * 1e6,
                engine.n_overlapped()
            );
            (engine.plan().clone(), ranked, Some(two))
        }
    };
    let prunes = !arguments.without_pruning;
    let works = slates.iter().zip(&ranked).map(|(slate, ranked)| Work::of(&plan, slate, ranked, prunes));
    let Some(work) = works.sum::<Option<Work>>() else {
        println!(
            "a slate cannot be counted: it has pins, filters or caps, or its result does not tell how long a scan was"
        );
        return;
    };
    let is_native = device.map_or(arguments.doubles == Doubles::Native, |device| arguments.doubles.are_native(device));
    let costs = if is_native { DoubleCosts::NATIVE } else { DoubleCosts::PAIRS };
    println!(
        "double precision: {}",
        if is_native { "the device's own, an operation as one of single precision" } else { "pairs of f32" }
    );
    report(&work.stages(&plan, costs), slates.len() as f64, ceilings, took);
    let n = slates.len() as f64;
    let n_pairs = work.n_pairs + work.placed_similarity.n_pairs;
    let n_wide = work.n_member_pairs + work.residual.n_pairs;
    let [pairs, wide, scored] = [n_pairs, n_wide, work.n_scored].map(|count| count as f64 / n);
    println!("per slate: {pairs:.0} pairs, {wide:.0} in doubled precision, {scored:.0} candidates scored");
}

/// Seconds per slate, the median of some runs.
fn seconds_per_slate(engine: &mut GpuEngine, slates: &[PreparedSlate]) -> f64 {
    let mut runs = [0.0; 5].map(|_: f64| {
        let before = Instant::now();
        engine.rerank(slates).unwrap();
        before.elapsed().as_secs_f64() / slates.len() as f64
    });
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

/// A line for each stage that does something, per slate.
fn report(stages: &[StageWork], n_slates: f64, (gbytes_per_s, gflops): Ceilings, seconds_per_slate: Option<f64>) {
    println!("per slate            bytes   operations  operations/byte  least µs");
    let mut least_sum = 0.0;
    for (name, work) in STAGES.iter().zip(stages) {
        if *work == StageWork::default() {
            continue;
        }
        let (bytes, operations) = (work.bytes as f64 / n_slates, work.operations as f64 / n_slates);
        let intensity = if work.bytes == 0 { "–".to_owned() } else { format!("{:.2}", operations / bytes) };
        let least = gbytes_per_s.zip(gflops).map(|(gb, gf)| work.least_seconds(gb * 1e9, gf * 1e9) / n_slates * 1e6);
        least_sum += least.unwrap_or(0.0);
        let least = least.map_or("–".to_owned(), |least| format!("{least:.3}"));
        println!("{name:17} {bytes:9.0} {operations:12.0} {intensity:>16} {least:>9}");
    }
    let Some((gb, gf)) = gbytes_per_s.zip(gflops) else { return };
    println!("at {gb:.1} GB/s and {gf:.1} Gflop/s: {least_sum:.3} µs a slate, {:.0} slates/s at most", 1e6 / least_sum);
    if let Some(seconds) = seconds_per_slate {
        let took = seconds * 1e6;
        println!("measured: {took:.3} µs a slate, {:.1} % of that ceiling", 100.0 * least_sum / took);
    }
}

/// Reads all of a buffer; each lane reads next to its neighbours.
const READ: &str = "
@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    var sum = vec4<f32>(0.0);
    for (var i = id.x; i < arrayLength(&input); i += groups.x * 64u) {
        sum += input[i];
    }
    output[id.x] = sum.x + sum.y + sum.z + sum.w;
}";

/// Eight chains of fused operations on four values each.
const COMPUTE: &str = "
@group(0) @binding(0) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = input[id.x % 64u];
    let b = input[id.x % 64u + 64u];
    var s0 = a; var s1 = a + 1.0; var s2 = a + 2.0; var s3 = a + 3.0;
    var s4 = a + 4.0; var s5 = a + 5.0; var s6 = a + 6.0; var s7 = a + 7.0;
    for (var i = 0u; i < 1024u; i += 1u) {
        s0 = fma(s0, b, a); s1 = fma(s1, b, a); s2 = fma(s2, b, a); s3 = fma(s3, b, a);
        s4 = fma(s4, b, a); s5 = fma(s5, b, a); s6 = fma(s6, b, a); s7 = fma(s7, b, a);
    }
    let sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    output[id.x] = sum.x + sum.y + sum.z + sum.w;
}";

/// Bytes of the buffer that is read: more than caches hold.
const READ_BYTES: u64 = 256 << 20;
/// Workgroups that read it.
const READ_GROUPS: u32 = 4096;

fn gbytes_per_s(device: &OpenDevice) -> f64 {
    let n_bytes = READ_BYTES.min(device.description.max_binding_bytes & !15);
    n_bytes as f64 / quickest(device, READ, n_bytes, READ_GROUPS).as_secs_f64() / 1e9
}

fn gflops(device: &OpenDevice) -> f64 {
    let mut n_groups = 64;
    loop {
        let took = quickest(device, COMPUTE, 2048, n_groups);
        // Long enough for a submit to be nothing beside it, short enough for every watchdog.
        if took >= Duration::from_millis(20) || n_groups >= 1 << 15 {
            return f64::from(n_groups) * 64.0 * 1024.0 * 8.0 * 4.0 * 2.0 / took.as_secs_f64() / 1e9;
        }
        n_groups *= 2;
    }
}

/// The shortest time of some runs of a small kernel, from submit to end.
fn quickest(open: &OpenDevice, source: &str, input_bytes: u64, n_groups: u32) -> Duration {
    let device = &open.device;
    let buffer = |size| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        })
    };
    let (input, output) = (buffer(input_bytes), buffer(u64::from(n_groups) * 64 * 4));
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: input.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: output.as_entire_binding() },
        ],
    });
    let run = || {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(n_groups, 1, 1);
        drop(pass);
        let before = Instant::now();
        open.queue.submit([encoder.finish()]);
        open.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        before.elapsed()
    };
    // The first one compiles and clears.
    run();
    (0..5).map(|_| run()).min().unwrap_or_default()
}
