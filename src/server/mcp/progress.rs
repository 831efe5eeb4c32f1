//! Tells a client that a program runs, if it has asked for that.

use std::pin::pin;
use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use tokio::time::{MissedTickBehavior, interval};

use crate::execution::{Event, EventSink, events};

/// Shortest time between two notifications. Shorter programs have none, so that their answer is a single message.
const INTERVAL: Duration = Duration::from_millis(500);

/// Longest time between two notifications. Clients and proxies close connections on which nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    /// `None` if the client has not asked for progress.
    wanted: Option<(ProgressToken, Peer<RoleServer>)>,
}

impl Progress {
    pub(super) fn new(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        Self { wanted: token.map(|token| (token, context.peer.clone())) }
    }

    /// Completes with `work`, which sends its events to a sink. Notifies the client meanwhile.
    pub(super) async fn during<F: Future>(&self, work: impl FnOnce(Option<EventSink>) -> F) -> F::Output {
        let Some((token, peer)) = &self.wanted else { return work(None).await };
        let (sink, mut events) = events();
        let mut work = pin!(work(Some(sink)));
        let (begun, mut ticks) = (Instant::now(), interval(INTERVAL));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let (mut calls, mut told_calls, mut told, mut count, mut are_events) = (0_u32, 0, begun, 0.0, true);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                event = events.next(), if are_events => match event {
                    Some(Event::ToolEnd { .. }) => calls += 1,
                    Some(_) => {}
                    None => are_events = false,
                },
                _ = ticks.tick() => {
                    if calls == told_calls && told.elapsed() < HEARTBEAT {
                        continue;
                    }
                    (told_calls, told, count) = (calls, Instant::now(), count + 1.0);
                    let message = format!("running for {} s; calls that have ended: {calls}", begun.elapsed().as_secs());
                    let notification = ProgressNotificationParam::new(token.clone(), count).with_message(message);
                    // If the client has gone away, its request is cancelled.
                    let _ = peer.notify_progress(notification).await;
                }
            }
        }
    }
}
