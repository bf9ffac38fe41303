//! An Avro datum to a JSON tree, by the schema that wrote it. The library parses and resolves schemas; the
//! datum is walked here, because the library's own decoder (0.22) recurses without a limit, reserves what a
//! length claims before it reads, and takes missing bytes at the end for nulls: a record that was cut short
//! would pass for a whole one. The tests hold both to the same result on what is well formed.

use std::cell::OnceCell;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, NamespaceRef, ResolvedSchema, UuidSchema};
use serde_json::{Map, Number, Value};

use super::json::{DEPTH_MAX, VALUES_MAX};
use crate::codec::reject::{Reject, RejectCode};

/// The schema id and the datum of a value in Confluent's framing: a zero byte, four bytes of id, the datum.
///
/// # Errors
/// `Empty` or `MalformedAvro`.
pub fn confluent_frame(value: &[u8]) -> Result<(u32, &[u8]), Reject> {
    match value {
        [] => Err(Reject::new(RejectCode::Empty, "$", "the record has no value; send one event as Avro")),
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => Err(malformed(
            "no Confluent frame (a zero byte, then four bytes of schema id); use a registry \
                            serializer",
        )),
    }
}

/// The tree of a datum that fills the bytes. Bytes and fixed become texts where they are UTF-8, else null;
/// decimals become texts of digits; instants become ISO 8601; durations become null.
///
/// # Errors
/// `MalformedAvro`, `TooDeep`, `TooLarge` for too many values, `InvalidField` for numbers that are not
/// finite.
pub(super) fn read(schema: &Schema, datum: &[u8]) -> Result<Value, Reject> {
    let mut walk = Walk { rest: datum, values: 0, root: schema, names: OnceCell::new() };
    let tree = walk.value(schema, None, 0)?;
    if !walk.rest.is_empty() {
        return Err(malformed(
            "bytes follow the datum; the schema in the frame is not the one that wrote it",
        ));
    }
    Ok(tree)
}

struct Walk<'d> {
    rest: &'d [u8],
    values: usize,
    root: &'d Schema,
    names: OnceCell<Option<ResolvedSchema<'d>>>,
}

