// A scatter on a canvas that zooms and pans. It knows points and colours, nothing of items.

const REACH = 14; // pixels from the pointer at which a point counts as meant
const STEP = 60;
const CLOSEST = 60;

export class Plot {
  /**
   * @param canvas Fills its parent; sharp on every screen.
   * @param onhover Called with a point and its place, or with null.
   * @param onopen Called with the point that was chosen.
   * @param onmove Called after the view has changed.
   */
  constructor(canvas, { onhover, onopen, onmove }) {
    Object.assign(this, { canvas, onhover, onopen, onmove, points: [], marks: [], colours: {}, zoom: 1, x: 0, y: 0 });
    this.pointers = new Map();
    this.travelled = 0;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.release(event));
    canvas.addEventListener("pointerleave", () => this.onhover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) canvas.addEventListener(name, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Points `{ id, x, y, count }`; the longer side of their box becomes the unit. */
  fill(points) {
    const side = (key) => [points.reduce((low, p) => Math.min(low, p[key]), Infinity), points.reduce((high, p) => Math.max(high, p[key]), -Infinity)];
    const [[left, right], [bottom, top]] = [side("x"), side("y")];
    const wide = right - left || 1;
    const high = top - bottom || 1;
    const most = points.reduce((high, p) => Math.max(high, p.count ?? 0), 1);
    this.points = points.map((p) => ({ ...p, u: (p.x - left) / wide - 0.5, v: 0.5 - (p.y - bottom) / high, size: 1.6 + 4.5 * Math.sqrt((p.count ?? 0) / most) }));
    this.points.sort((a, b) => b.size - a.size);
    this.reset();
  }

  reset() {
    this.look(0, 0, 1);
  }

  /** Looks at a place of the unit square around 0. */
  look(x, y, zoom) {
    const clamp = (value) => Math.min(0.5, Math.max(-0.5, value));
    Object.assign(this, { x: clamp(x), y: clamp(y), zoom: Math.min(CLOSEST, Math.max(1, zoom)) });
    if (this.zoom === 1) this.x = this.y = 0;
    this.draw();
    this.onmove();
  }

  /** Pixels of a point, as it is drawn. */
  place({ u, v }) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return [width / 2 + (u - this.x) * this.zoom * 0.92 * width, height / 2 + (v - this.y) * this.zoom * 0.92 * height];
  }

  inView() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return this.points.filter((point) => {
      const [left, top] = this.place(point);
      return left >= 0 && top >= 0 && left <= width && top <= height;
    });
  }

  nearest(left, top, reach = REACH) {
    let best = null;
    let least = reach ** 2;
    for (const point of this.points) {
      const [x, y] = this.place(point);
      const distance = (x - left) ** 2 + (y - top) ** 2;
      if (distance <= least) [best, least] = [point, distance];
    }
    return best;
  }

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.paint();
    });
  }

  paint() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== width * scale || canvas.height !== height * scale) Object.assign(canvas, { width: width * scale, height: height * scale });
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const grow = Math.min(2.2, Math.sqrt(this.zoom) * 0.4 + 0.6);
    pen.globalAlpha = 0.45;
    for (const point of this.points) this.dot(pen, point, this.colours.point, point.size * grow);
    pen.globalAlpha = 1;
    for (const { ids, colour, size } of this.marks) {
      for (const point of this.points) if (ids.has(String(point.id))) this.dot(pen, point, colour, size, this.colours.ground);
    }
    if (document.activeElement === canvas) this.cross(pen, width / 2, height / 2);
  }

  dot(pen, point, colour, size, rim) {
    const [left, top] = this.place(point);
    pen.beginPath();
    pen.arc(left, top, size, 0, 7);
    pen.fillStyle = colour;
    pen.fill();
    if (rim) Object.assign(pen, { strokeStyle: rim, lineWidth: 1.5 });
    if (rim) pen.stroke();
  }

  cross(pen, left, top) {
    Object.assign(pen, { strokeStyle: this.colours.ink, lineWidth: 1.5 });
    pen.strokeRect(left - REACH, top - REACH, 2 * REACH, 2 * REACH);
  }

  spot(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.spot(event));
    this.travelled = 0;
  }

  drag(event) {
    const now = this.spot(event);
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.onhover(this.nearest(...now));
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
    this.pointers.set(event.pointerId, now);
    if (other) return this.closer(this.apart(now, other) / this.apart(before, other), ...now);
    return this.pan(before[0] - now[0], before[1] - now[1]);
  }

  apart = (one, other) => Math.max(1, Math.hypot(one[0] - other[0], one[1] - other[1]));

  release(event) {
    const tapped = this.pointers.delete(event.pointerId) && event.type === "pointerup" && this.travelled < 5;
    const point = tapped && this.nearest(...this.spot(event));
    if (point) this.onopen(point);
  }

  pan(left, top) {
    this.look(this.x + left / (this.zoom * 0.92 * this.canvas.clientWidth), this.y + top / (this.zoom * 0.92 * this.canvas.clientHeight), this.zoom);
  }

  /** Zooms so that what lies under (left, top) stays there. */
  closer(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const zoom = Math.min(CLOSEST, Math.max(1, this.zoom * factor));
    const shift = (1 - this.zoom / zoom) / (this.zoom * 0.92);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.look(this.x + ((left - width / 2) / width) * shift, this.y + ((top - height / 2) / height) * shift, zoom);
  }

  wheel(event) {
    event.preventDefault();
    this.closer(Math.exp(-event.deltaY * 0.0016), ...this.spot(event));
  }

  key(event) {
    const ways = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key in ways) this.pan(...ways[event.key]);
    else if (event.key === "+" || event.key === "=") this.closer(1.5);
    else if (event.key === "-") this.closer(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "Enter") this.enter();
    else return;
    event.preventDefault();
  }

  enter() {
    const point = this.nearest(this.canvas.clientWidth / 2, this.canvas.clientHeight / 2, Infinity);
    if (point) this.onopen(point);
  }
}
