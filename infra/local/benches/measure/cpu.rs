//! Processor time of a process, as Linux tells it, for benchmarks.

/// Linux tells processor time in hundredths of a second, whatever the machine.
const CPU_TICKS_A_S: f64 = 100.0;

/// Seconds of processor time that a process has taken, by itself and by the kernel for it.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Its name may hold spaces, and ends with the last parenthesis.
    let (_, after) = stat.rsplit_once(')').unwrap();
    let field = |n: usize| -> f64 { after.split_whitespace().nth(n).unwrap().parse().unwrap() };
    (field(11) + field(12)) / CPU_TICKS_A_S
}
