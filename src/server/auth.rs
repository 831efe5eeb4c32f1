//! The token that callers share with the service, and the delay for callers that guess it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tracing::warn;

use super::metrics::ServerMetrics;
use super::refusal::Refusal;

/// The header for the token. `Authorization: Bearer` is accepted too.
pub(super) const HEADER: &str = "x-executor-token";

/// Delay of answers to repeated wrong tokens. One wrong token is forgotten each time that this period passes.
const DELAY: Duration = Duration::from_secs(1);

/// Wrong tokens that are answered without delay: somebody may have mistyped one.
const FREE_GUESSES: u32 = 5;

/// Maximum number of delayed answers at a time. Each keeps a connection open, so further ones are not delayed.
const DELAYED_MAX: usize = 64;

/// Minimum time between two log lines about wrong tokens.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The expected token, stored as a digest. Comparing digests takes the same time for every guess, whatever its
/// length.
#[derive(Clone, Default)]
pub struct Token(Option<[u8; 32]>);

impl Token {
    /// Creates a token from its text. With an empty `secret`, as with [`Token::default`], every caller is refused.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self((!secret.is_empty()).then(|| Sha256::digest(secret).into()))
    }
}

/// Result of the token check of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Missing,
    Wrong,
    Right(Roles),
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roles {
    /// Run programs, and answer for its own tools.
    pub(super) executes: bool,
    /// Approve and deny calls.
    pub(super) approves: bool,
}

/// Checks tokens, and delays answers to repeated wrong ones.
pub(super) struct Doorkeeper {
    token: Token,
    approver: Token,
    metrics: ServerMetrics,
    guesses: Mutex<Guesses>,
    delays: Semaphore,
}

impl Doorkeeper {
    pub(super) fn new(token: Token, approver: Token, metrics: ServerMetrics) -> Self {
        Self { token, approver, metrics, guesses: Mutex::default(), delays: Semaphore::new(DELAYED_MAX) }
    }

    /// Checks the token of a request, without any delay. `Authorization` counts only without the service's own header,
    /// because a proxy may use it. If a request has several tokens, each must be right.
    pub(super) fn examine(&self, headers: &HeaderMap) -> Proof {
        let mut sent: Vec<&[u8]> = headers.get_all(HEADER).iter().map(HeaderValue::as_bytes).collect();
        if sent.is_empty() {
            sent = headers.get_all(AUTHORIZATION).iter().filter_map(bearer).collect();
        }
        if sent.is_empty() {
            return Proof::Missing;
        }
        let is_right = |token: &Token| {
            let expected = token.0.unwrap_or_default();
            let is_set = Choice::from(u8::from(token.0.is_some()));
            let digests = sent.iter().map(|sent| <[u8; 32]>::from(Sha256::digest(sent)));
            bool::from(digests.fold(is_set, |is_right, digest| is_right & digest.ct_eq(&expected)))
        };
        // Both are compared, so that the time does not tell which of them is right.
        let roles = Roles { executes: is_right(&self.token), approves: is_right(&self.approver) };
        if roles.executes || roles.approves { Proof::Right(roles) } else { Proof::Wrong }
    }

    /// Returns the roles of whoever sent a request with a right token.
    pub(super) async fn roles(&self, proof: Proof) -> Result<Roles, Refusal> {
        if self.token.0.is_none() && self.approver.0.is_none() {
            return Err(Refusal::no_token_configured());
        }
        match proof {
            Proof::Right(roles) => return Ok(roles),
            Proof::Wrong => self.slow_down().await,
            Proof::Missing => {}
        }
        Err(Refusal::unauthorized())
    }

    /// Lets in whoever may run programs.
    pub(super) async fn let_in(&self, proof: Proof) -> Result<(), Refusal> {
        if self.roles(proof).await?.executes {
            Ok(())
        } else {
            Err(Refusal::forbidden("run programs, nor see or end those of others"))
        }
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

/// Returns the token of `Authorization: Bearer` (RFC 6750, 2.1). Other schemes are ignored: they are meant for a
/// proxy.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii_start())
}

/// Recent wrong tokens.
#[derive(Default)]
struct Guesses {
    /// When the last of them is forgotten.
    forgotten: Option<Instant>,
    logged: Option<Instant>,
    unlogged: u64,
}

/// How to handle a wrong token.
struct Guess {
    is_repeated: bool,
    /// Number of wrong tokens since the last log line, if a line is due.
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
    fn every_token_in_a_request_must_be_right() {
        let doorkeeper =
            |token| Doorkeeper::new(Token::new(token), Token::new("person"), ServerMetrics::default());
        let (own, other) = (HEADER, "authorization");
        let right = Proof::Right(Roles { executes: true, approves: false });
        let approver = Proof::Right(Roles { executes: false, approves: true });
        let rows: [(&[(&str, &str)], Proof); 20] = [
            (&[], Proof::Missing),
            (&[(other, "Basic secret")], Proof::Missing),
            (&[(other, "secret")], Proof::Missing),
            (&[(other, "Bearer")], Proof::Missing),
            (&[(own, "secret")], right),
            (&[(own, "")], Proof::Wrong),
            (&[(own, "Bearer secret")], Proof::Wrong),
            (&[(other, "Bearer secret")], right),
            (&[(other, "bEARER   secret")], right),
            (&[(other, "Bearer secre")], Proof::Wrong),
            (&[(other, "Bearer ")], Proof::Wrong),
            (&[(own, "secret"), (other, "Bearer secret")], right),
            (&[(own, "secret"), (other, "Basic user")], right),
            (&[(own, "secret"), (other, "Bearer guess")], right),
            (&[(other, "Bearer secret"), (other, "Bearer guess")], Proof::Wrong),
            (&[(own, "guess"), (other, "Bearer secret")], Proof::Wrong),
            (&[(own, "secret"), (own, "guess")], Proof::Wrong),
            (&[(own, "person")], approver),
            (&[(other, "Bearer person")], approver),
            (&[(own, "secret"), (own, "person")], Proof::Wrong),
        ];
        for (sent, proof) in rows {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(*name, value.parse().unwrap());
            }
            assert_eq!(doorkeeper("secret").examine(&headers), proof, "{sent:?}");
            assert_ne!(doorkeeper("").examine(&headers), right, "{sent:?}");
        }
    }

    #[test]
    fn first_wrong_tokens_are_not_delayed_and_all_are_forgotten() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let mut repeated = |seconds: f64| guesses.count(now + Duration::from_secs_f64(seconds)).is_repeated;
        assert!((0..5).all(|_| !repeated(0.0)));
        assert!((0..100).all(|_| repeated(0.5)));
        assert!(repeated(1.5) && !repeated(3.6) && repeated(3.6));
        assert!((0..5).all(|_| !repeated(60.0)) && repeated(60.0));
    }

    #[test]
    fn log_lines_about_wrong_tokens_are_combined() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let mut logged = |seconds| guesses.count(now + Duration::from_secs(seconds)).to_log;
        assert_eq!(logged(0), Some(1));
        assert!((0..50).all(|_| logged(9).is_none()));
        assert_eq!(logged(10), Some(51));
        assert_eq!(logged(11), None);
    }
}
