//! Sweep service: tiles in, counts out.

use crate::axis::{self, Axis};
use crate::count::{self, Rectangle};
use crate::serve::galleries::whole::Whole;
use crate::serve::handlers::incoming::numbers;
use crate::serve::handlers::serving::{Asked, Serving};
use crate::serve::proto::sweep_service_server::SweepService;
use crate::serve::proto::{Cells, CountTilesRequest, CountTilesResponse, FindTailRequest, FindTailResponse, Tile};
use crate::serve::refusal::Refusal;
use crate::tail::{self, Hit, Wanted};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Bytes of counts in one response.
const PART_BYTES: usize = 1 << 20;
/// Pairs of a tail in one response.
const PART_PAIRS: usize = 1 << 15;
/// Responses that wait for the network.
const AHEAD: usize = 8;
/// Most cells, and most bytes of counts of one tile.
const MOST_CELLS: u32 = 1 << 20;
const MOST_BYTES: usize = 2 << 30;

pub struct Sweeps(pub Arc<Serving>);

type Answers<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl SweepService for Sweeps {
    type CountTilesStream = Answers<CountTilesResponse>;
    type FindTailStream = Answers<FindTailResponse>;

    async fn count_tiles(
        &self,
        request: Request<CountTilesRequest>,
    ) -> Result<Response<Self::CountTilesStream>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        let sides = self.sides(&asked, &request.probes, &request.gallery, &request.tiles, request.cells)?;
        let axis = checked_axis(&request.edges)?;
        affordable(sides.n_cells, axis.bins())?;
        Ok(self.stream(&asked, move |serving, out| {
            for (i, tile) in request.tiles.iter().enumerate() {
                out.counts(&request.plan, i, sides.count(serving, tile, &axis, out)?)?;
            }
            Ok(())
        }))
    }

    async fn find_tail(&self, request: Request<FindTailRequest>) -> Result<Response<Self::FindTailStream>, Status> {
        let asked = Asked::of(&request)?;
        let request = request.into_inner();
        let sides = self.sides(&asked, &request.probes, &request.gallery, &request.tiles, request.cells)?;
        let floors = checked_floors(&request.floors, sides.n_cells)?;
        let n = usize::try_from(request.n).unwrap_or(usize::MAX);
        for (field, subjects) in
            [("probe_subjects", &request.probe_subjects), ("gallery_subjects", &request.gallery_subjects)]
        {
            if subjects.len() != request.tiles.len() {
                let message =
                    format!("holds {} entries, expected one for each of {} tiles", subjects.len(), request.tiles.len());
                return Err(Refusal::invalid(field, message).into());
            }
        }
        Ok(self.stream(&asked, move |serving, out| {
            let subjects = request.probe_subjects.iter().zip(&request.gallery_subjects);
            for ((i, tile), subjects) in request.tiles.iter().enumerate().zip(subjects) {
                out.hits(&request.plan, i, &sides.tail(serving, tile, (n, &floors), subjects, out)?)?;
            }
            Ok(())
        }))
    }
}

impl Sweeps {
    /// Both galleries and the table of cells of a request.
    fn sides(
        &self,
        asked: &Asked,
        probes: &str,
        gallery: &str,
        tiles: &[Tile],
        cells: Option<Cells>,
    ) -> Result<Sides, Refusal> {
        asked.facts.set(|fact| {
            fact.gallery = Some(gallery.to_owned());
            fact.rows = Some(tiles.iter().map(|tile| tile.probe_end.saturating_sub(tile.probe_begin)).sum());
            fact.is_streaming = true;
        });
        if tiles.is_empty() {
            return Err(Refusal::invalid("tiles", "is empty, expected at least one"));
        }
        let gallery_rows = self.0.galleries.get(gallery)?.snapshot().whole()?;
        let probe_rows =
            if probes == gallery { gallery_rows.clone() } else { self.0.galleries.get(probes)?.snapshot().whole()? };
        let cells = cells.ok_or_else(|| Refusal::invalid("cells", "is missing"))?;
        if cells.n_cells == 0 || cells.n_cells > MOST_CELLS || cells.n_gallery_groups == 0 {
            let message = format!("n_cells is {}, expected 1 to {MOST_CELLS}, and a gallery group", cells.n_cells);
            return Err(Refusal::invalid("cells", message));
        }
        Ok(Sides {
            probes: probe_rows,
            gallery: gallery_rows,
            cells: numbers(&cells.cells, "cells.cells", u32::from_le_bytes)?,
            n_gallery_groups: cells.n_gallery_groups as usize,
            n_cells: cells.n_cells as usize,
        })
    }

