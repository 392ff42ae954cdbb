// Copyright (c) 2026, netviz.sflow contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The live picture: groups as circles around INTERNET, traffic as particles along the links.
//
// A link has one stream for each direction and class. The number of particles of a stream is
//   share of full density x length of the link / least distance of two particles,
// with share = sqrt(frames per second / frames per second of full density), so that a weak link is still seen
// beside a strong one. The particles of a stream only circulate; nothing is random but where they begin.
// Links, circles and labels are drawn once per change into a second canvas; a frame copies it and adds particles.

import { short } from "./verdicts.js";

export const CLASSES = ["tcp_udp", "icmp", "other"];
const CLASS_NAMES = { tcp_udp: "TCP, UDP", icmp: "ICMP", other: "other" };
const CENTRE = "INTERNET";
const MOST_GROUPS = 60; // circles; the table beside has the rest
const MOST_PARTICLES = 4000;
const GAP = 4.2; // pixels between two particles of a stream at full density
const SPEED = 0.16; // of the picture's smaller side, each second
const FOOT = 20; // pixels for the line at the bottom
const STEPS = 48; // points of a link's path
const LANE = 6.5; // pixels from the middle of a link to the lane of a direction

export const total = (frames) => CLASSES.reduce((sum, name) => sum + (frames[name] || 0), 0);

// 1, 2, 5, 10, 20 ... so that the scale does not follow every breath of the traffic.
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * unit >= value * 0.9999) * unit;
}

export class Picture {
  constructor({ canvas, tip, note, open, select }) {
    Object.assign(this, { canvas, tip, note, open, select });
    this.context = canvas.getContext("2d");
    this.still = document.createElement("canvas");
    this.nodes = new Map();
    this.links = new Map();
    this.streams = [];
    this.auto = true;
    this.full = 1;
    this.moving = true;
    this.hover = null;
    this.chosen = null;
    this.sprites = null;
    this.last = 0;
    this.data = null;
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("pointermove", (event) => this.point(event));
    canvas.addEventListener("pointerleave", () => this.light(null));
    canvas.addEventListener("click", (event) => {
      this.point(event);
      if (this.hover?.link) this.open(this.hover.link);
      else this.select(this.hover?.node?.name ?? null);
    });
    this.frame = this.frame.bind(this);
    requestAnimationFrame(this.frame);
  }

