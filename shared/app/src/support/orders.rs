//! Support unlinks a license, or links it to another account, for a customer
//! who cannot. Like a member's linking it is done only as it was shown: what is
//! sent back with the confirmation is a [`Basis`].

use domain::account::{Account, AccountName, GraceVerdict};
use domain::change::{Change, Decision};
use domain::hour::before;
use domain::ids::{AwsAccountId, SupportRequestId};
use domain::license::License;
use domain::linking::{
    Authority, Basis, Consequence, LinkRefusal, assess_link, assess_unlink, decide_link,
    decide_unlink, unlink_basis,
};
use domain::policy::{SUPPORT_REQUEST_FOR, SubscriptionPolicy, SupportApproval};
use domain::sign_in::SignedIn;
use domain::support::{
    Grounds, Mandate, SupportOrder, SupportRequest, decide_decline, decide_request, settle_request,
};
use jiff::Timestamp;
use store::StoreError;

use crate::App;
use crate::linking::{LinkError, Loaded};

/// Something that support may do, with what it would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// What.
    pub order: SupportOrder,
    /// The name of the account whose payer it is about.
    pub name: AccountName,
    /// The AWS account whose subscription it is about.
    pub buyer: AwsAccountId,
    /// What it would do and what to confirm it with, or why it cannot be done.
    pub outcome: Result<OrderProposal, LinkRefusal>,
    /// How many people of support it takes.
    pub approval: SupportApproval,
}

/// What an order would do, and what to confirm it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderProposal {
    /// The consequence to name.
    pub consequence: OrderConsequence,
    /// What it was decided on.
    pub basis: Basis,
}

/// What an order would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderConsequence {
    /// The account loses its license.
    Unlink(GraceVerdict),
    /// The license is linked to the account.
    Link(Consequence),
}

/// A request of one person of support, for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The request.
    pub request: SupportRequest,
    /// What approving it would do now, or why whoever looks may not.
    pub order: OrderView,
    /// The instant at which this holds.
    pub as_of: Timestamp,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// It is done, or was done before.
    Done,
    /// A second person has to approve it.
    Asked(SupportRequestId),
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such account, license or request.
    #[error("there is no such account, license or request")]
    Unknown,
    /// It may not be done.
    #[error(transparent)]
    Refused(LinkRefusal),
    /// Something changed since the person was asked (409): ask them again.
    #[error("something changed since the consequence was shown")]
    Conflict,
    /// The store failed; nothing is known to have been done.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<LinkRefusal> for OrderError {
    fn from(refusal: LinkRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<LinkError> for OrderError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Session(_) | LinkError::Refused(LinkRefusal::NotAMember) => Self::Unknown,
            LinkError::Refused(refusal) => Self::Refused(refusal),
            LinkError::Conflict => Self::Conflict,
            LinkError::Store(error) => Self::Store(error),
        }
    }
}

/// The snapshots that an order depends on.
enum Situation {
    Unlink(Box<(Account, License)>),
    Transfer(Box<Loaded>),
}

impl Situation {
    /// Whether there is nothing left to unlink, because this license was unlinked
    /// from the account last.
    fn is_unlinked(&self) -> bool {
        match self {
            Self::Unlink(snapshots) => {
                let (account, license) = &**snapshots;
                let former = license.former.as_ref().map(|former| &former.account);
                account.license().is_none() && former == Some(&account.id)
            }
            Self::Transfer(_) => false,
        }
    }

    fn account(&self) -> &Account {
        match self {
            Self::Unlink(snapshots) => &snapshots.0,
            Self::Transfer(loaded) => &loaded.account,
        }
    }

    fn license(&self) -> &License {
        match self {
            Self::Unlink(snapshots) => &snapshots.1,
            Self::Transfer(loaded) => &loaded.license,
        }
    }