    /// What `work` sends, done on a thread of its own when there is room for one more sweep.
    fn stream<T: Send + 'static>(
        &self,
        asked: &Asked,
        work: impl FnOnce(&Serving, &Out<T>) -> Result<(), Refusal> + Send + 'static,
    ) -> Response<Answers<T>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (serving, deadline) = (self.0.clone(), asked.deadline);
        tokio::spawn(async move {
            let Ok(turn) = serving.sweeps.clone().acquire_owned().await else { return };
            let done = tokio::task::spawn_blocking(move || {
                let out = Out { sender, deadline };
                if let Err(refusal) = work(&serving, &out) {
                    // Nobody listens if the caller has gone.
                    let _ = out.sender.blocking_send(Err(refusal.into()));
                }
                drop(turn);
            });
            // A panic drops the sender without an end, which the caller sees.
            let _ = done.await;
        });
        Response::new(ReceiverStream::new(receiver))
    }
}

/// Where answers of a sweep go.
struct Out<T> {
    sender: Sender<Result<T, Status>>,
    deadline: Option<Instant>,
}

impl<T> Out<T> {
    fn is_over(&self) -> bool {
        self.sender.is_closed() || self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn send(&self, response: T) -> Result<(), Refusal> {
        self.sender.blocking_send(Ok(response)).map_err(|_| Refusal::Cancelled)
    }

    /// Why work ended early.
    fn why(&self, refusal: Refusal) -> Refusal {
        match refusal {
            Refusal::Cancelled if !self.sender.is_closed() => Refusal::TooLate,
            other => other,
        }
    }
}

impl Out<CountTilesResponse> {
    fn counts(&self, plan: &str, tile: usize, counted: count::Counted) -> Result<(), Refusal> {
        let each = PART_BYTES / size_of::<u64>();
        let n_parts = counted.counts.len().div_ceil(each);
        for (i, part) in counted.counts.chunks(each).enumerate() {
            let is_last = i + 1 == n_parts;
            self.send(CountTilesResponse {
                plan: plan.into(),
                tile: tile as u32,
                offset: (i * each) as u64,
                counts: little_endian(part, |count| count.to_le_bytes()),
                is_last,
                strategy: if is_last { counted.strategy.name().into() } else { String::new() },
                settled: if is_last { counted.settled } else { 0 },
            })?;
        }
        Ok(())
    }
}

impl Out<FindTailResponse> {
    fn hits(&self, plan: &str, tile: usize, found: &[Vec<Hit>]) -> Result<(), Refusal> {
        let pairs: Vec<(u32, Hit)> =
            found.iter().enumerate().flat_map(|(cell, hits)| hits.iter().map(move |&hit| (cell as u32, hit))).collect();
        let n_parts = pairs.len().div_ceil(PART_PAIRS).max(1);
        for i in 0..n_parts {
            let part = &pairs[i * PART_PAIRS..((i + 1) * PART_PAIRS).min(pairs.len())];
            self.send(FindTailResponse {
                plan: plan.into(),
                tile: tile as u32,
                cells: little_endian(part, |pair| pair.0.to_le_bytes()),
                scores: little_endian(part, |pair| pair.1.score.to_le_bytes()),
                probe_places: little_endian(part, |pair| (pair.1.probe as u64).to_le_bytes()),
                gallery_places: little_endian(part, |pair| (pair.1.row as u64).to_le_bytes()),
                is_last: i + 1 == n_parts,
            })?;
        }
        Ok(())
    }
}

/// What tiles are cut from.
struct Sides {
    probes: Arc<Whole>,
    gallery: Arc<Whole>,
    cells: Vec<u32>,
    n_gallery_groups: usize,
    n_cells: usize,
}

/// A tile with its groups spread over all rows.
struct Spread {
    probe_range: Range<usize>,
    gallery_range: Range<usize>,
    probe_groups: Vec<u32>,
    gallery_groups: Vec<u32>,
}

impl Sides {
    fn count<T>(&self, serving: &Serving, tile: &Tile, axis: &Axis, out: &Out<T>) -> Result<count::Counted, Refusal> {
        let spread = self.spread(tile)?;
        let at = self.rectangle(tile, &spread);
        let mut stop = || out.is_over();
        let counted = count::count(&at, &*self.gallery, axis, serving.kernel, serving.threads, &mut stop);
        counted.map_err(|error| out.why(error.into()))
    }

