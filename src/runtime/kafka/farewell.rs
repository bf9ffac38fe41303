//! The end of a group membership. A client closes when the group has been told, and its calls for that, and its
//! destruction, have no limit of their own: one that had just begun to join was once seen not to come back. A process
//! that has to end, be it to say what is wrong, must not hang in a courtesy. So this is done on a thread of its own and
//! waited for with a deadline.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::callbacks::{Context, Rebalance};
use super::consumer::now;

/// How long leaving the group may take, which is a courtesy.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing the client may take, for which no broker is needed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long both may take together with calls that have no limit of their own.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(8);

/// A membership that is to end.
pub(super) struct Farewell {
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    /// What the worker was told of and has not answered.
    pub(super) unanswered: Option<Rebalance>,
    /// Whether to leave the group, instead of coming back under the same name to the same partitions.
    pub(super) leaving: bool,
}

impl Farewell {
    /// Ends the membership. A client that does not close in time is left as it is: the group gives a member up that it
    /// does not hear of.
    pub(super) fn say(self) {
        let consumer = Arc::clone(&self.consumer);
        let (say, heard) = mpsc::channel();
        let thread = thread::Builder::new().name("farewell".to_owned());
        let spawned = thread.spawn(move || {
            let ended = self.close();
            // Nobody listens to one that comes too late.
            let _ = say.send(ended);
        });
        let ended = spawned.is_ok() && heard.recv_timeout(FAREWELL_TIMEOUT).unwrap_or(false);
        if !ended {
            tracing::warn!(
                event = "kafka_close_overdue",
                "the consumer did not close in time: it is left as it is"
            );
            // Its destruction would wait for ever for the close.
            std::mem::forget(consumer);
        }
    }

    /// Answers each rebalance once and before the close begins: a client that waits for no answer may have closed
    /// already, and then a call never returns. Returns whether the client can be destroyed.
    fn close(mut self) -> bool {
        answer_all(&self.consumer, &mut self.unanswered);
        if self.leaving {
            self.leave();
        }
        if let Err(error) = self.consumer.close_queue() {
            tracing::debug!(event = "kafka_close_error", %error, "the consumer did not begin to close");
        }
        // One that has failed for good has no group to leave, and its destruction waits for no close.
        let dead = self.consumer.client().fatal_error().is_some();
        let deadline = now() + if dead { Duration::from_millis(200) } else { CLOSE_TIMEOUT };
        while !self.consumer.closed() && now() < deadline {
            let _ = self.consumer.poll(Duration::from_millis(20));
        }
        dead || self.consumer.closed()
    }

    /// Closing alone would not do: a static member that closes is expected back.
    fn leave(&self) {
        self.consumer.unsubscribe();
        let deadline = now() + LEAVE_TIMEOUT;
        // The callback answers the revocation, and the client leaves when that is done.
        while now() < deadline && self.consumer.assignment().is_ok_and(|assigned| assigned.count() > 0) {
            let _ = self.consumer.poll(Duration::from_millis(20));
        }
    }
}

/// Answers every rebalance that was noted. From here on the callback does: the worker is not there any more.
pub(super) fn answer_all(consumer: &BaseConsumer<Context>, unanswered: &mut Option<Rebalance>) {
    let context = consumer.context();
    context.closing.store(true, Ordering::Relaxed);
    let noted = || context.rebalances.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    while let Some(rebalance) = unanswered.take().or_else(noted) {
        if let Err(error) = rebalance.answer(consumer) {
            tracing::debug!(event = "kafka_close_error", %error, "a rebalance could not be answered");
        }
    }
}
