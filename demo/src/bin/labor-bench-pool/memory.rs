//! Memory of Postgres' backends: Pss, in which what several processes share is divided among them.
use labor_demo::Failure;

/// What some backends have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) backends: u32,
    pub(crate) mebibytes: f64,
}

impl Memory {
    /// Of these processes; one that has ended meanwhile is not counted.
    pub(crate) fn of(pids: &[i32]) -> Result<Self, Failure> {
        let mut memory = Self { backends: 0, mebibytes: 0.0 };
        for pid in pids {
            let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
            memory.mebibytes += pss(&text).ok_or("a process without Pss: its memory can't be read")?;
            memory.backends += 1;
        }
        if memory.backends == 0 {
            return Err("no backend's memory can be read: run as root, or as who runs Postgres".into());
        }
        Ok(memory)
    }
}

/// Of proc(5)'s `smaps_rollup`, in MiB.
fn pss(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_line_of_all_pss_is_read_and_no_other() {
        let text = "55ad-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 9 kB\nPss:      2048 kB\nPss_Anon: 7 kB\n";
        assert_eq!(super::pss(text), Some(2.0));
    }
}
