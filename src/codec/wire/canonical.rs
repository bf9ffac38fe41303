//! An event's record in canonical form, as a JSON document: the canonical names, nulls left out, properties in
//! one object and products in one list, whichever shape the sender wrote. It is what the schemas of events
//! speak of. Reading the document gives the same event as reading the record.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::Source;
use super::aliases::{Aliases, Scope};
use super::event;
use super::field::Field;
use super::fields::Fields;
use super::found::Found;
use super::items::ITEMS_MAX;
use super::tree::Tree;
use crate::codec::reject::Reject;
use crate::domain::event::IDENTIFY;

/// What stands beside the properties, besides `event`, `context` and `traits`.
const ENVELOPE: [Field; 7] = [
    Field::MessageId,
    Field::UserId,
    Field::AnonymousId,
    Field::Timestamp,
    Field::OriginalTimestamp,
    Field::SentAt,
    Field::ReceivedAt,
];
/// What a product has of its own; the rest stays among the properties where there is one product only.
const PRODUCT: [Field; 5] = [Field::ItemId, Field::Category, Field::Brand, Field::Price, Field::Quantity];

/// Where the parts of the document stood in the record: JSON paths by JSON Pointer.
#[derive(Debug, Default)]
pub(super) struct Paths {
    by_pointer: BTreeMap<String, String>,
}

/// The document of a record.
///
/// # Errors
/// As those of the parts that must be objects or lists.
pub(super) fn document(source: &Source, tree: &Tree<'_>) -> Result<Value, Reject> {
    Writer { source, paths: None }.document(tree)
}

/// Where the parts of `document` stood in the record.
pub(super) fn paths(source: &Source, tree: &Tree<'_>) -> Paths {
    let mut writer = Writer { source, paths: Some(Paths::default()) };
    // It was written once before, from the same record.
    let _ = writer.document(tree);
    writer.paths.unwrap_or_default()
}

impl Paths {
    /// The JSON path in the record of a place in the document: that of the closest part around it that is
    /// known, and from there on as in the document.
    pub(super) fn of(&self, pointer: &str) -> String {
        let mut around = pointer;
        loop {
            if let Some(path) = self.by_pointer.get(around) {
                return below(path, &pointer[around.len()..]);
            }
            match around.rfind('/') {
                Some(end) => around = &around[..end],
                None => return below("$", pointer),
            }
        }
    }
}

/// How a document is read: its names stand for themselves, and it was checked before.
pub(super) fn source(record: &Source) -> Source {
    static NAMES: LazyLock<Arc<Aliases>> = LazyLock::new(Arc::default);
    Source { aliases: Arc::clone(&NAMES), schemas: Arc::default(), table: None, ..record.clone() }
}

struct Writer<'s> {
    source: &'s Source,
    paths: Option<Paths>,
}

impl<'s> Writer<'s> {
    fn document<'t>(&mut self, tree: &'t Tree<'t>) -> Result<Value, Reject>
    where
        's: 't,
    {
        let mut envelope = Fields::of(Found::whole(tree), &self.source.aliases, Scope::Envelope)?;
        let mut document = Map::new();
        let (name, found) = event::name(self.source, &mut envelope)?;
        if let Some(found) = found {
            self.note("/event", found);
        }
        document.insert(Field::Event.name().to_owned(), Value::String(name.to_string()));
        event::schema(&mut envelope);
        for field in ENVELOPE {
            if let Some(found) = envelope.take(field) {
                self.put(&mut document, "", field.name(), found);
            }
        }
        if let Some(context) = envelope.take(Field::Context) {
            self.put(&mut document, "", Field::Context.name(), context);
        }
        let traits = if &*name == IDENTIFY { envelope.take(Field::Traits) } else { None };
        if let Some(found) = traits {
            let traits = Fields::of(found, &self.source.aliases, Scope::Properties)?;
            self.note("/traits", found);
            document.insert(Field::Traits.name().to_owned(), self.rest("/traits", Map::new(), traits));
        }
        let properties = event::properties(self.source, envelope, traits.is_some())?;
        document.insert(Field::Properties.name().to_owned(), self.properties(properties)?);
        Ok(Value::Object(document))
    }

    fn properties<'t>(&mut self, mut properties: Fields<'t>) -> Result<Value, Reject>
    where
        's: 't,
    {
        let mut object = Map::new();
        if let Some(list) = properties.take(Field::Items) {
            self.note("/properties/items", list);
            let items = list.elements(ITEMS_MAX)?.enumerate().map(|(index, found)| {
                let pointer = format!("/properties/items/{index}");
                self.note(&pointer, found);
                self.item(&pointer, found)
            });
            object.insert(Field::Items.name().to_owned(), items.collect::<Result<_, _>>()?);
        } else if properties.peek(Field::ItemId).is_some() {
            let mut item = Map::new();
            for field in PRODUCT {
                if let Some(found) = properties.take(field) {
                    self.put(&mut item, "/properties/items/0", field.name(), found);
                }
            }
            object.insert(Field::Items.name().to_owned(), Value::Array(vec![Value::Object(item)]));
        }
        Ok(self.rest("/properties", object, properties))
    }

    fn item<'t>(&mut self, pointer: &str, found: Found<'t>) -> Result<Value, Reject>
    where
        's: 't,
    {
        match found.value() {
            Tree::Object(_) => {
                let fields = Fields::of(found, &self.source.aliases, Scope::Item)?;
                Ok(self.rest(pointer, Map::new(), fields))
            }
            Tree::Text(_) | Tree::Number(_) => {
                let mut item = Map::new();
                self.put(&mut item, pointer, Field::ItemId.name(), found);
                Ok(Value::Object(item))
            }
            other => Ok(value(other)),
        }
    }

    /// Adds all that is left of the fields. Where a name comes twice, the first stays.
    fn rest(&mut self, pointer: &str, mut object: Map<String, Value>, fields: Fields<'_>) -> Value {
        for (name, found) in fields.into_rest() {
            if !object.contains_key(&*name) {
                self.put(&mut object, pointer, &name, found);
            }
        }
        Value::Object(object)
    }

    fn put(&mut self, object: &mut Map<String, Value>, pointer: &str, name: &str, found: Found<'_>) {
        if self.paths.is_some() {
            self.note(&format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }
        object.insert(name.to_owned(), value(found.value()));
    }

    fn note(&mut self, pointer: &str, found: Found<'_>) {
        if let Some(paths) = &mut self.paths {
            paths.by_pointer.insert(pointer.to_owned(), found.path());
        }
    }
}

fn value(tree: &Tree<'_>) -> Value {
    match tree {
        Tree::Null => Value::Null,
        Tree::Bool(flag) => Value::Bool(*flag),
        Tree::Number(number) => Value::Number(number.clone()),
        Tree::Text(text) => Value::String(text.to_string()),
        Tree::List(list) => Value::Array(list.iter().map(value).collect()),
        Tree::Object(members) => {
            let present = members.iter().filter(|member| member.value != Tree::Null);
            Value::Object(present.map(|member| (member.key.to_string(), value(&member.value))).collect())
        }
    }
}

/// The path that leads on from `path` by the steps of a pointer.
fn below(path: &str, pointer: &str) -> String {
    pointer.split('/').skip(1).fold(path.to_owned(), |path, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("{path}[{step}]")
        } else {
            format!("{path}.{step}")
        }
    })
}
