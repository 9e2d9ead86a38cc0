// Charts of the explorer: plain SVG whose look stands in its attributes, so that a saved file looks the same.

const INK = "#30343b";
const QUIET = "#5c636e";
const LINE = "#dcdfe4";
const HANDLE = "#b3261e";
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const MIN_CHART_TRIALS = 100;
// More bands than this would hide each other.
const MAX_BANDS = 6;
const ROW_HEIGHT = 26;

/** The root of a chart on white, with words for those who do not see it. */
const canvas = (width, height, label) =>
  svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-label": label,
      "font-family": FONT,
      "font-size": 12,
      fill: QUIET,
    },
    // A press between lines counts, too.
    svg("rect", { width, height, fill: "#ffffff", opacity: 0 }),
  );

const round = (x) => Math.round(x * 100) / 100;
const linear = (low, high, from, to) => (x) => round(from + ((x - low) / (high - low || 1)) * (to - from));
const logarithmic = (low, high, from, to) => {
  const scale = linear(Math.log(low), Math.log(high), from, to);
  return (x) => scale(Math.log(Math.min(high, Math.max(low, x))));
};

/** Curves of one rate that are more than a handful of steps. */
const drawnCurves = (run, rate) => run.curves.filter((c) => c.rate === rate && c.n >= MIN_CHART_TRIALS);

/** Powers of ten from the smallest rate of these curves to 1. */
function decadesOf(curves) {
  let least = 1;
  for (const curve of curves) {
    for (const k of curve.k) if (k > 0) least = Math.min(least, k / curve.n);
  }
  const lowest = Math.min(-1, Math.floor(Math.log10(least)));
  return Array.from({ length: 1 - lowest }, (_, i) => lowest + i);
}

const power = (exponent) => (exponent > -3 ? `${100 * 10 ** exponent}%` : `1e${exponent}`);

/** About `n` round numbers between two. */
function roundTicks(low, high, n) {
  const rough = (high - low) / n;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((m) => m * unit >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toFixed(10)),
  );
}

/** Shows an SVG element, or leaves it out. */
const show = (element, isShown) => element.setAttribute("display", isShown ? "inline" : "none");

/** The point of a group's own shape, which moves. */
class Mark {
  constructor({ shape, colour }) {
    this.element = svg("path", { d: shape, fill: colour });
  }

  /** At a place; nowhere where `y` is null. */
  at(x, y) {
    show(this.element, y !== null);
    if (y !== null) this.element.setAttribute("transform", `translate(${round(x - 15)} ${round(y - 6)})`);
  }
}

/** `text` cut to what fits into so many pixels, between whole characters. */
const fitted = (text, width) => {
  const most = Math.max(4, Math.floor(width / 6.6));
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
};

/** A rate of several rows against the threshold; a line is the handle, and can be dragged. */
class ThresholdChart {
  constructor(run, rate, { width, onPick }) {
    this.run = run;
    this.curves = drawnCurves(run, rate);
    this.size = { width, height: 300 };
    this.plot = { left: 50, right: width - 14, top: 12, bottom: 258 };
    this.decades = decadesOf(this.curves);
    const { thresholds } = run;
    this.ends = [thresholds[0], thresholds[thresholds.length - 1]];
    this.x = linear(...this.ends, this.plot.left, this.plot.right);
    this.y = logarithmic(10 ** this.decades[0], 1, this.plot.bottom, this.plot.top);
    this.element = canvas(
      width,
      this.size.height,
      `${run.rates[rate].name} against the threshold; the table has its figures.`,
    );
    this.element.append(...this.axes(run.rates[rate].name), ...this.bands(), ...this.lines(), ...this.handle());
    if (!this.curves.length) this.element.append(this.emptiness());
    this.listen(onPick);
  }

