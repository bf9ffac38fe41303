//! A record's type to the bytes of its Avro datum. The record types of this module have the fields of their
//! schemas, in order, so the schema need not be asked for each value: Avro's library, which asks, takes ten
//! times as long, and the tests hold the bytes to those that it writes.
//!
//! Known are the types that the schemas have: booleans, longs, ints, doubles, strings, arrays, records,
//! enumerations, and unions of null with something else or of several types, one for each variant.

use serde::ser::{Impossible, SerializeSeq, SerializeStruct, Serializer};
use serde::{Serialize, ser};

/// The record has a type that the schemas of this module do not.
#[derive(Debug, thiserror::Error)]
#[error("not a type of the schemas: {0}")]
pub(super) struct Unknown(String);

impl ser::Error for Unknown {
    fn custom<T: std::fmt::Display>(message: T) -> Unknown {
        Unknown(message.to_string())
    }
}

/// Adds the datum of a record to the bytes.
///
/// # Errors
/// When the record has a type that is not known here.
pub(super) fn write<T: Serialize>(record: &T, bytes: &mut Vec<u8>) -> Result<(), Unknown> {
    record.serialize(&mut Writer { bytes })
}

struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
}

impl Writer<'_> {
    /// A number in Avro's encoding: zigzag, seven bits a byte, the lowest first.
    fn long(&mut self, number: i64) {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.bytes.push((rest as u8 & 0x7f) | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn length(&mut self, length: usize) {
        self.long(i64::try_from(length).unwrap_or(i64::MAX));
    }
}

fn unknown<T>(what: &str) -> Result<T, Unknown> {
    Err(Unknown(what.to_owned()))
}

impl<'w, 'b> Serializer for &'w mut Writer<'b> {
    type Ok = ();
    type Error = Unknown;
    type SerializeSeq = Blocks<'w, 'b>;
    type SerializeStruct = &'w mut Writer<'b>;
    type SerializeTuple = Impossible<(), Unknown>;
    type SerializeTupleStruct = Impossible<(), Unknown>;
    type SerializeTupleVariant = Impossible<(), Unknown>;
    type SerializeMap = Impossible<(), Unknown>;
    type SerializeStructVariant = Impossible<(), Unknown>;

    fn serialize_bool(self, flag: bool) -> Result<(), Unknown> {
        self.bytes.push(u8::from(flag));
        Ok(())
    }

    fn serialize_i32(self, number: i32) -> Result<(), Unknown> {
        self.long(i64::from(number));
        Ok(())
    }

    fn serialize_i64(self, number: i64) -> Result<(), Unknown> {
        self.long(number);
        Ok(())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Unknown> {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Unknown> {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Null is the first type of each union that has it.
    fn serialize_none(self) -> Result<(), Unknown> {
        self.long(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unknown> {
        self.long(1);
        value.serialize(self)
    }

    /// A symbol of an enumeration.
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Unknown> {
        self.long(i64::from(index));
        Ok(())
    }

    /// A type of a union.
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unknown> {
        self.long(i64::from(index));
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Blocks<'w, 'b>, Unknown> {
        let Some(length) = length else { return unknown("a list of unknown length") };
        if length > 0 {
            self.length(length);
        }
        Ok(Blocks { writer: self })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<&'w mut Writer<'b>, Unknown> {
        Ok(self)
    }

    fn serialize_i8(self, _: i8) -> Result<(), Unknown> {
        unknown("i8")
    }

    fn serialize_i16(self, _: i16) -> Result<(), Unknown> {
        unknown("i16")
    }

    fn serialize_u8(self, _: u8) -> Result<(), Unknown> {
        unknown("u8")
    }

    fn serialize_u16(self, _: u16) -> Result<(), Unknown> {
        unknown("u16")
    }

    fn serialize_u32(self, _: u32) -> Result<(), Unknown> {
        unknown("u32")
    }

    fn serialize_u64(self, _: u64) -> Result<(), Unknown> {
        unknown("u64")
    }

    fn serialize_f32(self, _: f32) -> Result<(), Unknown> {
        unknown("f32")
    }

    fn serialize_char(self, _: char) -> Result<(), Unknown> {
        unknown("char")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unknown> {
        unknown("bytes")
    }

    fn serialize_unit(self) -> Result<(), Unknown> {
        unknown("a unit")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Unknown> {
        unknown(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: &T,
    ) -> Result<(), Unknown> {
        unknown(name)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Unknown> {
        unknown("a tuple")
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unknown> {
        unknown(name)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unknown> {
        unknown(name)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unknown> {
        unknown("a map")
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unknown> {
        unknown(name)
    }
}

impl SerializeStruct for &mut Writer<'_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Unknown> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unknown> {
        Ok(())
    }
}

/// An array: one block with all elements, where there are any, and an empty one.
struct Blocks<'w, 'b> {
    writer: &'w mut Writer<'b>,
}

impl SerializeSeq for Blocks<'_, '_> {
    type Ok = ();
    type Error = Unknown;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unknown> {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Unknown> {
        self.writer.long(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_bytes_of_the_specification() {
        for (number, expected) in [
            (0_i64, &[0x00_u8] as &[u8]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (-64, &[0x7f]),
            (64, &[0x80, 0x01]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut bytes = Vec::new();
            write(&number, &mut bytes).unwrap();
            assert_eq!(bytes, expected, "{number}");
        }
    }

    #[test]
    fn what_the_schemas_do_not_have_is_refused() {
        assert!(write(&1_u64, &mut Vec::new()).is_err());
        assert!(write(&(1_i64, 2_i64), &mut Vec::new()).is_err());
    }
}
