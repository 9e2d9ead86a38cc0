//! Galleries against a plain list of what was enrolled.

use crate::dot::Kernel;
use crate::rows::Rows;
use crate::rows::tests::{awkward, ties};
use crate::search::Found;
use crate::serve::config::Limits;
use crate::serve::galleries::Galleries;
use crate::serve::galleries::admission::Enrolled;
use crate::serve::galleries::digest::Digest;
use crate::serve::galleries::gallery::{Description, Gallery, Lifetime};
use crate::serve::galleries::removal::Removed;
use crate::serve::galleries::snapshot::Snapshot;
use crate::serve::refusal::Refusal;
use crate::serve::store::recovery::{self, Recovery};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const NEVER: Lifetime = Lifetime::Ephemeral { idle: Duration::MAX };

fn kernel() -> Kernel {
    Kernel::choose(None).unwrap()
}

fn opened(directory: Option<&Path>) -> (Galleries, Recovery) {
    recovery::open(directory, &Limits::default(), kernel(), 1).unwrap()
}

/// What a gallery should hold: number, id and row of each template, in order of enrolment.
#[derive(Default, Clone)]
struct Model {
    templates: Vec<(u64, String, Vec<f32>)>,
    next: u64,
}

impl Model {
    fn row_of(&self, id: &str) -> Option<&Vec<f32>> {
        self.templates.iter().find(|template| template.1 == id).map(|template| &template.2)
    }

    /// `None` if the batch is refused.
    fn enrol(&mut self, ids: &[String], rows: &[&[f32]]) -> Option<Enrolled> {
        if ids.iter().zip(rows).any(|(id, row)| self.row_of(id).is_some_and(|known| known != row)) {
            return None;
        }
        let before = self.templates.len();
        for (id, row) in ids.iter().zip(rows) {
            if self.row_of(id).is_none() {
                self.templates.push((self.next, id.clone(), row.to_vec()));
                self.next += 1;
            }
        }
        let added = (self.templates.len() - before) as u64;
        Some(Enrolled { added, present: ids.len() as u64 - added })
    }

    fn remove(&mut self, ids: &[String]) -> Removed {
        let before = self.templates.len();
        self.templates.retain(|template| !ids.contains(&template.1));
        let removed = (before - self.templates.len()) as u64;
        Removed { removed, absent: ids.len() as u64 - removed }
    }

    fn digest(&self) -> [u8; 32] {
        let digests = self.templates.iter().map(|(_, id, row)| Digest::of(id, row));
        digests.fold(Digest::default(), |sum, digest| sum + digest).to_bytes()
    }

    fn search(&self, probes: Rows<'_>, k: usize, floors: &[f32]) -> Found {
        let scalar = Kernel::choose(Some("scalar")).unwrap();
        let mut found = Found { scores: vec![], rows: vec![], at_or_above: vec![] };
        for (i, &floor) in floors.iter().enumerate() {
            let mut hits: Vec<(f32, i64)> = self
                .templates
                .iter()
                .map(|(number, _, row)| (scalar.score(probes.row(i), row), *number as i64))
                .collect();
            found.at_or_above.push(hits.iter().filter(|hit| hit.0 >= floor).count() as u64);
            hits.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
            hits.resize(hits.len().max(k), (f32::NEG_INFINITY, -1));
            found.scores.extend(hits[..k].iter().map(|hit| hit.0));
            found.rows.extend(hits[..k].iter().map(|hit| hit.1));
        }
        found
    }