    fn tail<T>(
        &self,
        serving: &Serving,
        tile: &Tile,
        (n, floors): (usize, &[f32]),
        (probe_subjects, gallery_subjects): (&Bytes, &Bytes),
        out: &Out<T>,
    ) -> Result<Vec<Vec<Hit>>, Refusal> {
        let spread = self.spread(tile)?;
        let wanted = Wanted {
            at: self.rectangle(tile, &spread),
            n,
            floors,
            probe_subjects: &placed(probe_subjects, "probe_subjects", &spread.probe_range, self.probes.rows().len())?,
            gallery_subjects: &placed(
                gallery_subjects,
                "gallery_subjects",
                &spread.gallery_range,
                self.gallery.rows().len(),
            )?,
        };
        let mut stop = || out.is_over();
        let found = tail::tail(&wanted, &*self.gallery, serving.kernel, serving.threads, &mut stop);
        found.map_err(|error| out.why(error.into()))
    }

    fn spread(&self, tile: &Tile) -> Result<Spread, Refusal> {
        let probe_range = range(tile.probe_begin, tile.probe_end, "tiles.probe_end", self.probes.rows().len())?;
        let gallery_range =
            range(tile.gallery_begin, tile.gallery_end, "tiles.gallery_end", self.gallery.rows().len())?;
        Ok(Spread {
            probe_groups: placed(&tile.probe_groups, "tiles.probe_groups", &probe_range, self.probes.rows().len())?,
            gallery_groups: placed(
                &tile.gallery_groups,
                "tiles.gallery_groups",
                &gallery_range,
                self.gallery.rows().len(),
            )?,
            probe_range,
            gallery_range,
        })
    }

    fn rectangle<'a>(&'a self, tile: &Tile, spread: &'a Spread) -> Rectangle<'a> {
        Rectangle {
            probes: self.probes.rows(),
            gallery: self.gallery.rows(),
            probe_range: spread.probe_range.clone(),
            gallery_range: spread.gallery_range.clone(),
            upper: tile.upper,
            probe_groups: &spread.probe_groups,
            gallery_groups: &spread.gallery_groups,
            cells: &self.cells,
            n_gallery_groups: self.n_gallery_groups,
            n_cells: self.n_cells,
        }
    }
}

fn range(begin: u64, end: u64, field: &'static str, n: usize) -> Result<Range<usize>, Refusal> {
    if begin > end || end > n as u64 {
        return Err(Refusal::invalid(field, format!("the range is {begin} to {end}, of {n} templates")));
    }
    Ok(begin as usize..end as usize)
}

/// Numbers of the rows of `range`, at their places among `n`; zero elsewhere.
fn placed(bytes: &[u8], field: &'static str, range: &Range<usize>, n: usize) -> Result<Vec<u32>, Refusal> {
    let given = numbers(bytes, field, u32::from_le_bytes)?;
    if given.len() != range.len() {
        let (got, expected) = (given.len(), range.len());
        return Err(Refusal::invalid(field, format!("holds {got} numbers, expected {expected}, one for each row")));
    }
    let mut all = vec![0; n];
    all[range.clone()].copy_from_slice(&given);
    Ok(all)
}

fn checked_axis(bytes: &[u8]) -> Result<Axis, Refusal> {
    let edges = numbers(bytes, "edges", f64::from_le_bytes)?;
    Axis::new(&edges).map_err(|error| Refusal::invalid("edges", error.to_string()))
}

fn affordable(n_cells: usize, bins: usize) -> Result<(), Refusal> {
    match n_cells.checked_mul(bins).and_then(|n| n.checked_mul(size_of::<u64>())) {
        Some(bytes) if bytes <= MOST_BYTES => Ok(()),
        _ => Err(Refusal::Full(format!("{n_cells} cells of {bins} bins are more than {MOST_BYTES} bytes of counts"))),
    }
}

fn checked_floors(bytes: &[u8], n_cells: usize) -> Result<Vec<f32>, Refusal> {
    let floors = numbers(bytes, "floors", f64::from_le_bytes)?;
    if floors.len() != n_cells || floors.iter().any(|floor| floor.is_nan()) {
        let got = floors.len();
        return Err(Refusal::invalid("floors", format!("holds {got} numbers, expected {n_cells}, none of them NaN")));
    }
    Ok(floors.into_iter().map(axis::ceil_f32).collect())
}

fn little_endian<T, const N: usize>(numbers: &[T], bytes: impl Fn(&T) -> [u8; N]) -> Bytes {
    numbers.iter().flat_map(bytes).collect::<Vec<u8>>().into()
}
