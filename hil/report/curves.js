"use strict";
// Curves as waves.py packed them, and the numbers beside an axis. Nothing here touches the page.

function unpacked(text) {
  const bytes = atob(text);
  const values = [];
  let word = 0, shift = 1, before = 0, slope = 0;
  for (let k = 0; k < bytes.length; k++) {
    const byte = bytes.charCodeAt(k);
    word += (byte & 127) * shift;
    if (byte > 127) { shift *= 128; continue; }
    slope += word % 2 ? -(word + 1) / 2 : word / 2;
    before += slope;
    values.push(before);
    word = 0;
    shift = 1;
  }
  return Float64Array.from(values);
}

function prepare(terminal) {
  if (terminal.ready) return;
  terminal.ready = true;
  terminal.seconds = terminal.length / terminal.rate;
  for (const panel of terminal.panels) {
    for (const curve of panel.curves) {
      curve.tiers = curve.tiers.map((tier, k) => {
        const [low, high] = tier.map((text) => unpacked(text).map((v) => v * curve.step));
        return { ...terminal.spans[k], low, high: high || low };
      });
      curve.tiers.forEach((tier, k) => {
        const rms = curve.rms[k];
        tier.rms = { ...rms, values: unpacked(rms.values).map((v) => v * curve.step) };
      });
    }
  }
}

// The finest tier that covers the view, or else the whole.
function tierFor(curve, rate, view) {
  const covers = (tier) => tier.first / rate <= view[0] && (tier.first + tier.count) / rate >= view[1];
  return curve.tiers.findLast(covers) || curve.tiers[0];
}

function within(tier, rate, view) {
  const last = tier.low.length - 1;
  const index = (t) => (t * rate - tier.first) / tier.group;
  return [Math.max(0, Math.floor(index(view[0]))), Math.min(last, Math.ceil(index(view[1])))];
}

function peak(panel, rate, view) {
  let most = 0;
  for (const curve of panel.curves) {
    const tier = tierFor(curve, rate, view);
    const [begin, end] = within(tier, rate, view);
    for (let k = begin; k <= end; k++) most = Math.max(most, tier.high[k], -tier.low[k]);
  }
  return most;
}

// --- numbers on axes -----------------------------------------------------------------

function nice(span, parts) {
  const power = 10 ** Math.floor(Math.log10(span / parts));
  return [1, 2, 5, 10].map((m) => m * power).find((step) => span / step <= parts);
}

// The largest of 1, 2, 5 times a power of ten that is not above it.
function below(reach) {
  const power = 10 ** Math.floor(Math.log10(reach));
  return [5, 2, 1].map((m) => m * power).find((tick) => tick <= reach) || power;
}

function prefix(reach, unit) {
  if (reach >= 1000) return [1e-3, `k${unit}`];
  return reach < 0.2 ? [1e3, `m${unit}`] : [1, unit];
}

const figure = (value) => (value === 0 ? "0" : Number(value.toPrecision(3)).toString());
