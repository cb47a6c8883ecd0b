//! Rows of the GPU engine.

use std::sync::Arc;

use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::problem::Problem;

use crate::common::{check, prepare};
use crate::data::{Data, write_for_peers};
use crate::duel::{Ours, agreement, duel};
use crate::peer::Peer;
use crate::report::{Figure, Row, Verdict};
use crate::rows::{Case, Context, NO_GPU, Spec, Target};

/// Cores that the GPU is held against.
const CORES: usize = 16;
/// Slates for the CPU engine beside the GPU.
const CPU_SLATES: usize = 512;
const SOFTWARE: &str = "the adapter computes on the CPU";

/// How many slates the adapter gets, and why its figures must not be judged.
fn scale(context: &Context) -> (usize, Option<&'static str>) {
    let [on_gpu, on_cpu] = context.sizes.gpu_slates;
    if context.is_software() { (on_cpu, Some(SOFTWARE)) } else { (on_gpu, None) }
}

/// Measures one beside PyTorch on the same GPU. The row for the rate has no peer.
pub fn beside_torch(context: &Context, spec: &Spec, case: Case) -> Result<Row, String> {
    let gpu = match &context.gpu {
        Ok(gpu) => Arc::clone(gpu),
        Err(_) => return Ok(Row::open(spec, NO_GPU)),
    };
    let (n_slates, must_not) = scale(context);
    let config = Config::from_toml(case.config).map_err(|error| error.to_string())?;
    let data = Data::new(context, case.slates, &config, n_slates)?;
    let problem = Problem::new(&config, &data.catalog).map_err(|error| error.to_string())?;
    let slates = prepare(&problem, &data.slates)?;
    let mut engine = GpuEngine::new(gpu, &problem, GpuOptions::default()).map_err(|error| error.to_string())?;
    let ranked = engine.rerank(&slates).map_err(|error| error.to_string())?;
    check(&problem, &slates, &ranked, "GPU engine")?;

    let mut row = Row::new(spec);
    row.notes.push(data.about.clone());
    let is_rate = matches!(spec.target, Target::Rate(_));
    let mut peer = match must_not {
        _ if is_rate => Err(String::new()),
        // A driver that computes on the CPU has no PyTorch beside it.
        Some(why) => Err(why.to_owned()),
        None => {
            write_for_peers(context.folder.path(), &data, &data.slates)?;
            Peer::start(context, case.peer, true, context.folder.path())
        }
    };
    let mut call = || engine.rerank(&slates).map(|_| ()).map_err(|error| error.to_string());
    let ours = Ours { who: "GPU engine".to_owned(), n_slates, threads: context.machine.threads, call: &mut call };
    let beside = peer.as_mut().ok().map(|peer| (peer, n_slates));
    let (figure, peers) = duel(context, ours, beside, &mut row.notes)?;
    row.ours = Some(on_gpu(figure));
    match &mut peer {
        Err(_) if is_rate => row.value = row.ours.as_ref().map(|ours| ours.slates_per_s),
        Err(why) => row.verdict = Verdict::Open(why.clone()),
        Ok(peer) => {
            let peers = peers.into_iter().map(|(variant, figure)| (variant, on_gpu(figure))).collect();
            row.add_peers(peers, |variant| agreement(&problem, &slates, peer, variant));
        }
    }
    Ok(row.judge(context, must_not))
}

/// Measures one beside the CPU engine.
pub fn beside_cpu(context: &Context, spec: &Spec, case: Case) -> Result<Row, String> {
    let gpu = match &context.gpu {
        Ok(gpu) => Arc::clone(gpu),
        Err(_) => return Ok(Row::open(spec, NO_GPU)),
    };
    let (n_slates, must_not) = scale(context);
    let config = Config::from_toml(case.config).map_err(|error| error.to_string())?;
    let data = Data::new(context, case.slates, &config, n_slates)?;
    let problem = Problem::new(&config, &data.catalog).map_err(|error| error.to_string())?;
    let slates = prepare(&problem, &data.slates)?;
    let mut engine = GpuEngine::new(gpu, &problem, GpuOptions::default()).map_err(|error| error.to_string())?;
    let ranked = engine.rerank(&slates).map_err(|error| error.to_string())?;
    check(&problem, &slates, &ranked, "GPU engine")?;

    let threads = context.machine.threads.min(CORES);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| error.to_string())?;
    let cpu = CpuEngine::<f32>::new(&problem);
    let cpu_slates = &slates[..slates.len().min(CPU_SLATES)];
    let mut on_cpu = || {
        std::hint::black_box(pool.install(|| cpu.rerank(cpu_slates)));
        Ok(())
    };
    let mut row = Row::new(spec);
    row.notes.push(data.about.clone());
    let mut call = || engine.rerank(&slates).map(|_| ()).map_err(|error| error.to_string());
    // Both are ours, and each is too short on the other's scale to share a run: a round of one, a round of the other.
    let ours = Ours { who: "GPU engine".to_owned(), n_slates, threads, call: &mut call };
    let (figure, _) = duel(context, ours, None, &mut row.notes)?;
    row.ours = Some(on_gpu(figure));
    let who = format!("CPU engine, f32, {threads} threads");
    let ours = Ours { who, n_slates: cpu_slates.len(), threads, call: &mut on_cpu };
    let (figure, _) = duel(context, ours, None, &mut row.notes)?;
    row.peers.push(figure);
    row.hold_against_peers();
    row.cpu_ratio = None;
    let few = format!("the CPU engine had {threads} of {CORES} cores");
    Ok(row.judge(context, must_not.or((threads < CORES).then_some(&few))))
}

/// What threads of the host do while a GPU works says nothing.
fn on_gpu(figure: Figure) -> Figure {
    Figure { cpu_ms_per_slate: None, share_of_threads: None, ..figure }
}
