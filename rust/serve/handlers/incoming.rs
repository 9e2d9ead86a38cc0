//! Incoming: fields of a request, checked and turned into what the core takes.

use crate::pack::MOST_COMPONENTS;
use crate::rows::{self, Component};
use crate::serve::proto::{ComponentType, Templates};
use crate::serve::refusal::Refusal;
use half::f16;

/// Most that the squared length of a unit row can differ from one: components are rounded to float32.
const UNIT_SLACK: f64 = 2e-6;

/// Unit rows, one after another.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitRows {
    pub unit: Vec<f32>,
    pub n: usize,
}

/// The unit rows of templates, of which there must be 1 to `most`, of `dimension` components if that is known.
pub fn unit_rows(
    templates: Option<Templates>,
    field: &'static str,
    dimension: Option<usize>,
    most: usize,
) -> Result<UnitRows, Refusal> {
    let invalid = |message: String| Refusal::invalid(field, message);
    let templates = templates.ok_or_else(|| invalid("is missing, expected templates".into()))?;
    let d = checked_dimension(templates.dimension, field)?;
    if let Some(expected) = dimension.filter(|&expected| expected != d) {
        return Err(invalid(format!("dimension is {d}, expected {expected}, that of the gallery")));
    }
    let bytes = match templates.component_type() {
        ComponentType::Float32 => 4,
        ComponentType::Float16 => 2,
        ComponentType::Float64 => 8,
        ComponentType::Unspecified => {
            return Err(invalid("component_type is not said, expected float32, float16 or float64".into()));
        }
    };
    let (got, each) = (templates.data.len(), d * bytes);
    let n = got / each;
    if got == 0 || got % each != 0 {
        return Err(invalid(format!("data holds {got} bytes, expected a multiple of {each}, one template")));
    }
    if n > most {
        return Err(invalid(format!("data holds {n} templates, the limit is {most}")));
    }
    if templates.is_unit {
        if bytes != 4 {
            return Err(invalid("is_unit needs component_type float32".into()));
        }
        return Ok(UnitRows { unit: checked_unit(&templates.data, d, field)?, n });
    }
    let unit = match bytes {
        2 => normalised(&templates.data, d, field, f16::from_le_bytes),
        4 => normalised(&templates.data, d, field, f32::from_le_bytes),
        _ => normalised(&templates.data, d, field, f64::from_le_bytes),
    }?;
    Ok(UnitRows { unit, n })
}

/// A dimension that templates can have.
pub fn checked_dimension(dimension: u32, field: &'static str) -> Result<usize, Refusal> {
    let d = dimension as usize;
    if !(1..=MOST_COMPONENTS).contains(&d) {
        return Err(Refusal::invalid(field, format!("dimension is {d}, expected 1 to {MOST_COMPONENTS}")));
    }
    Ok(d)
}

/// Numbers of `N` bytes each, little-endian.
pub fn numbers<T, const N: usize>(
    bytes: &[u8],
    field: &'static str,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Refusal> {
    let (whole, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        let got = bytes.len();
        return Err(Refusal::invalid(field, format!("holds {got} bytes, expected a multiple of {N}")));
    }
    Ok(whole.iter().map(|&number| read(number)).collect())
}

fn normalised<T: Component, const N: usize>(
    bytes: &[u8],
    d: usize,
    field: &'static str,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<f32>, Refusal> {
    let components = numbers(bytes, field, read)?;
    let mut unit = vec![0.0; components.len()];
    let mut scratch = Vec::with_capacity(d);
    for (i, (template, row)) in components.chunks_exact(d).zip(unit.chunks_exact_mut(d)).enumerate() {
        if !rows::normalise(template, row, &mut scratch) {
            let message = format!("template {i} has no direction: it holds NaN, an infinity or only zeros");
            return Err(Refusal::invalid(field, message));
        }
    }
    Ok(unit)
}

