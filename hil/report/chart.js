"use strict";
// The waveforms of one scenario: terminals as tabs, panels over one axis of time, truth and
// decisions as lines through all of them. Text from outside goes through textContent alone.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function html(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const LANE = 16, RIGHT = 10, LEAST_COMMON = 0.02, LANES = 5;

class Chart {
  constructor(host, scene) {
    this.host = host;
    this.terminals = scene.terminals;
    this.terminals.forEach(prepare);
    this.terminal = this.terminals[0];
    this.view = [...this.terminal.look];
    this.frame();
    this.draw();
    new ResizeObserver(() => {
      // 0: folded or filtered away.
      if (this.chart.clientWidth && this.chart.clientWidth !== this.measured) this.draw();
    }).observe(this.chart);
  }

  frame() {
    this.host.append(this.tabs(), this.tools());
    this.chart = html("div", "chart");
    this.chart.tabIndex = 0;
    this.chart.setAttribute("role", "group");
    this.chart.setAttribute("aria-label", "waveforms; arrow keys move, plus and minus zoom, 0 shows the whole record");
    this.host.append(this.chart, html("p", "hint",
      "Thin: samples. Thick: RMS of the fundamental over the last cycle. Primary values. "
      + "Drag across the curves to look closer, double-click for the whole record."));
    this.chart.addEventListener("keydown", (event) => this.key(event));
    this.chart.addEventListener("pointerdown", (event) => this.press(event));
    this.chart.addEventListener("pointermove", (event) => this.move(event));
    this.chart.addEventListener("pointerup", (event) => this.release(event));
    this.chart.addEventListener("pointercancel", () => { this.pressed = null; this.draw(); });
    this.chart.addEventListener("pointerleave", () => { if (!this.pressed) this.point(null); });
    this.chart.addEventListener("dblclick", () => this.show(0, this.terminal.seconds));
  }

  tabs() {
    const tabs = html("div", "tabs");
    tabs.setAttribute("role", "tablist");
    this.buttons = this.terminals.map((terminal) => {
      const button = html("button", "", terminal.name);
      button.type = "button";
      button.setAttribute("role", "tab");
      button.append(html("small", terminal.alarm ? "alarm" : "", terminal.told || "told nothing"));
      button.addEventListener("click", () => {
        this.terminal = terminal;
        this.draw();
      });
      tabs.append(button);
      return button;
    });
    return tabs;
  }

  tools() {
    const tools = html("div", "tools");
    const button = (text, act, label) => {
      const made = html("button", "", text);
      made.type = "button";
      if (label) made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      tools.append(made);
      return made;
    };
    this.near = button("around the onset", () => this.show(...this.terminal.look));
    this.whole = button("whole record", () => this.show(0, this.terminal.seconds));
    button("+", () => this.zoom(0.5), "closer");
    button("−", () => this.zoom(2), "wider");
    this.told = html("output");
    tools.append(this.told);
    return tools;
  }

  // --- where it looks ---

  show(from, to) {
    const { seconds, rate } = this.terminal;
    const span = Math.min(seconds, Math.max(to - from, 8 / rate));
    const begin = Math.min(Math.max(0, from), seconds - span);
    this.view = [begin, begin + span];
    this.draw();
  }

  zoom(factor, about = (this.view[0] + this.view[1]) / 2) {
    const [from, to] = this.view;
    this.show(about - (about - from) * factor, about + (to - about) * factor);
  }