    /// Everything that a snapshot answers is what this says.
    fn check(&self, snapshot: &Snapshot, pool: &[f32], kernel: Kernel) {
        let d = snapshot.dimension();
        assert_eq!(snapshot.len(), self.templates.len());
        for (number, id, row) in &self.templates {
            assert_eq!(snapshot.number_of(id), Some(*number));
            assert_eq!((snapshot.id_of(*number), snapshot.row_of(*number)), (Some(id.as_str()), Some(&row[..])));
        }
        let known = |number: &u64| self.templates.iter().any(|template| template.0 == *number);
        for number in (0..self.next + 2).filter(|number| !known(number)) {
            assert_eq!((snapshot.id_of(number), snapshot.row_of(number)), (None, None));
        }
        let whole = snapshot.whole().unwrap();
        let rows: Vec<f32> = self.templates.iter().flat_map(|template| template.2.clone()).collect();
        assert_eq!(whole.rows().block(0..self.templates.len()), rows);
        let probes = Rows::new(&pool[..3 * d], 3, d).unwrap();
        for k in [0, 1, 4, self.templates.len() + 2] {
            let floors: Vec<f32> =
                (0..3).map(|i| kernel.score(probes.row(i), &pool[(4 + i) * d..(5 + i) * d])).collect();
            let found = snapshot.search(probes, k, Some(&floors), kernel, 1, &mut || false).unwrap();
            assert_eq!(found, self.search(probes, k, &floors), "k = {k}, {}", kernel.name());
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Numbers of ids; whether one of them comes with other components.
    Enrol(Vec<usize>, bool),
    Remove(Vec<usize>),
    Compact,
    Reopen,
}

/// Rows that templates are made of.
const POOL: usize = 40;

fn step() -> impl Strategy<Value = Step> {
    let many = (0usize..300, 1usize..300).prop_map(|(start, n)| (start..start + n).collect::<Vec<_>>());
    let few = prop::collection::btree_set(0usize..60, 1..6).prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
    let ids = prop_oneof![4 => few, 1 => many];
    prop_oneof![
        8 => (ids.clone(), prop::bool::weighted(0.1)).prop_map(|(ids, is_other)| Step::Enrol(ids, is_other)),
        4 => ids.prop_map(Step::Remove),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn named(ids: &[usize]) -> Vec<String> {
    ids.iter().map(|id| format!("t{id}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn galleries_are_what_was_enrolled_and_not_removed(
        steps in prop::collection::vec(step(), 1..24), d in 1usize..20, seed: u64, is_awkward: bool, which: usize,
    ) {
        let kernels = Kernel::available();
        let kernel = kernels[which % kernels.len()];
        let pool = if is_awkward { awkward(POOL, d, seed) } else { ties(POOL, d, seed) };
        let directory = tempfile::tempdir().unwrap();
        let open = || recovery::open(Some(directory.path()), &Limits::default(), kernel, 1).unwrap();
        let mut galleries = open().0;
        let mut gallery = galleries.create("g", d, Lifetime::Kept).unwrap();
        let (mut model, mut version) = (Model::default(), 0);
        for step in steps {
            match step {
                Step::Enrol(ids, is_other) => {
                    let row = |(at, &id): (usize, &usize)| {
                        let place = (id + usize::from(is_other && at == 0)) % POOL;
                        &pool[place * d..(place + 1) * d]
                    };
                    let rows: Vec<&[f32]> = ids.iter().enumerate().map(row).collect();
                    let ids = named(&ids);
                    let expected = model.enrol(&ids, &rows);
                    let got = gallery.enrol(ids, rows.concat());
                    match expected {
                        Some(expected) => {
                            version += u64::from(expected.added > 0);
                            prop_assert_eq!(got, Ok(expected));
                        }
                        None => prop_assert!(matches!(got, Err(Refusal::AlreadyExists(_))), "{:?}", got),
                    }
                }
                Step::Remove(ids) => {
                    let ids = named(&ids);
                    let expected = model.remove(&ids);
                    version += u64::from(expected.removed > 0);
                    prop_assert_eq!(gallery.remove(&ids), Ok(expected));
                }
                Step::Compact => {
                    while gallery.compact() {}
                    prop_assert_eq!(gallery.describe().memory_bytes, galleries.memory_bytes());
                }
                Step::Reopen => {
                    drop(galleries);
                    let recovery;
                    (galleries, recovery) = open();
                    let rows = model.templates.len() as u64;
                    prop_assert_eq!(recovery, Recovery { was_repaired: false, galleries: 1, rows });
                    gallery = galleries.get("g").unwrap();
                }
            }
            model.check(&gallery.snapshot(), &pool, kernel);
            let description = gallery.describe();
            prop_assert_eq!(description.version, version);
            prop_assert_eq!(description.content_digest, model.digest());
        }
    }
}

fn many(gallery: &Gallery, first: usize, n: usize) -> Result<Enrolled, Refusal> {
    let ids: Vec<usize> = (first..first + n).collect();
    gallery.enrol(named(&ids), ids.iter().flat_map(|&id| ties(1, gallery.dimension(), id as u64)).collect())
}

#[test]
fn a_search_sees_whole_batches_while_others_enrol_and_segments_merge() {
    let (galleries, _) = opened(None);
    let gallery = galleries.create("g", 4, NEVER).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..2 {
            let gallery = &gallery;
            scope.spawn(move || {
                for batch in 0..100 {
                    many(gallery, writer * 10_000 + batch * 7, 7).unwrap();
                }
            });
        }
        let reader = scope.spawn(|| {
            let probe = ties(1, 4, 3);
            let probe = Rows::new(&probe, 1, 4).unwrap();
            let mut before = 0;
            while !is_done.load(Ordering::Relaxed) {
                let snapshot = gallery.snapshot();
                let n = snapshot.len();
                assert!(n % 7 == 0 && n >= before);
                let found = snapshot.search(probe, n + 1, None, kernel(), 1, &mut || false).unwrap();
                let mut rows: Vec<i64> = found.rows;
                rows.sort_unstable();
                assert_eq!(rows, (-1..n as i64).collect::<Vec<_>>());
                before = n;
            }
        });
        while gallery.snapshot().len() < 1400 && !reader.is_finished() {
            thread::yield_now();
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(gallery.describe().n_templates, 1400);
}

#[test]
fn what_eight_threads_enrol_at_once_is_all_durable() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(Some(directory.path()));
    let shared = galleries.create("shared", 3, Lifetime::Kept).unwrap();
    thread::scope(|scope| {
        for writer in 0..8 {
            let (galleries, shared) = (&galleries, &shared);
            scope.spawn(move || {
                let own = galleries.create(&format!("own-{writer}"), 3, Lifetime::Kept).unwrap();
                for batch in 0..6 {
                    assert_eq!(many(shared, writer * 1000 + batch * 5, 5), Ok(Enrolled { added: 5, present: 0 }));
                    assert_eq!(many(&own, batch * 5, 5), Ok(Enrolled { added: 5, present: 0 }));
                }
                assert_eq!(shared.remove(&named(&[writer * 1000])), Ok(Removed { removed: 1, absent: 0 }));
            });
        }
    });
    // Removed templates take memory until their segment is rewritten.
    let described = |galleries: &Galleries| -> Vec<Description> {
        galleries.list().iter().map(|it| Description { memory_bytes: 0, ..it.describe() }).collect()
    };
    let before = described(&galleries);
    drop(galleries);
    let (galleries, recovery) = opened(Some(directory.path()));
    assert_eq!(recovery, Recovery { was_repaired: false, galleries: 9, rows: 8 * 29 + 8 * 30 });
    assert_eq!(described(&galleries), before);
}

#[test]
fn thousands_of_removals_leave_one_rewritten_segment() {
    let (galleries, _) = opened(None);
    let gallery = galleries.create("g", 2, NEVER).unwrap();
    many(&gallery, 0, 20_000).unwrap();
    let before = galleries.memory_bytes();
    let ids: Vec<usize> = (0..20_000).filter(|id| id % 4 != 0).collect();
    for ids in ids.chunks(3000) {
        let n = ids.len() as u64;
        assert_eq!(gallery.remove(&named(ids)), Ok(Removed { removed: n, absent: 0 }));
    }
    while gallery.compact() {}
    assert_eq!(gallery.snapshot().whole().unwrap().rows().len(), 5000);
    assert!(galleries.memory_bytes() * 4 < before + before / 10);
    let rest: Vec<usize> = (0..20_000).step_by(4).collect();
    gallery.remove(&named(&rest)).unwrap();
    assert_eq!((galleries.memory_bytes(), gallery.snapshot().len()), (0, 0));
    assert_eq!(many(&gallery, 1, 1), Ok(Enrolled { added: 1, present: 0 }));
    assert_eq!(gallery.snapshot().number_of("t1"), Some(20_000));
}

#[test]
fn an_ephemeral_gallery_leaves_nothing_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(Some(directory.path()));
    let gallery = galleries.create("passing", 2, NEVER).unwrap();
    gallery.enrol(vec!["somebody".into()], vec![0.6, 0.8]).unwrap();
    assert!(gallery.describe().is_ephemeral);
    drop((gallery, galleries));
    for entry in fs::read_dir(directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!["passing", "somebody"].iter().any(|text| bytes.windows(text.len()).any(|at| at == text.as_bytes())));
    }
    assert_eq!(opened(Some(directory.path())).1, Recovery::default());
}

#[test]
fn an_ephemeral_gallery_that_nobody_uses_is_dropped() {
    let (galleries, _) = opened(None);
    let idle = Lifetime::Ephemeral { idle: Duration::ZERO };
    let held = galleries.create("held", 2, idle).unwrap();
    drop(galleries.create("idle", 2, idle).unwrap());
    drop(galleries.create("fresh", 2, NEVER).unwrap());
    drop(galleries.create("kept", 2, Lifetime::Kept).unwrap());
    many(&held, 0, 1).unwrap();
    assert_eq!(galleries.drop_idle(), 1);
    let names: Vec<String> = galleries.list().iter().map(|it| it.name().into()).collect();
    assert_eq!(names, ["fresh", "held", "kept"]);
    drop(held);
    assert_eq!((galleries.drop_idle(), galleries.memory_bytes()), (1, 0));
}

#[test]
fn a_dropped_gallery_is_gone_and_its_snapshots_can_be_searched() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(Some(directory.path()));
    let gallery = galleries.create("g", 2, Lifetime::Kept).unwrap();
    many(&gallery, 0, 10).unwrap();
    let snapshot = gallery.snapshot();
    assert_eq!(galleries.drop("g", |_| Ok(())).unwrap().describe().n_templates, 10);
    let gone = Refusal::NotFound("no gallery is named 'g'".into());
    assert_eq!(galleries.get("g").err(), Some(gone.clone()));
    assert_eq!(galleries.drop("g", |_| Ok(())).err(), Some(gone.clone()));
    assert_eq!(many(&gallery, 10, 1), Err(gone.clone()));
    assert_eq!(gallery.remove(&named(&[1])), Err(gone));
    assert!(!gallery.compact());
    assert_eq!((snapshot.len(), galleries.memory_bytes()), (10, 0));
    let again = galleries.create("g", 3, Lifetime::Kept).unwrap();
    assert_eq!(many(&again, 0, 2), Ok(Enrolled { added: 2, present: 0 }));
    drop(galleries);
    let (galleries, recovery) = opened(Some(directory.path()));
    assert_eq!(recovery, Recovery { was_repaired: false, galleries: 1, rows: 2 });
    assert_eq!(galleries.get("g").unwrap().dimension(), 3);
}

#[test]
fn limits_of_galleries_and_memory_are_said() {
    let limits = Limits { galleries: 2, memory_bytes: 2000, ..Limits::default() };
    let (galleries, _) = recovery::open(None, &limits, kernel(), 1).unwrap();
    let gallery = galleries.create("a", 4, NEVER).unwrap();
    galleries.create("b", 4, NEVER).unwrap();
    assert!(
        matches!(galleries.create("c", 4, NEVER).err(), Some(Refusal::Full(text)) if text.contains("limits.galleries"))
    );
    many(&gallery, 0, 5).unwrap();
    let before = galleries.memory_bytes();
    assert!(matches!(many(&gallery, 5, 50).err(), Some(Refusal::Full(text)) if text.contains("limits.memory_bytes")));
    assert_eq!((galleries.memory_bytes(), gallery.snapshot().len()), (before, 5));
    assert_eq!(many(&gallery, 0, 5), Ok(Enrolled { added: 0, present: 5 }));
}

#[test]
fn templates_on_disk_that_memory_does_not_hold_refuse_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let (galleries, _) = opened(Some(directory.path()));
    many(&galleries.create("g", 4, Lifetime::Kept).unwrap(), 0, 50).unwrap();
    drop(galleries);
    let limits = Limits { memory_bytes: 2000, ..Limits::default() };
    let answer = recovery::open(Some(directory.path()), &limits, kernel(), 1).err();
    assert!(matches!(answer, Some(Refusal::Full(text)) if text.contains("limits.memory_bytes")));
    assert_eq!(opened(Some(directory.path())).1.rows, 50);
}

#[test]
fn names_dimensions_and_ids_are_checked_without_repeating_ids() {
    let (galleries, _) = opened(None);
    let field = |refusal: Option<Refusal>| match refusal {
        Some(Refusal::Invalid { field, message }) => (field, message),
        other => panic!("{other:?}"),
    };
    for name in ["", ".a", "A", "a b", "é", &"a".repeat(65)] {
        assert_eq!(field(galleries.create(name, 1, NEVER).err()).0, "name", "{name}");
    }
    for dimension in [0, 65_537] {
        assert_eq!(field(galleries.create("a", dimension, NEVER).err()).0, "dimension");
    }
    let gallery = galleries.create(&"a".repeat(64), 1, NEVER).unwrap();
    assert!(matches!(galleries.create(gallery.name(), 1, NEVER).err(), Some(Refusal::AlreadyExists(_))));
    for (ids, expected) in [
        (["secret", "secret"], "template_ids[1] is the same as template_ids[0], expected each once"),
        (["secret", ""], "template_ids[1] has 0 bytes, expected 1 to 256"),
        (["secret", &"s".repeat(257)], "template_ids[1] has 257 bytes, expected 1 to 256"),
    ] {
        let answer = gallery.enrol(ids.map(String::from).into(), vec![1.0; 2]);
        assert_eq!(field(answer.err()), ("template_ids", expected.into()));
    }
    assert_eq!(gallery.enrol(vec!["s".repeat(256)], vec![1.0]), Ok(Enrolled { added: 1, present: 0 }));
    assert_eq!(gallery.enrol(vec![], vec![]), Ok(Enrolled { added: 0, present: 0 }));
    gallery.enrol(vec!["secret".into()], vec![1.0]).unwrap();
    let answer = gallery.enrol(vec!["other".into(), "secret".into()], vec![1.0, -1.0]);
    let is_said = |text: &str| text.contains("template_ids[1]") && !text.contains("secret");
    assert!(matches!(answer, Err(Refusal::AlreadyExists(text)) if is_said(&text)));
    assert_eq!(gallery.snapshot().len(), 2);
    assert!(matches!(gallery.enrol(vec!["nan".into()], vec![f32::NAN]), Err(Refusal::Invalid { .. })));
}

#[test]
fn a_search_that_does_not_fit_the_gallery_is_refused() {
    let (galleries, _) = opened(None);
    let snapshot = galleries.create("g", 2, NEVER).unwrap().snapshot();
    let searched = |unit: &[f32], d: usize, floors: &[f32]| {
        let probes = Rows::new(unit, 1, d).unwrap();
        snapshot.search(probes, 1, Some(floors), kernel(), 1, &mut || false)
    };
    assert!(searched(&[1.0], 1, &[0.0]).is_err());
    assert!(searched(&[1.0, 0.0], 2, &[]).is_err());
    let nothing = Found { scores: vec![f32::NEG_INFINITY], rows: vec![-1], at_or_above: vec![0] };
    assert_eq!(searched(&[1.0, 0.0], 2, &[0.0]), Ok(nothing));
}
