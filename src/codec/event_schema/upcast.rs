//! How an event of the version before becomes one of this version: steps that are taken in their order, the
//! up-casters of event sourcing (Young, *Versioning in an Event Sourced System*, 2017).

use serde::Deserialize;
use serde_json::{Map, Value};

/// The most steps of one version.
const STEPS_MAX: usize = 64;
/// What may be changed: an event's name, ids and times are what they are.
const CHANGEABLE: [&str; 3] = ["/properties/", "/context/", "/traits/"];

/// The steps.
#[derive(Debug)]
pub(super) struct Upcast {
    steps: Vec<Step>,
}

/// Why steps cannot be read, and where below `x-upcast`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UpcastError {
    pub(super) pointer: String,
    pub(super) message: String,
}

/// One step at a member of the event, or with `*` in its path at one of every element of a list.
#[derive(Debug)]
struct Step {
    /// The names on the way to the object that has the member.
    way: Vec<String>,
    member: String,
    change: Change,
}

#[derive(Debug)]
enum Change {
    /// The member gets another name in the same object, if nothing has that name there.
    Rename(String),
    /// The member gets this value where it has none.
    Default(Value),
    /// The member goes.
    Remove,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum Written {
    Rename { rename: String, to: String },
    Default { default: String, value: Value },
    Remove { remove: String },
}

impl Upcast {
    /// Reads the value of `x-upcast`.
    pub(super) fn read(value: &Value) -> Result<Upcast, UpcastError> {
        let error = |pointer: String, message: &str| UpcastError { pointer, message: message.to_owned() };
        let Value::Array(list) = value else { return Err(error(String::new(), "not a list of steps")) };
        if list.len() > STEPS_MAX {
            return Err(error(String::new(), "more than 64 steps"));
        }
        let steps = list.iter().enumerate().map(|(index, written)| {
            let written = Written::deserialize(written).map_err(|_| {
                let message = "not a step; write {\"rename\": POINTER, \"to\": NAME}, {\"default\": POINTER, \
                               \"value\": VALUE} or {\"remove\": POINTER}";
                error(format!("/{index}"), message)
            })?;
            Step::of(written).map_err(|message| error(format!("/{index}"), message))
        });
        Ok(Upcast { steps: steps.collect::<Result<_, _>>()? })
    }

    /// Takes every step.
    pub(super) fn apply(&self, event: &mut Value) {
        self.steps.iter().for_each(|step| step.apply(&step.way, event));
    }
}

impl Step {
    fn of(written: Written) -> Result<Step, &'static str> {
        let (pointer, change) = match written {
            Written::Rename { to, .. } if to.is_empty() => return Err("`to` is empty; give the new name"),
            Written::Rename { rename, to } => (rename, Change::Rename(to)),
            Written::Default { default, value } => (default, Change::Default(value)),
            Written::Remove { remove } => (remove, Change::Remove),
        };
        if !CHANGEABLE.iter().any(|part| pointer.starts_with(part)) {
            return Err("only what stands below /properties, /context and /traits can be changed");
        }
        let mut way: Vec<String> =
            pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        let member = way.pop().unwrap_or_default();
        if member.is_empty() || member == "*" {
            return Err("the pointer must end with the name of a member");
        }
        Ok(Step { way, member, change })
    }

    fn apply(&self, way: &[String], at: &mut Value) {
        let Some((first, rest)) = way.split_first() else {
            if let Value::Object(object) = at {
                self.change(object);
            }
            return;
        };
        match at {
            Value::Array(list) if first == "*" => list.iter_mut().for_each(|value| self.apply(rest, value)),
            Value::Object(object) => {
                // A default is given where the object that should have it is missing too; a list is not made.
                let is_made =
                    matches!(self.change, Change::Default(_)) && !way.iter().any(|name| name == "*");
                if is_made && !object.contains_key(first) {
                    object.insert(first.clone(), Value::Object(Map::new()));
                }
                if let Some(value) = object.get_mut(first) {
                    self.apply(rest, value);
                }
            }
            _ => {}
        }
    }

    fn change(&self, object: &mut Map<String, Value>) {
        match &self.change {
            Change::Rename(to) if object.contains_key(to) => {}
            Change::Rename(to) => {
                if let Some(value) = object.remove(&self.member) {
                    object.insert(to.clone(), value);
                }
            }
            Change::Default(value) => {
                object.entry(self.member.clone()).or_insert_with(|| value.clone());
            }
            Change::Remove => {
                object.remove(&self.member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upcast(steps: &Value, mut event: Value) -> Value {
        Upcast::read(steps).unwrap().apply(&mut event);
        event
    }

    #[test]
    fn steps_rename_fill_and_remove_in_their_order() {
        let steps = json!([
            {"rename": "/properties/sum", "to": "total"},
            {"rename": "/properties/items/*/cost", "to": "price"},
            {"default": "/properties/items/*/quantity", "value": 1},
            {"default": "/context/app/name", "value": "shop"},
            {"remove": "/properties/total"},
        ]);
        let event =
            json!({"properties": {"sum": 1, "items": [{"cost": 2}, {"price": 3, "cost": 4}, "bare"]}});
        assert_eq!(
            upcast(&steps, event),
            json!({
                "properties": {"items":
                    [{"price": 2, "quantity": 1}, {"price": 3, "cost": 4, "quantity": 1}, "bare"]},
                "context": {"app": {"name": "shop"}}
            })
        );
    }

    #[test]
    fn what_is_there_is_not_overwritten_and_what_is_not_there_is_not_made() {
        let steps = json!([
            {"default": "/properties/a", "value": 1},
            {"rename": "/properties/b", "to": "a"},
            {"rename": "/traits/x", "to": "y"},
            {"remove": "/context/z"},
            {"default": "/properties/items/*/q", "value": 1},
        ]);
        let event = json!({"properties": {"a": 0, "b": 2}});
        assert_eq!(upcast(&steps, event.clone()), event);
        assert_eq!(upcast(&steps, json!(7)), json!(7));
    }

    #[test]
    fn a_wrong_step_is_named() {
        let read = |steps: Value| Upcast::read(&steps).unwrap_err().pointer;
        assert_eq!(read(json!({})), "");
        assert_eq!(read(json!(vec![json!({"remove": "/properties/a"}); 65])), "");
        for wrong in [
            json!({"rename": "/properties/a"}),
            json!({"rename": "/properties/a", "to": ""}),
            json!({"remove": "/event"}),
            json!({"remove": "/properties/"}),
            json!({"remove": "/properties/items/*"}),
            json!({"move": "/properties/a"}),
            json!({"remove": "/properties/a", "value": 1}),
        ] {
            assert_eq!(read(json!([{"remove": "/properties/a"}, wrong])), "/1", "{wrong}");
        }
    }
}
