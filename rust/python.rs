//! The compiled module `frbench._rust`: arrays in, arrays out, the interpreter released in between.

use crate::axis::Axis;
use crate::count::{self, Rectangle};
use crate::dot::{self, Kernel};
use crate::error::Error;
use crate::rows::{self, Component, Rows};
use crate::search;
use crate::work;
use half::f16;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use std::sync::Mutex;

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
    rows: Rows,
    kernel: Kernel,
}

#[pymethods]
impl PyRows {
    #[new]
    #[pyo3(signature = (unit, isa=None))]
    fn new(py: Python<'_>, unit: PyReadonlyArray2<'_, f32>, isa: Option<&str>) -> PyResult<Self> {
        let kernel = chosen(isa)?;
        let (n, d) = (unit.shape()[0], unit.shape()[1]);
        let floats = contiguous(&unit)?;
        let rows = py.detach(|| Rows::new(floats, n, d))?;
        Ok(PyRows { rows, kernel })
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    #[getter]
    fn dimension(&self) -> usize {
        self.rows.dimension()
    }

    #[getter]
    fn isa(&self) -> &'static str {
        self.kernel.name()
    }

    #[pyo3(signature = (gallery, axis, *, probe_range, gallery_range, upper, probe_groups, gallery_groups, cells, n_cells, threads))]
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
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray2<u64>>> {
        let at = Rectangle {
            probes: &self.rows,
            gallery: &gallery.rows,
            probe_range: probe_range.0..probe_range.1,
            gallery_range: gallery_range.0..gallery_range.1,
            upper,
            probe_groups: contiguous1(&probe_groups)?,
            gallery_groups: contiguous1(&gallery_groups)?,
            n_gallery_groups: cells.shape()[1],
            cells: contiguous(&cells)?,
            n_cells,
        };
        let counts = released(py, |stop| count::count(&at, &axis.0, self.kernel, threads, stop))?;
        counts.into_pyarray(py).reshape([n_cells, axis.0.bins()])
    }

    #[pyo3(signature = (probes, k, *, floors=None, threads))]
    #[allow(clippy::type_complexity, reason = "three arrays")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        probes: &PyRows,
        k: usize,
        floors: Option<PyReadonlyArray1<'py, f32>>,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<i64>>, Bound<'py, PyArray1<u64>>)> {
        let floors = floors.as_ref().map(contiguous1).transpose()?;
        let found =
            released(py, |stop| search::search(&self.rows, &probes.rows, k, floors, self.kernel, threads, stop))?;
        let shape = [probes.rows.len(), k];
        Ok((
            found.scores.into_pyarray(py).reshape(shape)?,
            found.rows.into_pyarray(py).reshape(shape)?,
            found.at_or_above.into_pyarray(py),
        ))
    }

    /// Scores of rows `mine[i]` of this and `theirs[i]` of `other`.
    #[pyo3(signature = (other, mine, theirs, *, threads=0))]
    fn score_pairs<'py>(
        &self,
        py: Python<'py>,
        other: &PyRows,
        mine: PyReadonlyArray1<'py, i64>,
        theirs: PyReadonlyArray1<'py, i64>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let (mine, theirs) = (contiguous1(&mine)?, contiguous1(&theirs)?);
        let inside = |rows: &[i64], n: usize| rows.iter().all(|&i| usize::try_from(i).is_ok_and(|i| i < n));
        if mine.len() != theirs.len()
            || self.rows.dimension() != other.rows.dimension()
            || !inside(mine, self.rows.len())
            || !inside(theirs, other.rows.len())
        {
            return Err(PyValueError::new_err("pairs must name rows that exist, of one dimension"));
        }
        let score = |(&i, &j): (&i64, &i64)| self.kernel.score(self.rows.row(i as usize), other.rows.row(j as usize));
        let parts = released(py, |stop| {
            work::in_order(mine.len().div_ceil(UNIT_PAIRS), threads, stop, |unit| -> Vec<f32> {
                let pairs = count::part(&(0..mine.len()), unit, UNIT_PAIRS);
                mine[pairs.clone()].iter().zip(&theirs[pairs]).map(score).collect()
            })
        })?;
        Ok(parts.concat().into_pyarray(py))
    }
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

/// Unit rows of a float16, float32 or float64 matrix, and which rows have a direction.
#[pyfunction]
#[pyo3(signature = (matrix, threads=0))]
#[allow(clippy::type_complexity, reason = "two arrays")]
fn unit_rows<'py>(
    py: Python<'py>,
    matrix: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<bool>>)> {
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f32>>() {
        return normalised(py, &matrix, threads);
    }
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f16>>() {
        return normalised(py, &matrix, threads);
    }
    if let Ok(matrix) = matrix.extract::<PyReadonlyArray2<'py, f64>>() {
        return normalised(py, &matrix, threads);
    }
    Err(PyTypeError::new_err("expected a matrix of float16, float32 or float64"))
}

#[allow(clippy::type_complexity, reason = "two arrays")]
fn normalised<'py, T: Component + Element>(
    py: Python<'py>,
    matrix: &PyReadonlyArray2<'py, T>,
    threads: usize,
) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<bool>>)> {
    const ROWS: usize = 1024;
    let (n, d) = (matrix.shape()[0], matrix.shape()[1]);
    if d == 0 {
        return Err(PyValueError::new_err("rows need at least one component"));
    }
    let templates = contiguous(matrix)?;
    let parts = released(py, |stop| {
        work::in_order(n.div_ceil(ROWS), threads, stop, |unit| {
            let rows = count::part(&(0..n), unit, ROWS);
            let mut unit_rows = vec![0.0f32; rows.len() * d];
            let mut scratch = Vec::with_capacity(d);
            let ok: Vec<bool> = templates[rows.start * d..rows.end * d]
                .chunks_exact(d)
                .zip(unit_rows.chunks_exact_mut(d))
                .map(|(template, row)| rows::normalise(template, row, &mut scratch))
                .collect();
            (unit_rows, ok)
        })
    })?;
    let mut unit = Vec::with_capacity(n * d);
    let mut ok = Vec::with_capacity(n);
    for part in parts {
        unit.extend(part.0);
        ok.extend(part.1);
    }
    Ok((unit.into_pyarray(py).reshape([n, d])?, ok.into_pyarray(py)))
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

/// Most that a screened score of dimension `d` can differ from the score.
#[pyfunction]
fn slack(d: usize) -> f32 {
    dot::slack(d)
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
    m.add_function(wrap_pyfunction!(unit_rows, m)?)?;
    m.add_function(wrap_pyfunction!(kernels, m)?)?;
    m.add_function(wrap_pyfunction!(threads, m)?)?;
    m.add_function(wrap_pyfunction!(slack, m)?)?;
    Ok(())
}