    fn assess(
        &self,
        authority: &Authority<'_>,
        now: Timestamp,
        policy: &SubscriptionPolicy,
    ) -> Result<Result<OrderProposal, LinkRefusal>, OrderError> {
        Ok(match self {
            Self::Unlink(snapshots) => {
                let (account, license) = &**snapshots;
                match assess_unlink(account, authority, now, policy) {
                    Ok(_) if account.license() != Some(&license.id) => {
                        Err(LinkRefusal::AnotherLicense)
                    }
                    Ok(verdict) => Ok(OrderProposal {
                        consequence: OrderConsequence::Unlink(verdict),
                        basis: unlink_basis(account, now, policy),
                    }),
                    Err(refusal) => Err(refusal),
                }
            }
            Self::Transfer(loaded) => {
                let situation = loaded.situation().ok_or(OrderError::Conflict)?;
                let assessed = assess_link(&situation, authority, now, policy);
                assessed.map(|consequence| OrderProposal {
                    consequence: OrderConsequence::Link(consequence),
                    basis: situation.basis(now, policy),
                })
            }
        })
    }

    fn decide(
        &self,
        authority: &Authority<'_>,
        now: Timestamp,
        policy: &SubscriptionPolicy,
    ) -> Result<Decision<Change>, OrderError> {
        Ok(match self {
            Self::Unlink(snapshots) => {
                let (account, license) = &**snapshots;
                decide_unlink(account, license, authority, now, policy)?
            }
            Self::Transfer(loaded) => {
                let situation = loaded.situation().ok_or(OrderError::Conflict)?;
                decide_link(&situation, authority, now, policy)?
            }
        })
    }
}