fn checked_unit(bytes: &[u8], d: usize, field: &'static str) -> Result<Vec<f32>, Refusal> {
    let unit = numbers(bytes, field, f32::from_le_bytes)?;
    for (i, row) in unit.chunks_exact(d).enumerate() {
        let length: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        if !(length - 1.0).abs().le(&UNIT_SLACK) {
            return Err(Refusal::invalid(field, format!("template {i} is not of length 1, as is_unit says")));
        }
    }
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn templates(dimension: u32, component_type: ComponentType, data: Vec<u8>) -> Option<Templates> {
        Some(Templates { dimension, component_type: component_type.into(), data: data.into(), is_unit: false })
    }

    fn message(templates: Option<Templates>, dimension: Option<usize>, most: usize) -> String {
        match unit_rows(templates, "probes", dimension, most) {
            Err(Refusal::Invalid { field: "probes", message }) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_templates_is_refused_by_field() {
        let one = |bytes: usize| templates(2, ComponentType::Float32, vec![0x3f; bytes]);
        assert_eq!(message(None, None, 9), "is missing, expected templates");
        assert_eq!(message(one(8), Some(3), 9), "dimension is 2, expected 3, that of the gallery");
        assert_eq!(message(one(0), None, 9), "data holds 0 bytes, expected a multiple of 8, one template");
        assert_eq!(message(one(9), None, 9), "data holds 9 bytes, expected a multiple of 8, one template");
        assert_eq!(message(one(24), None, 2), "data holds 3 templates, the limit is 2");
        assert!(message(templates(2, ComponentType::Unspecified, vec![0; 8]), None, 9).contains("component_type"));
        for dimension in [0, 65_537] {
            let text = message(templates(dimension, ComponentType::Float32, vec![0; 8]), None, 9);
            assert_eq!(text, format!("dimension is {dimension}, expected 1 to 65536"));
        }
    }

    #[test]
    fn a_template_without_direction_is_named_by_its_place() {
        let data = [1.0f32, 0.0, f32::NAN, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let text = message(templates(2, ComponentType::Float32, data), None, 9);
        assert_eq!(text, "template 1 has no direction: it holds NaN, an infinity or only zeros");
    }

    proptest! {
        #[test]
        fn every_type_gives_the_rows_of_the_core(row in prop::collection::vec(-8i8..8, 3)) {
            prop_assume!(row.iter().any(|&x| x != 0));
            let wide: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let mut expected = vec![0.0; 3];
            rows::normalise(&wide, &mut expected, &mut Vec::new());
            let of = |kind, data: Vec<u8>| unit_rows(templates(3, kind, data), "probes", None, 1).unwrap().unit;
            let halves = wide.iter().flat_map(|&x| f16::from_f64(x).to_le_bytes()).collect();
            let floats = wide.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
            let doubles = wide.iter().flat_map(|&x| x.to_le_bytes()).collect();
            prop_assert_eq!(&of(ComponentType::Float16, halves), &expected);
            prop_assert_eq!(&of(ComponentType::Float32, floats), &expected);
            prop_assert_eq!(&of(ComponentType::Float64, doubles), &expected);
        }

        #[test]
        fn rows_that_are_unit_come_back_bit_by_bit(row in prop::collection::vec(-9.0f64..9.0, 1..70), off in 1.01f32..3.0) {
            let mut unit = vec![0.0; row.len()];
            prop_assume!(rows::normalise(&row, &mut unit, &mut Vec::new()));
            let sent = |rows: &[f32]| Some(Templates {
                dimension: rows.len() as u32,
                component_type: ComponentType::Float32.into(),
                data: rows.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into(),
                is_unit: true,
            });
            prop_assert_eq!(unit_rows(sent(&unit), "probes", None, 1).unwrap().unit, unit.clone());
            let longer: Vec<f32> = unit.iter().map(|x| x * off).collect();
            prop_assert!(unit_rows(sent(&longer), "probes", None, 1).is_err());
        }
    }
}
