//! How much memory the process has used.

/// The greatest resident memory of this process so far, where the system tells it: Linux's `VmHWM`, which counts in
/// units of 1024 bytes.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let count: u64 = line.split_whitespace().next()?.parse().ok()?;
    count.checked_mul(1024)
}
