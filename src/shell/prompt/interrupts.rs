//! Ctrl-C at the prompt: it drops the line; who presses it again at once wants to leave.

use std::time::{Duration, Instant};

/// Two that belong together come within this time.
const TOGETHER: Duration = Duration::from_secs(1);
/// How long the offer to leave stands.
const OFFER: Duration = Duration::from_secs(3);

/// Those that came since the last line.
#[derive(Default)]
pub(super) struct Interrupts {
    last: Option<Instant>,
    offered: bool,
}

/// What stood in the line that it came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// Nothing.
    Empty,
    /// Something.
    Typed,
    /// Nobody knows: the terminal edits it.
    Unseen,
}

/// What is done about one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// The line is dropped, and that is all.
    Nothing,
    /// One more would end the program: that is told.
    Offer,
    /// The program ends.
    Quit,
}

impl Interrupts {
    /// Another one came.
    pub(super) fn another(&mut self, line: Line) -> Said {
        self.at(Instant::now(), line)
    }

    fn at(&mut self, now: Instant, line: Line) -> Said {
        // in a line that is not seen, only one that comes at once is meant for the program
        let offer = if line == Line::Unseen { TOGETHER } else { OFFER };
        let since = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        let said = match since.filter(|_| line != Line::Typed) {
            Some(since) if self.offered && since <= offer => Said::Quit,
            Some(since) if since <= TOGETHER => Said::Offer,
            _ => Said::Nothing,
        };
        self.offered = said == Said::Offer;
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_drops_the_line_a_second_in_an_empty_one_offers_to_leave_and_a_third_leaves() {
        let start = Instant::now();
        let said_in = |line, times: &[u64]| {
            let mut interrupts = Interrupts::default();
            times.iter().map(|&ms| interrupts.at(start + Duration::from_millis(ms), line)).collect::<Vec<_>>()
        };
        let said = |times: &[u64]| said_in(Line::Empty, times);
        assert_eq!(said(&[0, 300, 600]), [Said::Nothing, Said::Offer, Said::Quit]);
        assert_eq!(said(&[0, 300, 2900]), [Said::Nothing, Said::Offer, Said::Quit]);
        assert_eq!(said(&[0, 300, 9000, 9100]), [Said::Nothing, Said::Offer, Said::Nothing, Said::Offer]);
        assert_eq!(said(&[0, 1500, 3000]), [Said::Nothing; 3]);
        let mut interrupts = Interrupts::default();
        for _ in 0..5 {
            assert_eq!(interrupts.at(start, Line::Typed), Said::Nothing);
        }
        assert_eq!(interrupts.at(start, Line::Empty), Said::Offer);
        assert_eq!(interrupts.at(start, Line::Typed), Said::Nothing);
        assert_eq!(said_in(Line::Unseen, &[0, 300, 600]), [Said::Nothing, Said::Offer, Said::Quit]);
        // a line may have been typed meanwhile
        assert_eq!(said_in(Line::Unseen, &[0, 300, 2900]), [Said::Nothing, Said::Offer, Said::Nothing]);
    }
}
