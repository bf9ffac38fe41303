//! How the lists of a profile grow.

use thin_vec::ThinVec;

/// Makes room for one more element, where there is none, and for a quarter of those that are there. A list doubles
/// otherwise, and of the memory of hundreds of thousands of profiles a third would be room that nobody needs yet.
pub(crate) fn make_room<T>(list: &mut ThinVec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(1));
    }
}
