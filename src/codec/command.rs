//! The command log's own bytes: one byte of version, then the command in postcard. Only the intake writes
//! them and only the profile task reads them, so they are compact and not for other programs.

use crate::domain::command::Command;

use super::reject::{Reject, RejectCode};

/// The version that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

/// The bytes of a command.
pub fn encode(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    postcard::to_extend(command, bytes).expect("every part of a command knows its length and memory grows")
}

/// The command that these bytes hold.
///
/// # Errors
/// `UnreadableCommand` where the version is another one, the bytes end early, hold something else or go on
/// after the command, or the event in it lies outside of 1970 to 2199.
pub fn decode(bytes: &[u8]) -> Result<Command, Reject> {
    let Some((version, body)) = bytes.split_first() else {
        return Err(unreadable("the record of the command topic is empty".to_owned()));
    };
    if *version != VERSION {
        return Err(unreadable(format!(
            "the record of the command topic has version {version} and this build reads version {VERSION}; \
             run the build that wrote it, or a later one that reads both"
        )));
    }
    match postcard::take_from_bytes::<Command>(body) {
        // One event from beyond all time would carry the partition's stream time with it, for good.
        Ok((Command::Event(event), [])) if !event.timestamp.is_plausible() => {
            Err(unreadable("an event that is not between 1970 and 2199, which no intake lets in".to_owned()))
        }
        Ok((command, [])) => Ok(command),
        Ok((_, rest)) => Err(unreadable(format!("{} bytes follow the command", rest.len()))),
        Err(_) => Err(unreadable(
            "the record of the command topic is not a command; only the intake of the same application may \
             write there"
                .to_owned(),
        )),
    }
}

fn unreadable(message: String) -> Reject {
    Reject::new(RejectCode::UnreadableCommand, "$", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::arbitrary;
    use crate::domain::catalogue::Content;
    use crate::domain::event::{DecisionRequest, Event, Item, Money};
    use crate::domain::person::Person;
    use crate::domain::scalar::{Properties, Scalar};
    use crate::domain::time::Timestamp;

    fn event() -> Event {
        let mut properties = Properties::default();
        properties.set("colour", Scalar::Text("red".into()));
        properties.set("sizes", Scalar::Texts(vec!["s".into(), "m".into()]));
        properties.set("stock", Scalar::Integer(-4));
        properties.set("discount", Scalar::Float(0.25));
        properties.set("gift", Scalar::Bool(true));
        Event {
            message_id: "m-1".into(),
            name: "order_completed".into(),
            person: Person::bare("u-1"),
            timestamp: Timestamp::from_ms(1_767_607_200_123),
            original_timestamp: Timestamp::from_ms(1_767_607_200_000),
            received_at: Timestamp::from_ms(1_767_607_200_500),
            time_clamped: true,
            source: "clickstream".into(),
            items: vec![Item {
                item_id: "p-1".into(),
                category: Some("shoes".into()),
                brand: None,
                price_hundredths: Some(5990),
                quantity: 2,
            }],
            order_id: Some("o-1".into()),
            value: Some(Money { hundredths: 11_980, currency: "EUR".into() }),
            request: Some(DecisionRequest {
                request_id: "r-1".into(),
                slot: "home_hero".into(),
                exclude: vec!["c-9".into()],
            }),
            page: Some("/c/shoes".into()),
            properties: properties.clone(),
            traits: properties,
        }
    }

    fn commands() -> Vec<Command> {
        vec![
            Command::Event(event()),
            Command::ContentChanged(Content {
                content_id: "c-1".into(),
                slots: vec!["home_hero".into()],
                weights: vec![("shoes".into(), 0.5)],
                base_weight: 2.0,
                item_id: Some("p-1".into()),
                starts_at: Some(Timestamp::from_ms(1)),
                ends_at: None,
            }),
            Command::ContentWithdrawn { content_id: "c-1".into() },
            Command::DefinitionsChanged { text: "segments: []\n".into() },
            Command::SiteSharesChanged(arbitrary::site_shares()),
            Command::SiteSharesWithdrawn { interest: "category".into() },
        ]
    }

    #[test]
    fn every_command_survives_the_log() {
        for command in commands() {
            assert_eq!(decode(&encode(&command)), Ok(command));
        }
    }

    #[test]
    fn the_bytes_of_version_one_stay_what_they_are() {
        let bytes = encode(&Command::ContentWithdrawn { content_id: "c-1".into() });
        assert_eq!(bytes, [1, 2, 3, b'c', b'-', b'1']);
    }

    #[test]
    fn cut_longer_and_foreign_bytes_are_refused() {
        for command in commands() {
            let bytes = encode(&command);
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]).unwrap_err().code, RejectCode::UnreadableCommand);
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(decode(&longer).unwrap_err().code, RejectCode::UnreadableCommand);
            let newer = [&[2], &bytes[1..]].concat();
            assert!(decode(&newer).unwrap_err().message.contains("version 2"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_command_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode(&[&[VERSION], bytes.as_slice()].concat());
            if let Err(reject) = decode(&bytes) {
                prop_assert_eq!(reject.code, RejectCode::UnreadableCommand);
            }
        }

        #[test]
        fn one_changed_byte_never_panics(at in 0_usize..200, byte in any::<u8>()) {
            for command in commands() {
                let mut bytes = encode(&command);
                let length = bytes.len();
                bytes[at % length] = byte;
                let _ = decode(&bytes);
            }
        }
    }
}
