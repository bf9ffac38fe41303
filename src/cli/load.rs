//! What commands have in common: reading the configuration and the environment, logging, complaining.

use std::io::{IsTerminal, Write};
use std::path::Path;

use crate::config::Config;
use crate::config::overlay::Flags;
use crate::runtime::fault::{Exit, ExitCode};
use crate::service::logs::{Color, Guard, LogOptions, start};

use super::ConfigSource;

/// How the command talks to whoever started it.
pub(super) struct Console {
    pub(super) color: Option<Color>,
    pub(super) level: Option<&'static str>,
}

impl Console {
    /// Starts logging.
    pub(super) fn log(&self, application: &str, traces_to: Option<&str>) -> Result<Guard, Exit> {
        let options = LogOptions {
            application: application.to_owned(),
            filter: self.level.map(str::to_owned).or_else(|| variable("RUST_LOG")),
            terminal: std::io::stderr().is_terminal(),
            color: Color::decide(self.color, variable("NO_COLOR").is_some_and(|value| !value.is_empty())),
            traces_to: traces_to.map(str::to_owned),
        };
        start(&options).map_err(|error| Exit { code: ExitCode::Misconfigured, text: error.to_string() })
    }
}

impl ConfigSource {
    /// Reads and checks the configuration, with further flags of the command.
    pub(super) fn load(&self, flags: Flags) -> Result<Config, Exit> {
        let file = self.config.display().to_string();
        let text = read(&self.config)?;
        self.check(&text, &file, flags)
            .map_err(|errors| Exit { code: ExitCode::Misconfigured, text: errors.to_string() })
    }

    /// As `load`, from a text that has been read.
    pub(super) fn check(
        &self,
        text: &str,
        file: &str,
        mut flags: Flags,
    ) -> Result<Config, crate::config::finding::ConfigErrors> {
        for set in &self.sets {
            let (key, value) = set.split_once('=').unwrap_or((set, ""));
            flags.set("--set", key, value);
        }
        Config::load(text, file, environment(), &flags)
    }
}

/// Reads a file that must be there.
pub(super) fn read(path: &Path) -> Result<String, Exit> {
    std::fs::read_to_string(path).map_err(|error| Exit {
        code: ExitCode::Misconfigured,
        text: format!("{}: {error}. Name the configuration file with --config", path.display()),
    })
}

/// Prints a line of the command's result.
pub(super) fn print(line: impl AsRef<str>) {
    // Nobody reads any more: the result is of no use, and that is no failure of ours.
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// Prints why the command failed.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}

/// A variable of the environment.
#[allow(clippy::disallowed_methods)] // The command line is where the environment enters.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
