//! Drawing schedules from a seed.

use domain::hour::{Hour, after};
use domain::ledger::deadline::accepted_until;
use jiff::{SignedDuration, Timestamp};

use crate::aws::{CallFault, Poison};
use crate::cast::Seen;
use crate::schedule::{Action, Schedule, Setting};

/// A small generator of numbers: everything that is drawn repeats from its seed.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        let mut draws = Self(seed ^ 0x9E37_79B9_7F4A_7C15);
        let _ = draws.next();
        draws
    }

    fn next(&mut self) -> u64 {
        // SplitMix64, public domain (Vigna).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn small(&mut self, limit: u8) -> u8 {
        u8::try_from(self.below(limit.into())).unwrap_or(0)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a schedule is about, besides races and crashes, which all have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Late and repeated reports, relinks, payer changes, single failed calls.
    Races,
    /// An outage of hours, the switch, a month's end.
    Outage,
    /// Licenses that end.
    Ends,
    /// Licenses that are renewed by others, of which we learn late.
    Renewals,
    /// Records that AWS refuses or always fails on.
    Poison,
    /// A suspended buyer.
    Hold,
    /// A restored table.
    Restore,
    /// A contract with consumption.
    Contract,
    /// Hours without usage.
    Zeros,
    /// Clocks that go wrong.
    Clocks,
    /// Accounts that are divided.
    Parts,
    /// Slots that miss their time and are carried.
    Carry,
    /// Answers that are lost until the deadline has passed.
    Lost,
    /// Reports of almost two days ago.
    Late,
    /// Somebody else meters the same license.
    Foreign,
    /// More records than a call holds, of two products.
    Many,
}

/// What schedules are about, each as often as it is drawn.
pub const ALL: [About; 22] = [
    About::Races,
    About::Races,
    About::Races,
    About::Races,
    About::Outage,
    About::Outage,
    About::Ends,
    About::Ends,
    About::Renewals,
    About::Poison,
    About::Hold,
    About::Restore,
    About::Contract,
    About::Zeros,
    About::Clocks,
    About::Clocks,
    About::Parts,
    About::Carry,
    About::Lost,
    About::Late,
    About::Foreign,
    About::Many,
];

/// The schedule of a seed.
pub fn schedule(seed: u64) -> Schedule {
    let (about, draws) = begun(seed);
    let mut drawing = Drawing {
        about,
        draws,
        actions: Vec::new(),
        month_end: false,
        clocks: Clocks::Late,
        start: Timestamp::UNIX_EPOCH,
    };
    let setting = drawing.setting();
    if about == About::Poison && drawing.draws.once_in(2) {
        drawing.neighbours();
    } else {
        drawing.hours();
    }
    Schedule {
        setting,
        actions: drawing.actions,
    }
}

/// What the schedule of a seed is about.
pub fn about(seed: u64) -> About {
    begun(seed).0
}

fn begun(seed: u64) -> (About, Draws) {
    let mut draws = Draws::new(seed);
    let place = usize::try_from(draws.below(ALL.len() as u64)).unwrap_or(0);
    (ALL.get(place).copied().unwrap_or(About::Races), draws)
}

/// What clocks that are wrong meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    /// Late usage.
    Late,
    /// A license's end.
    Ends,
    /// The deadline of what waited for AWS.
    Deadline,
}

struct Drawing {
    about: About,
    draws: Draws,
    actions: Vec<Action>,
    month_end: bool,
    clocks: Clocks,
    start: Timestamp,
}

impl Drawing {
    fn setting(&mut self) -> Setting {
        // Half past an hour; now and then in the last evening of a month.
        if self.about == About::Clocks {
            self.clocks = [Clocks::Late, Clocks::Ends, Clocks::Ends, Clocks::Deadline]
                [usize::from(self.draws.small(4))];
        }
        let may_be_month_end = self.about == About::Outage || self.clocks == Clocks::Deadline;
        let month_end = may_be_month_end && self.draws.once_in(2);
        self.month_end = month_end;
        let hour = if month_end { 494_514 } else { 493_906 } + i32::from(self.draws.small(4));
        self.start = after(
            Hour::from_number(hour).start(),
            SignedDuration::from_mins(30),
        );
        Setting {
            start: self.start,
            zeros: self.about == About::Zeros,
            contracts: self.about == About::Contract,
            retry_is_duplicate: self.draws.once_in(2),
            computers_per_part: if self.about == About::Parts { 3 } else { 1_000 },
            carry_hours: if self.draws.once_in(4) { 30 } else { 96 },
            poison_stays: self.about == About::Poison && self.draws.once_in(2),
            allocations: if self.draws.once_in(8) { 2 } else { 500 },
        }
    }

