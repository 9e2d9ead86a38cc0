// The explorer: a handle on the threshold, and everything that follows it.

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
    const own = (i) => run.curves.filter((c) => c.rate === this.rates[i]);
    const curveFigure = (i) =>
      new Figure(`${run.rates[i].words} at every threshold`, run.captions.curves, {
        name: () => this.fileName(`${run.rates[this.rates[i]].metric}-curves`),
        lines: () => [CSV_HEAD, ...curveLines(run, own(i), all)],
        legend: drawnCurves(run, i).map((c) => run.rows[c.a]),
      });
    const rateFigure = (i) =>
      new Figure(`${run.rates[i].words} by group`, run.captions.rates, {
        name: () => this.fileName(run.rates[this.rates[i]].metric),
        lines: () => [CSV_HEAD, ...curveLines(run, own(i), [this.stop])],
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

  ratiosOf(i) {
    return this.run.ratios.filter((r) => r.rate === this.rates[i]);
  }

  place() {
    const { curves, rates, ratios } = this.figures;
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
    const curves = this.rates.flatMap((rate) => this.run.curves.filter((c) => c.rate === rate));
    return [CSV_HEAD, ...curveLines(this.run, curves, [this.stop])];
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
    const { threshold, rank, gallery, searches, enrolled } = this.inputs;
    threshold.addEventListener("input", () => this.moveTo(Number(threshold.value)));
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
    this.update();
  }

  /** All charts again, after a change of width or rank; then what follows the handle. */
  draw() {
    for (const figure of Object.values(this.figures).flat()) figure.measure();
    this.charts = this.figures.curves.map((figure, i) => {
      const onPick = (x) => this.moveTo(chart.stopAt(x));
      const chart = new ThresholdChart(this.run, this.rates[i], { width: figure.width, onPick });
      figure.show(chart.element);
      return chart;
    });
    this.reaches = this.figures.ratios.map((_, i) => ratioTicks(this.ratiosOf(i)));
    this.update();
  }

  update() {
    const { run, stop, setting, rates } = this;
    const claims = claimsAt(run, stop, setting, rates);
    this.part("claims").replaceChildren(
      ...claims.map((c) => html("li", { className: c.isShown ? "" : "unshown" }, c.text)),
    );
    this.part("threshold").textContent = run.threshold_texts[stop];
    this.part("state").textContent = this.state();
    this.inputs.threshold.setAttribute("aria-valuetext", `threshold ${run.threshold_texts[stop]}`);
    this.table.fill(stop, setting, rates);
    for (const matrix of this.matrices) matrix.fill(stop);
    for (const chart of this.charts) chart.move(stop);
    this.figures.rates.forEach((figure, i) => figure.show(this.rateChart(figure.width, i)));
    this.figures.ratios.forEach((figure, i) => figure.show(this.ratioChart(figure.width, i)));
    this.tell(claims);
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

  rateChart(width, i) {
    const { run, stop } = this;
    const curves = run.curves.filter((c) => c.rate === this.rates[i]);
    const { decades } = this.charts[i];
    const every = Math.ceil(decades.length / Math.max(2, Math.floor(width / 110)));
    const ticks = decades.filter((d) => d % every === 0).map((d) => [10 ** d, power(d)]);
    const rows = curves.map((c) => {
      const { value, low, high } = estimateAt(run, c, stop);
      return { name: run.rows[c.a].label, style: run.rows[c.a].style, value, low, high, why: "not estimable" };
    });
    const { name } = run.rates[this.rates[i]];
    const label = `${name} by group with intervals at the threshold; the table has its figures.`;
    return intervalChart(rows, {
      width,
      low: 10 ** decades[0],
      high: 1,
      ticks,
      line: null,
      label,
      title: `${name}, log scale`,
    });
  }

  ratioChart(width, i) {
    const { run, stop } = this;
    const ratios = this.ratiosOf(i);
    const { reach, ticks } = this.reaches[i];
    const rows = ratios.map((r) => {
      const [low, high] = [orNull(r.low[stop]), orNull(r.high[stop])];
      const value = low === null ? null : ratioValue(run, r, stop);
      const name = `${run.rows[r.row].label} / ${run.rows[r.reference].label}`;
      return { name, style: run.rows[r.row].style, value, low, high, why: "nothing is shown" };
    });
    const title = "times the rate of the reference, log scale";
    const label = "Ratios to the reference group with intervals at the threshold; the sentences have the figures.";
    return intervalChart(rows, { width, low: 2 ** -reach, high: 2 ** reach, ticks, line: 1, label, title });
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
