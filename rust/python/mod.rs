//! The compiled module `frbench._rust`: arrays in, arrays out, the interpreter released in between.

use crate::axis::{self, Axis};
use crate::count::{self, Packed, Rectangle};
use crate::dot::{self, Kernel};
use crate::error::Error;
use crate::load::{self, Calls, Failure, Pace, Target, Tls};
use crate::pack::{Centre, Panels};
use crate::rows::{self, Component, Rows};
use crate::screen::Gallery;
use crate::search;
use crate::tail::{self, Hit, Wanted};
use crate::work;
use half::f16;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2,
    PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyConnectionError, PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

mod server;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Isa(text) => PyRuntimeError::new_err(text),
            Error::Memory(text) => PyMemoryError::new_err(text),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

/// Pairs of one unit of work: some milliseconds, so that a request to stop is heard soon.
const UNIT_PAIRS: usize = 65536;

/// Runs `work` without the interpreter; `work` gets a question to ask now and then: has Ctrl-C been pressed?
fn released<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let interrupt = Mutex::new(None);
    let answer = py.detach(|| {
        work(&mut || {
            let signal = Python::attach(|py| py.check_signals());
            let stop = signal.is_err();
            if let Err(error) = signal {
                *interrupt.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
            }
            stop
        })
    });
    match interrupt.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(signal) => Err(signal),
        None => Ok(answer?),
    }
}

#[pyclass(frozen, name = "Rows", module = "frbench._rust")]
struct PyRows {
    unit: Py<PyArray2<f32>>,
    shape: (usize, usize),
    kernel: Kernel,
    threads: usize,
    centre: OnceLock<Arc<Centre>>,
    panels: Mutex<Option<Arc<Panels>>>,
}

/// Floats of unit rows, borrowed from the array for the length of a call.
type Borrowed<'py> = PyReadonlyArray2<'py, f32>;

impl PyRows {
    fn borrowed<'py>(&self, py: Python<'py>) -> PyResult<Borrowed<'py>> {
        self.unit.bind(py).try_readonly().map_err(|_| PyValueError::new_err("unit rows are being written"))
    }

    /// The rows of an array that `new` has checked.
    fn rows<'a>(&self, unit: &'a Borrowed<'_>) -> PyResult<Rows<'a>> {
        Ok(Rows::checked(contiguous(unit)?, self.shape.0, self.shape.1))
    }

    fn packing<'a>(&'a self, rows: Rows<'a>) -> Packing<'a> {
        Packing { mine: self, rows, panels: OnceLock::new() }
    }
}

/// What a call needs of packed rows: made once for an object, kept for the call.
struct Packing<'a> {
    mine: &'a PyRows,
    rows: Rows<'a>,
    panels: OnceLock<Arc<Panels>>,
}

impl Packed for Packing<'_> {
    fn centre(&self) -> &Arc<Centre> {
        self.mine.centre.get_or_init(|| Arc::new(Centre::of(self.rows)))
    }

    fn panels(&self, stop: &mut dyn FnMut() -> bool) -> Result<&Panels, Error> {
        if let Some(panels) = self.panels.get() {
            return Ok(panels);
        }
        // Another thread's call may wait here while the rows are packed; it then finds them.
        let mut kept = work::locked(&self.mine.panels);
        let panels = match &*kept {
            Some(panels) => panels.clone(),
            None => {
                let centre = self.centre().clone();
                Arc::new(Panels::new(self.rows, centre, self.mine.kernel, self.mine.threads, stop)?)
            }
        };
        *kept = Some(panels.clone());
        Ok(self.panels.get_or_init(|| panels))
    }
}

#[pymethods]
impl PyRows {
    /// Keeps `unit` and makes it read-only: what is packed must stay true of it.
    #[new]
    #[pyo3(signature = (unit, isa=None, threads=0))]
    fn new(py: Python<'_>, unit: Bound<'_, PyArray2<f32>>, isa: Option<&str>, threads: usize) -> PyResult<Self> {
        let kernel = chosen(isa)?;
        let shape = (unit.shape()[0], unit.shape()[1]);
        {
            let borrowed = unit.try_readonly().map_err(|_| PyValueError::new_err("unit rows are being written"))?;
            let floats = contiguous(&borrowed)?;
            py.detach(|| Rows::new(floats, shape.0, shape.1).map(|_| ()))?;
        }
        unit.getattr("flags")?.setattr("writeable", false)?;
        let panels = Mutex::new(None);
        Ok(PyRows { unit: unit.unbind(), shape, kernel, threads, centre: OnceLock::new(), panels })
    }

