//! How the lists of a profile grow.

use thin_vec::ThinVec;

/// The least that a list grows by, in bytes: short lists would move with nearly every element else.
const STEP_BYTES: usize = 64;

/// Makes room for one more element, where there is none, and for a quarter of those that are there. A list doubles
/// otherwise, and of the memory of hundreds of thousands of profiles a third would be room that nobody needs yet.
pub(crate) fn make_room<T>(list: &mut ThinVec<T>) {
    if list.len() == list.capacity() {
        let step = STEP_BYTES / size_of::<T>().max(1);
        list.reserve_exact((list.len() / 4).max(step).max(1));
    }
}
