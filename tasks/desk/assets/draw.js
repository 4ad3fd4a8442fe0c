/* One picture with boxes over it: drawn, moved and sized by mouse; told of by its listener.
   Boxes are [x, y, width, height] in pixels of the stored image, origin top left. */
(function () {
  "use strict";

  var SIDE = 470, HANDLE = 9, SMALLEST = 2;
  var COLOURS = { seen: "#ffb000", mask: "#19a0ff", chosen: "#ffffff" };

  function Board(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.changed = changed;
    this.boxes = [];
    this.seen = [];
    this.chosen = 0;
    this.masking = false;
    this.drag = null;
    canvas.addEventListener("mousedown", this.down.bind(this));
    window.addEventListener("mousemove", this.move.bind(this));
    window.addEventListener("mouseup", this.up.bind(this));
  }

  /* The picture may be smaller than what is stored: boxes stay in stored pixels. */
  Board.prototype.open = function (columns, rows) {
    this.columns = columns || 1;
    this.rows = rows || 1;
    this.scale = Math.min(SIDE / this.columns, SIDE / this.rows);
    this.canvas.width = Math.round(this.columns * this.scale);
    this.canvas.height = Math.round(this.rows * this.scale);
    this.image = null;
  };

  Board.prototype.paint = function () {
    var c = this.context, self = this;
    c.fillStyle = "#000";
    c.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.image && this.image.complete && this.image.naturalWidth) {
      c.imageSmoothingEnabled = this.scale < 3;
      c.filter = this.filter || "none";
      c.drawImage(this.image, 0, 0, this.canvas.width, this.canvas.height);
      c.filter = "none";
    }
    c.setLineDash([5, 4]);
    this.seen.forEach(function (box) { self.frame(box, COLOURS.seen, 2); });
    c.setLineDash([]);
    if (this.masking) this.boxes.forEach(function (box, n) { self.paintMask(box, n); });
  };

  Board.prototype.paintMask = function (box, number) {
    var c = this.context, s = this.scale, on = number === this.chosen;
    c.fillStyle = "rgba(0, 0, 0, 0.82)";
    c.fillRect(box[0] * s, box[1] * s, box[2] * s, box[3] * s);
    this.frame(box, COLOURS.mask, on ? 3 : 2);
    if (!on) return;
    c.fillStyle = COLOURS.chosen;
    c.fillRect((box[0] + box[2]) * s - HANDLE / 2, (box[1] + box[3]) * s - HANDLE / 2, HANDLE, HANDLE);
  };

  Board.prototype.frame = function (box, colour, width) {
    var c = this.context, s = this.scale;
    c.lineWidth = width;
    c.strokeStyle = colour;
    c.strokeRect(box[0] * s, box[1] * s, box[2] * s, box[3] * s);
  };

  Board.prototype.at = function (event) {
    var place = this.canvas.getBoundingClientRect();
    return [(event.clientX - place.left) / this.scale, (event.clientY - place.top) / this.scale];
  };

  Board.prototype.down = function (event) {
    if (!this.masking || event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus();
    var p = this.at(event), near = HANDLE / this.scale, found = -1, size = false;
    this.boxes.forEach(function (b, n) {
      var corner = Math.abs(p[0] - b[0] - b[2]) < near && Math.abs(p[1] - b[1] - b[3]) < near;
      var inside = p[0] >= b[0] && p[0] <= b[0] + b[2] && p[1] >= b[1] && p[1] <= b[1] + b[3];
      if (corner || (inside && !size)) { found = n; size = corner; }
    });
    if (found < 0) {
      this.boxes.push([Math.floor(p[0]), Math.floor(p[1]), 1, 1]);
      found = this.boxes.length - 1;
      size = true;
    }
    this.chosen = found;
    this.drag = { from: p, box: this.boxes[found].slice(), size: size };
    this.changed();
  };

  Board.prototype.move = function (event) {
    if (!this.drag) return;
    var p = this.at(event), b = this.drag.box.slice();
    var dx = Math.round(p[0] - this.drag.from[0]), dy = Math.round(p[1] - this.drag.from[1]);
    if (this.drag.size) { b[2] += dx; b[3] += dy; } else { b[0] += dx; b[1] += dy; }
    this.put(this.chosen, b);
  };

  Board.prototype.up = function () {
    if (!this.drag) return;
    var b = this.boxes[this.chosen];
    this.drag = null;
    // A click beside every box draws none.
    if (b[2] < SMALLEST && b[3] < SMALLEST) this.remove();
  };

  /* Keep a box inside the image, and at least one pixel large. */
  Board.prototype.put = function (number, box) {
    var w = Math.max(1, Math.min(box[2], this.columns)), h = Math.max(1, Math.min(box[3], this.rows));
    var x = Math.max(0, Math.min(box[0], this.columns - 1));
    var y = Math.max(0, Math.min(box[1], this.rows - 1));
    var sized = box[2] !== this.boxes[number][2] || box[3] !== this.boxes[number][3];
    if (sized) { w = Math.min(w, this.columns - x); h = Math.min(h, this.rows - y); }
    x = Math.min(x, this.columns - w);
    y = Math.min(y, this.rows - h);
    this.boxes[number] = [x, y, w, h];
    this.changed();
  };

  Board.prototype.nudge = function (dx, dy, size) {
    var b = this.boxes[this.chosen];
    if (!b) return;
    this.put(this.chosen, size ? [b[0], b[1], b[2] + dx, b[3] + dy] : [b[0] + dx, b[1] + dy, b[2], b[3]]);
  };

  Board.prototype.add = function () {
    var w = Math.max(1, Math.round(this.columns / 4)), h = Math.max(1, Math.round(this.rows / 16));
    this.boxes.push([Math.round((this.columns - w) / 2), Math.round((this.rows - h) / 2), w, h]);
    this.chosen = this.boxes.length - 1;
    this.changed();
  };

  Board.prototype.remove = function () {
    this.boxes.splice(this.chosen, 1);
    this.chosen = Math.max(0, Math.min(this.chosen, this.boxes.length - 1));
    this.changed();
  };

  Board.prototype.next = function () {
    this.chosen = this.boxes.length ? (this.chosen + 1) % this.boxes.length : 0;
    this.changed();
  };

  window.DeskBoard = Board;
})();