  // Colours come from the style sheet.
  restyle() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = Object.fromEntries(["text", "dim", "panel", "ground", "node", "node-line", "link", "accent", ...CLASSES].map((name) => [name, value(name)]));
    this.dark = style.colorScheme.includes("dark");
    this.sprites = null;
    this.dirty = true;
  }

  // Takes an answer of /traffic/json.
  take(data) {
    this.data = data;
    this.update();
  }

  setAuto(auto) {
    this.auto = auto;
    this.update();
  }

  setMoving(moving) {
    this.moving = moving;
    this.dirty = true;
  }

  // The group that somebody looks at, whose circle is marked; null for none.
  choose(name) {
    this.chosen = name;
    this.dirty = true;
  }

  update() {
    if (!this.data) return;
    const { pairs, groups } = this.data;
    const volume = new Map(groups.map((name) => [name, 0]));
    let busiest = 0;
    for (const pair of pairs) {
      const frames = total(pair.frames);
      busiest = Math.max(busiest, frames);
      volume.set(pair.source, (volume.get(pair.source) || 0) + frames);
      if (pair.target !== pair.source) volume.set(pair.target, (volume.get(pair.target) || 0) + frames);
    }
    this.full = this.auto ? roundUp(busiest) : this.data.max_volume;
    let names = [...volume.keys()].filter((name) => name !== CENTRE);
    if (names.length > MOST_GROUPS) {
      const most = new Set(names.slice().sort((a, b) => volume.get(b) - volume.get(a)).slice(0, MOST_GROUPS));
      names = names.filter((name) => most.has(name));
    }
    const hidden = volume.size - names.length - (volume.has(CENTRE) ? 1 : 0);
    this.note.textContent = `Full density: ${short(this.full)} frames/s${this.auto ? " (follows the busiest link)" : ""}${hidden ? ` · ${hidden} quieter groups are only in the table` : ""}`;

    const before = [...this.nodes.keys()].join("\n");
    const order = volume.has(CENTRE) ? [CENTRE, ...names] : names;
    const nodes = new Map();
    for (const name of order) {
      const node = this.nodes.get(name) || { name };
      node.volume = volume.get(name);
      node.classes = { tcp_udp: 0, icmp: 0, other: 0 };
      nodes.set(name, node);
    }
    this.nodes = nodes;
    const links = new Map();
    for (const pair of pairs) {
      const a = nodes.get(pair.source);
      const b = nodes.get(pair.target);
      if (!a || !b) continue;
      for (const name of CLASSES) {
        a.classes[name] += pair.frames[name] || 0;
        if (a !== b) b.classes[name] += pair.frames[name] || 0;
      }
      const ends = [pair.source, pair.target].sort((x, y) => order.indexOf(x) - order.indexOf(y));
      const key = ends.join("\n");
      const link = links.get(key) || this.links.get(key) || { key, ends, streams: new Map() };
      if (!links.has(key)) link.pairs = [];
      link.pairs.push(pair);
      links.set(key, link);
    }
    const fresh = links.size !== this.links.size || before !== order.join("\n") || [...links.keys()].some((key) => !this.links.has(key)) || this.outgrown();
    this.links = links;
    if (fresh) this.layout();
    this.supply();
    this.describe();
    this.follow();
    this.dirty = true;
  }

  // The share of the largest circle that its traffic gives to each on the ring.
  shares() {
    const ring = [...this.nodes.values()].filter((node) => node.name !== CENTRE);
    const biggest = Math.max(1, ...ring.map((node) => node.volume || 0));
    return new Map(ring.map((node) => [node, Math.sqrt((node.volume || 0) / biggest)]));
  }

  // Whether a circle has another size than its traffic by now; small changes leave the picture at rest.
  outgrown() {
    return [...this.shares()].some(([node, share]) => Math.abs(share - node.share) > 0.1);
  }

  // What is under the pointer has other figures now, or is gone.
  follow() {
    if (!this.hover) return;
    const { node, link } = this.hover;
    if (link ? this.links.get(link.key) !== link : this.nodes.get(node.name) !== node) this.light(null);
    else this.tip.replaceChildren(...this.words(this.hover));
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width || !box.height) return;
    this.ratio = Math.min(2, window.devicePixelRatio || 1);
    this.width = box.width;
    this.height = box.height;
    for (const canvas of [this.canvas, this.still]) {
      canvas.width = Math.round(box.width * this.ratio);
      canvas.height = Math.round(box.height * this.ratio);
    }
    this.sprites = null;
    this.layout();
    this.supply();
    this.dirty = true;
  }

  // Places the circles and computes the paths of the links.
  layout() {
    if (!this.width) return;
    const { width } = this;
    const height = this.height - FOOT;
    const names = [...this.nodes.keys()];
    const ring = names.filter((name) => name !== CENTRE);
    const side = Math.min(width, height);
    this.scale = Math.max(0.8, Math.min(2, side / 620));
    const room = Math.max(46, side * 0.105);
    const radii = [width / 2 - room - 26 * this.scale, height / 2 - room];
    for (const [node, share] of this.shares()) node.share = share;
    // Wide pictures start the ring left and right, where names have room.
    const start = ring.length === 2 && width > height ? Math.PI : -Math.PI / 2;
    ring.forEach((name, index) => {
      const node = this.nodes.get(name);
      const angle = start + (2 * Math.PI * index) / ring.length;
      const inner = ring.length > 24 && index % 2 ? 0.76 : 1;
      node.x = width / 2 + radii[0] * inner * Math.cos(angle);
      node.y = height / 2 + radii[1] * inner * Math.sin(angle);
      const crowd = Math.max(0.5, Math.min(1, 14 / ring.length));
      node.r = this.scale * (15 + 15 * node.share) * crowd;
    });
    const centre = this.nodes.get(CENTRE);
    if (centre) Object.assign(centre, { x: width / 2, y: height / 2, r: this.scale * 40 });
    for (const link of this.links.values()) this.route(link);
  }

  route(link) {
    const [a, b] = link.ends.map((name) => this.nodes.get(name));
    const middle = { x: this.width / 2, y: (this.height - FOOT) / 2 };
    let point;
    if (a === b) {
      // Traffic inside a group: a loop at the side where neither the name nor the edge is.
      const beside = Math.abs(a.y - middle.y) < this.height * 0.12;
      const towards = beside ? -Math.PI / 2 : a.x < middle.x ? Math.PI : 0;
      const reach = Math.max(a.r * 0.8, 16 * this.scale);
      const x = a.x + Math.cos(towards) * (a.r + reach * 0.55);
      const y = a.y + Math.sin(towards) * (a.r + reach * 0.55);
      point = (t) => {
        const angle = towards + Math.PI + 2 * Math.PI * t;
        return [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
      };
    } else if (a.name === CENTRE || b.name === CENTRE) {
      point = (t) => [a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t];
    } else {
      // Group to group: a bow that keeps clear of the circle in the middle.
      const mid = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
      let dx = mid.x - middle.x;
      let dy = mid.y - middle.y;
      let distance = Math.hypot(dx, dy);
      if (distance < 1) [dx, dy, distance] = [b.y - a.y, a.x - b.x, Math.hypot(b.y - a.y, a.x - b.x)];
      const clear = this.nodes.has(CENTRE) ? this.scale * 105 : 0;
      const bow = Math.max(clear, Math.hypot(mid.x - middle.x, mid.y - middle.y) * 0.72);
      const cx = 2 * (middle.x + (dx / distance) * bow) - mid.x;
      const cy = 2 * (middle.y + (dy / distance) * bow) - mid.y;
      point = (t) => [
        (1 - t) * (1 - t) * a.x + 2 * t * (1 - t) * cx + t * t * b.x,
        (1 - t) * (1 - t) * a.y + 2 * t * (1 - t) * cy + t * t * b.y,
      ];
    }
    // Even steps along the part outside of the circles.
    const raw = [];
    for (let step = 0; step <= 160; step += 1) {
      const [x, y] = point(step / 160);
      if (Math.hypot(x - a.x, y - a.y) < a.r + 3 || Math.hypot(x - b.x, y - b.y) < b.r + 3) continue;
      raw.push([x, y]);
    }
    if (raw.length < 2) raw.push([a.x, a.y], [b.x, b.y]);
    const lengths = [0];
    for (let i = 1; i < raw.length; i += 1) lengths.push(lengths[i - 1] + Math.hypot(raw[i][0] - raw[i - 1][0], raw[i][1] - raw[i - 1][1]));
    link.length = lengths[lengths.length - 1] || 1;
    link.xs = new Float32Array(STEPS + 1);
    link.ys = new Float32Array(STEPS + 1);
    link.nx = new Float32Array(STEPS + 1);
    link.ny = new Float32Array(STEPS + 1);
    for (let i = 0, at = 0; i <= STEPS; i += 1) {
      const want = (link.length * i) / STEPS;
      while (at < raw.length - 2 && lengths[at + 1] < want) at += 1;
      const part = (want - lengths[at]) / (lengths[at + 1] - lengths[at] || 1);
      link.xs[i] = raw[at][0] + (raw[at + 1][0] - raw[at][0]) * part;
      link.ys[i] = raw[at][1] + (raw[at + 1][1] - raw[at][1]) * part;
    }
    for (let i = 0; i <= STEPS; i += 1) {
      const from = Math.max(0, i - 1);
      const to = Math.min(STEPS, i + 1);
      const dx = link.xs[to] - link.xs[from];
      const dy = link.ys[to] - link.ys[from];
      const size = Math.hypot(dx, dy) || 1;
      link.nx[i] = -dy / size;
      link.ny[i] = dx / size;
    }
  }

  // How many particles each stream is to have.
  supply() {
    if (!this.width) return;
    this.streams = [];
    for (const link of this.links.values()) {
      if (!link.xs) this.route(link);
      for (const stream of link.streams.values()) stream.want = 0;
      for (const pair of link.pairs) {
        const all = total(pair.frames);
        const forward = pair.source === link.ends[0];
        for (const name of CLASSES) {
          const frames = pair.frames[name] || 0;
          const key = `${forward ? ">" : "<"}${name}`;
          let stream = link.streams.get(key);
          if (!stream) {
            if (!frames) continue;
            stream = { link, name, forward, pair, particles: [], want: 0, born: 0 };
            link.streams.set(key, stream);
          }
          stream.pair = pair;
          stream.six = all ? Math.min(1, pair.ipv6_frames / all) : 0;
          // The classes of a direction share its density, so the whole direction is never denser than full.
          const share = all ? Math.sqrt(Math.min(1, all / this.full)) * (frames / all) : 0;
          stream.want = frames > 0 ? Math.max(1, (share * link.length) / GAP) : 0;
        }
      }
      this.streams.push(...link.streams.values());
    }
    const sum = this.streams.reduce((count, stream) => count + stream.want, 0);
    const limit = Math.min(1, MOST_PARTICLES / (sum || 1));
    for (const stream of this.streams) {
      stream.want = stream.want > 0 ? Math.max(1, Math.round(stream.want * limit)) : 0;
      if (!stream.particles.length) for (let i = 0; i < stream.want; i += 1) stream.particles.push(this.particle(stream, (i + Math.random() * 0.6) / stream.want));
    }
  }

  particle(stream, t) {
    return { t, lane: (Math.random() + Math.random() - 1) * LANE * 0.6, hollow: Math.random() < stream.six, pace: 0.96 + Math.random() * 0.08 };
  }

  // Particles by link and class, for tests and for whoever wants to know.
  counts() {
    const out = {};
    for (const stream of this.streams) {
      const key = `${stream.pair.source}>${stream.pair.target}`;
      out[key] = out[key] || { tcp_udp: 0, icmp: 0, other: 0, hollow: 0 };
      out[key][stream.name] += stream.particles.length;
      out[key].hollow += stream.particles.filter((each) => each.hollow).length;
    }
    return out;
  }

  frame(time) {
    requestAnimationFrame(this.frame);
    const passed = Math.min(0.1, (time - this.last) / 1000);
    this.last = time;
    if (!this.width || !this.canvas.offsetParent || !this.colours) return;
    if (this.dirty) this.drawStill();
    const dirty = this.dirty;
    this.dirty = false;
    if (!this.moving && !dirty) return;
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.still, 0, 0);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (!this.sprites) this.makeSprites();
    context.globalCompositeOperation = this.dark ? "lighter" : "source-over";
    const speed = SPEED * Math.min(this.width, this.height);
    for (const stream of this.streams) this.run(stream, this.moving ? passed : 0, speed);
    context.globalCompositeOperation = "source-over";
    if (!this.moving) this.drawVolumes(context);
  }

  run(stream, passed, speed) {
    const { link, particles } = stream;
    const step = (speed * passed) / link.length;
    if (this.moving) {
      stream.born += passed * Math.max(1, stream.want);
      while (particles.length < stream.want && stream.born >= 1) {
        particles.push(this.particle(stream, Math.random()));
        stream.born -= 1;
      }
      stream.born = Math.min(stream.born, 1);
    } else {
      while (particles.length < stream.want) particles.push(this.particle(stream, Math.random()));
      particles.length = Math.min(particles.length, stream.want);
      particles.forEach((each, index) => { each.t = (index + 0.5) / particles.length; });
    }
    const faded = this.hover && !this.isLit(link);
    this.context.globalAlpha = faded ? 0.15 : 1;
    const [full, hollow] = this.sprites[stream.name];
    const size = full.size;
    for (let i = particles.length - 1; i >= 0; i -= 1) {
      const each = particles[i];
      each.t += step * each.pace;
      if (each.t >= 1) {
        if (particles.length > stream.want) {
          particles.splice(i, 1);
          continue;
        }
        each.t -= 1;
        each.hollow = Math.random() < stream.six;
      }
      const along = (stream.forward ? each.t : 1 - each.t) * STEPS;
      const at = Math.min(STEPS - 1, along | 0);
      const part = along - at;
      // Both directions keep to their right.
      const aside = (stream.forward ? 1 : -1) * LANE * this.scale + (this.moving ? each.lane * this.scale : 0);
      const x = link.xs[at] + (link.xs[at + 1] - link.xs[at]) * part + link.nx[at] * aside;
      const y = link.ys[at] + (link.ys[at + 1] - link.ys[at]) * part + link.ny[at] * aside;
      this.context.drawImage(each.hollow ? hollow : full, x - size / 2, y - size / 2, size, size);
    }
    this.context.globalAlpha = 1;
  }

  // Classes differ in shape too: circle, diamond, triangle.
  makeSprites() {
    this.sprites = {};
    const radius = 2.5 * Math.max(0.9, Math.min(1.7, this.scale));
    const size = Math.ceil(radius * 6);
    for (const name of CLASSES) {
      this.sprites[name] = [false, true].map((hollow) => {
        const sprite = document.createElement("canvas");
        sprite.width = size * this.ratio;
        sprite.height = size * this.ratio;
        sprite.size = size;
        const pen = sprite.getContext("2d");
        pen.scale(this.ratio, this.ratio);
        pen.translate(size / 2, size / 2);
        if (this.dark) {
          const glow = pen.createRadialGradient(0, 0, 0, 0, 0, size / 2);
          glow.addColorStop(0, `${this.colours[name]}48`); // 28 % of it
          glow.addColorStop(1, `${this.colours[name]}00`);
          pen.fillStyle = glow;
          pen.fillRect(-size / 2, -size / 2, size, size);
        }
        pen.beginPath();
        if (name === "tcp_udp") pen.arc(0, 0, radius, 0, 2 * Math.PI);
        else if (name === "icmp") {
          const r = radius * 1.4;
          pen.moveTo(0, -r); pen.lineTo(r, 0); pen.lineTo(0, r); pen.lineTo(-r, 0); pen.closePath();
        } else {
          const r = radius * 1.5;
          pen.moveTo(0, -r); pen.lineTo(r * 0.9, r * 0.7); pen.lineTo(-r * 0.9, r * 0.7); pen.closePath();
        }
        if (hollow) {
          pen.fillStyle = this.colours.ground;
          pen.fill();
          pen.lineWidth = radius * 0.62;
          pen.strokeStyle = this.colours[name];
          pen.stroke();
        } else {
          pen.fillStyle = this.colours[name];
          pen.fill();
        }
        return sprite;
      });
    }
  }

  isLit(link) {
    if (!this.hover) return false;
    if (this.hover.link) return this.hover.link === link;
    return link.ends.includes(this.hover.node.name);
  }

  drawStill() {
    const pen = this.still.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.still.width, this.still.height);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.lineCap = "round";
    for (const link of this.links.values()) {
      const frames = link.pairs.reduce((sum, pair) => sum + total(pair.frames), 0);
      const lit = this.isLit(link);
      pen.globalAlpha = this.hover && !lit ? 0.25 : 1;
      pen.strokeStyle = lit ? this.colours.accent : this.colours.link;
      pen.lineWidth = this.scale * (1 + 5 * Math.sqrt(Math.min(1, frames / (2 * this.full))));
      pen.globalAlpha *= lit ? 0.55 : this.dark ? 0.55 : 0.45;
      pen.beginPath();
      pen.moveTo(link.xs[0], link.ys[0]);
      for (let i = 1; i <= STEPS; i += 1) pen.lineTo(link.xs[i], link.ys[i]);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    for (const node of this.nodes.values()) this.drawNode(pen, node);
  }

  drawNode(pen, node) {
    const sum = total(node.classes);
    const quiet = !sum;
    const lit = this.hover?.node === node || (this.hover?.link && this.hover.link.ends.includes(node.name));
    pen.globalAlpha = this.hover && !lit && this.hover.node ? 0.6 : 1;
    pen.beginPath();
    pen.arc(node.x, node.y, node.r, 0, 2 * Math.PI);
    pen.fillStyle = this.colours.node;
    pen.fill();
    // A ring around the circle shows the classes of its traffic.
    const width = Math.max(3, node.r * 0.16);
    pen.lineWidth = width;
    pen.lineCap = "butt";
    pen.strokeStyle = this.colours["node-line"];
    pen.beginPath();
    pen.arc(node.x, node.y, node.r - width / 2, 0, 2 * Math.PI);
    if (quiet) pen.setLineDash([4, 5]);
    pen.stroke();
    pen.setLineDash([]);
    if (node.name === this.chosen) {
      pen.lineWidth = 2;
      pen.strokeStyle = this.colours.accent;
      pen.beginPath();
      pen.arc(node.x, node.y, node.r + 3, 0, 2 * Math.PI);
      pen.stroke();
      pen.lineWidth = width;
    }
    let angle = -Math.PI / 2;
    for (const name of CLASSES) {
      if (!node.classes[name]) continue;
      const arc = 2 * Math.PI * (node.classes[name] / sum);
      pen.strokeStyle = this.colours[name];
      pen.beginPath();
      pen.arc(node.x, node.y, node.r - width / 2, angle, angle + arc);
      pen.stroke();
      angle += arc;
    }
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const family = getComputedStyle(document.body).fontFamily;
    const big = node.name === CENTRE;
    const size = (this.nodes.size > 30 ? 11 : 12.5) * this.scale;
    const inside = node.r > 18 * this.scale || big;
    pen.fillStyle = quiet ? this.colours.dim : this.colours.text;
    const rate = quiet ? "quiet" : `${short(sum)}/s`;
    if (big) {
      pen.font = `700 ${size * 0.88}px ${family}`;
      pen.fillText(node.name, node.x, node.y - size * 0.55, node.r * 1.55);
      pen.font = `500 ${size * 0.92}px ${family}`;
      pen.fillStyle = this.colours.dim;
      pen.fillText(rate, node.x, node.y + size * 0.7, node.r * 1.5);
      pen.globalAlpha = 1;
      return;
    }
    if (inside) {
      pen.font = `550 ${Math.min(size * 0.85, node.r * 0.52)}px ${family}`;
      pen.fillText(quiet ? "–" : short(sum), node.x, node.y, node.r * 1.5);
    }
    // Names stand on the far side of the circle, so that links do not cross them.
    pen.font = `650 ${size}px ${family}`;
    const above = node.y < this.height / 2 - this.height * 0.12;
    const label = inside || this.nodes.size > 18 ? node.name : `${node.name}  ${rate}`;
    const half = Math.min(this.width * 0.24, pen.measureText(label).width) / 2;
    const x = Math.max(half + 8, Math.min(this.width - half - 8, node.x));
    const y = node.y + (above ? -1 : 1) * (node.r + size * 0.95);
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = this.colours.panel;
    pen.strokeText(label, x, y, half * 2 + 2);
    pen.fillStyle = quiet ? this.colours.dim : this.colours.text;
    pen.fillText(label, x, y, half * 2 + 2);
    pen.globalAlpha = 1;
  }

  // Without motion the volume of each link stands beside it.
  drawVolumes(pen) {
    const family = getComputedStyle(document.body).fontFamily;
    pen.font = `600 ${11.5 * this.scale}px ${family}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const links = [...this.links.values()];
    if (links.length > 40) return;
    for (const link of links) {
      const frames = link.pairs.reduce((sum, pair) => sum + total(pair.frames), 0);
      if (!frames) continue;
      const at = STEPS >> 1;
      const text = `${short(frames)}/s`;
      const half = pen.measureText(text).width / 2 + 7;
      if (link.length < 2.2 * half) continue;
      pen.fillStyle = this.colours.panel;
      pen.globalAlpha = 0.88;
      pen.beginPath();
      pen.roundRect(link.xs[at] - half, link.ys[at] - 10 * this.scale, half * 2, 20 * this.scale, 8);
      pen.fill();
      pen.globalAlpha = 1;
      pen.fillStyle = this.colours.text;
      pen.fillText(text, link.xs[at], link.ys[at] + 0.5);
    }
  }

  // What is under the pointer.
  find(x, y) {
    for (const node of this.nodes.values()) if (Math.hypot(x - node.x, y - node.y) <= node.r + 3) return { node };
    let best = null;
    let least = 13 * this.scale;
    for (const link of this.links.values()) {
      for (let i = 0; i <= STEPS; i += 1) {
        const distance = Math.hypot(x - link.xs[i], y - link.ys[i]);
        if (distance < least) [least, best] = [distance, link];
      }
    }
    return best ? { link: best } : null;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    this.light(this.width ? this.find(x, y) : null);
    if (!this.hover) return;
    this.tip.replaceChildren(...this.words(this.hover));
    this.tip.hidden = false;
    const { offsetWidth, offsetHeight } = this.tip;
    this.tip.style.left = `${Math.max(6, Math.min(this.width - offsetWidth - 6, x + 16))}px`;
    this.tip.style.top = `${y + offsetHeight + 24 > this.height ? y - offsetHeight - 12 : y + 18}px`;
  }

  light(hover) {
    const same = hover?.node === this.hover?.node && hover?.link === this.hover?.link;
    this.hover = hover;
    this.canvas.style.cursor = hover ? "pointer" : "default";
    if (!hover) this.tip.hidden = true;
    if (!same) this.dirty = true;
  }

  // Lights a link from outside (the table beside).
  show(key) {
    const link = this.links.get(key);
    this.light(link ? { link } : null);
    this.tip.hidden = true;
  }

  words({ node, link }) {
    const line = (tag, ...parts) => {
      const element = document.createElement(tag);
      element.append(...parts);
      return element;
    };
    if (node) {
      return [line("b", node.name), ...CLASSES.filter((name) => node.classes[name]).map((name) => line("span", `${CLASS_NAMES[name]}: ${short(node.classes[name])} frames/s`)),
        ...(total(node.classes) ? [] : [line("span", "no traffic seen")])];
    }
    return link.pairs.flatMap((pair) => [
      line("b", line("bdi", pair.source), " → ", line("bdi", pair.target)),
      line("span", `${short(total(pair.frames))} frames/s, ${short(8 * total(pair.bytes))}bit/s${pair.ipv6_frames ? `, ${Math.round((100 * pair.ipv6_frames) / (total(pair.frames) || 1))} % IPv6` : ""}`),
      line("span", CLASSES.filter((name) => pair.frames[name]).map((name) => `${CLASS_NAMES[name]} ${short(pair.frames[name])}`).join(" · ")),
    ]);
  }

  describe() {
    const busiest = [...this.data.pairs].sort((a, b) => total(b.frames) - total(a.frames)).slice(0, 3)
      .filter((pair) => total(pair.frames)).map((pair) => `${pair.source} to ${pair.target} ${short(total(pair.frames))} frames per second`);
    this.canvas.setAttribute("aria-label", `Traffic between ${this.data.groups.length} groups. ${busiest.length ? `Busiest: ${busiest.join("; ")}.` : "No traffic now."} The table beside lists every link.`);
  }
}
