// The explorer: a handle on the threshold, and everything that follows it.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A figure with its heading and its downloads. make : the chart of a width; lines : its data as rows of CSV. */
class Figure {
  constructor(title, caption, { name, lines, legend = [] }) {
    this.host = html("div", { className: "chart" });
    this.downloads = downloadsOf(title, { name, lines, chart: () => this.host.firstChild });
    const names = legend.map((row) => html("span", {}, swatch(row.style, false), row.label));
    this.element = html("figure", {}, html("h4", {}, title), this.downloads);
    if (names.length) this.element.append(html("p", { className: "legend" }, ...names));
    this.element.append(this.host, html("figcaption", {}, caption));
  }

  /** Takes the width that there is; asking at every move would lay the page out each time. */
  measure() {
    this.width = Math.max(280, Math.floor(this.host.clientWidth));
  }

  show(chart) {
    this.host.replaceChildren(chart);
  }
}

/** One run and its controls. */
class Explorer {
  constructor(article, run) {
    this.article = article;
    this.run = run;
    this.inputs = Object.fromEntries([...article.querySelectorAll("[data-input]")].map((e) => [e.dataset.input, e]));
    this.stop = Number(this.inputs.threshold.value);
    this.setting = this.read();
    this.rates = [0, 1];
    // A threshold is reached by its text as well, which has nine digits of it.
    this.reachable = run.thresholds.map((t, i) => Math.max(t, run.reads[i]));
    this.table = new FiguresTable(run);
    const matrices = new Set(run.pairs.map((c) => run.rows[c.a].grouping));
    this.matrices = [...matrices].map((grouping) => new Matrix(run, grouping));
    this.figures = this.makeFigures();
    this.place();
    this.listen();
    this.draw();
  }

  part(name) {
    return this.article.querySelector(`[data-part="${name}"]`);
  }

  fileName(what) {
    return `frbench-${this.run.kind}-${what}-${this.run.threshold_texts[this.stop]}`;
  }

  makeFigures() {
    const { run } = this;
    const all = [...run.thresholds.keys()];
    const curveFigure = (i) =>
      new Figure(`${run.rates[i].words} at every threshold`, run.captions.curves, {
        name: () => this.fileName(`${run.rates[this.rates[i]].metric}-curves`),
        lines: () => [CSV_HEAD, ...curveLines(run, this.curvesOf(i), all)],
        legend: drawnCurves(run, i).map((c) => run.rows[c.a]),
      });
    const rateFigure = (i) =>
      new Figure(`${run.rates[i].words} by group`, run.captions.rates, {
        name: () => this.fileName(run.rates[this.rates[i]].metric),
        lines: () => [CSV_HEAD, ...curveLines(run, this.curvesOf(i), [this.stop])],
      });
    const figures = { curves: [0, 1].map(curveFigure), rates: [0, 1].map(rateFigure), ratios: [] };
    if (run.ratios.length) {
      figures.ratios = [0, 1].map(
        (i) =>
          new Figure(`${run.rates[i].words}: ratio to the reference`, run.captions.ratios, {
            name: () => this.fileName(`${run.rates[this.rates[i]].metric}-ratios`),
            lines: () => [RATIO_HEAD, ...ratioLines(run, this.ratiosOf(i), this.stop)],
          }),
      );
    }
    return figures;
  }

  curvesOf(i) {
    return this.run.curves.filter((c) => c.rate === this.rates[i]);
  }

  ratiosOf(i) {
    return this.run.ratios.filter((r) => r.rate === this.rates[i]);
  }

  place() {
    const { curves, rates, ratios } = this.figures;
    this.claims = this.part("claims");
    const csv = button("CSV", "Save the table as CSV", () => saveCsv(this.fileName("table"), this.tableLines()));
    this.part("table").append(
      scroll(this.table.element, "Error rates at this threshold"),
      html("p", { className: "downloads" }, csv),
    );
    for (const matrix of this.matrices) {
      const lines = () => [CSV_HEAD, ...curveLines(this.run, matrix.curves, [this.stop])];
      const save = button("CSV", "Save the matrix as CSV", () => saveCsv(this.fileName("matrix"), lines()));
      this.part("matrices").append(matrix.element, html("p", { className: "downloads" }, save));
    }
    this.part("figures").append(...[...curves, ...rates, ...ratios].map((figure) => figure.element));
    this.part("unavailable").remove();
    this.part("live").hidden = false;
  }