    /// Packs the rows now rather than when they are first searched; returns the bytes that this takes.
    fn pack(&self, py: Python<'_>) -> PyResult<usize> {
        let unit = self.borrowed(py)?;
        let packing = self.packing(self.rows(&unit)?);
        released(py, |stop| packing.panels(stop).map(Panels::bytes))
    }

    fn __len__(&self) -> usize {
        self.shape.0
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.shape.1
    }

    #[getter]
    fn isa(&self) -> &'static str {
        self.kernel.name()
    }

    #[pyo3(signature = (gallery, axis, *, probe_range, gallery_range, upper, probe_groups, gallery_groups, cells, n_cells))]
    #[allow(clippy::too_many_arguments, reason = "keywords of one call from Python")]
    fn count<'py>(
        &self,
        py: Python<'py>,
        gallery: &PyRows,
        axis: &PyAxis,
        probe_range: (usize, usize),
        gallery_range: (usize, usize),
        upper: bool,
        probe_groups: PyReadonlyArray1<'py, u32>,
        gallery_groups: PyReadonlyArray1<'py, u32>,
        cells: PyReadonlyArray2<'py, u32>,
        n_cells: usize,
    ) -> PyResult<(Bound<'py, PyArray2<u64>>, &'static str, u64)> {
        let (mine, theirs) = (self.borrowed(py)?, gallery.borrowed(py)?);
        let sides = (self.rows(&mine)?, gallery.rows(&theirs)?);
        let groups = (&probe_groups, &gallery_groups);
        let at = rectangle(sides, (probe_range, gallery_range), upper, groups, &cells, n_cells)?;
        let packing = gallery.packing(at.gallery);
        let counted = released(py, |stop| count::count(&at, &packing, &axis.0, gallery.kernel, gallery.threads, stop))?;
        let counts = counted.counts.into_pyarray(py).reshape([n_cells, axis.0.bins()])?;
        Ok((counts, counted.strategy.name(), counted.settled))
    }

    /// Cell, score, row of this and row of `gallery` of the best `n` pairs of each cell, cell after cell, best first.
    #[pyo3(signature = (gallery, n, floors, *, probe_range, gallery_range, upper, probe_groups, gallery_groups, cells, probe_subjects, gallery_subjects))]
    #[allow(clippy::too_many_arguments, reason = "keywords of one call from Python")]
    #[allow(clippy::type_complexity, reason = "four arrays")]
    fn tail<'py>(
        &self,
        py: Python<'py>,
        gallery: &PyRows,
        n: usize,
        floors: PyReadonlyArray1<'py, f64>,
        probe_range: (usize, usize),
        gallery_range: (usize, usize),
        upper: bool,
        probe_groups: PyReadonlyArray1<'py, u32>,
        gallery_groups: PyReadonlyArray1<'py, u32>,
        cells: PyReadonlyArray2<'py, u32>,
        probe_subjects: PyReadonlyArray1<'py, u32>,
        gallery_subjects: PyReadonlyArray1<'py, u32>,
    ) -> PyResult<(
        Bound<'py, PyArray1<i64>>,
        Bound<'py, PyArray1<f32>>,
        Bound<'py, PyArray1<i64>>,
        Bound<'py, PyArray1<i64>>,
    )> {
        let (mine, theirs) = (self.borrowed(py)?, gallery.borrowed(py)?);
        let floors: Vec<f32> = contiguous1(&floors)?.iter().map(|&floor| axis::ceil_f32(floor)).collect();
        let sides = (self.rows(&mine)?, gallery.rows(&theirs)?);
        let groups = (&probe_groups, &gallery_groups);
        let at = rectangle(sides, (probe_range, gallery_range), upper, groups, &cells, floors.len())?;
        let packing = gallery.packing(at.gallery);
        let wanted = Wanted {
            at,
            n,
            floors: &floors,
            probe_subjects: contiguous1(&probe_subjects)?,
            gallery_subjects: contiguous1(&gallery_subjects)?,
        };
        let found = released(py, |stop| tail::tail(&wanted, &packing, gallery.kernel, gallery.threads, stop))?;
        let cells = found.iter().enumerate().flat_map(|(cell, hits)| std::iter::repeat_n(cell as i64, hits.len()));
        let hits: Vec<Hit> = found.iter().flatten().copied().collect();
        Ok((
            cells.collect::<Vec<_>>().into_pyarray(py),
            hits.iter().map(|hit| hit.score).collect::<Vec<_>>().into_pyarray(py),
            hits.iter().map(|hit| hit.probe as i64).collect::<Vec<_>>().into_pyarray(py),
            hits.iter().map(|hit| hit.row as i64).collect::<Vec<_>>().into_pyarray(py),
        ))
    }

    #[pyo3(signature = (probes, k, *, floors=None))]
    #[allow(clippy::type_complexity, reason = "three arrays")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        probes: &PyRows,
        k: usize,
        floors: Option<PyReadonlyArray1<'py, f32>>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<u64>>)> {
        let floors = floors.as_ref().map(contiguous1).transpose()?;
        let (mine, theirs) = (self.borrowed(py)?, probes.borrowed(py)?);
        let (rows, probe_rows) = (self.rows(&mine)?, probes.rows(&theirs)?);
        let packing = self.packing(rows);
        let found = released(py, |stop| {
            let gallery = Gallery { rows, panels: packing.panels(stop)? };
            search::search(gallery, probe_rows, k, floors, self.kernel, self.threads, stop)
        })?;
        let shape = [probes.shape.0, k];
        Ok((
            found.scores.into_pyarray(py).reshape(shape)?,
            found.rows.into_pyarray(py).reshape(shape)?,
            found.at_or_above.into_pyarray(py),
        ))
    }

    /// Scores of rows `mine[i]` of this and `theirs[i]` of `other`.
    fn score_pairs<'py>(
        &self,
        py: Python<'py>,
        other: &PyRows,
        mine: PyReadonlyArray1<'py, i64>,
        theirs: PyReadonlyArray1<'py, i64>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let (my_unit, their_unit) = (self.borrowed(py)?, other.borrowed(py)?);
        let (rows, other_rows) = (self.rows(&my_unit)?, other.rows(&their_unit)?);
        let (mine, theirs) = (contiguous1(&mine)?, contiguous1(&theirs)?);
        let inside = |rows: &[i64], n: usize| rows.iter().all(|&i| usize::try_from(i).is_ok_and(|i| i < n));
        if mine.len() != theirs.len()
            || rows.dimension() != other_rows.dimension()
            || !inside(mine, rows.len())
            || !inside(theirs, other_rows.len())
        {
            return Err(PyValueError::new_err("pairs must name rows that exist, of one dimension"));
        }
        let score = |(&i, &j): (&i64, &i64)| self.kernel.score(rows.row(i as usize), other_rows.row(j as usize));
        let parts = released(py, |stop| {
            work::in_order(mine.len().div_ceil(UNIT_PAIRS), self.threads, stop, |unit| -> Vec<f32> {
                let pairs = work::part(&(0..mine.len()), unit, UNIT_PAIRS);
                mine[pairs.clone()].iter().zip(&theirs[pairs]).map(score).collect()
            })
        })?;
        Ok(parts.concat().into_pyarray(py))
    }
}

