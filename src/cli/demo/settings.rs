//! The configuration of one demo: the shop's own, with names that no other run has.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::ConfigSource;
use super::script::topic;
use crate::config::Config;
use crate::config::overlay::Flags;
use crate::runtime::fault::{Exit, ExitCode};
use crate::shop::{CONFIG, ShopTopic};

/// Where the log and the registry are.
pub(super) struct Addresses {
    /// Of the brokers, as host:port.
    pub(super) bootstrap: String,
    /// Of the schema registry, as URL.
    pub(super) registry: String,
}

/// The directory of one run, below the system's directory for temporary files. The configuration in it stays,
/// so that other commands can be tried on what the demo has written; the state does not.
pub(super) struct Workplace {
    directory: PathBuf,
}

impl Workplace {
    /// Makes the directory.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(super) fn create(application: &str) -> Result<Workplace, Exit> {
        let directory = std::env::temp_dir().join(format!("bespoke-{application}"));
        fs::create_dir_all(&directory).map_err(|error| failed(&directory, &error))?;
        Ok(Workplace { directory })
    }

    pub(super) fn config(&self) -> PathBuf {
        self.directory.join("shop.yaml")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("processor.log")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    pub(super) fn write(&self, configuration: &str) -> Result<(), Exit> {
        let file = self.config();
        fs::write(&file, configuration).map_err(|error| failed(&file, &error))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean up: the directory is one for temporary files.
        let _ = fs::remove_dir_all(self.state());
    }
}

/// The configuration's text: the shop's, with the application's own topics everywhere.
pub(super) fn configuration(application: &str, addresses: &Addresses, state: &Path) -> String {
    let mut text = CONFIG.replace("application: shop\n", &format!("application: {application}\n"));
    for shop_topic in [ShopTopic::Clickstream, ShopTopic::Orders, ShopTopic::Content] {
        let (found, wanted) = (shop_topic.name(), topic(application, shop_topic));
        text = text.replace(&format!("topic: {found}\n"), &format!("topic: {wanted}\n"));
    }
    text = text.replace("  directory: state\n", &format!("  directory: {}\n", quoted(&state.display())));
    let Addresses { bootstrap, registry } = addresses;
    format!(
        "# Written by `bespoke demo`, from the shop's configuration.\n{text}\n\
         # Added for this demo. A free port is taken for probes and metrics.\n\
         kafka: {{bootstrap: {}}}\nregistry: {{url: {}}}\nhttp: {{listen: \"127.0.0.1:0\"}}\n",
        quoted(bootstrap),
        quoted(registry)
    )
}

/// The addresses as the flag `--set` takes them: they stand above variables that may be set for other runs.
pub(super) fn overrides(addresses: &Addresses) -> Vec<String> {
    vec![format!("kafka.bootstrap={}", addresses.bootstrap), format!("registry.url={}", addresses.registry)]
}

/// Reads the text as `bespoke run` does.
///
/// # Errors
/// When it is not a valid configuration, or the environment makes another application of it.
pub(super) fn load(text: &str, file: &Path, application: &str, sets: Vec<String>) -> Result<Config, Exit> {
    let misconfigured = |text: String| Exit { code: ExitCode::Misconfigured, text };
    let source = ConfigSource { config: file.to_owned(), sets };
    let config = source
        .check(text, &file.display().to_string(), Flags::new())
        .map_err(|errors| misconfigured(errors.to_string()))?;
    let own = |topic: &str| topic.starts_with(application);
    let sources_are_own = config.sources.iter().all(|source| own(&source.topic) && !source.keyed);
    if &*config.application != application || !sources_are_own {
        return Err(misconfigured(
            "a variable of the environment changes the demo's application or sources: unset \
             BESPOKE__APPLICATION and BESPOKE__SOURCES"
                .to_owned(),
        ));
    }
    Ok(config)
}

/// A text in YAML's double quotes, whose escapes are those of JSON.
fn quoted(text: &impl ToString) -> String {
    serde_json::Value::from(text.to_string()).to_string()
}

fn failed(path: &Path, error: &std::io::Error) -> Exit {
    Exit { code: ExitCode::Failed, text: format!("{}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_the_runs_own() {
        let addresses = Addresses { bootstrap: "host:1".into(), registry: "http://host:2".into() };
        let text = configuration("demo-7", &addresses, Path::new("/tmp/a \"b\""));
        let config = Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap();
        let sources: Vec<&str> = config.sources.iter().map(|source| &*source.topic).collect();
        assert_eq!(sources, ["demo-7-clickstream", "demo-7-orders"]);
        assert_eq!(config.catalogue_topic.as_deref(), Some("demo-7-content"));
        assert_eq!(&*config.topics.decisions, "demo-7-content-decisions");
        assert_eq!((&*config.kafka.bootstrap, &*config.registry.url), ("host:1", "http://host:2"));
        assert_eq!(config.state.directory, Path::new("/tmp/a \"b\""));
        assert_eq!(config.http_listen.port(), 0);
    }
}
