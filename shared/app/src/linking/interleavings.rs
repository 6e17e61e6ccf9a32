//! Every interleaving of two and of three linkers over the steps of the store,
//! each a request to DynamoDB.
//!
//! Reads commute with each other. So of all orders those are played that differ
//! in who writes next, and in how far every other one has read by then.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use domain::audit::Actor;
use domain::support::{Grounds, Reason, SupportOrder, Ticket};
use fake_aws::InProcess;
use futures_util::future::poll_fn;

use super::*;
use crate::support::orders::OrderError;
use crate::testing::World;

/// Schedules that share a world: what was stored before slows the embedded
/// DynamoDB down.
const SCHEDULES_A_WORLD: usize = 4;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Reads what no linker writes: sessions and members.
    Aside,
    Read,
    Write,
}

impl Step {
    fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let aside = ["\"registration#", "\"member#"];
        if !(target.ends_with(".GetItem") || target.ends_with(".Query")) {
            Self::Write
        } else if aside.iter().any(|key| body.contains(key)) {
            Self::Aside
        } else {
            Self::Read
        }
    }
}

/// Holds up each request of a linker until it is let through.
#[derive(Clone)]
struct Gate {
    fake: InProcess,
    state: Arc<Mutex<GateState>>,
}

#[derive(Default)]
struct GateState {
    waiting: Option<Step>,
    open: bool,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl HttpConnector for Gate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gate = self.clone();
        // What a table is like nobody changes: no order of it matters.
        if request.headers().get("x-amz-target") == Some("DynamoDB_20120810.DescribeTable") {
            return gate.fake.call(request);
        }
        let step = Step::of(&request);
        HttpConnectorFuture::new(async move {
            poll_fn(|_| {
                let mut state = gate.state.lock().unwrap();
                if std::mem::take(&mut state.open) {
                    state.waiting = None;
                    return Poll::Ready(());
                }
                state.waiting = Some(step);
                Poll::Pending
            })
            .await;
            gate.fake.call(request).await
        })
    }
}

impl HttpClient for Gate {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// How it went for a linker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    /// Refused, or to be asked again.
    NotDone,
}

/// A linker under way.
struct Runner {
    gate: Arc<Mutex<GateState>>,
    future: Pin<Box<dyn Future<Output = Ended>>>,
    ended: Option<Ended>,
}

impl Runner {
    /// Lets it make the step that it waits for, and runs it up to the next.
    async fn step(&mut self) {
        self.gate.lock().unwrap().open = true;
        self.run().await;
        while self.next() == Some(Step::Aside) {
            self.gate.lock().unwrap().open = true;
            self.run().await;
        }
    }

    /// Runs it up to its next step.
    async fn run(&mut self) {
        let Self { gate, future, .. } = self;
        self.ended = poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending if gate.lock().unwrap().waiting.is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    fn next(&self) -> Option<Step> {
        let waiting = self.gate.lock().unwrap().waiting;
        waiting.filter(|_| self.ended.is_none())
    }
}

/// A path through a tree of choices, and the way to the next one.
#[derive(Default)]
struct Choices {
    /// What was chosen, and of how many.
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, of: usize) -> usize {
        if self.at == self.taken.len() {
            self.taken.push((0, of));
        }
        let (chosen, known) = self.taken[self.at];
        assert_eq!(known, of, "the same choices lead to the same place");
        self.at += 1;
        chosen
    }

