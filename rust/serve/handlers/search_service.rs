//! Search service: exact searches through the lanes, and comparisons.

use crate::serve::config::Scope;
use crate::serve::galleries::snapshot::Snapshot;
use crate::serve::handlers::incoming::{numbers, unit_rows};
use crate::serve::handlers::serving::{Asked, Serving};
use crate::serve::proto::search_service_server::SearchService;
use crate::serve::proto::{Candidates, CompareRequest, CompareResponse, SearchRequest, SearchResponse, Timing, side};
use crate::serve::queue::{Answer, Ask, Wanted};
use crate::serve::refusal::Refusal;
use std::sync::Arc;
use tokio::time::timeout_at;
use tonic::{Request, Response, Status};

/// Components from which on normalising rows is worth telling the runtime.
const MANY_COMPONENTS: usize = 1 << 16;

pub struct Searches(pub Arc<Serving>);

#[tonic::async_trait]
impl SearchService for Searches {
    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        let asked = Asked::of(&request)?;
        Ok(Response::new(self.found(&asked, request.into_inner()).await?))
    }

    async fn compare(&self, request: Request<CompareRequest>) -> Result<Response<CompareResponse>, Status> {
        let asked = Asked::of(&request)?;
        Ok(Response::new(self.compared(&asked, request.into_inner())?))
    }
}

impl Searches {
    async fn found(&self, asked: &Asked, request: SearchRequest) -> Result<SearchResponse, Refusal> {
        let limits = &self.0.config.limits;
        asked.facts.set(|fact| {
            fact.gallery = Some(request.gallery.clone());
            fact.k = Some(request.k);
            fact.threshold = request.threshold;
        });
        asked.keep_case(request.case_reference, self.0.config.audit.requires_case_reference)?;
        let gallery = self.0.galleries.get(&request.gallery)?;
        let many = request.probes.as_ref().is_some_and(|probes| probes.data.len() > MANY_COMPONENTS);
        let dimension = gallery.dimension();
        let rows = relieved(many, || unit_rows(request.probes, "probes", Some(dimension), limits.probes))?;
        asked.facts.set(|fact| fact.rows = Some(rows.n as u64));
        let floors = numbers(&request.floors, "floors", f32::from_le_bytes)?;
        let wanted = wanted(request.k, limits.k, request.threshold, floors, rows.n)?;
        let ask = Ask { gallery, unit: rows.unit, n_probes: rows.n, wanted, deadline: asked.deadline };
        let answer = self.answer(ask).await?;
        asked.facts.set(|fact| {
            fact.candidates = Some(answer.found.iter().map(|listed| listed.rows.len() as u64).sum());
            (fact.queue_ns, fact.scan_ns) = (answer.queue_ns, answer.scan_ns);
            fact.batch_probes = answer.batch_probes as u32;
        });
        Ok(response(answer, self.0.kernel.name(), request.rows_only))
    }

    /// What a lane answers, or a refusal when the deadline comes first.
    async fn answer(&self, ask: Ask) -> Result<Answer, Refusal> {
        let deadline = ask.deadline;
        let answer = self.0.lanes.put(ask)?;
        let answered = match deadline {
            Some(deadline) => timeout_at(deadline.into(), answer).await.map_err(|_| Refusal::TooLate)?,
            None => answer.await,
        };
        answered.map_err(|_| Refusal::Internal("the search ended without an answer".into()))?
    }

    fn compared(&self, asked: &Asked, request: CompareRequest) -> Result<CompareResponse, Refusal> {
        asked.keep_case(request.case_reference, self.0.config.audit.requires_case_reference)?;
        let (a, b) = (request.a.and_then(|side| side.side), request.b.and_then(|side| side.side));
        if !matches!((&a, &b), (Some(side::Side::Rows(_)), Some(side::Side::Rows(_)))) {
            asked.require(Scope::Search)?;
        }
        let snapshot = if request.gallery.is_empty() {
            None
        } else {
            asked.facts.set(|fact| fact.gallery = Some(request.gallery.clone()));
            Some(self.0.galleries.get(&request.gallery)?.snapshot())
        };
        relieved(true, || {
            let a = Resolved::of(a, "a", snapshot.as_deref(), self.0.config.limits.message_bytes)?;
            let b = Resolved::of(b, "b", snapshot.as_deref(), self.0.config.limits.message_bytes)?;
            if a.len() != b.len() || a.dimension != b.dimension {
                let message =
                    format!("has {} of dimension {}, a has {} of {}", b.len(), b.dimension, a.len(), a.dimension);
                return Err(Refusal::invalid("b", message));
            }
            asked.facts.set(|fact| fact.rows = Some(a.len() as u64));
            let scores = (0..a.len()).map(|i| self.0.kernel.score(a.row(i), b.row(i))).collect();
            Ok(CompareResponse { scores })
        })
    }
}

