//! `spectrank devices`

use clap::Args;
use spectrank::gpu::{self, AdapterCheck, AdapterChoice, Environment};

use super::{Exit, Failure, terminal};

/// Flags of `devices`.
#[derive(Debug, Args)]
#[command(after_help = CHECK)]
pub struct Devices {
    /// Have each adapter compose a few slates whose answers are known, and say which of them computes rightly.
    #[arg(long)]
    check: bool,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

const CHECK: &str = "\
Exit code with --check: 0 where every adapter passes; 4 where one fails, or where there is none.";

/// Lists the adapters, and tests them if that is asked for.
pub fn run(flags: &Devices) -> Result<(), Failure> {
    let list = gpu::list();
    let chosen = gpu::choose(&list, &AdapterChoice::Auto).ok();
    let checks = flags.check.then(|| gpu::check(&list));
    if flags.json {
        let mut text = serde_json::json!({ "adapters": list, "auto": chosen });
        if let Some(checks) = &checks {
            text["checks"] = serde_json::json!(checks);
        }
        terminal::print(format_args!("{text}\n"))?;
    } else {
        let checks = checks.as_ref().filter(|checks| !checks.is_empty());
        let checks = checks.map(|checks| gpu::checks_text(checks)).unwrap_or_default();
        terminal::print(format_args!("{}{checks}", gpu::devices_table(&list, chosen)))?;
    }
    checks.map_or(Ok(()), |checks| verdict(&checks, || gpu::diagnose(&list, &Environment::probe())))
}

fn verdict(checks: &[AdapterCheck], why_none: impl FnOnce() -> gpu::AdapterError) -> Result<(), Failure> {
    if checks.is_empty() {
        return Err(Failure::new(Exit::Gpu, format_args!("no adapter to check: {}", why_none())));
    }
    let failed: Vec<&AdapterCheck> = checks.iter().filter(|check| !check.passed).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = failed.iter().map(|check| format!("{} ({})", check.index, check.name)).collect();
    names.dedup();
    let which = if names.len() == 1 { "adapter" } else { "adapters" };
    Err(Failure::new(Exit::Gpu, format_args!("{which} {} failed the known-answer test", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(index: usize, passed: bool) -> AdapterCheck {
        let problem = (!passed).then(|| "wrong".to_owned());
        AdapterCheck { index, name: format!("card {index}"), storage: "f16", doubles: None, passed, ms: 1.0, problem }
    }

    #[test]
    fn only_if_every_adapter_passes_all_is_well() {
        let why_none = || gpu::AdapterError::NoGpu;
        assert!(verdict(&[check(0, true), check(1, true)], why_none).is_ok());
        let one = verdict(&[check(0, true), check(1, false), check(1, false)], why_none).unwrap_err();
        assert_eq!((one.exit, one.to_string()), (Exit::Gpu, "adapter 1 (card 1) failed the known-answer test".into()));
        let two = verdict(&[check(0, false), check(1, false)], why_none).unwrap_err();
        assert!(two.to_string().starts_with("adapters 0 (card 0), 1 (card 1) failed"), "{two}");
        let none = verdict(&[], why_none).unwrap_err();
        assert!(none.exit == Exit::Gpu && none.to_string().starts_with("no adapter to check: no GPU"), "{none}");
    }
}
