//! Counts every refused request, and logs a bounded number of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use tracing::info;

use super::metrics::ServerMetrics;
use super::refusal::Code;
use super::request_id;

/// Maximum number of log lines per second for each code. The bound is needed because peers decide how many requests
/// are refused.
const LINES_PER_SECOND_MAX: u32 = 10;

/// Counts refusals and writes them to the log.
pub(super) struct Refusals {
    metrics: ServerMetrics,
    lines: Mutex<BTreeMap<Code, Lines>>,
}

impl Refusals {
    pub(super) fn new(metrics: ServerMetrics) -> Self {
        Self { metrics, lines: Mutex::default() }
    }

    /// Records an answer to `peer` if it is a refusal.
    pub(super) fn record<B>(&self, response: &Response<B>, peer: Option<SocketAddr>) {
        if let Some(code) = response.extensions().get() {
            let id = response.headers().get(request_id::HEADER).and_then(|id| id.to_str().ok());
            self.refused(*code, peer, id);
        }
    }

    /// Records a refused request. `request_id` is `None` if the request was not read far enough to have one.
    pub(super) fn refused(&self, code: Code, peer: Option<SocketAddr>, request_id: Option<&str>) {
        self.metrics.refused(code);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let suppressed = lines.entry(code).or_default().count(Instant::now());
        drop(lines);
        if let Some(suppressed) = suppressed {
            info!(
                code = code.name(),
                status = code.status().as_u16(),
                peer = peer.map(tracing::field::display),
                request_id,
                suppressed = (suppressed > 0).then_some(suppressed),
                "request refused"
            );
        }
    }
}

/// Log lines of one code.
#[derive(Default)]
struct Lines {
    /// Start of the second in which `written` lines were written.
    second: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl Lines {
    /// Counts a refusal. Returns `None` to suppress its line, otherwise the number of lines suppressed since the last
    /// one.
    fn count(&mut self, now: Instant) -> Option<u64> {
        if self.second.is_none_or(|second| now >= second + Duration::from_secs(1)) {
            (self.second, self.written) = (Some(now), 0);
        }
        if self.written == LINES_PER_SECOND_MAX {
            self.suppressed += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_bounded_and_suppressed_ones_counted() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        let mut count = |milliseconds| lines.count(now + Duration::from_millis(milliseconds));
        assert!((0..10).all(|_| count(0) == Some(0)));
        assert!((0..500).all(|_| count(999).is_none()));
        assert_eq!((count(1000), count(1000)), (Some(500), Some(0)));
        assert!((0..8).all(|_| count(1999) == Some(0)));
        assert_eq!((count(1999), count(5000)), (None, Some(1)));
    }
}
