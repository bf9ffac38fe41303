//! Colours and numbers as the demo prints them. Lines only ever follow one another: nothing is redrawn, so
//! that the same text serves a terminal, a pipe and a log.

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colored: bool,
}

/// How many cells a bar has.
const BAR_CELLS: usize = 12;

impl Paint {
    pub(super) fn new(colored: bool) -> Paint {
        Paint { colored }
    }

    pub(super) fn bold(self, text: impl AsRef<str>) -> String {
        self.paint("1", text.as_ref())
    }

    pub(super) fn dim(self, text: impl AsRef<str>) -> String {
        self.paint("2", text.as_ref())
    }

    pub(super) fn good(self, text: impl AsRef<str>) -> String {
        self.paint("32", text.as_ref())
    }

    pub(super) fn bad(self, text: impl AsRef<str>) -> String {
        self.paint("1;31", text.as_ref())
    }

    pub(super) fn person(self, text: impl AsRef<str>) -> String {
        self.paint("1;36", text.as_ref())
    }

    pub(super) fn decision(self, text: impl AsRef<str>) -> String {
        self.paint("1;33", text.as_ref())
    }

    /// A share from 0 to 1 as a bar.
    pub(super) fn bar(self, share: f64) -> String {
        let full = (share.clamp(0.0, 1.0) * BAR_CELLS as f64).round() as usize;
        let bar = "█".repeat(full);
        self.paint("36", &bar) + &self.dim("·".repeat(BAR_CELLS - full))
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colored && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A number with commas between thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn without_colours_there_are_no_escapes() {
        let plain = Paint::new(false);
        assert_eq!(plain.bar(0.5), "██████······");
        assert_eq!(plain.bar(7.0), "████████████");
        assert_eq!(plain.bold("x") + &plain.bad("y"), "xy");
        assert_eq!(Paint::new(true).bold("x"), "\u{1b}[1mx\u{1b}[0m");
    }
}
