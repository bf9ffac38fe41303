//! What holds of every event that a decoder lets in.

use bespoke::codec::command;
use bespoke::codec::reject::Reject;
use bespoke::domain::command::Command;
use bespoke::domain::event::Event;

use crate::target::{Verdict, kind, law};

/// Judges what a decoder made of a record. `again` is the same decoding once more.
pub(crate) fn judged(first: Result<Event, Reject>, again: Result<Event, Reject>) -> Verdict {
    law(first == again, "the same bytes give another event")?;
    match first {
        Err(reject) => {
            law(
                !reject.message.is_empty() && reject.message.len() < 1_000,
                "a reject without a short reason",
            )?;
            law(reject.path.len() < 2_000, "a reject with a long path")?;
            Ok(kind(&format!("{:?} {} {}", reject.code, reject.path, reject.message)))
        }
        Ok(event) => {
            let in_time = [event.timestamp, event.original_timestamp, event.received_at];
            law(in_time.iter().all(|at| at.is_plausible()), "an event outside of time")?;
            law(!event.message_id.is_empty() && !event.name.is_empty(), "an event without an id or a name")?;
            law(!event.person.as_str().is_empty(), "an event of nobody")?;
            law(event.items.len() <= 200 && event.properties.len() <= 129, "an event beyond its limits")?;
            let name = event.name.to_string();
            let command = Command::Event(event);
            let bytes = command::encode(&command);
            law(command::decode(&bytes) == Ok(command), "an event that the command log does not give back")?;
            Ok(kind(&name))
        }
    }
}