    /// When it is after what was drawn so far, but for fractions of a minute.
    fn now(&self) -> Timestamp {
        let mut minutes = 0;
        for action in &self.actions {
            if let Action::Advance { minutes: passed } = action {
                minutes += i64::from(*passed);
            } else if let Action::Minutes { minutes: passed } = action {
                minutes += i64::from(*passed);
            }
        }
        after(self.start, SignedDuration::from_mins(minutes))
    }

    fn hours(&mut self) {
        let hours = 2 + self.draws.small(3);
        let special = self.draws.small(hours);
        for hour in 0..hours {
            self.within_the_hour();
            if hour == special {
                self.special();
            }
            self.over_the_hour();
        }
        if self.about == About::Restore {
            self.actions.push(Action::Restore);
            self.actions.push(Action::Minutes { minutes: 2 });
            if self.draws.once_in(2) {
                // Up to a time at which the slots in doubt take no usage any more.
                let minutes = if self.draws.once_in(2) { 70 } else { 1_500 };
                self.actions.push(Action::Advance { minutes });
                self.actions.push(Action::Minutes { minutes: 2 });
            }
            self.actions.push(Action::Resend);
        }
    }

    /// Reports and links while the hour runs.
    fn within_the_hour(&mut self) {
        for _ in 0..self.draws.small(4) {
            self.report(0);
            if self.draws.once_in(3) {
                self.link();
            }
            let minutes = u16::from(self.draws.small(8));
            self.actions.push(Action::Advance { minutes });
        }
        self.actions.push(Action::Finish);
    }

    /// The hour ends: reports, posters and submitters at once.
    fn over_the_hour(&mut self) {
        if self.about == About::Restore {
            // Every hour has a slot.
            let seen = vec![self.seen()];
            self.actions.push(Action::Report {
                account: 0,
                hours_back: 0,
                id: 90,
                seen,
            });
            self.actions.push(Action::Finish);
        }
        let minutes = 60 + u16::from(self.draws.small(20));
        self.actions.push(Action::Advance { minutes });
        for round in 0..2 {
            for _ in 0..=self.draws.small(3) {
                self.report(1);
            }
            self.actions.push(Action::Post {
                ahead: self.ahead(),
            });
            let ahead = self.ahead();
            self.actions.push(Action::Submit { ahead });
            if self.draws.once_in(2) {
                self.actions.push(Action::Post { ahead: 0 });
            }
            if self.draws.once_in(2) {
                self.actions.push(Action::Submit { ahead: 0 });
            }
            if self.draws.once_in(3) {
                self.call_fails();
            }
            self.interleave();
            if round == 0 || self.draws.once_in(2) {
                self.actions.push(Action::Finish);
            }
            if self.about == About::Clocks {
                // A clock that is right has its turn every minute.
                self.actions.push(Action::Minutes { minutes: 1 });
            }
            let minutes = 1 + u16::from(self.draws.small(20));
            self.actions.push(Action::Advance { minutes });
        }
        self.actions.push(Action::Finish);
        self.actions.push(Action::Minutes { minutes: 2 });
    }

    fn interleave(&mut self) {
        for _ in 0..6 + self.draws.small(14) {
            let (task, pick) = (self.draws.small(8), self.draws.small(4));
            let calm = self.about == About::Foreign;
            if !calm && self.draws.once_in(14) {
                self.actions.push(Action::Crash { task });
            } else if !calm && self.draws.once_in(14) {
                let made = self.draws.once_in(2);
                self.actions.push(Action::StoreFails { task, made });
            } else if self.draws.once_in(20) {
                self.link();
            } else if self.draws.once_in(12) {
                self.report(1);
            } else {
                let steps = 1 + self.draws.small(12);
                self.actions.push(Action::Go { task, steps, pick });
            }
        }
    }

    fn report(&mut self, hours_back: u8) {
        let late = if self.draws.once_in(4) {
            hours_back + self.draws.small(4)
        } else {
            hours_back
        };
        let count = if self.about == About::Parts { 7 } else { 4 };
        let seen = (0..1 + self.draws.small(count))
            .map(|_| self.seen())
            .collect();
        let action = Action::Report {
            account: self.account(),
            hours_back: late,
            id: self.draws.small(3) + 3 * self.draws.small(30),
            seen,
        };
        if self.draws.once_in(3) {
            self.actions.push(action.clone());
        }
        self.actions.push(action);
    }

