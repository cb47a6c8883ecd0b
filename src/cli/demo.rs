//! `spectrank demo`

use std::io::{IsTerminal, Write};

use clap::Args;
use spectrank::demo::{self, DemoError, Style};

use super::settings::EngineFlags;
use super::terminal::{expect_stdout, tell};
use super::{Exit, Failure};

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    engine: EngineFlags,
}

/// Re-ranks the slates that come with the program and prints what changed.
pub fn run(flags: &Demo) -> Result<(), Failure> {
    let report = demo::run(|problem, slates| {
        let mut engine = flags.engine.choose(problem)?;
        let notice = |text: Option<String>| {
            if let Some(text) = text {
                tell(format_args!("spectrank: {text}"));
            }
        };
        notice(engine.notice.take());
        tell(format_args!("spectrank: computing on {}", engine.name()));
        let ranked = engine.rerank(slates)?;
        notice(engine.notice.take());
        Ok::<_, Failure>(ranked)
    });
    let report = report.map_err(|error| match error {
        DemoError::Engine(failure) => failure,
        other => Failure::input("demo", other),
    })?;
    let style = if std::io::stdout().is_terminal() { Style::Ansi } else { Style::Plain };
    let text = demo::render(&report, style);
    expect_stdout()?;
    std::io::stdout().write_all(text.as_bytes()).or_else(|error| match error.kind() {
        // Whoever reads us has seen enough.
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::new(Exit::Output, format!("standard output: {error}"))),
    })
}
