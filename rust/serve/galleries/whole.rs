//! Whole: all templates of a gallery at one moment, one after another.

use crate::count::Packed;
use crate::error::Error;
use crate::pack::{Centre, Panels};
use crate::rows::Rows;
use crate::serve::galleries::segment::{Machine, Part, Segment};
use crate::work;
use std::sync::{Arc, Mutex, OnceLock};

/// Rows that can be found, in order of enrolment, packed when one asks.
pub enum Whole {
    /// A segment of which nothing was removed.
    Kept(Arc<Segment>),
    Copied(Box<Copied>),
}

/// Rows of several segments.
pub struct Copied {
    unit: Vec<f32>,
    n: usize,
    dimension: usize,
    machine: Machine,
    centre: OnceLock<Arc<Centre>>,
    panels: OnceLock<Panels>,
    packing: Mutex<()>,
}

impl Whole {
    pub(super) fn of(parts: &[Part], dimension: usize, machine: Machine) -> Result<Self, Error> {
        match parts {
            [Part { segment, removed: None }] => Ok(Whole::Kept(segment.clone())),
            _ => Ok(Whole::Copied(Box::new(Copied::of(parts, dimension, machine)?))),
        }
    }

    /// Row `i` is the `i`-th template that can be found.
    pub fn rows(&self) -> Rows<'_> {
        match self {
            Whole::Kept(segment) => segment.rows(),
            Whole::Copied(copied) => copied.rows(),
        }
    }
}

impl Packed for Whole {
    fn centre(&self) -> &Arc<Centre> {
        match self {
            Whole::Kept(segment) => segment.centre(),
            Whole::Copied(copied) => copied.centre(),
        }
    }

    fn panels(&self, stop: &mut dyn FnMut() -> bool) -> Result<&Panels, Error> {
        match self {
            Whole::Kept(segment) => Ok(segment.panels()),
            Whole::Copied(copied) => copied.panels(stop),
        }
    }
}

impl Copied {
    fn of(parts: &[Part], dimension: usize, machine: Machine) -> Result<Self, Error> {
        let n: usize = parts.iter().map(Part::n_live).sum();
        let mut unit = Vec::new();
        unit.try_reserve_exact(n * dimension).map_err(|_| {
            Error::Memory(format!("{n} rows of dimension {dimension} are more than there is memory for"))
        })?;
        for part in parts {
            part.live().for_each(|place| unit.extend_from_slice(part.segment.row(place)));
        }
        let (centre, panels, packing) = (OnceLock::new(), OnceLock::new(), Mutex::new(()));
        Ok(Copied { unit, n, dimension, machine, centre, panels, packing })
    }

    fn rows(&self) -> Rows<'_> {
        Rows::checked(&self.unit, self.n, self.dimension)
    }

    fn centre(&self) -> &Arc<Centre> {
        self.centre.get_or_init(|| Arc::new(Centre::of(self.rows())))
    }

    fn panels(&self, stop: &mut dyn FnMut() -> bool) -> Result<&Panels, Error> {
        // Another call may wait here while the rows are packed; it then finds them.
        let _packing = work::locked(&self.packing);
        if let Some(panels) = self.panels.get() {
            return Ok(panels);
        }
        let Machine { kernel, threads } = self.machine;
        let panels = Panels::new(self.rows(), self.centre().clone(), kernel, threads, stop)?;
        Ok(self.panels.get_or_init(|| panels))
    }
}
