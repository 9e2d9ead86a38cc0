// Arrays of numbers out of text: the other way of report/packing.py.

const WIDTH = 8;

/** Rows of `columns` float64 numbers that were packed into `text`. */
async function unpack(text, columns) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const change = new Uint8Array(await new Response(stream).arrayBuffer());
  const n = change.length / WIDTH;
  const bytes = new Uint8Array(change.length);
  for (let place = 0; place < WIDTH; place++) {
    for (let i = 0, before = 0; i < n; i++) {
      before = (i % columns ? before : 0) ^ change[place * n + i];
      bytes[i * WIDTH + place] = before;
    }
  }
  const view = new DataView(bytes.buffer);
  const numbers = Float64Array.from({ length: n }, (_, i) => view.getFloat64(i * WIDTH, true));
  return Array.from({ length: n / columns }, (_, i) => numbers.subarray(i * columns, (i + 1) * columns));
}

/** The figures of a run: its data with every curve's numbers in place. */
async function unpackRun(data) {
  const rows = (await unpack(data.packed, data.n_stops)).values();
  const next = () => rows.next().value;
  const thresholds = next();
  const estimates = (of) => of.map((c) => ({ ...c, k: next(), low: next(), high: next(), reason: next() }));
  const curves = estimates(data.curves);
  const pairs = estimates(data.pairs);
  const ratios = data.ratios.map((r) => ({ ...r, low: next(), high: next(), detectable: next(), reason: next() }));
  const reads = Float64Array.from(data.threshold_texts, Number);
  return { ...data, thresholds, reads, curves, pairs, ratios, packed: "" };
}

/** The number of the first of some increasing numbers that is `least` or more; how many there are, if none is. */
function firstFrom(numbers, least) {
  let [low, high] = [0, numbers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

const orNull = (x) => (Number.isNaN(x) ? null : x);

/** The estimate of a curve at one stop, with the keys of results.json. */
function estimateAt(run, curve, stop) {
  const k = curve.k[stop];
  const value = curve.n ? k / curve.n : null;
  const [low, high] = [orNull(curve.low[stop]), orNull(curve.high[stop])];
  return { k, n: curve.n, value, low, high, reason: run.reasons[curve.reason[stop]] };
}

/** The curve of rate number `rate` within row number `row`. */
const curveOf = (run, rate, row) => run.curves[rate * run.rows.length + row];