  key(event) {
    const span = this.view[1] - this.view[0];
    const moves = {
      ArrowLeft: () => this.show(this.view[0] - span / 4, this.view[1] - span / 4),
      ArrowRight: () => this.show(this.view[0] + span / 4, this.view[1] + span / 4),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
      0: () => this.show(0, this.terminal.seconds),
    };
    if (moves[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      moves[event.key]();
    }
  }

  // --- pointer: look closer, move the overview, read values ---

  at(event) {
    return (event.clientX - this.chart.getBoundingClientRect().left) * this.width / (this.measured || this.width);
  }

  press(event) {
    if (event.button !== 0) return;
    const x = this.at(event);
    this.pressed = { x, overview: Boolean(event.target.closest(".overview")) };
    this.chart.setPointerCapture(event.pointerId);
    if (this.pressed.overview) this.centre(x);
  }

  move(event) {
    const x = this.at(event);
    if (this.pressed?.overview) this.centre(x);
    else if (this.pressed && Math.abs(x - this.pressed.x) > 6) {
      const [one, other] = [Math.min(x, this.pressed.x), Math.max(x, this.pressed.x)];
      this.drag.setAttribute("x", one);
      this.drag.setAttribute("width", other - one);
    } else this.point(event.target.closest(".overview") ? null : x);
  }

  release(event) {
    const pressed = this.pressed;
    this.pressed = null;
    if (!pressed || pressed.overview) return;
    const ends = [this.time(pressed.x), this.time(this.at(event))].sort((a, b) => a - b);
    if (Math.abs(this.at(event) - pressed.x) > 6) this.show(...ends);
  }

  centre(x) {
    const t = (x - this.left) / (this.width - this.left - RIGHT) * this.terminal.seconds;
    const half = (this.view[1] - this.view[0]) / 2;
    this.show(t - half, t + half);
  }

  x(t) {
    return this.left + (t - this.view[0]) / (this.view[1] - this.view[0]) * (this.width - this.left - RIGHT);
  }

  time(x) {
    return this.view[0] + (x - this.left) / (this.width - this.left - RIGHT) * (this.view[1] - this.view[0]);
  }

  point(x) {
    const t = x === null ? null : this.time(x);
    const inside = t !== null && t >= this.view[0] && t <= this.view[1];
    this.cursor.setAttribute("visibility", inside ? "visible" : "hidden");
    this.told.textContent = inside ? this.reading(t) : this.range();
    if (inside) {
      this.cursor.setAttribute("x1", x);
      this.cursor.setAttribute("x2", x);
    }
    for (const { curve, element, unit } of this.legends) {
      element.textContent = curve.name + (inside ? this.values(curve, t, unit) : "");
    }
  }

  range() {
    return `${this.view[0].toFixed(4)} to ${this.view[1].toFixed(4)} s of ${this.terminal.seconds.toFixed(3)} s`;
  }

  reading(t) {
    const onset = this.terminal.marks.find((mark) => mark.tone === "truth");
    const after = onset ? `, onset ${t < onset.t ? "−" : "+"} ${Math.abs((t - onset.t) * 1000).toFixed(1)} ms` : "";
    return `${t.toFixed(4)} s${after}`;
  }

  values(curve, t, unit) {
    const { rate } = this.terminal;
    const tier = tierFor(curve, rate, this.view);
    const k = Math.min(tier.low.length - 1, Math.max(0, Math.round((t * rate - tier.first) / tier.group)));
    const amount = (v) => { const [factor, word] = prefix(Math.abs(v), unit); return `${figure(v * factor)} ${word}`; };
    const now = tier.group === 1 ? amount(tier.low[k]) : `${amount(tier.low[k])} to ${amount(tier.high[k])}`;
    const rms = tier.rms.values[Math.floor((t * rate - tier.rms.first) / tier.rms.stride)];
    return ` ${now}${rms === undefined ? "" : ` (RMS ${amount(rms)})`}`;
  }

  // --- drawing ---

  draw() {
    this.measured = this.chart.clientWidth;
    this.width = Math.max(280, this.measured);
    this.left = this.width < 560 ? 40 : 56;
    this.legends = [];
    const says = this.placed();
    const asked = this.terminal.expected;
    const strip = LANE * (says.lanes + asked.length) + 8;
    const root = svg("svg", { class: "plot" });
    this.clip(root);
    let y = strip;
    const panels = svg("g");
    for (const panel of this.terminal.panels) {
      const height = (panel.curves.length > 1 ? 128 : 84) * (this.width < 560 ? 0.85 : 1);
      this.panel(panels, panel, y, height);
      y += height + 8;
    }
    y = this.contacts(panels, y);
    this.axis(root, strip, y);
    this.windows(root, asked, LANE * says.lanes + 4, y);
    root.append(panels);
    this.marks(root, says, y);
    root.append(...this.legends.map(({ line }) => line));
    this.cursor = svg("line", { class: "cursor", y1: strip, y2: y, visibility: "hidden" });
    this.drag = svg("rect", { class: "drag", y: strip, height: y - strip, width: 0 });
    root.append(this.cursor, this.drag);
    root.setAttribute("viewBox", `0 0 ${this.width} ${y + 20}`);
    root.dataset.from = this.view[0];
    root.dataset.to = this.view[1];
    this.chart.replaceChildren(root, this.overview());
    this.state();
    this.point(null);
  }

  state() {
    const same = (from, to) => Math.abs(this.view[0] - from) + Math.abs(this.view[1] - to) < 1e-9;
    this.near.setAttribute("aria-pressed", same(...this.terminal.look));
    this.whole.setAttribute("aria-pressed", same(0, this.terminal.seconds));
    this.buttons.forEach((button, k) => button.setAttribute("aria-selected", this.terminals[k] === this.terminal));
  }

  clip(root) {
    Chart.made = (Chart.made || 0) + 1;
    this.clipped = `url(#clip${Chart.made})`;
    const clip = svg("clipPath", { id: `clip${Chart.made}` });
    clip.append(svg("rect", { x: this.left, y: 0, width: this.width - this.left - RIGHT, height: 9999 }));
    root.append(clip);
  }

  panel(root, panel, y, height) {
    const { rate } = this.terminal;
    const kin = this.terminal.panels.filter((p) => p.unit === panel.unit && p.curves.length > 1);
    // What the phases have in common is mostly noise below this share of them.
    const least = LEAST_COMMON * Math.max(0, ...kin.map((p) => peak(p, rate, this.view)));
    const reach = Math.max(peak(panel, rate, this.view), panel.curves.length > 1 ? 0 : least) || 1;
    const middle = y + height / 2 + 7, scale = (height / 2 - 9) / reach;
    const [factor, unit] = prefix(reach, panel.unit);
    const tick = below(reach * factor) / factor;
    for (const value of [-tick, 0, tick]) {
      const at = middle - value * scale;
      root.append(svg("line", { class: value ? "grid" : "zero", x1: this.left, x2: this.width - RIGHT, y1: at, y2: at }));
      root.append(svg("text", { x: this.left - 6, y: at + 4, "text-anchor": "end" }, figure(value * factor)));
    }
    const group = svg("g", { "clip-path": this.clipped });
    for (const curve of panel.curves) this.wave(group, curve, middle, scale);
    for (const curve of panel.curves) this.rms(group, curve, middle, scale);
    root.append(group);
    this.legend(panel, y + 9, unit);
  }

  legend(panel, y, unit) {
    const line = svg("text", { x: this.left + 6, y, class: "halo" });
    line.append(svg("tspan", { class: "panel" }, `${panel.title} [${unit}]`));
    for (const curve of panel.curves) {
      const element = svg("tspan", { class: `legend t${curve.part}`, dx: 12 }, curve.name);
      line.append(element);
      this.legends.push({ line, curve, element, unit: panel.unit });
    }
  }

  wave(root, curve, middle, scale) {
    const { rate } = this.terminal;
    const tier = tierFor(curve, rate, this.view);
    const [begin, end] = within(tier, rate, this.view);
    const dots = this.width - this.left - RIGHT;
    const group = Math.max(1, Math.floor((end - begin) / dots));
    let path = "", last = 0;
    for (let k = begin; k <= end; k += group) {
      let low = Infinity, high = -Infinity;
      for (let j = k; j < k + group && j <= end; j++) {
        low = Math.min(low, tier.low[j]);
        high = Math.max(high, tier.high[j]);
      }
      // The end nearer to the last one first: one stroke up and down, no zigzag.
      const pair = low === high ? [low] : Math.abs(low - last) < Math.abs(high - last) ? [low, high] : [high, low];
      pair.forEach((value, n) => {
        const x = this.x((tier.first + (k + n * group / 2) * tier.group) / rate);
        path += `${path ? "L" : "M"}${x.toFixed(1)} ${(middle - value * scale).toFixed(1)}`;
      });
      last = pair[pair.length - 1];
    }
    const cycles = (this.view[1] - this.view[0]) * 50;
    root.append(svg("path", { class: `wave p${curve.part}${cycles > 25 ? " dense" : ""}`, d: path }));
  }

  rms(root, curve, middle, scale) {
    const { rate } = this.terminal;
    const { first, stride, values } = tierFor(curve, rate, this.view).rms;
    const from = Math.max(0, Math.floor((this.view[0] * rate - first) / stride));
    const to = Math.min(values.length - 1, Math.ceil((this.view[1] * rate - first) / stride));
    let path = "";
    for (let k = from; k <= to; k++) {
      path += `${path ? "L" : "M"}${this.x((first + k * stride) / rate).toFixed(1)} ${(middle - values[k] * scale).toFixed(1)}`;
    }
    root.append(svg("path", { class: `rms p${curve.part}`, d: path }));
  }

  contacts(root, y) {
    const group = svg("g", { "clip-path": this.clipped });
    for (const contact of this.terminal.contacts) {
      root.append(svg("text", { x: this.left + 6, y: y + 10, class: "halo" }, contact.name));
      root.append(svg("line", { class: "grid", x1: this.left, x2: this.width - RIGHT, y1: y + 20, y2: y + 20 }));
      for (const [from, to] of contact.closed) {
        const x = Math.max(this.x(from), this.left - 5);
        const wide = Math.min(this.x(to), this.width) - x;
        if (wide > 0) group.append(svg("rect", { class: "contact", x, y: y + 14, width: wide, height: 6 }));
      }
      y += 26;
    }
    root.append(group);
    return y;
  }

  axis(root, top, bottom) {
    const [from, to] = this.view;
    const step = nice(to - from, this.width < 560 ? 4 : 8);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (let k = Math.ceil(from / step); k * step <= to; k++) {
      const x = this.x(k * step);
      root.append(svg("line", { class: "grid", x1: x, x2: x, y1: top, y2: bottom }));
      if (x > this.width - 24) continue;
      root.append(svg("text", { x, y: bottom + 14, "text-anchor": "middle" }, (k * step).toFixed(digits)));
    }
    root.append(svg("text", { x: this.width - RIGHT, y: bottom + 14, "text-anchor": "end" }, "s"));
  }

  // What the scenario asks for: a band from its first to its last instant.
  windows(root, asked, y, bottom) {
    const group = svg("g", { "clip-path": this.clipped });
    asked.forEach((each, k) => {
      const top = y + LANE * k, missed = each.came ? "" : " missed";
      const x = Math.max(this.x(each.from), this.left - 5), end = Math.min(this.x(each.to), this.width + 5);
      if (end <= this.left || x >= this.width - RIGHT) return;
      group.append(svg("rect", { class: `window${missed}`, x, y: top, width: Math.max(2, end - x), height: LANE - 3 }));
      const words = each.came ? `expected: ${each.text}` : `expected, did not come: ${each.text}`;
      group.append(svg("text", { class: `asked halo${missed}`, x: Math.max(x, this.left) + 5, y: top + 10 }, words));
    });
    root.append(group);
  }

  // Words right of their line, else left of it, in the first lane that has room; else none.
  placed() {
    const ends = [], placed = [];
    for (const mark of this.terminal.marks) {
      if (mark.t < this.view[0] || mark.t > this.view[1]) continue;
      const x = this.x(mark.t), wide = mark.text.length * 6.3 + 10;
      const right = x + wide <= this.width || x - wide < this.left;
      const from = right ? x : x - wide;
      let lane = 0;
      while (lane < LANES && ends[lane] > from) lane++;
      if (lane < LANES) ends[lane] = from + wide;
      placed.push({ mark, x, right, lane: lane < LANES ? lane : null });
    }
    return { placed, lanes: Math.max(1, ends.length) };
  }

  marks(root, says, bottom) {
    const group = svg("g", { "clip-path": this.clipped });
    for (const { onset, tone } of this.terminal.marks) {
      if (onset !== undefined) group.append(this.line(onset, `mark guess ${tone}`, LANE * says.lanes, bottom));
    }
    for (const { mark, x, right, lane } of says.placed) {
      const top = lane === null ? LANE * says.lanes : LANE * lane + 3;
      group.append(this.line(mark.t, `mark ${mark.tone}`, top, bottom));
      if (lane === null) continue;
      const side = { x: right ? x + 5 : x - 5, "text-anchor": right ? "start" : "end" };
      group.append(svg("text", { class: `says halo ${mark.tone}`, y: LANE * lane + 12, ...side }, mark.text));
    }
    root.append(group);
  }

  line(t, className, top, bottom) {
    const x = this.x(t);
    return svg("line", { class: className, x1: x, x2: x, y1: top, y2: bottom });
  }

  // The whole record in small: how large it is over time, the marks, and where the view is.
  overview() {
    const { seconds, panels, marks } = this.terminal;
    const high = 34, dots = this.width - this.left - RIGHT;
    const root = svg("svg", { class: "overview", viewBox: `0 0 ${this.width} ${high}` });
    const x = (t) => this.left + t / seconds * dots;
    root.append(svg("rect", { class: "back", x: this.left, y: 0, width: dots, height: high }));
    if (panels.length) root.append(svg("path", { class: "shape", d: this.shape(panels[0], x, high) }));
    for (const mark of marks) {
      root.append(svg("line", { class: `mark ${mark.tone}`, x1: x(mark.t), x2: x(mark.t), y1: 0, y2: high }));
    }
    const wide = Math.max(3, x(this.view[1]) - x(this.view[0]));
    root.append(svg("rect", { class: "hold", x: x(this.view[0]), y: 0.5, width: wide, height: high - 1 }));
    return root;
  }

  shape(panel, x, high) {
    const columns = 300, most = new Float64Array(columns);
    for (const curve of panel.curves) {
      const { low, high: top } = curve.tiers[0];
      for (let k = 0; k < low.length; k++) {
        const column = Math.floor(k / low.length * columns);
        most[column] = Math.max(most[column], top[k], -low[k]);
      }
    }
    const reach = Math.max(...most) || 1, seconds = this.terminal.seconds;
    const edge = (sign) => [...most].map((v, k) => `${x(k / (columns - 1) * seconds).toFixed(1)} ${(high / 2 - sign * v / reach * (high / 2 - 2)).toFixed(1)}`);
    return `M${[...edge(1), ...edge(-1).reverse()].join("L")}Z`;
  }
}
