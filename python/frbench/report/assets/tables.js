// Tables of the explorer, made once and filled at every move.

/** The line and the point of a group, as beside its name elsewhere. */
function swatch({ colour, dash, shape }, isEverybody) {
  const ink = isEverybody ? "currentColor" : colour;
  return svg(
    "svg",
    { class: "swatch", viewBox: "0 0 30 12", width: 30, height: 12, "aria-hidden": "true" },
    svg("path", { d: "M0 6h30", stroke: ink, "stroke-width": 2, "stroke-dasharray": dash }),
    svg("path", { d: shape, fill: ink }),
  );
}

/** Writes a text where it is another one: what stays costs no layout. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A table cell of four lines that can be filled again and again. */
class Cell {
  constructor() {
    this.lines = ["value", "more", "interval", "weak"].map((className) => html("span", { className }));
    this.element = html("td", { className: "num rate" }, this.lines[0], " ", ...this.lines.slice(1));
  }

  fill(value, { more = "", interval = "", weak = "", isShown = true } = {}) {
    [value, more, interval, weak].forEach((text, i) => write(this.lines[i], text));
    this.lines[2].classList.toggle("long", interval.length > 30);
    this.element.classList.toggle("unshown", !isShown);
  }
}

/** The table of rates by group, and of a day of use. */
class FiguresTable {
  constructor(run) {
    this.run = run;
    this.cells = run.rows.map(() => Array.from({ length: 6 }, () => new Cell()));
    this.heads = Array.from({ length: 6 }, () => html("th", { scope: "col" }));
    this.caption = html("span");
    const head = html("tr", {}, html("th", { scope: "col" }, "Group"), ...this.heads);
    this.element = html("table", {}, html("caption", {}, this.caption), html("thead", {}, head), ...this.bodies());
  }

  bodies() {
    const bodies = new Map();
    this.run.rows.forEach((row, i) => {
      if (!bodies.has(row.grouping)) bodies.set(row.grouping, html("tbody", {}, ...this.heading(row)));
      const name = html("th", { scope: "row" }, swatch(row.style, row.is_everybody), row.label);
      const line = html(
        "tr",
        { className: row.is_everybody ? "total" : "" },
        name,
        ...this.cells[i].map((c) => c.element),
      );
      bodies.get(row.grouping).append(line);
    });
    return bodies.values();
  }

  heading(row) {
    if (row.is_everybody) return [];
    const cell = html("th", { scope: "rowgroup", colSpan: 7 }, html("span", {}, row.heading));
    return [html("tr", { className: "heading" }, cell)];
  }

  fill(stop, setting, rates) {
    const { run } = this;
    const threshold = run.threshold_texts[stop];
    this.caption.textContent = `Error rates at ${threshold}, with ${run.level} intervals, and a day of use`;
    const names = rates.flatMap((rate) => [
      [run.rates[rate].name, run.rates[rate].words],
      [run.rates[rate].errors, run.rates[rate].of],
    ]);
    [...names, ...run.day_heads].forEach(([title, below], i) => {
      this.heads[i].replaceChildren(title, html("small", {}, below));
    });
    run.rows.forEach((_, row) => this.fillRow(row, stop, { setting, rates }));
  }

  fillRow(row, stop, { setting, rates }) {
    const curves = rates.map((rate) => curveOf(this.run, rate, row));
    const estimates = curves.map((curve) => estimateAt(this.run, curve, stop));
    estimates.forEach((estimate, i) => {
      const cell = rateCell(estimate, this.run.rates[rates[i]].metric === "fmr");
      const isShown = estimate.value !== null && estimate.low !== null;
      const weak = cell.warning;
      this.cells[row][2 * i].fill(cell.value, { more: cell.more, interval: cell.interval, weak, isShown });
      this.cells[row][2 * i + 1].fill(cell.share, { interval: people(curves[i].people) });
    });
    const day = dayOf(this.run, setting, ...estimates);
    const why = estimates.map((e) => e.reason).find(Boolean) ?? "";
    this.fillRange(this.cells[row][4], day.wrongly, { write: (x) => digits(x, 3), why });
    this.fillRange(this.cells[row][5], day.precision, { write: percent, why });
  }

