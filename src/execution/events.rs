//! Events of a running execution, for callers that do not want to wait for its end.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::ExecutionId;

/// Once this many events are unread, text joins the latest unread event of its stream. So a reader that does not read
/// costs no more memory than the text.
const WAITING_MAX: usize = 1024;

/// An event of a running program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Text that the program wrote to standard output. Invalid UTF-8 is replaced.
    Stdout(String),
    /// Text that the program wrote to standard error. Invalid UTF-8 is replaced.
    Stderr(String),
    /// The execution has a slot and begins.
    Started(ExecutionId),
    /// A tool call begins.
    ToolBegin {
        /// The number of the call within its execution.
        call: u32,
        /// The tool as `module.function`.
        tool: String,
    },
    /// A tool call has ended, or was aborted.
    ToolEnd {
        /// The number of the call within its execution.
        call: u32,
        /// The tool as `module.function`.
        tool: String,
        /// How long it took, waiting for somebody outside included.
        time: Duration,
        /// The size of the reply as JSON; 0 for a call that failed.
        bytes: usize,
    },
}

impl Event {
    /// Appends the text of `next` if it belongs to the same stream; otherwise returns `next`.
    fn join(&mut self, next: Self) -> Result<(), Self> {
        match (self, next) {
            (Self::Stdout(text), Self::Stdout(more)) | (Self::Stderr(text), Self::Stderr(more)) => {
                text.push_str(&more);
                Ok(())
            }
            (_, next) => Err(next),
        }
    }
}

/// The sending end of an execution's events. The events end when the last clone is dropped.
#[derive(Clone)]
pub struct EventSink(Arc<Sender>);

/// Where an execution's events go. The listener can change while the execution waits. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listener(Arc<Mutex<Option<EventSink>>>);

impl Listener {
    /// Sends the next events to `sink`, or to nobody.
    pub(crate) fn set(&self, sink: Option<EventSink>) {
        // The old sink is dropped after the lock: that may wake its reader.
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), sink);
        drop(old);
    }

    /// Sends no more events to `sink`, if they still go there.
    pub(crate) fn clear(&self, sink: &EventSink) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = current.take_if(|current| Arc::ptr_eq(&current.0, &sink.0));
        drop(current);
        drop(old);
    }

    pub(crate) fn send(&self, event: Event) {
        let sink = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(sink) = sink {
            sink.send(event);
        }
    }
}

/// The receiving end of an execution's events, in order. If a reader is more than a thousand events behind, the text of
/// each stream stays in order, but the order between the streams is lost.
pub struct Events(Arc<Mutex<Queue>>);

/// Returns a sink, and the events that are sent to it.
#[must_use]
pub fn events() -> (EventSink, Events) {
    let queue = Arc::<Mutex<Queue>>::default();
    (EventSink(Arc::new(Sender(queue.clone()))), Events(queue))
}

struct Sender(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Event>,
    reader: Option<Waker>,
    is_closed: bool,
}

impl EventSink {
    /// Sends an event. Never waits.
    pub(crate) fn send(&self, event: Event) {
        let reader = {
            let mut queue = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push(event);
            queue.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Queue {
    fn push(&mut self, mut event: Event) {
        let within = if self.waiting.len() < WAITING_MAX { 1 } else { WAITING_MAX };
        for earlier in self.waiting.iter_mut().rev().take(within) {
            match earlier.join(event) {
                Ok(()) => return,
                Err(other) => event = other,
            }
        }
        self.waiting.push_back(event);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let reader = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            queue.is_closed = true;
            queue.reader.take()
        };
        // A waker may run the reader, which takes the lock.
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Events {
    /// Returns the next event, or `None` after the last one. Cancel-safe: dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match queue.waiting.pop_front() {
                Some(event) => Poll::Ready(Some(event)),
                None if queue.is_closed => Poll::Ready(None),
                None => {
                    queue.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").finish_non_exhaustive()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut events: Events) -> Vec<Event> {
        futures::executor::block_on(async {
            let mut all = Vec::new();
            while let Some(event) = events.next().await {
                all.push(event);
            }
            all
        })
    }

    #[test]
    fn text_of_one_stream_is_one_event_until_it_is_read() {
        let (sink, events) = events();
        for event in [Event::Stdout("a".into()), Event::Stdout("b".into()), Event::Stderr("c".into())] {
            sink.send(event);
        }
        sink.clone().send(Event::Stdout("d".into()));
        drop(sink);
        let expected = [Event::Stdout("ab".into()), Event::Stderr("c".into()), Event::Stdout("d".into())];
        assert_eq!(all(events), expected);
    }

    #[test]
    fn a_reader_that_does_not_read_costs_no_more_than_the_text() {
        let (sink, events) = events();
        for _ in 0..100_000 {
            sink.send(Event::Stdout("o".into()));
            sink.send(Event::Stderr("e".into()));
        }
        drop(sink);
        let all = all(events);
        assert_eq!(all.len(), WAITING_MAX);
        let chars = |event: &Event| match event {
            Event::Stdout(text) | Event::Stderr(text) => text.len(),
            _ => 0,
        };
        assert_eq!(all.iter().map(chars).sum::<usize>(), 200_000);
    }

    #[test]
    fn a_reader_that_waits_is_woken() {
        let (sink, mut events) = events();
        let reader = std::thread::spawn(move || {
            futures::executor::block_on(async { (events.next().await, events.next().await) })
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        sink.send(Event::Stderr("x".into()));
        drop(sink);
        assert_eq!(reader.join().unwrap(), (Some(Event::Stderr("x".into())), None));
    }
}
