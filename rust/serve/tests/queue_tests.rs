//! Facts of the lanes, on real galleries.

use crate::dot::Kernel;
use crate::rows::tests::{awkward, ties};
use crate::serve::config::Limits;
use crate::serve::galleries::Galleries;
use crate::serve::galleries::gallery::{Gallery, Lifetime};
use crate::serve::queue::{Answer, Ask, Lanes, Listed, Wanted, Way};
use crate::serve::refusal::Refusal;
use crate::serve::store::recovery;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot::Receiver;

const D: usize = 12;

type Answers = Receiver<Result<Answer, Refusal>>;

struct World {
    galleries: Galleries,
    lanes: Lanes,
}

impl World {
    fn new(limits: &Limits) -> Self {
        let kernel = Kernel::choose(None).unwrap();
        let way = Way { kernel, threads: 1, most_candidates: limits.k };
        let galleries = recovery::open(None, limits, kernel, 1).unwrap().0;
        World { galleries, lanes: Lanes::start(way, limits).unwrap() }
    }

    fn gallery(&self, name: &str, unit: Vec<f32>) -> Arc<Gallery> {
        let gallery = self.galleries.create(name, D, Lifetime::Kept).unwrap();
        gallery.enrol((0..unit.len() / D).map(|i| i.to_string()).collect(), unit).unwrap();
        gallery
    }

    fn put(&self, gallery: &Arc<Gallery>, unit: Vec<f32>, wanted: Wanted) -> Answers {
        self.lanes.put(ask(gallery, unit, wanted)).unwrap()
    }
}

fn ask(gallery: &Arc<Gallery>, unit: Vec<f32>, wanted: Wanted) -> Ask {
    Ask { gallery: gallery.clone(), n_probes: unit.len() / D, unit, wanted, deadline: None }
}

fn limits(queued_probes: usize, batch_probes: usize) -> Limits {
    Limits { queued_probes, batch_probes, queue_ms: 60_000, ..Limits::default() }
}