type Groups<'py> = PyReadonlyArray1<'py, u32>;

/// What Python says of a rectangle; each pair is of the probes and of the gallery.
fn rectangle<'a>(
    (probes, gallery): (Rows<'a>, Rows<'a>),
    (probe_range, gallery_range): ((usize, usize), (usize, usize)),
    upper: bool,
    (probe_groups, gallery_groups): (&'a Groups<'_>, &'a Groups<'_>),
    cells: &'a PyReadonlyArray2<'_, u32>,
    n_cells: usize,
) -> PyResult<Rectangle<'a>> {
    Ok(Rectangle {
        probes,
        gallery,
        probe_range: probe_range.0..probe_range.1,
        gallery_range: gallery_range.0..gallery_range.1,
        upper,
        probe_groups: contiguous1(probe_groups)?,
        gallery_groups: contiguous1(gallery_groups)?,
        n_gallery_groups: cells.shape()[1],
        cells: contiguous(cells)?,
        n_cells,
    })
}

#[pyclass(frozen, name = "Axis", module = "frbench._rust")]
struct PyAxis(Axis);

#[pymethods]
impl PyAxis {
    #[new]
    fn new(edges: PyReadonlyArray1<'_, f64>) -> PyResult<Self> {
        Ok(PyAxis(Axis::new(contiguous1(&edges)?)?))
    }

