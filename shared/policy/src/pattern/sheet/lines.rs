//! Lines of rows. The CSV reader's own position of a row may lie before an end of line or comments
//! that come before it.

/// Counts lines as rows are read.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// What lies before it is counted.
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line of the row that the reader found at this position. Asked in the order of rows.
    pub fn of_row(&mut self, position: Option<&csv::Position>) -> usize {
        let found = position.map_or(self.at, |at| {
            usize::try_from(at.byte()).unwrap_or(usize::MAX)
        });
        self.pass(found);
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let skipped = if rest.starts_with(['\r', '\n']) {
                1
            } else if rest.starts_with('#') {
                rest.find('\n').unwrap_or(rest.len())
            } else {
                return self.line;
            };
            self.pass(self.at + skipped);
        }
    }

    fn pass(&mut self, to: usize) {
        let to = to.clamp(self.at, self.text.len());
        let passed = self.text.get(self.at..to).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.at = to;
    }
}