    fn account(&mut self) -> u8 {
        match self.draws.small(6) {
            0..=2 => 0,
            3 | 4 => 1,
            _ => 2,
        }
    }

    fn seen(&mut self) -> Seen {
        Seen {
            computer: self.draws.small(5),
            tier: self.draws.small(4),
            when: self.draws.small(3),
            known_by: match self.draws.small(10) {
                0 if self.about != About::Parts => 1,
                1 if self.about != About::Parts => 2,
                _ => 0,
            },
        }
    }

    fn link(&mut self) {
        let license = self.draws.small(2);
        if self.draws.once_in(6) {
            self.actions.push(Action::Unlink { license });
        } else {
            let account = self.draws.small(2);
            self.actions.push(Action::Link { license, account });
        }
    }

    fn call_fails(&mut self) {
        self.actions
            .push(Action::CallFails(match self.draws.small(8) {
                0 | 1 => CallFault::LostAnswer,
                2 => CallFault::ServerError,
                3 => CallFault::Throttle,
                4 | 5 => CallFault::Unprocessed(1 + self.draws.small(3)),
                6 => CallFault::UnknownRefusal,
                _ => CallFault::AccessDenied,
            }));
    }

    /// How far a clock is ahead: more than an hour only where nothing is near
    /// its deadline, for what is lost by that is not promised to be kept.
    fn ahead(&self) -> i16 {
        if self.about != About::Clocks {
            return 0;
        }
        let most = match self.clocks {
            Clocks::Late => 130,
            Clocks::Ends | Clocks::Deadline => 60,
        };
        [0, 60, -60, 0, most][self.actions.len() % 5]
    }

    /// What a contract covers is told at once, or hours or more than a day late.
    fn contract(&mut self) {
        let renewed = self.draws.once_in(2);
        // What is renewed is used up by then, more often than not.
        let computer_hours = 1 + self.draws.small(if renewed { 3 } else { 12 });
        let late = self.draws.once_in(2);
        if late {
            self.actions.push(Action::CoverUnknown);
            self.over_the_hour();
            self.within_the_hour();
            if self.draws.once_in(4) {
                self.actions.push(Action::Advance { minutes: 1_500 });
                self.actions.push(Action::Minutes { minutes: 2 });
            }
        }
        self.actions.push(if late {
            Action::CoverKnown { computer_hours }
        } else {
            Action::Grant { computer_hours }
        });
        if renewed {
            self.renewal_of_the_contract();
        }
    }

    /// A contract is renewed with the same license, within an hour of usage or
    /// just as one begins.
    fn renewal_of_the_contract(&mut self) {
        self.over_the_hour();
        let minutes = u16::from(self.draws.small(40));
        self.actions.push(Action::Advance { minutes });
        let computer_hours = 6 + self.draws.small(12);
        self.actions.push(Action::NextPeriod { computer_hours });
        for account in 0..3 {
            let seen = vec![Seen {
                tier: 0,
                ..self.seen()
            }];
            self.actions.push(Action::Report {
                account,
                hours_back: 0,
                id: 91,
                seen,
            });
        }
        self.over_the_hour();
    }

    /// What the schedule is about.
    fn special(&mut self) {
        match self.about {
            About::Races | About::Zeros | About::Parts => {}
            About::Clocks => match self.clocks {
                Clocks::Late => self.late_by_clocks_ahead(),
                Clocks::Ends => self.ends_by_wrong_clocks(),
                Clocks::Deadline => self.deadline_by_wrong_clocks(),
            },
            About::Outage => self.outage(),
            About::Ends => self.ends(),
            About::Renewals => self.renewal(),
            About::Poison => self.poison(),
            About::Hold => self.hold(),
            About::Restore => {
                self.over_the_hour();
                self.actions.push(Action::BackUp);
                self.within_the_hour();
            }
            About::Carry => self.carry(),
            About::Lost => self.lost(),
            About::Late => self.late(),
            About::Foreign => {
                self.call_fails();
                for tier in 0..3 {
                    let license = self.draws.small(2);
                    self.actions.push(Action::Foreign { license, tier });
                }
            }
            About::Many => self.many(),
            About::Contract => self.contract(),
        }
    }