    #[getter]
    fn bins(&self) -> usize {
        self.0.bins()
    }
}

/// Writes the unit rows of a float16, float32 or float64 matrix to `out`; returns which rows have a direction.
#[pyfunction]
#[pyo3(signature = (matrix, out, threads=0))]
fn unit_rows<'py>(
    py: Python<'py>,
    matrix: &Bound<'py, PyAny>,
    out: &Bound<'py, PyArray2<f32>>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let mut out = out.try_readwrite().map_err(|_| PyValueError::new_err("expected an array that can be written"))?;
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f32>>() {
        return normalised(py, &matrix, &mut out, threads);
    }
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f16>>() {
        return normalised(py, &matrix, &mut out, threads);
    }
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f64>>() {
        return normalised(py, &matrix, &mut out, threads);
    }
    Err(PyTypeError::new_err("expected a matrix of float16, float32 or float64"))
}

fn normalised<'py, T: Component + Element>(
    py: Python<'py>,
    matrix: &PyReadonlyArray2<'py, T>,
    out: &mut PyReadwriteArray2<'py, f32>,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    const ROWS: usize = 1024;
    let (n, d) = (matrix.shape()[0], matrix.shape()[1]);
    if d == 0 {
        return Err(PyValueError::new_err("rows need at least one component"));
    }
    if out.shape() != matrix.shape() {
        return Err(PyValueError::new_err("expected as many unit rows as templates"));
    }
    let kernel = Kernel::choose(None)?;
    let templates = contiguous(matrix)?;
    let unit = out.as_slice_mut().map_err(|_| PyValueError::new_err("expected a C-contiguous matrix"))?;
    let parts: Vec<_> = unit.chunks_mut(ROWS * d).map(Mutex::new).collect();
    let ok = released(py, |stop| {
        work::in_order(parts.len(), threads, stop, |part| -> Vec<bool> {
            let mut unit = work::locked(&parts[part]);
            let rows = work::part(&(0..n), part, ROWS);
            let templates = templates[rows.start * d..rows.end * d].chunks_exact(d);
            let mut scratch = Vec::with_capacity(d);
            let mut put = |(template, row): (&[T], &mut [f32])| {
                kernel.vectorise(
                    #[inline(always)]
                    || rows::normalise(template, row, &mut scratch),
                )
            };
            templates.zip(unit.chunks_exact_mut(d)).map(&mut put).collect()
        })
    })?;
    Ok(ok.concat().into_pyarray(py))
}

/// Instruction sets of this machine, best first.
#[pyfunction]
fn kernels() -> Vec<&'static str> {
    Kernel::available().iter().map(Kernel::name).collect()
}

/// `wanted` threads, or one for each processor that this process may run on when it is 0.
#[pyfunction]
fn threads(wanted: usize) -> usize {
    work::threads_or_all(wanted)
}

/// What one core does in a second, measured for `seconds` each, with `memory_bytes` to read from end to end.
#[pyfunction]
fn rates(py: Python<'_>, seconds: f64, memory_bytes: usize) -> PyResult<Bound<'_, PyDict>> {
    let measured = released(py, |stop| crate::rates::measure(seconds, memory_bytes, stop))?;
    let kernels = measured.kernels.iter().map(|kernel| {
        let entry = PyDict::new(py);
        entry.set_item("kernel", kernel.name)?;
        entry.set_item("int8_multiply_adds_per_s", kernel.int8_multiply_adds)?;
        entry.set_item("int8_multiply_adds_per_cycle", kernel.per_cycle.0)?;
        entry.set_item("float32_multiply_adds_per_s", kernel.float32_multiply_adds)?;
        entry.set_item("float32_multiply_adds_per_cycle", kernel.per_cycle.1)?;
        entry.set_item("near_scores_per_s", kernel.near)?;
        entry.set_item("scores_per_s", kernel.score)?;
        entry.set_item("scan_bytes_per_s", kernel.scan_bytes)?;
        Ok(entry)
    });
    let found = PyDict::new(py);
    found.set_item("clock_hz", measured.clock_hz)?;
    found.set_item("memory_read_bytes_per_s", measured.read_bytes_per_s)?;
    found.set_item("kernels", kernels.collect::<PyResult<Vec<_>>>()?)?;
    Ok(found)
}

/// Most that a screened score of dimension `d` can differ from the score.
#[pyfunction]
fn slack(d: usize) -> f32 {
    dot::slack(d)
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(text) => PyConnectionError::new_err(text),
            other => PyValueError::new_err(other.to_string()),
        }
    }
}