impl<'d> Walk<'d> {
    fn value(&mut self, schema: &'d Schema, space: NamespaceRef<'d>, depth: usize) -> Result<Value, Reject> {
        self.values += 1;
        if self.values > VALUES_MAX {
            let message = format!("more than {VALUES_MAX} values in one record");
            return Err(Reject::new(RejectCode::TooLarge, "$", message));
        }
        if depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels of nesting");
            return Err(Reject::new(RejectCode::TooDeep, "$", message));
        }
        match schema {
            Schema::Record(_) | Schema::Array(_) | Schema::Map(_) | Schema::Ref { .. } => {
                self.nested(schema, space, depth + 1)
            }
            // A union holds no union, so it makes no level of its own.
            Schema::Union(union) => {
                let variant = usize::try_from(self.long()?).ok().and_then(|at| union.variants().get(at));
                self.value(variant.ok_or_else(misfit)?, space, depth)
            }
            Schema::Bytes => Ok(text_or_null(self.block()?)),
            Schema::String => Ok(Value::String(self.text()?.to_owned())),
            Schema::Fixed(fixed) => Ok(text_or_null(self.take(fixed.size)?)),
            Schema::Enum(symbols) => {
                let symbol = usize::try_from(self.long()?).ok().and_then(|at| symbols.symbols.get(at));
                symbol.map(|symbol| Value::String(symbol.clone())).ok_or_else(misfit)
            }
            Schema::Decimal(decimal) => {
                let bytes = match &decimal.inner {
                    InnerDecimalSchema::Bytes => self.block()?,
                    InnerDecimalSchema::Fixed(fixed) => self.take(fixed.size)?,
                };
                decimal_text(bytes, decimal.scale)
            }
            Schema::BigDecimal => self.big_decimal(),
            Schema::Uuid(UuidSchema::String) => Ok(Value::String(self.text()?.to_owned())),
            Schema::Uuid(UuidSchema::Bytes) => uuid_text(self.block()?),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => uuid_text(self.take(fixed.size)?),
            Schema::Duration(fixed) => self.take(fixed.size).map(|_| Value::Null),
            _ => self.simple(schema),
        }
    }

    fn simple(&mut self, schema: &Schema) -> Result<Value, Reject> {
        match schema {
            Schema::Null => Ok(Value::Null),
            Schema::Boolean => match self.take(1)? {
                [0] => Ok(Value::Bool(false)),
                [1] => Ok(Value::Bool(true)),
                _ => Err(misfit()),
            },
            Schema::Float => {
                let number = f32::from_le_bytes(self.array()?);
                // By way of the shortest decimal, so that 59.9 stays 59.9 and not 59.900001525878906.
                finite(number.to_string().parse().unwrap_or(f64::NAN))
            }
            Schema::Double => finite(f64::from_le_bytes(self.array()?)),
            Schema::Int | Schema::TimeMillis => self.int().map(Value::from),
            Schema::Date => {
                let days = jiff::Span::new().try_days(self.int()?);
                let date = days.and_then(|days| jiff::civil::date(1970, 1, 1).checked_add(days));
                date.map(|date| Value::String(date.to_string())).map_err(|_| misfit())
            }
            Schema::TimestampMillis => self.instant(jiff::Timestamp::from_millisecond),
            Schema::TimestampMicros => self.instant(jiff::Timestamp::from_microsecond),
            Schema::TimestampNanos => self.instant(|at| jiff::Timestamp::from_nanosecond(i128::from(at))),
            // What is left is a long: also times of day and local times, which name no instant.
            _ => self.long().map(Value::from),
        }
    }

    fn nested(&mut self, schema: &'d Schema, space: NamespaceRef<'d>, depth: usize) -> Result<Value, Reject> {
        match schema {
            Schema::Record(record) => {
                let space = record.name.namespace().or(space);
                let mut members = Map::new();
                for field in &record.fields {
                    let value = self.value(&field.schema, space, depth);
                    members.insert(field.name.clone(), value.map_err(|reject| below(reject, &field.name))?);
                }
                Ok(Value::Object(members))
            }
            Schema::Array(array) => {
                let mut list = Vec::new();
                self.blocks(|walk| {
                    list.push(walk.value(&array.items, space, depth)?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Schema::Map(map) => {
                let mut members = Map::new();
                self.blocks(|walk| {
                    let key = walk.text()?.to_owned();
                    let value = walk.value(&map.types, space, depth)?;
                    if members.insert(key, value).is_some() {
                        return Err(malformed("a key stands twice in one map"));
                    }
                    Ok(())
                })?;
                Ok(Value::Object(members))
            }
            Schema::Ref { name } => {
                let name = name.fully_qualified_name(space);
                let root = self.root;
                let names = self.names.get_or_init(|| ResolvedSchema::try_from(root).ok());
                let named = names.as_ref().and_then(|names| names.get_names().get(&*name).copied());
                self.value(named.ok_or_else(misfit)?, space, depth)
            }
            _ => Err(misfit()),
        }
    }

    /// The blocks of an array or a map: each a count and so many elements; a negative count is followed by
    /// the block's length in bytes; a count of 0 ends them. Nothing is reserved for what a count claims, and
    /// elements without bytes are bounded by the number of values. A block that is not as long as it says is
    /// damaged.
    fn blocks(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), Reject>) -> Result<(), Reject> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            let stated = if count < 0 { Some(self.long()?) } else { None };
            let before = self.rest.len();
            for _ in 0..count.unsigned_abs() {
                element(self)?;
            }
            let read = before - self.rest.len();
            if stated.is_some_and(|stated| usize::try_from(stated) != Ok(read)) {
                return Err(malformed("a block of a list or a map is not as long as it says"));
            }
        }
    }

    fn instant<E>(&mut self, of: impl FnOnce(i64) -> Result<jiff::Timestamp, E>) -> Result<Value, Reject> {
        let at = of(self.long()?).map_err(|_| {
            Reject::new(
                RejectCode::ImplausibleTime,
                "$",
                "not between 1970 and 2199; check the clock and the unit",
            )
        })?;
        Ok(Value::String(at.to_string()))
    }

    /// A decimal with its scale in the bytes: inside one block, a block of digits and the scale.
    fn big_decimal(&mut self) -> Result<Value, Reject> {
        let outer = self.block()?;
        let after = std::mem::replace(&mut self.rest, outer);
        let digits = self.block()?;
        let scale = usize::try_from(self.long()?).map_err(|_| misfit())?;
        if !self.rest.is_empty() {
            return Err(misfit());
        }
        self.rest = after;
        decimal_text(digits, scale)
    }

    fn int(&mut self) -> Result<i32, Reject> {
        i32::try_from(self.long()?).map_err(|_| misfit())
    }

    /// A zigzag number of at most ten bytes.
    fn long(&mut self) -> Result<i64, Reject> {
        let mut bits = 0_u64;
        for place in 0..10 {
            let [byte] = self.array()?;
            let seven = u64::from(byte & 0x7f);
            if place == 9 && seven > 1 {
                break;
            }
            bits |= seven << (place * 7);
            if byte & 0x80 == 0 {
                return Ok(((bits >> 1) as i64) ^ -((bits & 1) as i64));
            }
        }
        Err(malformed("a number is longer than 64 bits"))
    }

    fn text(&mut self) -> Result<&'d str, Reject> {
        std::str::from_utf8(self.block()?).map_err(|_| malformed("a text is not UTF-8"))
    }

    fn block(&mut self) -> Result<&'d [u8], Reject> {
        let length = usize::try_from(self.long()?).map_err(|_| misfit())?;
        self.take(length)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Reject> {
        self.take(N)?.try_into().map_err(|_| misfit())
    }

    fn take(&mut self, length: usize) -> Result<&'d [u8], Reject> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| {
            malformed("the datum ends early, or the schema in the frame is not the one that wrote it")
        })?;
        self.rest = rest;
        Ok(taken)
    }
}

