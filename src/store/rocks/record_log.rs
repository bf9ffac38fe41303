//! A look at the record logs of a store, its MANIFEST and its write-ahead log, before RocksDB reads them: one
//! flipped bit turns a record of a common type into one of a recycled log, which these never are, and on such a
//! record of a MANIFEST RocksDB 11.8 loops for ever instead of telling that it is damaged.
//!
//! A record log is blocks of 32 KiB, each of records with a header of seven bytes: a checksum of four, a length
//! of two, little-endian, and a type. A rest of a block that is too small for a header is not used.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
/// The types of records in logs that are recycled: whole, first, middle and last, and two of timestamps and
/// predecessors, with the mark of what an older version may skip.
const RECYCLED: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// Whether all records are of types that are written. What else may be wrong with them RocksDB finds out.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn is_readable(file: &Path) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(BLOCK_BYTES, File::open(file)?);
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(true);
        }
        if types(&block).any(|kind| RECYCLED.contains(&kind)) {
            return Ok(false);
        }
    }
}

/// The types of the records of one block, as far as the lengths lead.
fn types(block: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (header, records) = rest.split_first_chunk::<HEADER_BYTES>()?;
        let [_, _, _, _, low, high, kind] = *header;
        rest = records.get(usize::from(u16::from_le_bytes([low, high]))..).unwrap_or_default();
        Some(kind)
    })
}
