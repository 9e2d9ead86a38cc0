//! The service as a Python object: started, waited for, and stopped.

use crate::serve::server::{self, Failure};
use crate::work;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::sync::Mutex;
use std::time::Duration;

/// A server that runs in threads of its own; they never need the interpreter.
#[pyclass(frozen, name = "Server", module = "frbench._rust")]
pub struct PyServer {
    address: String,
    metrics_address: Option<String>,
    n_galleries: usize,
    server: Mutex<Option<server::Server>>,
    ended: server::Ended,
}

#[pymethods]
impl PyServer {
    /// Starts a server as a JSON object says.
    #[new]
    fn new(py: Python<'_>, configuration: &str) -> PyResult<Self> {
        let server = py.detach(|| server::Server::start(configuration)).map_err(|failure| match failure {
            Failure::Configuration(text) => PyValueError::new_err(text),
            Failure::Start(text) => PyRuntimeError::new_err(text),
        })?;
        Ok(PyServer {
            address: server.address.to_string(),
            metrics_address: server.metrics_address.map(|address| address.to_string()),
            n_galleries: server.n_galleries,
            ended: server.ended(),
            server: Mutex::new(Some(server)),
        })
    }

    #[getter]
    fn address(&self) -> &str {
        &self.address
    }

    #[getter]
    fn metrics_address(&self) -> Option<&str> {
        self.metrics_address.as_deref()
    }

    #[getter]
    fn n_galleries(&self) -> usize {
        self.n_galleries
    }

    /// Begins to stop: no new calls, those in flight are answered.
    fn stop(&self) {
        if let Some(server) = &*work::locked(&self.server) {
            server.stop();
        }
    }

    /// Whether it has ended, after waiting for at most so many seconds.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let most = Duration::try_from_secs_f64(seconds)
            .map_err(|_| PyValueError::new_err(format!("seconds is {seconds}, expected a number from 0 on")))?;
        let has_ended = py.detach(|| self.ended.wait(most));
        if has_ended {
            // The threads have nothing left to do: ending them is quick.
            py.detach(|| drop(work::locked(&self.server).take()));
        }
        Ok(has_ended)
    }
}
