//! Memory of processes, from /proc.

/// A figure of proc(5)'s `status`, such as `VmRSS`, in MiB; 0 when the process has ended.
#[must_use]
pub fn mebibytes(pid: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kilobytes(&text, field).unwrap_or_default() / 1024.0
}

fn kilobytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "VmHWMx:\t1 kB\nVmHWM:\t2048 kB\nVmRSS:\t3 kB\n";
        assert_eq!(super::kilobytes(status, "VmHWM"), Some(2048.0));
        assert_eq!(super::kilobytes(status, "VmSwap"), None);
    }
}
