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
    /// Another one came, in an `empty` line or not.
    pub(super) fn another(&mut self, empty: bool) -> Said {
        self.at(Instant::now(), empty)
    }

    fn at(&mut self, now: Instant, empty: bool) -> Said {
        let since = self.last.replace(now).map(|last| now.saturating_duration_since(last));
        let said = match since.filter(|_| empty) {
            Some(since) if self.offered && since <= OFFER => Said::Quit,
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
        let said = |times: &[u64]| {
            let mut interrupts = Interrupts::default();
            times.iter().map(|&ms| interrupts.at(start + Duration::from_millis(ms), true)).collect::<Vec<_>>()
        };
        assert_eq!(said(&[0, 300, 600]), [Said::Nothing, Said::Offer, Said::Quit]);
        assert_eq!(said(&[0, 300, 2900]), [Said::Nothing, Said::Offer, Said::Quit]);
        assert_eq!(said(&[0, 300, 9000, 9100]), [Said::Nothing, Said::Offer, Said::Nothing, Said::Offer]);
        assert_eq!(said(&[0, 1500, 3000]), [Said::Nothing; 3]);
        let mut interrupts = Interrupts::default();
        for _ in 0..5 {
            assert_eq!(interrupts.at(start, false), Said::Nothing);
        }
        assert_eq!(interrupts.at(start, true), Said::Offer);
        assert_eq!(interrupts.at(start, false), Said::Nothing);
    }
}