    /// Goes to the next path; false when every one was taken.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.taken.pop() {
            if chosen + 1 < of {
                self.taken.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// Runs linkers to their ends in the order that is chosen.
async fn interleave(runners: &mut [Runner], choices: &mut Choices) -> Vec<Ended> {
    for runner in &mut *runners {
        runner.run().await;
        if runner.next() == Some(Step::Aside) {
            runner.step().await;
        }
    }
    loop {
        let under_way = runners
            .iter()
            .enumerate()
            .filter(|(_, r)| r.ended.is_none());
        let under_way: Vec<usize> = under_way.map(|(n, _)| n).collect();
        if under_way.is_empty() {
            return runners.iter().filter_map(|runner| runner.ended).collect();
        }
        let writer = under_way[choices.choose(under_way.len())];
        for reader in under_way.into_iter().filter(|reader| *reader != writer) {
            let reader = &mut runners[reader];
            while reader.next() == Some(Step::Read) && choices.choose(2) == 1 {
                reader.step().await;
            }
        }
        let writer = &mut runners[writer];
        while writer.next() == Some(Step::Read) {
            writer.step().await;
        }
        if writer.next() == Some(Step::Write) {
            writer.step().await;
        }
    }
}

/// What somebody sets out to do, by the places of accounts and licenses.
#[derive(Debug, Clone, Copy)]
enum Intent {
    Link(usize, usize),
    Unlink(usize),
    Annual(usize),
    Transfer(usize, usize),
}

/// Who is linked before, by the places of account and license; and what is done at once.
struct Case {
    linked: &'static [(usize, usize)],
    intents: &'static [Intent],
}

/// The accounts and licenses of a schedule.
struct Scene {
    accounts: Vec<AccountId>,
    licenses: Vec<(LicenseId, SessionSecret)>,
}

impl Scene {
    async fn new(world: &World, case: &Case, number: usize) -> Self {
        let mut scene = Self {
            accounts: Vec::new(),
            licenses: Vec::new(),
        };
        for name in ["north", "south", "west"] {
            let id = format!("{name}-{number}");
            scene.accounts.push(world.account(&id, &["ada"]).await);
        }
        for buyer in ["999988887777", "555566667777"] {
            scene.licenses.push(world.register(buyer).await);
        }
        for (account, license) in case.linked {
            let session = &scene.licenses[*license].1;
            world.link(session, "ada", &scene.accounts[*account]).await;
        }
        scene
    }

    /// Somebody on the way to do what they were shown just now.
    async fn runner(&self, world: &World, intent: Intent) -> Runner {
        let gate = Gate {
            fake: world.aws.in_process(),
            state: Arc::default(),
        };
        let app = world.app_through(gate.clone());
        let ada = world.user("ada");
        let future: Pin<Box<dyn Future<Output = Ended>>> = match intent {
            Intent::Link(account, license) => {
                let session = self.licenses[license].1.clone();
                let account = self.accounts[account].clone();
                let choices = world.app.link_choices(&session, &ada).await.unwrap();
                let choice = choices.accounts.into_iter().find(|c| c.account == account);
                let basis = choice.unwrap().outcome.unwrap().basis;
                Box::pin(
                    async move { ended(app.confirm_link(&session, &ada, &account, &basis).await) },
                )
            }
            Intent::Unlink(account) => {
                let account = self.accounts[account].clone();
                let view = world.app.unlinking(&ada, &account).await.unwrap();
                let basis = view.unwrap().unlink.unwrap().basis;
                Box::pin(async move { ended(app.unlink(&ada, &account, &basis).await) })
            }
            Intent::Annual(account) => {
                let account = self.accounts[account].clone();
                Box::pin(async move {
                    let by = Actor::Product;
                    match app.activate_annual(&account, None, &by).await {
                        Ok(_) => Ended::Done,
                        Err(crate::accounts::AccountError::Refused(_)) => Ended::NotDone,
                        Err(error) => panic!("{error}"),
                    }
                })
            }
            Intent::Transfer(account, license) => {
                let order = SupportOrder::Transfer {
                    license: self.licenses[license].0.clone(),
                    to: self.accounts[account].clone(),
                };
                let sue = SignedIn {
                    support: true,
                    ..world.user("sue")
                };
                let view = world.app.support_order(&sue, &order).await.unwrap();
                let basis = view.outcome.unwrap().basis;
                let grounds = Grounds {
                    reason: Reason::parse("asked for").unwrap(),
                    ticket: Ticket::parse("T-1").unwrap(),
                };
                Box::pin(async move {
                    match app.order_by_support(&sue, &order, &grounds, &basis).await {
                        Ok(_) => Ended::Done,
                        Err(OrderError::Conflict | OrderError::Refused(_)) => Ended::NotDone,
                        Err(error) => panic!("{error}"),
                    }
                })
            }
        };
        Runner {
            gate: gate.state,
            future,
            ended: None,
        }
    }
}

fn ended<T>(result: Result<T, LinkError>) -> Ended {
    match result {
        Ok(_) => Ended::Done,
        Err(LinkError::Conflict | LinkError::Refused(_)) => Ended::NotDone,
        Err(error) => panic!("{error}"),
    }
}

/// Plays every interleaving of a case: license and account stay one to one,
/// somebody gets what they wanted, and each of them can be the one. How many
/// there were.
async fn play(case: &Case) -> usize {
    let mut choices = Choices::default();
    let mut world = World::new().await;
    let mut won = vec![false; case.intents.len()];
    let mut schedules = 0;
    loop {
        if schedules % SCHEDULES_A_WORLD == SCHEDULES_A_WORLD - 1 {
            world = World::new().await;
        }
        let scene = Scene::new(&world, case, schedules).await;
        let mut runners = Vec::new();
        for intent in case.intents {
            runners.push(scene.runner(&world, *intent).await);
        }
        let ended = interleave(&mut runners, &mut choices).await;
        schedules += 1;
        assert!(ended.contains(&Ended::Done), "nobody: {:?}", choices.taken);
        for (won, ended) in won.iter_mut().zip(ended) {
            *won |= ended == Ended::Done;
        }
        let licenses: Vec<LicenseId> = scene.licenses.iter().map(|l| l.0.clone()).collect();
        world.check(&scene.accounts, &licenses).await;
        if !choices.advance() {
            assert!(won.iter().all(|won| *won), "{won:?} in {schedules}");
            return schedules;
        }
    }
}

/// Each case with every two of its linkers, or all three, at once.
async fn play_all(cases: &[Case]) {
    for case in cases {
        let schedules = play(case).await;
        let least = if case.intents.len() == 2 { 5 } else { 100 };
        assert!(schedules >= least, "{:?}: {schedules}", case.intents);
    }
}

#[tokio::test]
async fn two_linkers_leave_license_and_account_one_to_one_in_every_interleaving() {
    use Intent::{Annual, Link, Transfer, Unlink};
    play_all(&[
        Case {
            linked: &[],
            intents: &[Link(0, 0), Link(1, 0)],
        },
        Case {
            linked: &[],
            intents: &[Link(0, 0), Link(0, 1)],
        },
        Case {
            linked: &[],
            intents: &[Link(0, 0), Annual(0)],
        },
        Case {
            linked: &[(0, 0)],
            intents: &[Link(1, 0), Unlink(0)],
        },
        Case {
            linked: &[(0, 0)],
            intents: &[Link(1, 0), Transfer(2, 0)],
        },
        Case {
            linked: &[(0, 0), (1, 1)],
            intents: &[Link(1, 0), Link(0, 1)],
        },
    ])
    .await;
}

#[tokio::test]
async fn three_linkers_of_one_license_leave_it_with_one_account_in_every_interleaving() {
    use Intent::Link;
    play_all(&[Case {
        linked: &[],
        intents: &[Link(0, 0), Link(1, 0), Link(2, 0)],
    }])
    .await;
}

#[tokio::test]
async fn a_relink_a_payer_change_and_an_unlink_leave_one_to_one_in_every_interleaving() {
    use Intent::{Link, Unlink};
    play_all(&[Case {
        linked: &[(0, 0)],
        intents: &[Link(1, 0), Link(0, 1), Unlink(0)],
    }])
    .await;
}

#[tokio::test]
async fn support_a_member_and_an_annual_subscription_leave_one_to_one_in_every_interleaving() {
    use Intent::{Annual, Link, Transfer};
    play_all(&[Case {
        linked: &[(0, 0)],
        intents: &[Transfer(1, 0), Link(1, 1), Annual(1)],
    }])
    .await;
}