  axes(name) {
    const { left, right, top, bottom } = this.plot;
    const parts = this.decades.flatMap((d) => [
      svg("line", { x1: left, x2: right, y1: this.y(10 ** d), y2: this.y(10 ** d), stroke: LINE }),
      svg("text", { x: left - 6, y: this.y(10 ** d) + 4, "text-anchor": "end" }, power(d)),
    ]);
    for (const t of roundTicks(...this.ends, Math.max(3, (right - left) / 90))) {
      parts.push(svg("text", { x: this.x(t), y: bottom + 18, "text-anchor": "middle" }, String(t)));
    }
    const title = { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" };
    return [
      ...parts,
      svg("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: QUIET }),
      svg("text", title, `threshold (${name} up, log scale)`),
      svg("line", { x1: left, x2: left, y1: top, y2: bottom, stroke: LINE }),
    ];
  }

  /** Words in the middle, where nothing is drawn. */
  emptiness() {
    const { left, right, top, bottom } = this.plot;
    const place = { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle", "font-style": "italic" };
    return svg("text", place, `nothing to draw: no group has ${MIN_CHART_TRIALS} trials`);
  }

  /** Intervals, where few rows have them. */
  bands() {
    if (this.curves.length > MAX_BANDS) return [];
    return this.curves.map((curve) => {
      const stops = [...curve.low.keys()].filter((i) => curve.k[i] && !Number.isNaN(curve.low[i]));
      const along = (ends, order) => order.map((i) => `${this.x(this.run.thresholds[i])} ${this.y(ends[i])}`);
      const points = [...along(curve.high, stops), ...along(curve.low, stops.reverse())];
      const style = this.run.rows[curve.a].style;
      return svg("path", { d: points.length ? `M${points.join("L")}Z` : "", fill: style.colour, opacity: 0.13 });
    });
  }

  /** Steps between counted thresholds; nothing where no error was seen. */
  lines() {
    return this.curves.map((curve) => {
      let path = "";
      let isDown = false;
      curve.k.forEach((k, i) => {
        const [x, y] = [this.x(this.run.thresholds[i]), k ? this.y(k / curve.n) : null];
        if (isDown) path += `H${x}`;
        if (y !== null) path += isDown ? `V${y}` : `M${x} ${y}`;
        isDown = y !== null;
      });
      const { colour, dash } = this.run.rows[curve.a].style;
      return svg("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": dash });
    });
  }

  /** The handle's line, and a point for each curve. */
  handle() {
    const { top, bottom } = this.plot;
    this.line = svg("line", { x1: 0, x2: 0, y1: top, y2: bottom, stroke: HANDLE, "stroke-width": 1.5 });
    this.points = this.curves.map((curve) => new Mark(this.run.rows[curve.a].style));
    return [this.line, ...this.points.map((point) => point.element)];
  }

  move(stop) {
    const x = this.x(this.run.thresholds[stop]);
    this.line.setAttribute("transform", `translate(${x} 0)`);
    this.curves.forEach((curve, i) => this.points[i].at(x, curve.k[stop] ? this.y(curve.k[stop] / curve.n) : null));
  }

  listen(onPick) {
    const pick = (event) => {
      const box = this.element.getBoundingClientRect();
      onPick(((event.clientX - box.left) * this.size.width) / box.width);
    };
    this.element.style.touchAction = "pan-y";
    this.element.style.cursor = "ew-resize";
    this.element.addEventListener("pointerdown", (event) => {
      this.element.setPointerCapture(event.pointerId);
      pick(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (event.buttons) pick(event);
    });
  }

  /** The stop nearest to a place on the screen. */
  stopAt(x) {
    const { thresholds } = this.run;
    const { left, right } = this.plot;
    const [low, high] = this.ends;
    const threshold = low + ((x - left) / (right - left)) * (high - low);
    const above = Math.min(firstFrom(thresholds, threshold), thresholds.length - 1);
    const below = Math.max(0, above - 1);
    return threshold - thresholds[below] < thresholds[above] - threshold ? below : above;
  }
}

/**
 * Rows of points with intervals on a logarithm, made once and filled at every move.
 * names : [name, style] of each row; ticks : [value, text]; line : value of a dashed line, or null.
 */
class IntervalChart {
  constructor(names, { width, low, high, ticks, line, label, title, why }) {
    const left = Math.min(170, width * 0.34);
    const right = width - 22;
    const height = names.length * ROW_HEIGHT + 50;
    const bottom = height - 42;
    const x = logarithmic(low, high, left, right);
    this.element = canvas(width, height, label);
    for (const [value, text] of ticks) {
      this.element.append(svg("line", { x1: x(value), x2: x(value), y1: 4, y2: bottom, stroke: LINE }));
      this.element.append(svg("text", { x: x(value), y: bottom + 17, "text-anchor": "middle" }, text));
    }
    if (line !== null) {
      const place = { x1: x(line), x2: x(line), y1: 4, y2: bottom };
      this.element.append(svg("line", { ...place, stroke: QUIET, "stroke-dasharray": "4 3" }));
    }
    this.element.append(svg("text", { x: (left + right) / 2, y: bottom + 35, "text-anchor": "middle" }, title));
    this.rows = names.map((row, i) => new IntervalRow(row, x, { left, y: 4 + (i + 0.5) * ROW_HEIGHT, why }));
    this.element.append(...this.rows.flatMap((row) => row.elements));
  }

  /** estimates : { value, low, high } of each row. */
  fill(estimates) {
    this.rows.forEach((row, i) => row.fill(estimates[i]));
  }
}

/** A name; a bar and a point, the mark of a bound, or words on why there is none. */
class IntervalRow {
  constructor([name, style], x, { left, y, why }) {
    this.x = x;
    this.y = y;
    this.bar = svg("line", { y1: y, y2: y, stroke: style.colour, "stroke-width": 3, opacity: 0.5 });
    this.point = new Mark(style);
    this.bound = svg("path", { d: `M0 ${y - 5}v10`, stroke: style.colour, "stroke-width": 2 });
    this.why = svg("text", { x: left + 6, y: y + 4, "font-style": "italic" }, why);
    const text = svg("text", { x: left - 12, y: y + 4, "text-anchor": "end", fill: INK }, fitted(name, left - 12));
    this.elements = [text, this.bar, this.point.element, this.bound, this.why];
  }

  fill({ value, low, high }) {
    show(this.bar, low !== null);
    show(this.bound, low !== null && !value);
    show(this.why, low === null && !value);
    this.point.at(value ? this.x(value) : 0, value ? this.y : null);
    if (low === null) return;
    this.bar.setAttribute("x1", this.x(low));
    this.bar.setAttribute("x2", this.x(high));
    this.bound.setAttribute("transform", `translate(${this.x(high)} 0)`);
  }
}

/** Powers of two around these ratios, as ticks. */
function ratioTicks(ratios) {
  const known = ratios.flatMap((r) => [...r.low, ...r.high]).filter((e) => e > 0 && Number.isFinite(e));
  const far = known.map((e) => Math.abs(Math.log2(e))).sort((a, b) => a - b);
  // Nine ends in ten are drawn where they are; bars of the others go to the edge.
  const reach = Math.min(6, Math.max(1, Math.ceil(far[Math.floor(0.9 * far.length)] ?? 1)));
  const step = Math.ceil(reach / 3);
  const exponents = Array.from(
    { length: 2 * Math.floor(reach / step) + 1 },
    (_, i) => (i - Math.floor(reach / step)) * step,
  );
  return { reach, ticks: exponents.map((e) => [2 ** e, e < 0 ? `1/${2 ** -e}` : String(2 ** e)]) };
}

/** Background and text colour of a rate between two others, on a logarithm: style.LogScale. */
function shadeOf({ ramp, dark, crossover }, value, [low, high]) {
  const span = Math.log(high / low);
  const position = (span > 0 ? Math.log(value / low) / span : 0.5) * (ramp.length - 1);
  const i = Math.min(Math.floor(position), ramp.length - 2);
  const mixed = ramp[i].map((from, part) => Math.round(from + (ramp[i + 1][part] - from) * (position - i)));
  const [r, g, b] = mixed.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const isLight = 0.2126 * r + 0.7152 * g + 0.0722 * b > crossover;
  return { background: `rgb(${mixed.join(",")})`, text: isLight ? dark : "#ffffff" };
}
