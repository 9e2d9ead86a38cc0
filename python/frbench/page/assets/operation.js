// What rates come to in a day of use: report/operation.py in the page. A range is { value, low, high }, or nulls.

const times = (range, factor) => eachOf(range, (x) => x * factor);
const others = ({ value, low, high }) => eachOf({ value, low: high, high: low }, (x) => 1 - x);

function eachOf({ value, low, high }, change) {
  const kept = (x) => (x === null ? null : change(x));
  return { value: kept(value), low: kept(low), high: kept(high) };
}

/** right / (right + wrong); null where an end is not known or nothing is accepted. */
function precision(right, wrong) {
  const share = (r, w) => (r === null || w === null || r + w === 0 ? null : r / (r + w));
  return {
    value: share(right.value, wrong.value),
    low: share(right.low, wrong.high),
    high: share(right.high, wrong.low),
  };
}

/** FPIR in a gallery so many times as large: bounds, unless it is the same. */
function sizedAlarms(fpir, factor) {
  if (factor === 1) return fpir;
  if (fpir.low === null) return { value: null, low: null, high: null };
  return { value: null, low: fpir.low * Math.min(1, factor), high: Math.min(1, fpir.high * Math.max(1, factor)) };
}

/** FNIR in a gallery so many times as large: one bound, unless it is the same. */
function sizedMisses(fnir, factor) {
  if (factor === 1) return fnir;
  return factor < 1 ? { value: null, low: 0, high: fnir.high } : { value: null, low: fnir.low, high: 1 };
}

/** False acceptances a day and precision, of the two rates of one row. */
function dayOf(run, setting, wrong, missed) {
  const searchesOf = setting.searches * setting.enrolled;
  if (run.gallery === null) {
    const compared = (1 - setting.enrolled) * setting.gallery + setting.enrolled * (setting.gallery - 1);
    const wrongly = times(wrong, setting.searches * compared);
    return { wrongly, precision: precision(times(others(missed), searchesOf), wrongly) };
  }
  const factor = setting.gallery / run.gallery;
  const wrongly = times(sizedAlarms(wrong, factor), setting.searches * (1 - setting.enrolled));
  return { wrongly, precision: precision(times(others(sizedMisses(missed, factor)), searchesOf), wrongly) };
}
