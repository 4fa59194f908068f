//! Memory of a process, as Linux tells it, for benchmarks.

/// Memory of a process, in MB.
#[derive(Clone, Copy)]
pub struct Memory {
    pub resident: f64,
    /// The part of it that is no file.
    pub own: f64,
    pub peak: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let kb: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
            kb / 1_024.0
        };
        Self {
            resident: of("VmRSS:"),
            own: of("RssAnon:"),
            peak: of("VmHWM:"),
        }
    }
}
