// Numbers as a reader sees them: what report/words.py writes, to the last digit.

/** Whether `text`, one digit longer than wanted, is exactly `value` and ends in 5: a tie, to the even digit. */
const isTie = (text, value, exactly) =>
  /5(e|$)/.test(text) && Number(text) === value && /^5?0*$/.test(exactly.slice(text.search(/5(e|$)/)));

/** `value` >= 0 with so many decimals, ties to even. */
function fixed(value, decimals) {
  const longer = value.toFixed(decimals + 1);
  if (!isTie(longer, value, value.toFixed(100))) return value.toFixed(decimals);
  return toEven(longer.slice(0, -1), value.toFixed(decimals));
}

/** `value` >= 0 as mantissa and exponent with so many decimals, ties to even. */
function exponential(value, decimals) {
  const longer = value.toExponential(decimals + 1);
  if (!isTie(longer, value, value.toExponential(100).replace(/e.*/, ""))) return value.toExponential(decimals);
  const [mantissa, exponent] = longer.split("e");
  return toEven(`${mantissa.slice(0, -1)}e${exponent}`, value.toExponential(decimals));
}

/** Of a tie cut off and the same rounded up, the one whose last digit is even. */
function toEven(cut, up) {
  const last = Number(cut.replace(/e.*/, "").replace(/\.$/, "").slice(-1));
  return last % 2 ? up : cut.replace(/\.(?=e|$)/, "");
}

/** With thousands separators: 52,478,334. */
function count(n) {
  const [whole, decimals] = String(n).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (decimals === undefined ? "" : `.${decimals}`);
}

/** Three digits and an exponent: 4.45e-3; from 0.1 on as a percentage. */
function scientific(value) {
  return value === 0 || value >= 0.1 ? percent(value) : exponential(value, 2).replace("e+", "e");
}

/** Three digits: 4.80%; below 0.01% with an exponent, and 100% only for all. */
function percent(value) {
  if (value > 0 && value < 1e-4) return scientific(value);
  if (value === 0 || value === 1) return `${100 * value}%`;
  const least = value >= 0.1 ? 1 : value >= 0.01 ? 2 : value >= 0.001 ? 3 : 4;
  for (const decimals of [least, 2, 3, 4, 5]) {
    const text = fixed(value * 100, decimals);
    if (!text.startsWith("100")) return `${text}%`;
  }
  return "above 99.99%";
}

/** `n` digits without an exponent: 3.8, 0.41, 1,230. */
function digits(value, n = 2) {
  if (value === 0) return "0";
  const rounded = Number(exponential(value, n - 1));
  const decimals = Math.max(0, n - 1 - Number(exponential(rounded, n - 1).split("e")[1]));
  return count(fixed(rounded, decimals));
}

/** The rate as one of so many: 1 in 225. */
const oneIn = (value) => `1 in ${digits(1 / value, value < 0.01 ? 3 : 2)}`;

/** 1 person, 2 people; nothing where they are not known. */
const people = (n) => (n === null ? "" : n === 1 ? "1 person" : `${count(n)} people`);

/** The interval of an estimate, or the reason why it has none. */
function intervalOf(estimate, write) {
  if (estimate.low === null) return estimate.reason || "not estimable";
  if (estimate.k === 0) return `at most ${write(estimate.high)}`;
  if (estimate.k === estimate.n) return `at least ${write(estimate.low)}`;
  return `${write(estimate.low)} to ${write(estimate.high)}`;
}

/** An estimate for a table: value, interval, share, more, warning, and whether the value is a rate. */
function rateCell(estimate, isRare) {
  const write = isRare ? scientific : percent;
  const cell = { share: `${count(estimate.k)} / ${count(estimate.n)}`, more: "", warning: "", isNumber: false };
  if (estimate.value === null) return { ...cell, value: "not estimable", interval: estimate.reason };
  const interval = intervalOf(estimate, write);
  if (estimate.k === 0) return { ...cell, value: "none seen", interval };
  return {
    ...cell,
    value: write(estimate.value),
    interval,
    isNumber: true,
    more: isRare && estimate.value < 0.1 ? oneIn(estimate.value) : "",
    warning: estimate.k < 30 ? "fewer than 30 errors" : "",
  };
}
