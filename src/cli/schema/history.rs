//! The schemas as a commit of their Git repository has them, by the `git` that is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codec::event_schema::SchemaText;
use crate::config::event_schemas::version_of;

/// A directory at a commit.
pub(super) struct History {
    directory: PathBuf,
    commit: String,
}

impl History {
    /// The directory as `reference` has it.
    ///
    /// # Errors
    /// Where there is no Git, no repository, or no such commit.
    pub(super) fn open(directory: &Path, reference: &str) -> Result<History, String> {
        let mut history = History { directory: directory.to_owned(), commit: String::new() };
        let wanted = format!("{reference}^{{commit}}");
        let commit = history.git(&["rev-parse", "--verify", "--end-of-options", &wanted])?;
        history.commit = commit.trim().to_owned();
        Ok(history)
    }

    /// The schemas in it, by event and version; none where the directory was not there.
    ///
    /// # Errors
    /// Where Git fails.
    pub(super) fn texts(&self) -> Result<Vec<SchemaText>, String> {
        let listed = self.git(&["ls-tree", "-r", "-z", "--name-only", &self.commit, "--", "."])?;
        let mut texts = Vec::new();
        for path in listed.split_terminator('\0') {
            let Some((event, version)) = named(path) else { continue };
            let text = self.git(&["show", &format!("{}:./{path}", self.commit)])?;
            texts.push(SchemaText { event: event.into(), version, text });
        }
        texts.sort_by(|one, other| (&one.event, one.version).cmp(&(&other.event, other.version)));
        Ok(texts)
    }

    fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let done = Command::new("git").current_dir(&self.directory).args(arguments).output();
        let done = done.map_err(|why| format!("git: {why}; --against needs Git"))?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            return Err(format!("git {}: {}", arguments.join(" "), said.trim()));
        }
        String::from_utf8(done.stdout).map_err(|_| format!("git {}: not UTF-8", arguments.join(" ")))
    }
}

/// The event and the version of a path `event/version.json`.
fn named(path: &str) -> Option<(&str, u32)> {
    let (event, file) = path.split_once('/')?;
    Some((event, version_of(file)?))
}
