//! What a generator of load must not hide, against a real server with scripted delays.

use super::scripted::Scripted;
use super::*;
use std::sync::Mutex;

const MS: u64 = 1_000_000;

fn target(address: impl ToString) -> Target {
    Target { address: address.to_string(), tls: None, metadata: vec![], connections: 2 }
}

fn calls(n: usize) -> Calls {
    Calls {
        path: "/frbench.v1.SearchService/Search".into(),
        messages: vec!["a probe".into(), "another".into()],
        order: (0..n).map(|request| request as u32 % 2).collect(),
        timeout: Duration::from_secs(20),
    }
}

fn every(step_ns: u64, n: usize) -> Pace {
    Pace::Open { scheduled_ns: (0..n as u64).map(|i| i * step_ns).collect(), in_flight: 1000 }
}

fn run_at(server: &Scripted, calls: Calls, pace: &Pace) -> Answers {
    run(&target(server.address), calls, pace, &mut || false).expect("answers")
}

/// A server that stands still for `stall`, once, for all that arrive meanwhile.
fn stalling(begin: usize, stall: Duration) -> Scripted {
    let until: Mutex<Option<Instant>> = Mutex::new(None);
    Scripted::start(move |call| {
        let mut until = crate::work::locked(&until);
        if call == begin {
            *until = Some(Instant::now() + stall);
        }
        (until.map_or(Duration::ZERO, |end| end.saturating_duration_since(Instant::now())), 0)
    })
}

#[test]
fn every_request_of_an_open_loop_is_sent_once_and_answered() {
    let server = Scripted::start(|_| (Duration::ZERO, 0));
    let answers = run_at(&server, calls(500), &every(MS / 5, 500));
    assert_eq!((server.calls(), answers.status.len()), (500, 500));
    assert!(answers.status.iter().all(|&status| status == 0));
    let ordered = answers.sent_ns.iter().zip(&answers.done_ns).enumerate();
    assert!(ordered.into_iter().all(|(i, (&sent, &done))| i as u64 * MS / 5 <= sent && sent <= done));
}

#[test]
fn a_stall_delays_all_that_were_scheduled_during_it() {
    // One request a millisecond; from number 100 on nothing is answered for 200 ms.
    let server = stalling(100, Duration::from_millis(200));
    let answers = run_at(&server, calls(600), &every(MS, 600));
    let late = (0..600).filter(|&i| answers.done_ns[i] - i as u64 * MS > 20 * MS).count();
    assert!(late >= 170, "{late} of about 180");
}

#[test]
fn a_closed_loop_hides_the_same_stall() {
    // What an open loop shows 180 times is seen by one request here: the reason for the open loop.
    let server = stalling(100, Duration::from_millis(200));
    let pace = Pace::Closed { in_flight: 1, until: Duration::from_secs(20) };
    let answers = run_at(&server, calls(300), &pace);
    let waited = |i: usize| answers.done_ns[i] - answers.sent_ns[i];
    assert!(waited(100) > 150 * MS);
    assert!((101..300).all(|i| answers.sent_ns[i] >= answers.done_ns[100]));
}

#[test]
fn statuses_are_kept_by_request() {
    let server = Scripted::start(|call| (Duration::ZERO, if call % 3 == 0 { 8 } else { 0 }));
    let pace = Pace::Closed { in_flight: 1, until: Duration::from_secs(20) };
    let answers = run_at(&server, calls(30), &pace);
    assert_eq!(answers.status, (0..30).map(|i| if i % 3 == 0 { 8 } else { 0 }).collect::<Vec<_>>());
}

#[test]
fn a_request_without_an_answer_ends_at_its_deadline() {
    let server = Scripted::start(|_| (Duration::from_secs(60), 0));
    let calls = Calls { timeout: Duration::from_millis(100), ..calls(5) };
    let answers = run_at(&server, calls, &every(MS, 5));
    assert_eq!(answers.status, [4; 5]);
    assert!(answers.done_ns.iter().enumerate().all(|(i, &done)| done >= i as u64 * MS + 99 * MS));
}

#[test]
fn what_finds_no_room_before_its_deadline_is_not_sent() {
    let server = Scripted::start(|_| (Duration::from_secs(60), 0));
    let calls = Calls { timeout: Duration::from_millis(100), ..calls(3) };
    let pace = Pace::Open { scheduled_ns: vec![0, 1, 2], in_flight: 1 };
    let answers = run_at(&server, calls, &pace);
    assert_eq!(answers.status[0], 4);
    assert_eq!((&answers.status[1..], &answers.sent_ns[1..]), (&[-1, -1][..], &[0, 0][..]));
    assert_eq!(server.calls(), 1);
}

#[test]
fn a_closed_loop_ends_with_its_time_and_says_what_was_not_sent() {
    let server = Scripted::start(|_| (Duration::from_millis(10), 0));
    let pace = Pace::Closed { in_flight: 2, until: Duration::from_millis(100) };
    let answers = run_at(&server, calls(1000), &pace);
    let n_sent = answers.status.iter().filter(|&&status| status == 0).count();
    assert!((2..=24).contains(&n_sent), "{n_sent}");
    assert!(answers.status[n_sent..].iter().all(|&status| status == -1));
}

#[test]
fn no_server_is_one_sentence() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port");
    let failure = run(&target(free), calls(1), &every(MS, 1), &mut || false).expect_err("nobody listens");
    let Failure::Unreachable(text) = failure else { panic!("{failure}") };
    assert!(text.starts_with(&format!("cannot connect to {free}: ")), "{text}");
}

#[test]
fn a_request_to_stop_is_heard_while_nothing_is_answered() {
    let server = Scripted::start(|_| (Duration::from_secs(60), 0));
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        asked > 3
    };
    let failure = run(&target(server.address), calls(10), &every(MS, 10), &mut stop);
    assert_eq!(failure, Err(Failure::Stopped));
}

#[test]
fn contradictions_are_refused_before_anything_is_sent() {
    let nowhere = target("127.0.0.1:1");
    let refused = |calls: Calls, pace: &Pace| match run(&nowhere, calls, pace, &mut || false) {
        Err(Failure::Value(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(calls(2), &every(MS, 3)), "3 moments for 2 requests");
    assert_eq!(
        refused(Calls { order: vec![0, 2], ..calls(2) }, &every(MS, 2)),
        "request of message 2, expected one of 2"
    );
    let backward = Pace::Open { scheduled_ns: vec![2, 1], in_flight: 1 };
    assert_eq!(refused(calls(2), &backward), "moments of requests must increase");
    let none = Pace::Closed { in_flight: 0, until: Duration::from_secs(1) };
    assert_eq!(refused(calls(2), &none), "0 requests in flight, expected at least 1");
}

#[test]
fn a_secret_never_stands_in_a_message() {
    let target = Target { metadata: vec![("authorization".into(), "Bearer hush\n".into())], ..target("127.0.0.1:1") };
    let text = target.metadata().expect_err("a line break in a header").to_string();
    assert!(text.contains("authorization") && !text.contains("hush"), "{text}");
}
