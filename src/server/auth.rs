//! The shared secret of the service's callers, and what becomes of those who guess.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::warn;

use super::metrics::ServerMetrics;
use super::refusal::Refusal;

/// The header that carries the secret.
pub(super) const HEADER: &str = "x-executor-token";

/// Answers to wrong tokens come so much later once there have been some; one that came so long ago is forgotten.
const DELAY: Duration = Duration::from_secs(1);

/// Wrong tokens that are answered at once: somebody mistyped one.
const FREE_GUESSES: u32 = 5;

/// Answers that are late at once. Each keeps a connection open, so further ones are not late.
const DELAYED_MAX: usize = 64;

/// Wrong tokens stand in the log so often at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The expected token, as its digest: comparing digests takes the same time for every guess, of whatever length.
#[derive(Clone, Default)]
pub struct Token(Option<[u8; 32]>);

impl Token {
    /// An empty `secret`, like [`Token::default`], lets nobody in.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self((!secret.is_empty()).then(|| Sha256::digest(secret).into()))
    }
}

/// Lets in those who know the token, and slows down those who try many.
pub(super) struct Doorkeeper {
    token: Token,
    metrics: ServerMetrics,
    guesses: Mutex<Guesses>,
    delays: Semaphore,
}

impl Doorkeeper {
    pub(super) fn new(token: Token, metrics: ServerMetrics) -> Self {
        Self { token, metrics, guesses: Mutex::default(), delays: Semaphore::new(DELAYED_MAX) }
    }

    /// Whether a request has the token, without consequences.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(HEADER).map(|sent| <[u8; 32]>::from(Sha256::digest(sent.as_bytes())));
        self.token.0.zip(sent).is_some_and(|(expected, sent)| expected.ct_eq(&sent).into())
    }

    pub(super) async fn let_in(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.token.0.is_none() {
            return Err(Refusal::no_token_configured());
        }
        if self.knows(headers) {
            return Ok(());
        }
        if headers.contains_key(HEADER) {
            self.slow_down().await;
        }
        Err(Refusal::unauthorized())
    }

    async fn slow_down(&self) {
        self.metrics.wrong_token();
        let guess = self.guesses.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
        if let Some(count) = guess.to_log {
            warn!(count, "requests with a wrong token");
        }
        if guess.is_repeated
            && let Ok(_delay) = self.delays.try_acquire()
        {
            sleep(DELAY).await;
        }
    }
}

/// The wrong tokens of late.
#[derive(Default)]
struct Guesses {
    /// When all of them are forgotten.
    forgotten: Option<Instant>,
    logged: Option<Instant>,
    unlogged: u64,
}

/// What follows from a wrong token.
struct Guess {
    is_repeated: bool,
    /// How many there were since this was last in the log.
    to_log: Option<u64>,
}

impl Guesses {
    fn count(&mut self, now: Instant) -> Guess {
        let free = DELAY * FREE_GUESSES;
        let forgotten = self.forgotten.map_or(now, |forgotten| forgotten.max(now)) + DELAY;
        let is_repeated = forgotten > now + free;
        self.forgotten = Some(forgotten.min(now + free + DELAY));
        self.unlogged += 1;
        let is_due = self.logged.is_none_or(|logged| now >= logged + LOG_INTERVAL);
        let to_log = is_due.then(|| std::mem::take(&mut self.unlogged));
        if is_due {
            self.logged = Some(now);
        }
        Guess { is_repeated, to_log }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_wrong_tokens_are_free_and_are_forgotten() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let mut repeated = |seconds: f64| guesses.count(now + Duration::from_secs_f64(seconds)).is_repeated;
        assert!((0..5).all(|_| !repeated(0.0)));
        assert!((0..100).all(|_| repeated(0.5)));
        assert!(repeated(1.5) && !repeated(3.6) && repeated(3.6));
        assert!((0..5).all(|_| !repeated(60.0)) && repeated(60.0));
    }

    #[test]
    fn the_log_has_them_together() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let mut logged = |seconds| guesses.count(now + Duration::from_secs(seconds)).to_log;
        assert_eq!(logged(0), Some(1));
        assert!((0..50).all(|_| logged(9).is_none()));
        assert_eq!(logged(10), Some(51));
        assert_eq!(logged(11), None);
    }
}