    /// 20 hours at the most; across a month's end, 5.
    fn outage(&mut self) {
        self.over_the_hour();
        let most = if self.month_end { 5 } else { 20 };
        let hours = 1 + u16::from(self.draws.small(most));
        if self.draws.once_in(4) {
            self.actions.push(Action::Switch { stopped: true });
            self.long(hours);
            self.actions.push(Action::Switch { stopped: false });
        } else {
            self.actions.push(Action::Outage {
                minutes: hours * 60,
            });
            self.long(hours);
        }
    }

    /// A license ends, and some or all of the posters and submitters have clocks
    /// that are an hour ahead or behind.
    fn ends_by_wrong_clocks(&mut self) {
        let license = self.draws.small(2);
        if self.draws.once_in(2) {
            // Just after the hour, which is not posted yet.
            let now = self.now();
            let minutes = Hour::of(now).end().duration_since(now).as_mins();
            let minutes = u16::try_from(minutes).unwrap_or(0) + u16::from(self.draws.small(3));
            self.actions.push(Action::Advance { minutes });
        }
        self.actions.push(Action::End { license });
        let minutes = [0, 0, 1, 20][usize::from(self.draws.small(4))];
        self.actions.push(Action::Advance { minutes });
        self.actions.push(Action::Learn { license });
        let wrong = [60, 60, 30, 15, -30, -60][usize::from(self.draws.small(6))];
        let rightly = self.draws.small(3);
        let mut minutes = 0;
        while minutes < 140 {
            let ahead = wrong;
            if self.draws.once_in(8) {
                let hours_back = self.draws.small(2);
                self.report(hours_back);
                self.actions.push(Action::Finish);
            }
            let some = 1 + self.draws.small(6);
            match rightly {
                // All clocks are right but now and then one.
                0 => {
                    self.actions.push(Action::Post { ahead });
                    self.actions.push(Action::Finish);
                    self.actions.push(Action::Submit { ahead });
                    self.actions.push(Action::Finish);
                    self.actions.push(Action::Minutes { minutes: some });
                }
                // The posters' are wrong, or the submitters'.
                one => {
                    for _ in 0..some {
                        let (post, submit) = if one == 1 { (wrong, 0) } else { (0, wrong) };
                        self.actions.push(Action::Advance { minutes: 1 });
                        self.actions.push(Action::Post { ahead: post });
                        self.actions.push(Action::Finish);
                        self.actions.push(Action::Submit { ahead: submit });
                        self.actions.push(Action::Finish);
                    }
                }
            }
            minutes += u16::from(some);
        }
    }

    /// AWS fails until shortly before the deadline of what waits, and some of
    /// the clocks are an hour ahead or behind meanwhile.
    fn deadline_by_wrong_clocks(&mut self) {
        let hour = Hour::of(self.now());
        self.over_the_hour();
        let deadline = accepted_until(hour.start(), None);
        let time = deadline.duration_since(self.now()).as_mins();
        let left = 5 + u16::from(self.draws.small(90));
        let minutes = u16::try_from(time).unwrap_or(0).saturating_sub(left);
        let hold = self.draws.once_in(3).then(|| self.draws.small(2));
        match hold {
            Some(license) => self.actions.push(Action::Suspend { license, is: true }),
            None => self.actions.push(Action::Outage { minutes }),
        }
        let watched = 100 + u16::from(self.draws.small(30));
        let minutes = minutes.saturating_sub(watched);
        self.actions.push(Action::Advance { minutes });
        for _ in 0..14 {
            let ahead = [60, 60, 40, 20, -30, -60][usize::from(self.draws.small(6))];
            self.actions.push(Action::Post { ahead });
            self.actions.push(Action::Submit { ahead });
            self.actions.push(Action::Finish);
            let minutes = 1 + self.draws.small(3);
            self.actions.push(Action::Minutes { minutes });
            let minutes = 4 + u16::from(self.draws.small(14));
            self.actions.push(Action::Advance { minutes });
            if let Some(license) = hold.filter(|_| self.draws.once_in(6)) {
                self.actions.push(Action::Suspend { license, is: false });
            }
        }
    }

    /// Late usage of an hour that was sent, on clocks that are ahead: it goes
    /// into an hour that has not begun.
    fn late_by_clocks_ahead(&mut self) {
        self.over_the_hour();
        let ahead = 190;
        for id in 95..98 {
            let seen = vec![self.seen(), self.seen()];
            self.actions.push(Action::Report {
                account: 0,
                hours_back: 1,
                id,
                seen,
            });
            self.actions.push(Action::Finish);
            self.actions.push(Action::Post { ahead });
            self.actions.push(Action::Finish);
            self.actions.push(Action::Submit { ahead });
            self.actions.push(Action::Finish);
        }
    }

