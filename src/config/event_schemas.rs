//! The schemas of events, in a directory beside the configuration: `<event>/<version>.json`. What a schema
//! means is not known here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compact_str::CompactString;

use super::AliasTable;
use super::keys;
use super::problems::Problems;
use super::section::Section;
use crate::codec::event_schema::{EventSchemas, SCHEMA_BYTES_MAX, SchemaText};
use crate::codec::wire::Aliases;

/// The most schemas of one application, over all events and versions.
const SCHEMAS_MAX: usize = 1000;

/// The schemas and the directory that they were read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundSchemas {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) schemas: Arc<EventSchemas>,
}

/// The schemas that the configuration names. A directory that does not begin at the root is looked for
/// beside `file`, the configuration's own.
pub(crate) fn read(
    process: &mut Section<'_>,
    file: &str,
    aliases: Option<&AliasTable>,
    problems: &mut Problems<'_>,
) -> Option<FoundSchemas> {
    if !process.has("schemas") {
        return Some(FoundSchemas::default());
    }
    let mut section = process.section("schemas", keys::SCHEMAS, problems)?;
    let stated = section.text("directory", problems)?;
    let directory = Path::new(file).parent().unwrap_or(Path::new("")).join(&*stated.text);
    let texts = match texts(&directory) {
        Ok(texts) => texts,
        Err(message) => {
            let hint = "lay each schema there as <event>/<version>.json, such as product_viewed/1.json";
            problems.error(&stated.place, message, Some(hint.into()));
            return None;
        }
    };
    let mut fits = true;
    if let Some(aliases) = aliases.map(AliasTable::aliases) {
        for name in misnamed(&texts, &aliases) {
            let canonical = aliases.canonical_event(name);
            let message = format!("{}: no event is ever called `{name}`", directory.display());
            problems.error(&stated.place, message, Some(format!("call the directory `{canonical}`")));
            fits = false;
        }
    }
    match EventSchemas::compile(&texts) {
        Ok(schemas) if fits => Some(FoundSchemas { directory: Some(directory), schemas: Arc::new(schemas) }),
        Ok(_) => None,
        Err(errors) => {
            for error in errors {
                problems.error(&stated.place, format!("{}/{error}", directory.display()), None);
            }
            None
        }
    }
}

/// The schemas in a directory, by event and version. What begins with a dot is passed over, and files that
/// are no JSON beside the events' directories.
///
/// # Errors
/// What cannot be read, or is not called as it should be.
pub(crate) fn texts(directory: &Path) -> Result<Vec<SchemaText>, String> {
    let mut texts = Vec::new();
    for event in entries(directory)? {
        let name = name_of(&event)?;
        if !event.is_dir() {
            if name.ends_with(".json") {
                return Err(format!("{}: lies beside the events' directories, not in one", event.display()));
            }
            continue;
        }
        for file in entries(&event)? {
            let Some(version) = version_of(&name_of(&file)?) else {
                return Err(format!("{}: not called by a version, such as 1.json", file.display()));
            };
            if texts.len() == SCHEMAS_MAX {
                return Err(format!("{}: more than {SCHEMAS_MAX} schemas", directory.display()));
            }
            let text = read_text(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            texts.push(SchemaText { event: name.clone(), version, text });
        }
    }
    if texts.is_empty() {
        return Err(format!("{}: no schema in it", directory.display()));
    }
    texts.sort_by(|one, other| (&one.event, one.version).cmp(&(&other.event, other.version)));
    Ok(texts)
}

/// The version that a file is called by: a whole number from 1 without zeros before it.
pub(crate) fn version_of(file: &str) -> Option<u32> {
    let digits = file.strip_suffix(".json")?;
    let version = digits.parse().ok().filter(|version: &u32| *version > 0)?;
    (version.to_string() == digits).then_some(version)
}

fn misnamed<'t>(texts: &'t [SchemaText], aliases: &Aliases) -> Vec<&'t CompactString> {
    let mut names: Vec<&CompactString> = texts.iter().map(|text| &text.event).collect();
    names.dedup();
    names.retain(|name| aliases.canonical_event(name) != **name);
    names
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = fs::read_dir(directory).and_then(|list| list.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> =
        listed.map_err(|why: io::Error| format!("{}: {why}", directory.display()))?;
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Result<CompactString, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(CompactString::from).ok_or_else(|| format!("{}: the name is not UTF-8", path.display()))
}

/// Not more than is needed to see that a file is too large.
fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(
        &mut io::Read::take(fs::File::open(file)?, SCHEMA_BYTES_MAX as u64 + 1),
        &mut text,
    )?;
    Ok(text)
}
