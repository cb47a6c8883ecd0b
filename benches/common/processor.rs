//! The machine: what it is, how busy it is, and how much of it the bench got.

use std::time::{Duration, Instant};

/// Name of the processor, where the system tells.
pub fn model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of_linux = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_once(':').map(|(_, name)| name.trim().to_owned())
    };
    let of_macos = || {
        let out = std::process::Command::new("sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
        String::from_utf8(out.stdout).ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
    };
    of_linux("model name").or_else(|| of_linux("CPU part")).or_else(of_macos).unwrap_or_else(|| "unknown".to_owned())
}

/// Numbers of the processor's family and model, which tell generations of one name apart (Linux on x86-64).
pub fn generation() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |wanted: &str| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.trim() == wanted).map(|(_, value)| value.trim()).next().unwrap_or("?").to_owned()
    };
    format!("family {} model {}", value("cpu family"), value("model"))
}

/// The widest vector instructions that count here.
pub fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            return "AVX2";
        }
        "SSE2"
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        if cfg!(target_arch = "aarch64") { "NEON" } else { "none known" }
    }
}

/// Load average over the last minute (Linux).
pub fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Shares of all processors that others take, over some time in which the bench itself does nothing (Linux): those that do not
/// make way, and those that do (`nice`).
pub fn shares_of_others(over: Duration) -> Option<[f64; 2]> {
    let read = || -> Option<[f64; 3]> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let times: Vec<f64> = text.lines().next()?.split_whitespace().skip(1).filter_map(|t| t.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests take is in the first two already.
        Some([times.get(3)? + times.get(4)?, *times.get(1)?, times.iter().take(8).sum()])
    };
    let before = read()?;
    std::thread::sleep(over);
    let after = read()?;
    let [idle, nice, all] = [0, 1, 2].map(|i| after[i] - before[i]);
    (all > 0.0).then(|| [(all - idle - nice) / all, nice / all])
}

/// Processor time of all threads of this process (Unix).
#[cfg(unix)]
fn process_time() -> Option<Duration> {
    time_of(rustix::time::ClockId::ProcessCPUTime)
}

/// Processor time of this thread (Unix).
#[cfg(unix)]
fn thread_time() -> Option<Duration> {
    time_of(rustix::time::ClockId::ThreadCPUTime)
}

#[cfg(unix)]
fn time_of(clock: rustix::time::ClockId) -> Option<Duration> {
    let time = rustix::time::clock_gettime(clock);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn process_time() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
fn thread_time() -> Option<Duration> {
    None
}

/// Processor time of processes that this one started and that have ended (Linux).
pub fn children_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // Fields 16 and 17, in hundredths of a second on every Linux; the state, the first here, is the third.
    let ticks: u64 = fields.get(13)?.parse::<u64>().ok()? + fields.get(14)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(10 * ticks))
}

/// How long something took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// By the clock.
    pub seconds: f64,
    /// Of the processors, where the system tells.
    pub cpu_seconds: Option<f64>,
}

/// Times a call that many threads may work for.
pub fn timed<T>(call: impl FnOnce() -> T) -> (Took, T) {
    took(process_time, call)
}

/// Times a call that this thread alone works for.
pub fn timed_alone<T>(call: impl FnOnce() -> T) -> (Took, T) {
    took(thread_time, call)
}

fn took<T>(time: fn() -> Option<Duration>, call: impl FnOnce() -> T) -> (Took, T) {
    let (started, before) = (Instant::now(), time());
    let result = call();
    let cpu_seconds = time().zip(before).map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    (Took { seconds: started.elapsed().as_secs_f64(), cpu_seconds }, result)
}