    /// Sending is stopped until slots miss their time.
    fn carry(&mut self) {
        self.report(0);
        self.actions.push(Action::Finish);
        self.actions.push(Action::Switch { stopped: true });
        for _ in 0..3 {
            self.report(0);
            self.actions.push(Action::Finish);
            self.actions.push(Action::Advance { minutes: 59 });
            self.actions.push(Action::Minutes { minutes: 1 });
        }
        self.actions.push(Action::Advance { minutes: 1_190 });
        for _ in 0..8 {
            self.report(0);
            let minutes = 5 + u16::from(self.draws.small(30));
            self.actions.push(Action::Advance { minutes });
            self.actions.push(Action::Post { ahead: 0 });
            self.actions.push(Action::Submit { ahead: 0 });
            self.actions.push(Action::Submit { ahead: 0 });
            self.interleave();
            self.actions.push(Action::Finish);
        }
        self.actions.push(Action::Switch { stopped: false });
    }

    /// A submitter is slow, or its answer lost, until the deadline has passed.
    fn lost(&mut self) {
        self.actions.push(Action::Finish);
        self.actions.push(Action::Advance { minutes: 61 });
        self.actions.push(Action::Post { ahead: 0 });
        self.actions.push(Action::Finish);
        self.actions.push(Action::CallFails(CallFault::LostAnswer));
        self.actions.push(Action::Submit { ahead: 0 });
        if self.draws.once_in(2) {
            self.actions.push(Action::Finish);
        } else {
            self.actions.pop();
            self.actions.pop();
            self.actions.push(Action::Submit { ahead: 0 });
            let steps = 12 + self.draws.small(40);
            let (task, pick) = (0, 0);
            self.actions.push(Action::Go { task, steps, pick });
        }
        self.actions.push(Action::Outage { minutes: 1_460 });
        self.actions.push(Action::Advance { minutes: 1_450 });
        self.actions.push(Action::Submit { ahead: 0 });
        for _ in 0..6 {
            let (task, steps, pick) = (1, 10, self.draws.small(3));
            self.actions.push(Action::Go { task, steps, pick });
        }
        self.actions.push(Action::Finish);
    }

    /// Reports come when their slot's deadline is near or over.
    fn late(&mut self) {
        self.over_the_hour();
        let minutes = 60 * 20 + u16::from(self.draws.small(200));
        self.actions.push(Action::Advance { minutes });
        for _ in 0..8 {
            let hours_back = 20 + self.draws.small(6);
            self.report(hours_back);
            self.actions.push(Action::Finish);
            self.actions.push(Action::Minutes { minutes: 1 });
            let minutes = u16::from(self.draws.small(20));
            self.actions.push(Action::Advance { minutes });
        }
    }

    fn long(&mut self, hours: u16) {
        for _ in 0..hours {
            self.report(0);
            self.actions.push(Action::Finish);
            self.actions.push(Action::Advance { minutes: 61 });
            self.actions.push(Action::Minutes { minutes: 1 });
        }
    }

    fn ends(&mut self) {
        let license = self.draws.small(2);
        let suspended = self.draws.once_in(3);
        if suspended {
            self.actions.push(Action::Suspend { license, is: true });
            let hours = u16::from(self.draws.small(5));
            self.long(hours);
        }
        self.actions.push(Action::End { license });
        let late = [0, 0, 1, 20, 50][usize::from(self.draws.small(5))];
        self.actions.push(Action::Advance { minutes: late });
        self.actions.push(Action::Learn { license });
        let minutes = 1 + self.draws.small(30);
        self.actions.push(Action::Minutes { minutes });
        self.report(0);
        self.report(1);
        self.actions.push(Action::Finish);
        if suspended {
            self.actions.push(Action::Suspend { license, is: false });
        }
        if self.draws.once_in(2) {
            self.actions.push(Action::Learn { license });
        }
        let minutes = 30 + self.draws.small(40);
        self.actions.push(Action::Minutes { minutes });
    }

