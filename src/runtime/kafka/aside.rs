//! Clients that nobody waits for when they end. Ending one takes a tenth of a second, in which its worker could not
//! even tell the group that it is alive.

use std::ops::{Deref, DerefMut};
use std::thread;

/// What it holds ends on a thread of its own.
pub(super) struct Aside<T: Send + 'static>(Option<T>);

/// What is said of a value that is gone before its owner is.
const UNTIL_THE_END: &str = "the value is there until it is dropped";

impl<T: Send + 'static> Aside<T> {
    pub(super) fn new(value: T) -> Aside<T> {
        Aside(Some(value))
    }
}

impl<T: Send + 'static> Deref for Aside<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(UNTIL_THE_END)
    }
}

impl<T: Send + 'static> DerefMut for Aside<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(UNTIL_THE_END)
    }
}

impl<T: Send + 'static> Drop for Aside<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // Where no thread can be had the closure is dropped here, and the value with it.
        let _ = thread::Builder::new().name("aside".to_owned()).spawn(move || drop(value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Takes until it is told to end, and says when it has.
    struct Slow(Receiver<()>, Sender<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.recv_timeout(Duration::from_secs(10)).unwrap();
            self.1.send(()).unwrap();
        }
    }

    #[test]
    fn nobody_waits_for_the_end() {
        let ((end, told), (say, ended)) = (channel(), channel());
        drop(Aside::new(Slow(told, say)));
        assert!(ended.try_recv().is_err());
        end.send(()).unwrap();
        assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Ok(()));
    }
}