  tableLines() {
    return [CSV_HEAD, ...curveLines(this.run, [0, 1].flatMap((i) => this.curvesOf(i)), [this.stop])];
  }

  /** What is assumed; where an entry is none, what was assumed before. */
  read() {
    const entered = (name, share = 1) => {
      const input = this.inputs[name];
      input.setAttribute("aria-invalid", String(!input.checkValidity()));
      return input.checkValidity()
        ? input.valueAsNumber / share
        : (this.setting?.[name] ?? Number(input.defaultValue) / share);
    };
    return { gallery: entered("gallery"), searches: entered("searches"), enrolled: entered("enrolled", 100) };
  }

  listen() {
    const { threshold, typed, rank, gallery, searches, enrolled } = this.inputs;
    threshold.addEventListener("input", () => this.moveTo(Number(threshold.value)));
    typed.addEventListener("change", () => this.goTo(typed.value));
    typed.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.goTo(typed.value);
    });
    for (const input of [gallery, searches, enrolled]) {
      input.addEventListener("input", () => {
        this.setting = this.read();
        this.update();
      });
    }
    rank?.addEventListener("change", () => {
      this.rates = [0, Number(rank.value)];
      this.draw();
    });
    for (const mark of this.article.querySelectorAll("[data-stop]")) {
      mark.addEventListener("click", () => this.moveTo(Number(mark.dataset.stop)));
    }
    let width = this.article.clientWidth;
    new ResizeObserver(() => {
      if (this.article.clientWidth === width) return;
      width = this.article.clientWidth;
      this.draw();
    }).observe(this.article);
  }

  moveTo(stop) {
    this.stop = stop;
    this.inputs.threshold.value = stop;
    this.inputs.typed.value = "";
    this.answer("");
    this.update();
  }

  /** Puts the handle at the first stop at or above what was typed, and says which; or says why it stays. */
  goTo(text) {
    const { run } = this;
    const typed = text.trim();
    if (!typed) return this.answer("");
    if (!NUMBER.test(typed)) return this.answer(fill(run, "typed.unread", { typed }), false);
    const stop = firstFrom(this.reachable, Number(typed));
    const last = run.n_stops - 1;
    if (stop > last) {
      return this.answer(fill(run, "typed.above", { typed, threshold: run.threshold_texts[last] }), false);
    }
    this.moveTo(stop);
    this.inputs.typed.value = typed;
    const name = run.thresholds[stop] === Number(typed) || run.reads[stop] === Number(typed) ? "typed.at" : "typed.next";
    return this.answer(fill(run, name, { typed, threshold: run.threshold_texts[stop] }));
  }

  /** What was typed, answered in words. */
  answer(text, isRead = true) {
    this.inputs.typed.setAttribute("aria-invalid", String(!isRead));
    write(this.part("answer"), text);
  }

  /** All charts again, after a change of width or rank; then what follows the handle. */
  draw() {
    for (const figure of Object.values(this.figures).flat()) figure.measure();
    this.table.name(this.rates);
    this.curveCharts = this.figures.curves.map((figure, i) => {
      const onPick = (x) => this.moveTo(chart.stopAt(x));
      const chart = new ThresholdChart(this.run, this.rates[i], { width: figure.width, onPick });
      figure.show(chart.element);
      return chart;
    });
    this.rateCharts = this.figures.rates.map((figure, i) => this.rateChart(figure, i));
    this.ratioCharts = this.figures.ratios.map((figure, i) => this.ratioChart(figure, i));
    this.render();
  }

  /** Everything follows in the next frame, however often the handle moves until then. */
  update() {
    this.frame ??= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    const { run, stop, setting, rates } = this;
    const claims = claimsAt(run, stop, setting, rates);
    this.say(claims);
    write(this.part("threshold"), run.threshold_texts[stop]);
    write(this.part("state"), this.state());
    this.inputs.threshold.setAttribute("aria-valuetext", `threshold ${run.threshold_texts[stop]}`);
    this.table.fill(stop, setting, rates);
    for (const matrix of this.matrices) matrix.fill(stop);
    for (const chart of this.curveCharts) chart.move(stop);
    this.rateCharts.forEach((chart, i) => chart.fill(this.curvesOf(i).map((c) => estimateAt(run, c, stop))));
    this.ratioCharts.forEach((chart, i) => chart.fill(this.ratiosOf(i).map((r) => this.ratioAt(r))));
    this.tell(claims);
  }

  /** The sentences, in the lines that are there. */
  say(claims) {
    const lines = this.claims.children;
    while (lines.length > claims.length) this.claims.lastChild.remove();
    while (lines.length < claims.length) this.claims.append(html("li"));
    claims.forEach(({ text, isShown }, i) => {
      write(lines[i], text);
      lines[i].className = isShown ? "" : "unshown";
    });
  }

  /** Tells a screen reader what the handle shows, once it rests. */
  tell(claims) {
    clearTimeout(this.telling);
    const { run, stop } = this;
    this.telling = setTimeout(() => {
      const said = claims.map((c) => c.text).join(" ");
      this.part("status").textContent = `At the threshold ${run.threshold_texts[stop]}: ${said}`;
    }, 500);
  }

  state() {
    const { gallery, searches, enrolled } = this.setting;
    const daily = `${digits(searches, 3)} searches a day, ${percent(enrolled)} enrolled`;
    return `Threshold ${this.run.threshold_texts[this.stop]}; assumed: ${count(gallery)} in the gallery, ${daily}.`;
  }

  rateChart(figure, i) {
    const { run } = this;
    const { width } = figure;
    const { decades } = this.curveCharts[i];
    const every = Math.ceil(decades.length / Math.max(2, Math.floor(width / 110)));
    const { name } = run.rates[this.rates[i]];
    const chart = new IntervalChart(
      this.curvesOf(i).map((c) => [run.rows[c.a].label, run.rows[c.a].style]),
      {
        width,
        low: 10 ** decades[0],
        high: 1,
        ticks: decades.filter((d) => d % every === 0).map((d) => [10 ** d, power(d)]),
        line: null,
        label: `${name} by group with intervals at the threshold; the table has its figures.`,
        title: `${name}, log scale`,
        why: "not estimable",
      },
    );
    figure.show(chart.element);
    return chart;
  }

  ratioChart(figure, i) {
    const { rows } = this.run;
    const ratios = this.ratiosOf(i);
    const { reach, ticks } = ratioTicks(ratios);
    const references = new Set(ratios.map((r) => rows[r.reference].label));
    const isOne = references.size === 1;
    const chart = new IntervalChart(
      ratios.map((r) => [rows[r.row].label + (isOne ? "" : ` / ${rows[r.reference].label}`), rows[r.row].style]),
      {
        width: figure.width,
        low: 2 ** -reach,
        high: 2 ** reach,
        ticks,
        line: 1,
        label: "Ratios to the reference group with intervals at the threshold; the sentences have the figures.",
        title: `times the rate of ${isOne ? [...references][0] : "the reference"}, log scale`,
        why: "nothing is shown",
      },
    );
    figure.show(chart.element);
    return chart;
  }

  ratioAt(ratio) {
    const [low, high] = [orNull(ratio.low[this.stop]), orNull(ratio.high[this.stop])];
    return { value: low === null ? null : ratioValue(this.run, ratio, this.stop), low, high };
  }
}

async function explore(article) {
  try {
    new Explorer(article, await unpackRun(JSON.parse(article.querySelector("script").textContent)));
  } catch (error) {
    const part = article.querySelector("[data-part=unavailable]");
    if (!part) throw error;
    part.textContent = `This browser cannot open the explorer (${error}); reported thresholds are in the tables below.`;
  }
}

for (const article of document.querySelectorAll(".explorer")) explore(article);
