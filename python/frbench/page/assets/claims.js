// What was and was not shown at one stop: the templates of the page, filled as report/claims.py fills them.

/** The template `name` of the run with its slots filled. */
const fill = (run, name, slots = {}) => run.templates[name].replace(/\{(\w+)\}/g, (_, slot) => slots[slot]);

/** Every claim at one stop, as { text, isShown }. `rates` : numbers of the rates of false positives and of misses. */
function claimsAt(run, stop, setting, rates) {
  const claims = rates.map((rate) => rateClaim(run, run.rates[rate], estimateAt(run, curveOf(run, rate, 0), stop)));
  const groupings = new Set(run.rows.slice(1).map((row) => row.grouping));
  for (const grouping of groupings) {
    for (const rate of rates) {
      const ratios = run.ratios.filter((r) => r.rate === rate && run.rows[r.row].grouping === grouping);
      claims.push(
        ...ratioClaims(
          run,
          ratios.filter((r) => countsOf(run, r, stop).every((c) => c.n)),
          stop,
        ),
      );
    }
  }
  return [...claims, dayClaim(run, stop, setting, rates)];
}

function rateClaim(run, rate, estimate) {
  const { k, n, value, low, high, reason } = estimate;
  const isAtEnd = k === 0 || k === n;
  if (value === null || (isAtEnd && low === null)) {
    const why = n ? `${reason} (${count(k)} of ${count(n)})` : reason;
    return { text: fill(run, `${rate.metric}.undefined`, { reason: why }), isShown: false };
  }
  const write = rate.metric === "fmr" ? scientific : percent;
  const kind = low === null ? "bare" : k === 0 ? "none" : k === n ? "every" : "interval";
  const slots = { value: write(value), level: run.level, reason, k: count(k), n: count(n) };
  const ends = low === null ? {} : { low: write(low), high: write(high) };
  const text = fill(run, `rate.${kind}`, { ...slots, ...ends });
  return { text: fill(run, rate.metric, { rate: text, rank: rate.rank }), isShown: true };
}

function ratioClaims(run, ratios, stop) {
  if (ratios.length <= run.max_named) return ratios.map((ratio) => ratioClaim(run, ratio, stop));
  const [first] = ratios;
  const verdicts = ratios.map((ratio) => verdictOf(ratio, stop));
  const slots = {
    subject: subjectOf(run, first),
    total: ratios.length,
    grouping: run.rows[first.row].grouping_words,
    reference: run.rows[first.reference].label,
  };
  for (const name of ["higher", "lower", "alike", "unknown"]) slots[name] = verdicts.filter((v) => v === name).length;
  const claims = [{ text: fill(run, "many", slots), isShown: slots.higher + slots.lower > 0 }];
  const distance = (ratio) => Math.abs(Math.log(ratioValue(run, ratio, stop)));
  for (const verdict of ["higher", "lower", "alike"]) {
    const alike = ratios.filter((_, i) => verdicts[i] === verdict);
    if (!alike.length) continue;
    const farthest = alike.reduce((a, b) => (distance(b) > distance(a) ? b : a));
    return [...claims, ratioClaim(run, farthest, stop)];
  }
  return claims;
}

function ratioClaim(run, ratio, stop) {
  const verdict = verdictOf(ratio, stop);
  const [own, reference] = countsOf(run, ratio, stop);
  const slots = {
    subject: subjectOf(run, ratio),
    group: run.rows[ratio.row].label,
    reference: run.rows[ratio.reference].label,
    rank: run.rates[ratio.rate].rank,
    level: run.level,
    counts: fill(run, "counts", {
      k: count(own.k),
      n: count(own.n),
      k_reference: count(reference.k),
      n_reference: count(reference.n),
    }),
  };
  if (verdict === "unknown") {
    return { text: fill(run, "unknown", { ...slots, reason: run.reasons[ratio.reason[stop]] }), isShown: false };
  }
  Object.assign(slots, { low: digits(ratio.low[stop]), high: digits(ratio.high[stop]) });
  if (verdict === "alike") {
    return { text: fill(run, "alike", { ...slots, power: powerOf(run, ratio.detectable[stop]) }), isShown: false };
  }
  const text = { ...slots, ratio: digits(ratioValue(run, ratio, stop)) };
  return { text: fill(run, `${run.rates[ratio.rate].metric}.ratio`, text), isShown: true };
}

const subjectOf = (run, ratio) => {
  const { metric, rank } = run.rates[ratio.rate];
  return fill(run, `${metric}.subject`, { rank });
};

const powerOf = (run, detectable) =>
  Number.isNaN(detectable)
    ? fill(run, "power.none")
    : fill(run, "power", { detectable: digits(detectable, 3), power: run.power });

/** What the interval of a ratio says, and no more. */
function verdictOf(ratio, stop) {
  const [low, high] = [ratio.low[stop], ratio.high[stop]];
  if (Number.isNaN(low)) return "unknown";
  return low > 1 ? "higher" : high < 1 ? "lower" : "alike";
}

/** Errors and trials of the group and of the reference. */
const countsOf = (run, ratio, stop) =>
  [ratio.row, ratio.reference].map((row) => {
    const curve = curveOf(run, ratio.rate, row);
    return { k: curve.k[stop], n: curve.n };
  });

function ratioValue(run, ratio, stop) {
  const [own, reference] = countsOf(run, ratio, stop);
  return own.k / own.n / (reference.k / reference.n);
}

function dayClaim(run, stop, setting, rates) {
  const curves = rates.map((rate) => curveOf(run, rate, 0));
  const day = dayOf(run, setting, ...curves.map((curve) => estimateAt(run, curve, stop)));
  if (day.wrongly.value === null && day.wrongly.high === null) {
    const reason = curves.map((curve) => run.reasons[curve.reason[stop]]).find(Boolean) ?? "";
    return { text: fill(run, "day.unknown", { reason }), isShown: false };
  }
  const isSized = run.gallery !== null && run.gallery !== setting.gallery;
  const text = fill(run, `day.${isSized ? "sized" : run.kind}`, {
    searches: digits(setting.searches, 3),
    gallery: count(setting.gallery),
    measured: count(run.gallery ?? 0),
    enrolled: percent(setting.enrolled),
    false: rangeInWords(run, day.wrongly, (x) => digits(x, 3)),
    precision: rangeInWords(run, day.precision, percent),
  });
  return { text, isShown: !isSized };
}

/** A range as it stands in a sentence. */
function rangeInWords(run, { value, low, high }, write) {
  if (low === null || high === null) {
    return value === null ? fill(run, "range.unknown") : fill(run, "range.bare", { value: write(value) });
  }
  if (low === 0) return fill(run, "range.below", { high: write(high) });
  return fill(run, "range", { low: write(low), high: write(high) });
}
