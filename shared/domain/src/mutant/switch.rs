//! The switch itself.

use std::cell::Cell;

macro_rules! mutants {
    ($($name:ident = $fault:literal: $what:literal;)*) => {
        /// A fault of `ledger-faults.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        /// Every mutant.
        pub const ALL: &[Mutant] = &[$(Mutant::$name),*];

        impl Mutant {
            /// Its number in `ledger-faults.md`; beyond its 66, those that we found.
            pub const fn fault(self) -> u8 {
                match self {
                    $(Self::$name => $fault,)*
                }
            }

            /// What it does.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$name => $what,)*
                }
            }
        }
    };
}

mutants! {
    RepeatedReportReturnsEarly = 1: "a report delivered again is acknowledged before the cursor is read";
    CursorReadBeforeStoring = 2: "the recorder reads the cursor before it stores the report";
    ListedBeforeSealed = 3: "the poster lists reports before it raises `sealed`";
    PostedRaisedFirst = 4: "`posted` is raised before the hour's account-hours are written";
    OnlyTheNewestHour = 5: "after a missed run only the newest hour is posted";
    HoursCloseOnlyWithTraffic = 6: "posting stops at an hour without reports";
    MarkerDeletedWithoutNonce = 7: "a late marker is deleted without comparing its nonce";
    MarkerDeletedBeforePosting = 8: "a late marker is deleted before its posting committed";
    FailedHourPassedOver = 9: "an account-hour that fails is passed over without a marker";
    AccountHourWithoutVersion = 10: "the account-hour is written without the condition on its version";
    AccountHourReadAfterReports = 11: "the account-hour is read after its reports";
    EntryAddedTo = 12: "a slot's entry is added to instead of set";
    EntryOfTheNewOnly = 13: "a slot's entry is set to the new computers only";
    EntryKeyLacksPart = 14: "the entry's key lacks the part";
    ClosedSlotGivesUp = 15: "the poster gives up when its slot is no longer open";
    LateIntoFrozenSlot = 16: "late usage is written into a frozen slot";
    PostedWithoutSlotOpen = 16: "an entry is set without the condition that its slot is open";
    TargetDeadlineIgnored = 17: "the target slot's deadline is not looked at";
    SlotAfterLastHour = 18: "usage of an ended license goes to a slot after its last hour";
    UnbillableIsFinal = 19: "unbillable is final although a later link licenses the computer";
    LinksPinnedByFirstPosting = 20: "the links seen by the first posting are pinned for ever";
    PostedAtomsJudgedAgain = 21: "computers already posted are judged again by today's links";
    NoNewReportNothingDone = 22: "no new report, so nothing is done";
    InstanceCountedPerAgent = 23: "one instance id is counted once per agent record";
    TierOfTheLastReport = 24: "the tier of the last report counts, not the lowest while licensed";
    LicenseLinkedWhenPosted = 25: "the hour is attributed to the license linked when it is posted";
    SlotsPerAccount = 27: "slots are kept per account instead of per license";
    OnlyTheFirstPage = 30: "a query reads only its first page";
    FreezeWithoutVersion = 31: "the freeze is conditioned on the slot's state but not its version";
    FreezeWithoutGate = 32: "a slot is frozen before every linked account's hour is posted";
    TimestampOfSending = 33: "the timestamp is the moment of sending";
    TimestampBeforeActivation = 34: "the timestamp lies before the license's activation";
    QuantityComputedAgain = 35: "quantities are computed again for a resend";
    AttemptNotCounted = 36: "attempts are not counted before a resend";
    RefusedStaysUnanswered = 36: "attempts explicitly refused count as perhaps accepted";
    UnprocessedIsNotRead = 37: "UnprocessedRecords is not read";
    ResultsByPosition = 38: "results are matched by position instead of by what they echo";
    LostAnswerGoesToTheNextHour = 39: "a lost answer is taken for failure, and the usage goes to the next hour";
    LostAnswerIsSuccess = 40: "a lost answer is taken for success";
    DuplicateIsBilled = 41: "DuplicateRecord on the only attempt is taken for billed";
    DuplicateStaysBilled = 41: "what DuplicateRecord billed stays billed when every attempt turns out to be refused";
    NotSubscribedIsBilled = 42: "CustomerNotSubscribed is stored as billed";
    NotSubscribedCloses = 42: "CustomerNotSubscribed closes the record of a live link";
    ServerErrorIsPoison = 43: "an internal error is taken for poison";
    ClockFaultIsPoison = 44: "TimestampOutOfBounds before the deadline is taken for poison";
    OneBadRecordClosesItsBatch = 45: "one bad record closes its whole batch";
    NoSplitAt25 = 46: "no split at 25 records";
    TwoProductsInOneCall = 46: "two products in one call";
    OutcomesForgottenOnFailure = 47: "a failed call's outcomes are forgotten";
    SettledWithoutVersion = 47: "a record is replaced without the condition on its version";
    FreezeOnHold = 48: "a license on hold still has its slots frozen";
    HoldTriesTheOldest = 48: "a hold freezes one slot after the other, each shortly before its deadline";
    ZeroAtOnce = 49: "a zero is sent before late usage had its chance";
    AllocationsCut = 50: "allocations are cut at the limit: they no longer add up";
    MonthCutOffIgnored = 51: "the month's cut-off is ignored";
    CarriedEntryIsTheNextHoursOwn = 52: "a carried entry is keyed as the next hour's own";
    CarryWithoutVersion = 53: "a slot is carried without the condition on its version";
    CarriedEntryStays = 53: "a carried entry stays where it was as well";
    SlotIsNotCarried = 53: "a slot that missed its time is not carried";
    UnansweredClosedAsRefused = 54: "a record with an unanswered attempt is closed as not billed";
    LateSuccessIgnored = 55: "a late success does not overrule a close";
    SendingGoesOnAfterTheEnd = 56: "sending to an ended license goes on when AWS takes no more of it";
    SendingStopsAtTheEnd = 56: "sending to an ended license stops at its end";
    RunningHourFrozenAtOnce = 57: "on an end, the running hour is frozen at once";
    RestoredSlotIsSent = 58: "after a restore, slots of the lost interval are sent again";
    RestoredUsageIsCarried = 58: "after a restore, reports delivered again are carried";
    SecondPartNotMarked = 60: "a report's second part is not marked as late";
    ReportIdIsPerPart = 60: "another report under the same id is refused after a part of it was stored";
    HalfReportPosted = 60: "a report of which not every item is stored yet is posted";
    FirstRefusalCloses = 61: "the first refusal of a record that can still be mended closes it";
    ServerErrorStopsAll = 62: "a record that always gets a 500 stops everything behind it";
    MachineCountedUnderTwoIds = 64: "a machine is counted twice because its instance id became known in between";
    CoverIsNotAwaited = 69: "usage is metered while it is not known whether a contract covers it";
    RenewalsHourOfThePeriodBefore = 69: "usage of the hour in which one period of a contract follows another is taken from the earlier one only";
    IncludedTakenWithoutVersion = 65: "the included part of a contract is taken without its version";
    MarkerOnlyIfPosted = 2: "a late marker is put only if the hour is posted, not if it is sealed";
    MarkerNonceNotFresh = 7: "every late marker of an account-hour has the same nonce";
    OpenIntervalNotCut = 20: "an open link is not cut at the instant at which it was read";
    RecordPerAccount = 26: "a slot makes a record for each account that was linked within the hour";
    PostingForgottenFirst = 28: "an hour's posting is forgotten while its reports may still come";
    IdsCollide = 29: "keys are joined with a separator that an id may contain";
    HeadReadAfterEntries = 31: "a slot's head is read after its entries";
    FrozenSlotIsCarried = 53: "a slot that is frozen is carried as well";
    StaleCursor = 59: "a cursor is read as it was before it was last raised";
    NoRoomBeforeDeadline = 63: "usage is put into a slot whose deadline is seconds ahead";
    CarriedAtTheDeadline = 63: "a slot is frozen up to its deadline";
    RenewedEnds = 66: "RENEWED ends a license that its successor continues";
    ClosedAtTheDeadline = 67: "what missed its deadline is closed by a clock that may be an hour ahead";
    RateOfCallsNotKept = 46: "calls are made at once, however many there are";
    CallsNotFilled = 46: "a call waits for 25 records of whatever products, and holds those of one";
    PoisonSoughtOneByOne = 62: "a call that fails for a record's sake is sent again record by record";
    PoisonSoughtInTenCalls = 62: "a run that made ten calls no longer looks for what makes calls fail";
    PoisonFoundStopsTheRun = 62: "a run stops when it has found a record that makes calls fail";
    FinalHoursFrozenLate = 57: "hours that were over when an end became known are frozen 20 minutes after that";
    RunningHourFrozenLate = 57: "the hour in which a license ended is frozen 58 minutes after the end";
    FinalRecordsStayPutOff = 56: "what was put off is not tried each minute once its license ends";
    OnlyTheLastTwoHoursAreFinal = 56: "of a license that ends, only what is of its last two hours is tried each minute";
    RefusedStaysWithTheEnded = 68: "what AWS refused of a license that was renewed by another one is not billed anew";
    FrozenIsReleased = 68: "what may still be sent of a license that ended is billed anew";
    UnknownIsReleased = 68: "what AWS may have accepted of a license that ended is billed anew";
    ReleasedIsForgotten = 68: "what was released is not billed anew: a replay does not know that it was";
    PutOffBeyondItsDeadline = 67: "a record is put off beyond its deadline by a clock that may be an hour ahead";
}

thread_local! {
    static SWITCHED_ON: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Switches one mutant on in this thread, or all off.
pub fn switch_on(mutant: Option<Mutant>) {
    SWITCHED_ON.set(mutant);
}

/// What `./test` looks for in a program: it is there wherever the switch is.
static MARKER: &str = "the ledger's mutants are in this program";

/// Whether this mutant is switched on in this thread.
pub fn is_on(mutant: Mutant) -> bool {
    std::hint::black_box(MARKER);
    SWITCHED_ON.get() == Some(mutant)
}