fn text_or_null(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or(Value::Null, |text| Value::String(text.to_owned()))
}

fn uuid_text(bytes: &[u8]) -> Result<Value, Reject> {
    uuid::Uuid::from_slice(bytes).map(|id| Value::String(id.to_string())).map_err(|_| misfit())
}

fn finite(number: f64) -> Result<Value, Reject> {
    let message = "not a finite number; send a number, or null for none";
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| Reject::new(RejectCode::InvalidField, "$", message))
}

/// The decimal text of an unscaled number in big-endian two's complement, up to 128 bits and 38 places.
fn decimal_text(bytes: &[u8], scale: usize) -> Result<Value, Reject> {
    let message = "a decimal beyond 128 bits or 38 places; send a smaller one";
    let too_large = || Reject::new(RejectCode::InvalidField, "$", message);
    if bytes.len() > 16 || scale > 38 {
        return Err(too_large());
    }
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1_i128 } else { 0 };
    let unscaled = bytes.iter().fold(sign, |number, byte| (number << 8) | i128::from(*byte));
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (units, fraction) = digits.split_at(digits.len() - scale);
    let minus = if unscaled < 0 { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    Ok(Value::String(format!("{minus}{units}{point}{fraction}")))
}

/// A reject from inside a field, with the field's name in its path.
fn below(reject: Reject, name: &str) -> Reject {
    let inside = reject.path.strip_prefix('$').unwrap_or(&reject.path);
    let path = format!("$.{name}{inside}").into();
    Reject { path, ..reject }
}

fn misfit() -> Reject {
    malformed("the bytes do not fit the schema in the frame; it is not the one that wrote them")
}

fn malformed(message: &str) -> Reject {
    Reject::new(RejectCode::MalformedAvro, "$", message)
}