impl App {
    /// What an order of this person of support would do now, or why it cannot be done.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn support_order(
        &self,
        user: &SignedIn,
        order: &SupportOrder,
    ) -> Result<OrderView, OrderError> {
        self.order_view(user, order, Mandate::NotYet).await
    }

    /// Carries out an order as it was shown, or has a second person approve it
    /// first. What is so already, or waits for an approval already, is success.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order_by_support(
        &self,
        user: &SignedIn,
        order: &SupportOrder,
        grounds: &Grounds,
        basis: &Basis,
    ) -> Result<Ordered, OrderError> {
        match self.settings.subscriptions.support_approval {
            SupportApproval::One => {
                let mandate = Mandate::Own(grounds);
                self.carry_out(user, order, mandate, basis).await?;
                Ok(Ordered::Done)
            }
            SupportApproval::Two => self.ask_approval(user, order, grounds, basis).await,
        }
    }

    /// Every request that waits for a second person, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn support_requests(&self) -> Result<Vec<SupportRequest>, StoreError> {
        let now = self.clock.now();
        let earliest = before(now, SUPPORT_REQUEST_FOR);
        let mut requests = self.store.support_requests_of(earliest).await?;
        requests.extend(self.store.support_requests_of(now).await?);
        requests.retain(|request| request.is_waiting(now));
        requests.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(requests)
    }

    /// A request, with what approving it would do now.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn support_request(
        &self,
        user: &SignedIn,
        id: &SupportRequestId,
    ) -> Result<RequestView, OrderError> {
        let request = self.request_made(id).await?;
        let mandate = Mandate::Request(&request);
        Ok(RequestView {
            order: self.order_view(user, &request.order, mandate).await?,
            request,
            as_of: self.clock.now(),
        })
    }

    /// Carries out another one's request as it was shown.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn approve(
        &self,
        user: &SignedIn,
        id: &SupportRequestId,
        basis: &Basis,
    ) -> Result<(), OrderError> {
        let request = self.request_made(id).await?;
        let mandate = Mandate::Request(&request);
        self.carry_out(user, &request.order, mandate, basis).await
    }

    /// Declines a request, or takes one's own back. Declined already is success.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn decline(&self, user: &SignedIn, id: &SupportRequestId) -> Result<(), OrderError> {
        let request = self.request_made(id).await?;
        match decide_decline(&request, user, self.clock.now())? {
            Decision::AlreadyCommitted => Ok(()),
            Decision::Commit(change) => Ok(self.commit_confirmed(&change).await?),
        }
    }

    async fn request_made(&self, id: &SupportRequestId) -> Result<SupportRequest, OrderError> {
        let request = self.store.support_request(id).await?;
        request.ok_or(OrderError::Unknown)
    }

    async fn order_view(
        &self,
        user: &SignedIn,
        order: &SupportOrder,
        mandate: Mandate<'_>,
    ) -> Result<OrderView, OrderError> {
        let now = self.clock.now();
        let policy = &*self.settings.subscriptions;
        let situation = self.situation_of(order).await?;
        let authority = Authority::Support {
            signed_in: user,
            mandate,
        };
        Ok(OrderView {
            order: order.clone(),
            name: situation.account().name.clone(),
            buyer: situation.license().buyer.clone(),
            outcome: situation.assess(&authority, now, policy)?,
            approval: policy.support_approval,
        })
    }

    async fn carry_out(
        &self,
        user: &SignedIn,
        order: &SupportOrder,
        mandate: Mandate<'_>,
        basis: &Basis,
    ) -> Result<(), OrderError> {
        let now = self.clock.now();
        let policy = &*self.settings.subscriptions;
        let situation = self.situation_of(order).await?;
        let authority = Authority::Support {
            signed_in: user,
            mandate,
        };
        let proposal = match situation.assess(&authority, now, policy)? {
            Err(LinkRefusal::NothingLinked) if situation.is_unlinked() => {
                return self.settle(mandate, user, now).await;
            }
            assessed => assessed?,
        };
        match situation.decide(&authority, now, policy)? {
            Decision::AlreadyCommitted => self.settle(mandate, user, now).await,
            Decision::Commit(_) if proposal.basis != *basis => Err(OrderError::Conflict),
            Decision::Commit(change) => {
                self.commit_confirmed(&change).await?;
                if let SupportOrder::Transfer { license, .. } = order {
                    self.begin_zeros_of_linked(license).await;
                }
                Ok(())
            }
        }
    }

    /// What was to be done is so already; a request for it no longer waits.
    async fn settle(
        &self,
        mandate: Mandate<'_>,
        user: &SignedIn,
        now: Timestamp,
    ) -> Result<(), OrderError> {
        match mandate {
            Mandate::NotYet | Mandate::Own(_) => Ok(()),
            Mandate::Request(request) => {
                let settled = settle_request(request, user, now);
                Ok(self.commit_confirmed(&settled).await?)
            }
        }
    }

    async fn ask_approval(
        &self,
        user: &SignedIn,
        order: &SupportOrder,
        grounds: &Grounds,
        basis: &Basis,
    ) -> Result<Ordered, OrderError> {
        let now = self.clock.now();
        let view = self.order_view(user, order, Mandate::Own(grounds)).await?;
        let proposal = view.outcome?;
        if proposal.consequence == OrderConsequence::Link(Consequence::AlreadyLinked) {
            return Ok(Ordered::Done);
        }
        if proposal.basis != *basis {
            return Err(OrderError::Conflict);
        }
        let (order, grounds, basis) = (order.clone(), grounds.clone(), proposal.basis);
        let request = SupportRequest::new(order, grounds, basis, user, now);
        let made = self.store.support_request(&request.id).await?;
        match decide_request(&request, made.as_ref(), user, now)? {
            Decision::AlreadyCommitted => {}
            Decision::Commit(change) => self.commit_confirmed(&change).await?,
        }
        Ok(Ordered::Asked(request.id))
    }

    async fn situation_of(&self, order: &SupportOrder) -> Result<Situation, OrderError> {
        match order {
            SupportOrder::Unlink { account, license } => {
                let account = self.store.account(account).await?;
                let license = self.store.license(license).await?;
                let snapshots = account.zip(license).ok_or(OrderError::Unknown)?;
                Ok(Situation::Unlink(Box::new(snapshots)))
            }
            SupportOrder::Transfer { license, to } => {
                let loaded = self.load(to, license).await?;
                Ok(Situation::Transfer(Box::new(loaded)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
