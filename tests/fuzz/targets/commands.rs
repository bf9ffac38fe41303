//! Records of the command log.

use bespoke::codec::command::{decode, encode};
use bespoke::domain::command::Command;

use super::samples::{self, AT};
use crate::target::{Run, Target, kind, law};

pub(crate) const TARGET: Target = Target { name: "commands", seeds, words: &[], generate: None, open };

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut commands: Vec<Command> =
        samples::NAMES.iter().map(|name| Command::Event(samples::event(name, "m-1", AT))).collect();
    commands.push(Command::ContentChanged(samples::content()));
    commands.push(Command::ContentWithdrawn { content_id: "c-1".into() });
    commands.push(Command::DefinitionsChanged { text: "segments: {}\n".into() });
    commands.push(Command::SiteSharesChanged(samples::site_shares()));
    commands.push(Command::SiteSharesWithdrawn { interest: "category".into() });
    commands.iter().map(encode).collect()
}

fn open() -> Run {
    Box::new(|input| match decode(input) {
        Err(reject) => Ok(kind(&reject.to_string())),
        Ok(command) => {
            let bytes = encode(&command);
            let same = decode(&bytes).is_ok_and(|again| encode(&again) == bytes);
            law(same, "a command that was read is not read again")?;
            Ok(kind(&format!("{:?}", std::mem::discriminant(&command))))
        }
    })
}
