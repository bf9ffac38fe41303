//! `bespoke lint`: checks a configuration. Touches neither Kafka nor the registry.

use clap::Args;
use serde_json::json;

use super::load::{print, read};
use super::{ConfigSource, Format};
use crate::config::finding::Finding;
use crate::config::overlay::Flags;
use crate::runtime::fault::Exit;

/// Arguments of `bespoke lint`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke lint --config shop.yaml
  bespoke lint --config shop.yaml --output json --strict")]
pub(super) struct LintArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Count warnings as errors.
    #[arg(long)]
    strict: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Checks, prints what was found, and exits with 3 if that is anything.
pub(super) fn run(arguments: LintArguments) -> Result<i32, Exit> {
    let file = arguments.source.config.display().to_string();
    let text = read(&arguments.source.config)?;
    let (findings, text, failed) = match arguments.source.check(&text, &file, Flags::new()) {
        Ok(config) => {
            let findings = config.warnings().to_vec();
            let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
            let failed = arguments.strict && !findings.is_empty();
            (findings, text.join("\n"), failed)
        }
        Err(errors) => (errors.findings().to_vec(), errors.to_string(), true),
    };
    show(&file, &findings, &text, arguments.output);
    Ok(if failed { 3 } else { 0 })
}

fn show(file: &str, findings: &[Finding], text: &str, format: Format) {
    match format {
        Format::Text if findings.is_empty() => print(format!("{file}: nothing to complain about")),
        Format::Text => print(text),
        Format::Json => print(json!(findings).to_string()),
        Format::Ndjson => findings.iter().for_each(|finding| print(json!(finding).to_string())),
    }
}