/// Runs `work` here; other calls of this thread go elsewhere meanwhile if it is long.
fn relieved<T>(is_long: bool, work: impl FnOnce() -> T) -> T {
    if is_long { tokio::task::block_in_place(work) } else { work() }
}

fn wanted(k: u32, most: usize, threshold: Option<f64>, floors: Vec<f32>, n_probes: usize) -> Result<Wanted, Refusal> {
    let k = k as usize;
    if k > most {
        return Err(Refusal::invalid("k", format!("is {k}, the limit is {most}")));
    }
    if let Some(threshold) = threshold {
        if !(-1.0..=1.0).contains(&threshold) {
            return Err(Refusal::invalid("threshold", format!("is {threshold}, expected -1 to 1")));
        }
        if !floors.is_empty() {
            return Err(Refusal::invalid("floors", "are given beside a threshold, expected one of them"));
        }
        return Ok(if k == 0 { Wanted::Above(threshold) } else { Wanted::BestAbove(k, threshold) });
    }
    if !floors.is_empty() {
        if floors.len() != n_probes {
            let n = floors.len();
            return Err(Refusal::invalid(
                "floors",
                format!("holds {n} numbers, expected {n_probes}, one for each probe"),
            ));
        }
        if floors.iter().any(|floor| floor.is_nan()) {
            return Err(Refusal::invalid("floors", "holds NaN, expected numbers"));
        }
        return Ok(Wanted::Counted(k, floors));
    }
    if k == 0 {
        return Err(Refusal::invalid("k", "is 0, expected at least 1, or a threshold"));
    }
    Ok(Wanted::Best(k))
}

fn response(answer: Answer, kernel: &str, rows_only: bool) -> SearchResponse {
    let timing = Timing {
        queue_ns: answer.queue_ns,
        scan_ns: answer.scan_ns,
        batch_probes: answer.batch_probes as u32,
        kernel: kernel.into(),
        gallery_version: answer.snapshot.version,
    };
    let id = |&row: &u64| answer.snapshot.id_of(row).unwrap_or_default().to_owned();
    let candidates = answer.found.into_iter().map(|listed| Candidates {
        template_ids: if rows_only { Vec::new() } else { listed.rows.iter().map(id).collect() },
        scores: listed.scores,
        rows: listed.rows,
        at_or_above: listed.at_or_above,
    });
    SearchResponse { candidates: candidates.collect(), timing: Some(timing) }
}

/// The rows of one side: those of the message, or enrolled ones.
enum Place<'a> {
    Sent(Vec<f32>),
    Enrolled(Vec<&'a [f32]>),
}

struct Resolved<'a> {
    place: Place<'a>,
    dimension: usize,
}

impl<'a> Resolved<'a> {
    fn of(
        side: Option<side::Side>,
        field: &'static str,
        snapshot: Option<&'a Snapshot>,
        most: usize,
    ) -> Result<Self, Refusal> {
        let enrolled =
            || snapshot.ok_or_else(|| Refusal::invalid("gallery", "is missing, it says where enrolled ones are"));
        match side {
            None => Err(Refusal::invalid(field, "is missing, expected templates, ids or rows")),
            Some(side::Side::Templates(templates)) => {
                let dimension = templates.dimension as usize;
                let rows = unit_rows(Some(templates), field, snapshot.map(Snapshot::dimension), most)?;
                Ok(Resolved { place: Place::Sent(rows.unit), dimension })
            }
            Some(side::Side::Ids(ids)) => {
                let snapshot = enrolled()?;
                let row = |id: &String| snapshot.number_of(id).and_then(|number| snapshot.row_of(number));
                Resolved::enrolled(snapshot, ids.template_ids.iter().map(row), field)
            }
            Some(side::Side::Rows(rows)) => {
                let snapshot = enrolled()?;
                let rows = numbers(&rows, field, u64::from_le_bytes)?;
                Resolved::enrolled(snapshot, rows.iter().map(|&row| snapshot.row_of(row)), field)
            }
        }
    }

    fn enrolled(
        snapshot: &Snapshot,
        rows: impl Iterator<Item = Option<&'a [f32]>>,
        field: &'static str,
    ) -> Result<Self, Refusal> {
        let absent = |i: usize| Refusal::NotFound(format!("{field}: number {i} is not enrolled"));
        let rows: Vec<_> = rows.enumerate().map(|(i, row)| row.ok_or_else(|| absent(i))).collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Err(Refusal::invalid(field, "is empty, expected at least one"));
        }
        Ok(Resolved { place: Place::Enrolled(rows), dimension: snapshot.dimension() })
    }

    fn len(&self) -> usize {
        match &self.place {
            Place::Sent(unit) => unit.len() / self.dimension,
            Place::Enrolled(rows) => rows.len(),
        }
    }

    fn row(&self, i: usize) -> &[f32] {
        match &self.place {
            Place::Sent(unit) => &unit[i * self.dimension..(i + 1) * self.dimension],
            Place::Enrolled(rows) => rows[i],
        }
    }
}
