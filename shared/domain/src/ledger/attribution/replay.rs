//! Replaying an account-hour's postings: which computers they billed.
//!
//! Thousands of late reports may have been posted one by one. A posting by the
//! same links as the one before can bill only computers of which it saw
//! something new: every other was judged by those links then, and is billed or
//! not licensed by them. So only those are judged again, and a replay looks at
//! each observation about once, not once for each posting. After a release
//! every computer is judged again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;

use super::{Billed, KeyBits, LinkedSpan, attribute};
use crate::ids::LicenseId;
use crate::mutant;
use crate::usage::{ComputerKey, Observation};

/// What a posting saw.
#[derive(Debug)]
pub struct Saw<'a> {
    /// The observations that it added to those of the postings before.
    pub new: Vec<&'a Observation>,
    /// The links that it read.
    pub links: &'a [LinkedSpan],
    /// The licenses whose usage it released before it billed anything.
    pub releases: &'a [LicenseId],
}

/// What postings billed, one after the other; `releasable` if some of it is to
/// be [released](Billed::release) after them.
pub fn replay(postings: &[Saw<'_>], releasable: bool) -> Billed {
    let releases = postings.iter().any(|posting| !posting.releases.is_empty());
    let mut billed = if releasable || releases {
        Billed::releasable()
    } else {
        Billed::default()
    };
    if let [only] = postings {
        billed.take_new(attribute(only.new.iter().copied(), only.links));
        return billed;
    }
    let groups = Groups::of(postings.iter().flat_map(|posting| &posting.new).copied());
    let mut members: Vec<Vec<&Observation>> = vec![Vec::new(); groups.count];
    let mut of_each = groups.of_each.into_iter();
    let mut links_before = None;
    for posting in postings {
        let mut touched: Vec<usize> = Vec::with_capacity(posting.new.len());
        for (observation, group) in posting.new.iter().zip(&mut of_each) {
            members[group].push(observation);
            touched.push(group);
        }
        if !mutant!(ReleasedIsForgotten) {
            billed.release(posting.releases);
        }
        if links_before == Some(posting.links) && posting.releases.is_empty() {
            touched.sort_unstable();
            touched.dedup();
        } else {
            touched = (0..members.len()).collect();
        }
        let again = touched.iter().flat_map(|group| &members[*group]).copied();
        billed.take_new(attribute(again, posting.links));
        links_before = Some(posting.links);
    }
    billed
}

/// Observations that may be of one computer, under whichever of its ids.
struct Groups {
    /// The group of each observation, in their order.
    of_each: Vec<usize>,
    count: usize,
}

impl Groups {
    fn of<'a>(observations: impl Iterator<Item = &'a Observation>) -> Self {
        let mut first: HashMap<ComputerKey, usize, BuildHasherDefault<KeyBits>> =
            HashMap::default();
        let mut joined = Joined::default();
        for observation in observations {
            let this = joined.add();
            for id in ids(observation) {
                match first.entry(id) {
                    Entry::Occupied(other) => joined.join(*other.get(), this),
                    Entry::Vacant(unseen) => {
                        unseen.insert(this);
                    }
                }
            }
        }
        joined.numbered()
    }
}

/// The ids by which two observations may be of one computer: whatever provider
/// an instance is seen under.
fn ids(observation: &Observation) -> impl Iterator<Item = ComputerKey> {
    [Some(observation.key), observation.agent]
        .into_iter()
        .flatten()
        .map(|id| id.without_provider().unwrap_or(id))
}

/// Which of some things belong together: each names one that it joined, or
/// itself when it is the first of its group.
#[derive(Default)]
struct Joined(Vec<usize>);

impl Joined {
    fn add(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    fn first_of(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        let first = one.min(other);
        self.0[one.max(other)] = first;
    }

    fn numbered(mut self) -> Groups {
        let mut count = 0;
        let mut of_each: Vec<usize> = Vec::with_capacity(self.0.len());
        for this in 0..self.0.len() {
            let first = self.first_of(this);
            // The first of a group comes before all others of it.
            if first == this {
                of_each.push(count);
                count += 1;
            } else {
                of_each.push(of_each[first]);
            }
        }
        Groups { of_each, count }
    }
}