/// What is wanted of each probe, from the scores of all rows by the definition.
fn by_definition(rows: &[f32], probes: &[f32], wanted: &Wanted) -> Vec<Listed> {
    let kernel = Kernel::choose(None).unwrap();
    let each = |(i, probe): (usize, &[f32])| {
        let mut scored: Vec<(f32, u64)> =
            rows.chunks_exact(D).zip(0..).map(|(row, number)| (kernel.score(probe, row), number)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let reaching = |least: f64| scored.iter().filter(|&&(score, _)| f64::from(score) >= least).count();
        let (n, counted) = match wanted {
            Wanted::Best(k) => (*k, None),
            Wanted::BestAbove(k, least) => ((*k).min(reaching(*least)), Some(reaching(*least))),
            Wanted::Above(least) => (reaching(*least), Some(reaching(*least))),
            Wanted::Counted(k, floors) => (*k, Some(reaching(floors[i].into()))),
        };
        let (scores, rows) = scored.iter().take(n).copied().unzip();
        Listed { scores, rows, at_or_above: counted.map(|n| n as u64) }
    };
    probes.chunks_exact(D).enumerate().map(|(i, probe)| each((i, probe))).collect()
}

/// A floor, often one that everything reaches or nothing.
fn floor() -> impl Strategy<Value = f32> {
    prop_oneof![-1.0f32..1.0, Just(f32::INFINITY), Just(f32::NEG_INFINITY)]
}

/// A number of probes, and what is wanted of them.
fn asked() -> impl Strategy<Value = (usize, Wanted)> {
    (1usize..30).prop_flat_map(|n| {
        let wanted = prop_oneof![
            (1usize..90).prop_map(Wanted::Best),
            (1usize..90, -1.0f64..1.0).prop_map(|(k, least)| Wanted::BestAbove(k, least)),
            (-1.0f64..1.0).prop_map(Wanted::Above),
            (0usize..90, prop::collection::vec(floor(), n)).prop_map(|(k, floors)| Wanted::Counted(k, floors)),
        ];
        (Just(n), wanted)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn an_answer_does_not_depend_on_the_company(searches in prop::collection::vec((0usize..2, asked()), 1..24), seed in 0u64..99) {
        let world = World::new(&limits(1 << 20, 64));
        let rows = [awkward(70, D, seed), ties(300, D, seed)];
        let galleries = [world.gallery("a", rows[0].clone()), world.gallery("b", rows[1].clone())];
        let searches: Vec<_> = searches
            .into_iter()
            .zip(seed..)
            .map(|((at, (n, wanted)), seed)| (at, if seed % 2 == 0 { ties(n, D, seed) } else { awkward(n, D, seed) }, wanted))
            .collect();
        let put = |(at, unit, wanted): &(usize, Vec<f32>, Wanted)| world.put(&galleries[*at], unit.clone(), wanted.clone());
        let answers: Vec<Answers> = searches.iter().map(put).collect();
        for ((at, unit, wanted), answer) in searches.iter().zip(answers) {
            let found = answer.blocking_recv().unwrap().unwrap().found;
            prop_assert_eq!(found, by_definition(&rows[*at], unit, wanted), "{:?}", wanted);
        }
        prop_assert_eq!(world.lanes.queued(), 0);
    }
}

#[test]
fn searches_that_wait_share_a_scan_and_others_do_not() {
    let world = World::new(&limits(1 << 20, 40));
    let (a, b) = (world.gallery("a", awkward(9000, D, 1)), world.gallery("b", awkward(10, D, 2)));
    let put = |gallery, i| world.put(gallery, awkward(16, D, i), Wanted::Best(3));
    let answers: Vec<_> = (0..60).map(|i| put(if i % 2 == 0 { &a } else { &b }, i)).collect();
    let batches: Vec<usize> = answers.into_iter().map(|a| a.blocking_recv().unwrap().unwrap().batch_probes).collect();
    // Two of sixteen probes have room beside each other, a third has not.
    assert!(batches.iter().all(|&probes| probes == 16 || probes == 32), "{batches:?}");
    assert!(batches.contains(&32), "{batches:?}");
}

#[test]
fn few_probes_never_wait_for_many() {
    let world = World::new(&limits(1024, 256));
    let gallery = world.gallery("a", awkward(6000, D, 1));
    let mut many = world.put(&gallery, awkward(8000, D, 3), Wanted::Best(900));
    for i in 0..20 {
        assert!(world.put(&gallery, awkward(1, D, i), Wanted::Best(1)).blocking_recv().unwrap().is_ok());
    }
    assert!(many.try_recv().is_err());
    assert_eq!(many.blocking_recv().unwrap().unwrap().found.len(), 8000);
}

#[test]
fn a_full_lane_refuses_at_once_and_takes_more_when_it_has_room() {
    let world = World::new(&limits(20, 16));
    let gallery = world.gallery("a", awkward(30_000, D, 1));
    let (mut kept, mut refused) = (Vec::new(), 0);
    for i in 0..200 {
        match world.lanes.put(ask(&gallery, awkward(7, D, i), Wanted::Best(100))) {
            Ok(answer) => kept.push(answer),
            Err(Refusal::Busy { message, retry }) => {
                assert!(message.contains("the limit is 20") && retry > Duration::ZERO, "{message} {retry:?}");
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
        assert!(world.lanes.queued() <= 20);
    }
    assert!(refused > 0);
    for answer in kept {
        assert!(answer.blocking_recv().unwrap().is_ok());
    }
    assert!(world.put(&gallery, awkward(7, D, 5), Wanted::Best(1)).blocking_recv().unwrap().is_ok());
}

#[test]
fn where_scans_are_slow_no_more_than_a_batch_may_wait() {
    let world = World::new(&Limits { queue_ms: 0, ..limits(1024, 8) });
    let gallery = world.gallery("a", awkward(20_000, D, 1));
    let put = |i| world.lanes.put(ask(&gallery, awkward(4, D, i), Wanted::Best(100)));
    assert!(put(0).unwrap().blocking_recv().unwrap().is_ok());
    let answers: Vec<_> = (0..20).map(put).collect();
    assert!(answers.iter().filter(|answer| answer.is_ok()).count() >= 2);
    assert!(
        answers
            .iter()
            .any(|answer| matches!(answer, Err(Refusal::Busy { message, .. }) if message.contains("limit is 8")))
    );
}

#[test]
fn a_search_larger_than_the_room_may_wait_alone() {
    let world = World::new(&limits(4, 4));
    let gallery = world.gallery("a", awkward(20, D, 1));
    assert_eq!(world.put(&gallery, awkward(9, D, 1), Wanted::Best(2)).blocking_recv().unwrap().unwrap().found.len(), 9);
}

#[test]
fn who_is_late_is_refused_and_who_has_gone_is_forgotten() {
    let world = World::new(&limits(1024, 16));
    let gallery = world.gallery("a", awkward(30_000, D, 1));
    let busy = world.put(&gallery, awkward(16, D, 1), Wanted::Best(500));
    let late = Ask { deadline: Some(Instant::now()), ..ask(&gallery, awkward(1, D, 2), Wanted::Best(1)) };
    let late = world.lanes.put(late).unwrap();
    drop(world.put(&gallery, awkward(16, D, 3), Wanted::Best(500)));
    let after = world.put(&gallery, awkward(1, D, 4), Wanted::Best(1));
    assert!(busy.blocking_recv().unwrap().is_ok());
    assert_eq!(late.blocking_recv().unwrap().err(), Some(Refusal::TooLate));
    assert_eq!(after.blocking_recv().unwrap().unwrap().batch_probes, 1);
    assert_eq!(world.lanes.queued(), 0);
}

#[test]
fn a_scan_that_nobody_waits_for_is_given_up() {
    let world = World::new(&Limits::default());
    let gallery = world.gallery("a", awkward(6000, D, 1));
    // Each of these would take minutes.
    let long = ties(400_000, D, 3);
    drop(world.put(&gallery, long.clone(), Wanted::Best(900)));
    drop(world.put(&gallery, long, Wanted::Best(900)));
    assert!(world.put(&gallery, awkward(20, D, 1), Wanted::Best(1)).blocking_recv().unwrap().is_ok());
}

#[test]
fn closing_answers_those_that_wait_and_refuses_others() {
    let world = World::new(&Limits::default());
    let gallery = world.gallery("a", awkward(5000, D, 1));
    let answers: Vec<_> = (0..9).map(|i| world.put(&gallery, awkward(16, D, i), Wanted::Best(9))).collect();
    world.lanes.close();
    assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().is_ok()));
    let refused = world.lanes.put(ask(&gallery, awkward(1, D, 1), Wanted::Best(1))).err();
    assert_eq!(refused, Some(Refusal::Stopping));
}

#[test]
fn all_above_a_threshold_are_refused_beyond_the_limit() {
    let world = World::new(&Limits { k: 80, ..Limits::default() });
    let gallery = world.gallery("a", awkward(90, D, 1));
    let all = world.put(&gallery, awkward(1, D, 1), Wanted::Above(-1.0)).blocking_recv().unwrap().err();
    let text = "90 templates reach the threshold, the limit of candidates is 80";
    assert_eq!(all, Some(Refusal::Full(text.into())));
}
