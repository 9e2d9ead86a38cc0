// Downloads: a chart as SVG or PNG, figures as CSV.

const SCALE = 2;
// What no XML may hold, and labels might.
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;
// A label that begins so is a formula to a spreadsheet.
const FORMULA = /^[=+\-@\t\r]/;

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The chart as a file of its own, on white. */
function svgText(chart) {
  const copy = chart.cloneNode(true);
  copy.removeAttribute("style");
  copy.prepend(svg("rect", { width: "100%", height: "100%", fill: "#ffffff" }));
  return new XMLSerializer().serializeToString(copy).replace(NOT_XML, "\ufffd");
}

const saveSvg = (name, chart) => save(`${name}.svg`, new Blob([svgText(chart)], { type: "image/svg+xml" }));

async function savePng(name, chart) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(chart))}`;
  await image.decode();
  const { width, height } = chart.viewBox.baseVal;
  const picture = Object.assign(document.createElement("canvas"), { width: width * SCALE, height: height * SCALE });
  picture.getContext("2d").drawImage(image, 0, 0, picture.width, picture.height);
  picture.toBlob((blob) => save(`${name}.png`, blob), "image/png");
}

/** A value as a field of CSV (RFC 4180): nothing for null, and a text that is a formula after an apostrophe. */
function csvField(value) {
  const text = String(value ?? "");
  const safe = typeof value === "string" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const csvText = (rows) => rows.map((row) => `${row.map(csvField).join(",")}\r\n`).join("");

const saveCsv = (name, rows) => save(`${name}.csv`, new Blob([csvText(rows)], { type: "text/csv" }));

/** Buttons that save a chart and its figures. name : of the file; lines : rows of CSV; chart : its SVG. */
function downloadsOf(title, { name, lines, chart }) {
  const what = title.toLowerCase();
  return html(
    "p",
    { className: "downloads" },
    button("SVG", `Save ${what} as SVG`, () => saveSvg(name(), chart())),
    button("PNG", `Save ${what} as PNG`, () => savePng(name(), chart())),
    button("CSV", `Save the figures of ${what} as CSV`, () => saveCsv(name(), lines())),
  );
}

const CSV_HEAD = [
  "rate",
  "grouping",
  "group",
  "with",
  "threshold",
  "errors",
  "trials",
  "value",
  "low",
  "high",
  "reason",
];

/** Lines of these curves at these stops. */
function curveLines(run, curves, stops) {
  return curves.flatMap((curve) =>
    stops.map((stop) => {
      const { k, n, value, low, high, reason } = estimateAt(run, curve, stop);
      const [a, b] = [run.rows[curve.a], run.rows[curve.b]];
      return [
        run.rates[curve.rate].name,
        a.grouping,
        a.label,
        b.label,
        run.thresholds[stop],
        k,
        n,
        value,
        low,
        high,
        reason,
      ];
    }),
  );
}

const RATIO_HEAD = [
  "rate",
  "grouping",
  "group",
  "reference",
  "threshold",
  "ratio",
  "low",
  "high",
  "detectable",
  "reason",
];

/** Lines of these ratios at one stop. */
function ratioLines(run, ratios, stop) {
  return ratios.map((r) => {
    const [own, reference] = countsOf(run, r, stop);
    const value = own.k && reference.k ? ratioValue(run, r, stop) : null;
    const ends = [r.low, r.high, r.detectable].map((x) => orNull(x[stop]));
    const names = [r.row, r.reference].map((row) => run.rows[row].label);
    const { name } = run.rates[r.rate];
    return [
      name,
      run.rows[r.row].grouping,
      ...names,
      run.thresholds[stop],
      value,
      ...ends,
      run.reasons[r.reason[stop]],
    ];
  });
}