type Times<'py> = (Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<i32>>);

/// Sends a request for each of `order`, the number of its message: at `scheduled_ns` after the start, or without that
/// the next when one of `in_flight` is answered, until `until_s` is over. Returns when each was sent and done, and its
/// status, -1 for one that was not sent.
#[pyfunction]
#[pyo3(signature = (address, path, messages, order, *, scheduled_ns, until_s, in_flight, timeout_s, connections, metadata, ca, identity))]
#[allow(clippy::too_many_arguments, reason = "keywords of one call from Python")]
fn send_load<'py>(
    py: Python<'py>,
    address: String,
    path: String,
    messages: Vec<Vec<u8>>,
    order: PyReadonlyArray1<'py, u32>,
    scheduled_ns: Option<PyReadonlyArray1<'py, u64>>,
    until_s: f64,
    in_flight: usize,
    timeout_s: f64,
    connections: usize,
    metadata: Vec<(String, String)>,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
) -> PyResult<Times<'py>> {
    let target = Target { address, tls: ca.map(|ca| Tls { ca, identity }), metadata, connections };
    let messages = messages.into_iter().map(Into::into).collect();
    let calls = Calls { path, messages, order: contiguous1(&order)?.to_vec(), timeout: seconds(timeout_s)? };
    let pace = match &scheduled_ns {
        Some(moments) => Pace::Open { scheduled_ns: contiguous1(moments)?.to_vec(), in_flight },
        None => Pace::Closed { in_flight, until: seconds(until_s)? },
    };
    let answers = released(py, |stop| Ok(load::run(&target, calls, &pace, stop)))??;
    Ok((answers.sent_ns.into_pyarray(py), answers.done_ns.into_pyarray(py), answers.status.into_pyarray(py)))
}

/// The percentile text of HdrHistogram, in milliseconds.
#[pyfunction]
fn percentile_text(latencies_ns: PyReadonlyArray1<'_, u64>, unanswered: u64) -> PyResult<String> {
    load::percentiles(contiguous1(&latencies_ns)?, unanswered).map_err(PyValueError::new_err)
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| PyValueError::new_err(format!("{value} is not a time in seconds")))
}

/// `isa`, or what the environment variable FRBENCH_ISA asks for, or the best.
fn chosen(isa: Option<&str>) -> PyResult<Kernel> {
    let wish = std::env::var("FRBENCH_ISA").ok();
    Ok(Kernel::choose(isa.or(wish.as_deref()))?)
}

fn contiguous<'a, T: Element>(array: &'a PyReadonlyArray2<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("expected a C-contiguous matrix"))
}

fn contiguous1<'a, T: Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array.as_slice().map_err(|_| PyValueError::new_err("expected a contiguous array"))
}

#[pymodule]
#[pyo3(name = "_rust")]
fn extension(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyRows>()?;
    m.add_class::<PyAxis>()?;
    m.add_class::<server::PyServer>()?;
    m.add_function(wrap_pyfunction!(unit_rows, m)?)?;
    m.add_function(wrap_pyfunction!(kernels, m)?)?;
    m.add_function(wrap_pyfunction!(threads, m)?)?;
    m.add_function(wrap_pyfunction!(slack, m)?)?;
    m.add_function(wrap_pyfunction!(rates, m)?)?;
    m.add_function(wrap_pyfunction!(send_load, m)?)?;
    m.add_function(wrap_pyfunction!(percentile_text, m)?)?;
    Ok(())
}