    /// The first license is renewed by the second, and for hours nobody tells us.
    fn renewal(&mut self) {
        let (license, heir) = (0, 1);
        self.actions.push(Action::Unlink { license: heir });
        self.actions.push(Action::Link {
            license,
            account: 0,
        });
        self.report(0);
        self.actions.push(Action::Finish);
        let overlaps = self.draws.once_in(3);
        self.actions.push(Action::Renew { license, overlaps });
        for _ in 0..self.draws.small(3) {
            self.call_fails();
        }
        if self.draws.once_in(2) {
            // Its usage makes AWS refuse whole calls, not the records alone.
            self.over_the_hour();
            self.actions
                .push(Action::Unpropagated { license, is: true });
        }
        let hours = 1 + u16::from(self.draws.small(5));
        self.long(hours);
        if self.draws.once_in(3) {
            // First it seems to have ended, and the account is not paid for.
            self.actions.push(Action::Learn { license });
            let hours = 1 + u16::from(self.draws.small(2));
            self.long(hours);
        }
        let gap = if self.draws.once_in(3) {
            self.draws.small(200)
        } else {
            0
        };
        self.actions
            .push(Action::LearnRenewed { license, heir, gap });
        for _ in 0..self.draws.small(4) {
            let hours_back = self.draws.small(4);
            self.report(hours_back);
            self.actions.push(Action::Minutes { minutes: 1 });
        }
        let minutes = 70 + u16::from(self.draws.small(20));
        self.actions.push(Action::Advance { minutes });
        for _ in 0..3 {
            self.actions.push(Action::Post { ahead: 0 });
            self.actions.push(Action::Submit { ahead: 0 });
            self.actions.push(Action::Post { ahead: 0 });
            self.interleave();
            self.actions.push(Action::Finish);
            let minutes = 1 + u16::from(self.draws.small(8));
            self.actions.push(Action::Advance { minutes });
        }
    }

    fn poison(&mut self) {
        let (tier, license) = (self.draws.small(3), self.draws.small(2));
        let kind = self.draws.small(3);
        let is = |is| match kind {
            0 => Action::Missing { tier, is },
            1 => Action::Unpropagated { license, is },
            _ => Action::AlwaysFails { license, is },
        };
        self.actions.push(is(true));
        self.over_the_hour();
        let minutes = 20 + self.draws.small(60);
        self.actions.push(Action::Minutes { minutes });
        if self.draws.once_in(2) {
            self.actions.push(is(false));
        }
    }

    /// A crowd's hour, and now and then what makes its calls fail.
    fn many(&mut self) {
        let size = 12 + self.draws.small(28);
        self.actions.push(Action::Crowd { size });
        match self.draws.small(4) {
            0 => self.poison(),
            1 => self.call_fails(),
            2 => {
                self.actions.push(Action::Outage { minutes: 70 });
                self.over_the_hour();
                self.actions.push(Action::Crowd { size });
            }
            _ => {}
        }
    }

    /// Nothing goes wrong but that there are poison records.
    fn neighbours(&mut self) {
        let crowd = if self.draws.once_in(3) {
            0
        } else {
            8 + self.draws.small(30)
        };
        let poisoned = if self.draws.once_in(2) {
            1
        } else {
            1 + self.draws.small(3)
        };
        self.link();
        for hour in 0..2 {
            for _ in 0..self.draws.small(3) {
                self.report(0);
                self.actions.push(Action::Finish);
            }
            self.actions.push(Action::Crowd { size: crowd });
            if hour == 0 {
                for _ in 0..poisoned {
                    self.poison_record(crowd);
                }
            }
            let minutes = 40 + u16::from(self.draws.small(8));
            self.actions.push(Action::Advance { minutes });
            let minutes = 12 + self.draws.small(12);
            self.actions.push(Action::Minutes { minutes });
        }
    }

    fn poison_record(&mut self, crowd: u8) {
        let license = match crowd {
            0 => self.draws.small(3),
            // Of a tier that this member of the crowd reports.
            size => 3 + self.draws.small(size),
        };
        let how = if self.draws.once_in(2) {
            Poison::Refused
        } else {
            Poison::Failed
        };
        let tier = if crowd == 0 {
            self.draws.small(3)
        } else {
            license % 3
        };
        self.actions.push(Action::Poison { license, tier, how });
    }

    fn hold(&mut self) {
        self.over_the_hour();
        let license = self.draws.small(2);
        self.actions.push(Action::Suspend { license, is: true });
        let hours = 2 + u16::from(self.draws.small(4));
        let hours = if self.draws.once_in(6) { 26 } else { hours };
        self.long(hours);
        self.actions.push(Action::Suspend { license, is: false });
    }
}
