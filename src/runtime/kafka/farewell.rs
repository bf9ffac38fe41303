//! The end of a worker's clients. A consumer closes when the group has been told; its calls for that have no limit of
//! their own, nor has the destruction of a client: a worker that had just begun to join was once seen not to come back.
//! A process that has to end, be it to say what is wrong, must not hang in that. So clients end on a thread of their own,
//! which is waited for with a deadline.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::Clients;
use super::consumer::{GroupConsumer, now};

/// How long leaving the group may take, which is a courtesy.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing the client may take, for which no broker is needed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long all of it may take, with what has no limit of its own.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(9);

/// Ends clients. Those that do not end in time are left to themselves: the group gives a member up that it does not
/// hear of, and a successor fences the producer.
pub(super) fn farewell(clients: Clients) {
    let (say, heard) = mpsc::channel();
    let end = move || {
        let Clients { producer, mut consumer } = clients;
        consumer.close();
        drop((producer, consumer));
        // Nobody listens to one that comes too late.
        let _ = say.send(());
    };
    let spawned = thread::Builder::new().name("farewell".to_owned()).spawn(end);
    if spawned.is_err() || heard.recv_timeout(FAREWELL_TIMEOUT).is_err() {
        tracing::warn!(
            event = "kafka_close_overdue",
            "the clients did not end in time: they are left as they are"
        );
    }
}

impl GroupConsumer {
    /// Ends the membership. Dropping alone would wait for ever for the answer to a rebalance that was noted
    /// before. Each is answered once and before the close begins: a client that waits for no answer may have
    /// closed already, and then a call never returns.
    pub(super) fn close(&mut self) {
        self.answer_all();
        if self.leaving {
            self.leave();
        }
        if let Err(error) = self.consumer.close_queue() {
            tracing::debug!(event = "kafka_close_error", %error, "the consumer did not begin to close");
        }
        // One that has failed for good has no group to leave.
        let dead = self.consumer.client().fatal_error().is_some();
        let deadline = now() + if dead { Duration::from_millis(200) } else { CLOSE_TIMEOUT };
        while !self.consumer.closed() && now() < deadline {
            let _ = self.consumer.poll(Duration::from_millis(20));
        }
    }

    /// Answers every rebalance. From here on the callback does: the worker is not there any more.
    pub(super) fn answer_all(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        while let Some(rebalance) = self.unanswered.take().or_else(|| self.noted()) {
            if let Err(error) = rebalance.answer(&self.consumer) {
                tracing::debug!(event = "kafka_close_error", %error, "a rebalance could not be answered");
            }
        }
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
