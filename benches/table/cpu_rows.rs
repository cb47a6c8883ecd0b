//! Rows of the CPU engine beside a peer.

use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::problem::Problem;

use crate::common::{check, prepare};
use crate::data::{Data, write_for_peers};
use crate::duel::{Ours, agreement, duel};
use crate::peer::Peer;
use crate::report::Row;
use crate::rows::{Case, Context, Spec};

/// Measures one.
pub fn measure(context: &Context, spec: &Spec, case: Case) -> Result<Row, String> {
    let config = Config::from_toml(case.config).map_err(|error| error.to_string())?;
    let data = Data::new(context, case.slates, &config, context.sizes.slates)?;
    let problem = Problem::new(&config, &data.catalog).map_err(|error| error.to_string())?;
    let slates = prepare(&problem, &data.slates)?;
    let engine = CpuEngine::<f32>::new(&problem).with_pruning(case.prunes);
    check(&problem, &slates, &engine.rerank(&slates), "CPU engine, f32")?;

    let mut row = Row::new(spec);
    row.notes.push(data.about.clone());
    let n_peer_slates = context.sizes.peer_slates.min(slates.len());
    let folder = context.folder.path();
    write_for_peers(folder, &data, &data.slates[..n_peer_slates])?;
    let mut peer = Peer::start(context, case.peer, false, folder);
    let mut call = || {
        std::hint::black_box(engine.rerank(&slates));
        Ok(())
    };
    let ours = Ours {
        who: "CPU engine, f32".to_owned(),
        n_slates: slates.len(),
        threads: context.machine.threads,
        call: &mut call,
    };
    let beside = peer.as_mut().ok().map(|peer| (peer, n_peer_slates));
    let (figure, peers) = duel(context, ours, beside, &mut row.notes)?;
    row.ours = Some(figure);
    match &mut peer {
        Err(why) => row.verdict = crate::report::Verdict::Open(why.clone()),
        Ok(peer) => {
            row.add_peers(peers, |variant| agreement(&problem, &slates, peer, variant));
        }
    }
    Ok(row.judge(context, None))
}
