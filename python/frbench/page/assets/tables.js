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

  /** The heads of the columns: rates by their numbers, and a day of use. */
  name(rates) {
    const { run } = this;
    const names = rates.flatMap((rate) => [
      [run.rates[rate].name, run.rates[rate].words],
      [run.rates[rate].errors, run.rates[rate].of],
    ]);
    [...names, ...run.day_heads].forEach(([title, below], i) => {
      this.heads[i].replaceChildren(title, html("small", {}, below));
    });
  }

  fill(stop, setting, rates) {
    const { run } = this;
    write(this.caption, `Error rates at ${run.threshold_texts[stop]}, with ${run.level} intervals, and a day of use`);
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
    const members = [...run.rows.keys()].filter((i) => run.rows[i].grouping === grouping && run.rows[i].is_labelled);
    const labels = members.map((i) => run.rows[i].label);
    this.pairs = members.flatMap((a, i) => members.slice(i).map((b) => new MatrixPair(run, a, b)));
    this.words = run.rows[members[0]].grouping_words;
    this.caption = html("span");
    this.low = html("span");
    this.high = html("span");
    const cellOf = new Map(this.pairs.flatMap((pair) => pair.places));
    const lines = members.map((a, i) =>
      html("tr", {}, html("th", { scope: "row" }, labels[i]), ...members.map((b) => cellOf.get(`${a} ${b}`))),
    );
    const names = labels.map((label) => html("th", { scope: "col" }, label));
    const table = html(
      "table",
      { className: members.length > 6 ? "heat many" : "heat" },
      html("caption", {}, this.caption),
      html("thead", {}, html("tr", {}, html("td"), ...names)),
      html("tbody", {}, ...lines),
    );
    this.element = html("div", {}, scroll(table, `Matrix by ${this.words}`), this.scale());
  }

  scale() {
    const ramp = html("i");
    ramp.style.background = `linear-gradient(90deg, ${this.run.ramp.map((c) => `rgb(${c})`).join(", ")})`;
    const note = " log scale of this threshold; hatched: none seen";
    return html("p", { className: "scale" }, this.low, ramp, this.high, note);
  }

  get curves() {
    return this.pairs.map((pair) => pair.curve);
  }

  fill(stop) {
    write(this.caption, `False match rate between groups of ${this.words} at ${this.run.threshold_texts[stop]}`);
    const values = this.curves.map((c) => c.k[stop] / c.n).filter((v) => v > 0);
    const ends = [Math.min(...values), Math.max(...values)];
    [this.low, this.high].forEach((end, i) => write(end, values.length ? scientific(ends[i]) : ""));
    for (const pair of this.pairs) pair.fill(stop, ends);
  }
}

/** A rate between two groups in its one or two cells, on the colour that it has among the others. */
class MatrixPair {
  constructor(run, a, b) {
    this.run = run;
    const isBetween = (c) => (c.a === a && c.b === b) || (c.a === b && c.b === a);
    this.curve = a === b ? curveOf(run, 0, a) : run.pairs.find(isBetween);
    this.cells = [...new Set([`${a} ${b}`, `${b} ${a}`])].map((place) => {
      const lines = ["value", "share", "share"].map((className) => html("span", { className }));
      return { place, lines, element: html("td", {}, ...lines) };
    });
  }

  get places() {
    return this.cells.map(({ place, element }) => [place, element]);
  }

  fill(stop, ends) {
    const estimate = estimateAt(this.run, this.curve, stop);
    const { value, share, interval } = rateCell(estimate, true);
    const shade = estimate.value ? shadeOf(this.run, estimate.value, ends) : { background: "", text: "" };
    const texts = [value, share, estimate.low === null ? "" : interval];
    for (const { element, lines } of this.cells) {
      element.style.background = shade.background;
      element.style.color = shade.text;
      element.classList.toggle("empty", !shade.text);
      element.title = interval;
      texts.forEach((text, i) => write(lines[i], text));
    }
  }
}

/** What scrolls sideways, and can be reached by keyboard. */
function scroll(child, label) {
  const region = html("div", { className: "scroll", role: "region", tabIndex: 0 }, child);
  region.setAttribute("aria-label", label);
  return region;
}
