// Drawn: charts of Vega-Lite, one after the other, each with its downloads.

/** What a chart draws as rows of CSV, a heading first; `g` is the name of a group there. */
function linesOf({ data }) {
  const rows = data.values;
  const head = [...new Set(rows.flatMap(Object.keys))];
  return [head.map((key) => (key === "g" ? "group" : key)), ...rows.map((row) => head.map((key) => row[key]))];
}

async function drawOne(id, spec) {
  const host = document.getElementById(id);
  await window.vegaEmbed(host, spec, { mode: "vega-lite", renderer: "svg", actions: false, ast: true });
  const heading = host.closest("figure").querySelector("h3");
  const chart = () => host.querySelector("svg");
  heading.after(downloadsOf(heading.textContent, { name: () => `frbench-${id}`, lines: () => linesOf(spec), chart }));
}

async function drawAll(specs) {
  for (const [id, spec] of Object.entries(specs)) {
    await drawOne(id, spec).catch((error) => {
      document.getElementById(id).textContent = `This chart cannot be drawn: ${error}`;
    });
  }
}

// What comes before the charts is at work first; then they are drawn.
(self.requestIdleCallback ?? setTimeout)(() => {
  const library = document.createElement("script");
  library.textContent = document.getElementById("library").textContent;
  document.head.append(library);
  drawAll(specs);
});