  /** A number of a day; a bound alone, or nothing, is in grey. */
  fillRange(cell, { value, low, high }, { write, why }) {
    const ends =
      low === null || high === null ? "" : low === 0 ? `at most ${write(high)}` : `${write(low)} to ${write(high)}`;
    if (value === null) cell.fill(ends ? "bounds" : "not estimable", { interval: ends || why, isShown: false });
    else cell.fill(value === 0 ? "none seen" : write(value), { interval: ends || why, isShown: Boolean(ends) });
  }
}

/** FMR between every two groups of a grouping, as coloured cells. */
class Matrix {
  constructor(run, grouping) {
    this.run = run;
    this.members = [...run.rows.keys()].filter((i) => run.rows[i].grouping === grouping && run.rows[i].is_labelled);
    this.cells = this.members.map((a) => this.members.map((b) => new MatrixCell(this.curveOf(a, b))));
    this.words = run.rows[this.members[0]].grouping_words;
    this.caption = html("span");
    this.low = html("span");
    this.high = html("span");
    const names = this.members.map((i) => html("th", { scope: "col" }, run.rows[i].label));
    const lines = this.members.map((i, a) =>
      html("tr", {}, html("th", { scope: "row" }, run.rows[i].label), ...this.cells[a].map((c) => c.element)),
    );
    this.table = html(
      "table",
      { className: this.members.length > 6 ? "heat many" : "heat" },
      html("caption", {}, this.caption),
      html("thead", {}, html("tr", {}, html("td"), ...names)),
      html("tbody", {}, ...lines),
    );
    const scale = html(
      "p",
      { className: "scale" },
      this.low,
      html("i"),
      this.high,
      " log scale of this threshold; hatched: none seen",
    );
    this.element = html("div", {}, scroll(this.table, `Matrix by ${this.words}`), scale);
  }

  curveOf(a, b) {
    if (a === b) return curveOf(this.run, 0, a);
    return this.run.pairs.find((c) => (c.a === a && c.b === b) || (c.a === b && c.b === a));
  }

  get curves() {
    return this.cells.flatMap((row, i) => row.slice(i).map((cell) => cell.curve));
  }

  fill(stop) {
    this.caption.textContent = `False match rate between groups of ${this.words} at ${this.run.threshold_texts[stop]}`;
    const values = this.curves.map((c) => c.k[stop] / c.n).filter((v) => v > 0);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    [this.low.textContent, this.high.textContent] = values.length ? [scientific(low), scientific(high)] : ["", ""];
    for (const cell of this.cells.flat()) cell.fill(estimateAt(this.run, cell.curve, stop), [low, high]);
  }
}

/** A rate between two groups, on the colour that it has among the others. */
class MatrixCell {
  constructor(curve) {
    this.curve = curve;
    this.lines = ["value", "share", "share"].map((className) => html("span", { className }));
    this.element = html("td", {}, ...this.lines);
  }

  fill(estimate, [low, high]) {
    const cell = rateCell(estimate, true);
    const shade = estimate.value ? shadeOf(estimate.value, low, high) : { background: "", text: "" };
    Object.assign(this.element.style, { background: shade.background, color: shade.text });
    this.element.classList.toggle("empty", !shade.text);
    this.element.title = cell.interval;
    const texts = [cell.value, cell.share, estimate.low === null ? "" : cell.interval];
    texts.forEach((text, i) => write(this.lines[i], text));
  }
}

/** What scrolls sideways, and can be reached by keyboard. */
function scroll(child, label) {
  const region = html("div", { className: "scroll", role: "region", tabIndex: 0 }, child);
  region.setAttribute("aria-label", label);
  return region;
}
