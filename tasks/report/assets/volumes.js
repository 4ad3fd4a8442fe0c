/* Reduced volumes of one exam side by side, linked by position in the scanner's millimetres.
   A volume comes as a classic script with its slices as one picture in base64: a page opened
   from a file share may not fetch, and may not read the pixels of a picture file. */
(function () {
  "use strict";

  var app = window.livercohort;
  var AXES = [["L", "R"], ["P", "A"], ["I", "S"]]; // towards which RAS millimetres grow
  var TOUCH_PIXELS = 8, FAR_MM = 0.05, DRAWN_PIXELS = 512;

  /* A volume's script calls this while it runs; whoever loaded it left its address there. */
  app.volumes = {};
  app.takeVolume = function (volume) {
    app.volumes[document.currentScript.dataset.address] = volume;
  };

  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  /* Column, row, slice and millimetres: a 3 x 4 matrix and its inverse. */
  function applied(matrix, point) {
    return matrix.map(function (row) {
      return row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3];
    });
  }

  function cross(a, b) {
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  }

  function dot(a, b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

  function inverted(matrix) {
    var columns = [0, 1, 2, 3].map(function (n) {
      return matrix.map(function (row) { return row[n]; });
    });
    var size = dot(columns[0], cross(columns[1], columns[2]));
    return [[1, 2], [2, 0], [0, 1]].map(function (pair) {
      var row = cross(columns[pair[0]], columns[pair[1]]).map(function (v) { return v / size; });
      return row.concat([-dot(row, columns[3])]);
    });
  }

  function direction(matrix, column) {
    var along = matrix.map(function (row) { return row[column]; });
    var length = Math.sqrt(dot(along, along));
    return along.map(function (value) { return value / length; });
  }

  /* The letter towards which a direction points most, and its axis. */
  function letterOf(along) {
    var axis = [0, 1, 2].reduce(function (best, one) {
      return Math.abs(along[one]) > Math.abs(along[best]) ? one : best;
    }, 0);
    return { axis: axis, letter: AXES[axis][along[axis] > 0 ? 1 : 0] };
  }

  function anatomical(axis, mm) {
    return AXES[axis][mm < 0 ? 0 : 1] + " " + Math.abs(mm).toFixed(1) + " mm";
  }

  /* One byte for a pixel: all of an exam's volumes are held at once. */
  function greysOf(data) {
    var greys = new Uint8Array(data.length / 4);
    for (var at = 0; at < greys.length; at += 1) greys[at] = data[4 * at];
    return greys;
  }

  function unpacked(volume, done) {
    var image = new Image();
    image.onload = function () {
      var size = volume.size, sheet = element("canvas");
      sheet.width = image.naturalWidth;
      sheet.height = image.naturalHeight;
      var context = sheet.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      volume.slices = [];
      for (var slice = 0; slice < size[2]; slice += 1) {
        volume.slices.push(greysOf(context.getImageData(
          slice % volume.perRow * size[0], Math.floor(slice / volume.perRow) * size[1],
          size[0], size[1]).data));
      }
      volume.toVoxel = inverted(volume.toMm);
      done(true);
    };
    image.onerror = function () { done(false); };
    image.src = "data:image/webp;base64," + volume.webp;
    volume.webp = "";
  }

  /* Two panels may ask for one volume: it is loaded and unpacked once, then both are told. */
  var waiting = {};

  function load(root, address, done) {
    if (app.volumes[address] && app.volumes[address].slices) { done(true); return; }
    if (waiting[address]) { waiting[address].push(done); return; }
    waiting[address] = [done];
    function tell(whole) {
      var told = waiting[address];
      delete waiting[address];
      told.forEach(function (one) { one(whole); });
    }
    var script = element("script");
    script.dataset.address = address;
    script.onload = function () { unpacked(app.volumes[address], tell); };
    script.onerror = function () { tell(false); };
    script.src = root + address;
    document.head.appendChild(script);
  }

  /* What each of the 256 greys is shown as between two values. */
  app.shadesOf = function (volume, limits) {
    var knots = volume.knots, low = limits[0], high = limits[1];
    var table = new Uint8ClampedArray(256), at = 0;
    for (var grey = 0; grey < 256; grey += 1) {
      while (at < knots.length - 2 && grey > knots[at + 1][1]) at += 1;
      var share = (grey - knots[at][1]) / (knots[at + 1][1] - knots[at][1]);
      var value = knots[at][0] + share * (knots[at + 1][0] - knots[at][0]);
      table[grey] = Math.round((value - low) / (high - low) * 255);
    }
    return table;
  };

  /* One series. Where its cross-hair is, in millimetres, belongs to the exam while linked. */
  function Panel(scroller, facts) {
    var self = this;
    this.scroller = scroller;
    this.facts = facts;
    this.volume = null;
    this.place = element("div", "volume");
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "slider");
    this.canvas.setAttribute("aria-label", facts.title);
    this.canvas.setAttribute("aria-orientation", "vertical");
    this.canvas.setAttribute("aria-valuenow", "0");
    this.told = element("p", "volume-position", app.say("volume.loading"));
    this.title = element("p", "volume-title", facts.title);
    this.place.append(this.title, this.canvas, this.told);
    this.listen();
    load(scroller.root, facts.address, function (whole) {
      if (!whole) { self.told.textContent = app.say("rate.missing"); return; }
      self.volume = app.volumes[facts.address];
      self.start();
    });
  }

  Panel.prototype.start = function () {
    var size = this.volume.size;
    this.scale = Math.max(1, Math.round(DRAWN_PIXELS / Math.max(size[0], size[1])));
    this.canvas.width = this.scale * size[0];
    this.canvas.height = this.scale * size[1];
    this.canvas.setAttribute("aria-valuemin", "1");
    this.canvas.setAttribute("aria-valuemax", String(this.volume.of));
    this.at = applied(this.volume.toMm, [size[0] / 2, size[1] / 2, Math.floor(size[2] / 2)]);
    this.small = element("canvas");
    this.small.width = size[0];
    this.small.height = size[1];
    this.scroller.join(this);
  };

  Panel.prototype.listen = function () {
    var self = this, canvas = this.canvas, touch = null;
    canvas.addEventListener("wheel", function (event) {
      event.preventDefault();
      self.scroll(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("focus", function () { self.scroller.active = self; });
    canvas.addEventListener("dblclick", function () { self.scroller.enlarge(self); });
    canvas.addEventListener("pointerdown", function (event) {
      if (event.pointerType === "touch") touch = { y: event.clientY, moved: false };
      else if (event.button === 0) self.point(event);
    });
    canvas.addEventListener("pointermove", function (event) {
      if (touch) {
        var steps = Math.trunc((touch.y - event.clientY) / TOUCH_PIXELS);
        if (steps) touch = { y: touch.y - steps * TOUCH_PIXELS, moved: true };
        if (steps) self.scroll(steps);
      } else if (event.buttons === 1) self.point(event);
    });
    canvas.addEventListener("pointerup", function (event) {
      if (touch && !touch.moved) self.point(event);
      touch = null;
    });
    canvas.addEventListener("pointercancel", function () { touch = null; });
  };

  Panel.prototype.voxel = function () {
    return applied(
      this.volume.toVoxel,
      this.scroller.linked ? this.scroller.at[this.facts.frame] : this.at);
  };

  Panel.prototype.moveTo = function (voxel) {
    this.at = applied(this.volume.toMm, voxel);
    this.scroller.moved(this);
  };

  /* By whole slices, from the slice that is shown: its plane is then the plane of all. */
  Panel.prototype.scroll = function (steps) {
    if (!this.volume) return;
    var voxel = this.voxel(), last = this.volume.size[2] - 1;
    voxel[2] = Math.max(0, Math.min(last, Math.round(voxel[2]) + steps));
    this.moveTo(voxel);
  };

  Panel.prototype.point = function (event) {
    if (!this.volume) return;
    var box = this.canvas.getBoundingClientRect(), size = this.volume.size;
    var slice = Math.max(0, Math.min(size[2] - 1, Math.round(this.voxel()[2])));
    this.moveTo([
      (event.clientX - box.left) / box.width * size[0] - 0.5,
      (event.clientY - box.top) / box.height * size[1] - 0.5, slice]);
  };

  Panel.prototype.draw = function () {
    if (!this.volume) return;
    var volume = this.volume, size = volume.size, voxel = this.voxel();
    var slice = Math.round(voxel[2]), inside = slice >= 0 && slice < size[2];
    var context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (inside) this.drawSlice(context, slice);
    if (inside && this.scroller.crossed) this.drawCross(context, voxel);
    this.drawLetters(context);
    this.tell(voxel, slice, inside);
  };

  Panel.prototype.drawSlice = function (context, slice) {
    var size = this.volume.size, greys = this.volume.slices[slice];
    var picture = new ImageData(size[0], size[1]), table = this.scroller.shadesOf(this);
    for (var at = 0; at < greys.length; at += 1) {
      var shade = table[greys[at]], first = 4 * at;
      picture.data[first] = picture.data[first + 1] = picture.data[first + 2] = shade;
      picture.data[first + 3] = 255;
    }
    this.small.getContext("2d").putImageData(picture, 0, 0);
    context.drawImage(this.small, 0, 0, this.canvas.width, this.canvas.height);
  };

  Panel.prototype.drawCross = function (context, voxel) {
    var x = this.scale * (voxel[0] + 0.5), y = this.scale * (voxel[1] + 0.5), gap = 14;
    context.strokeStyle = "#ffd447";
    context.lineWidth = 1.5;
    context.beginPath();
    [[0, y, x - gap, y], [x + gap, y, this.canvas.width, y],
      [x, 0, x, y - gap], [x, y + gap, x, this.canvas.height]].forEach(function (line) {
      context.moveTo(line[0], line[1]);
      context.lineTo(line[2], line[3]);
    });
    context.stroke();
  };

  Panel.prototype.drawLetters = function (context) {
    var right = letterOf(direction(this.volume.toMm, 0)), down = letterOf(
      direction(this.volume.toMm, 1)), wide = this.canvas.width, high = this.canvas.height;
    function opposite(one) { return AXES[one.axis][one.letter === AXES[one.axis][0] ? 1 : 0]; }
    context.font = "bold " + Math.round(wide / 22) + "px sans-serif";
    context.fillStyle = "#fff";
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillText(opposite(right), 6, high / 2);
    context.textAlign = "right";
    context.fillText(right.letter, wide - 6, high / 2);
    context.textAlign = "center";
    context.textBaseline = "top";
    context.fillText(opposite(down), wide / 2, 6);
    context.textBaseline = "bottom";
    context.fillText(down.letter, wide / 2, high - 6);
  };

  /* Where the shown slice lies, at the cross-hair, along the axis it is mostly across; and how
     far from the cross-hair that plane is, where no slice of this series lies on it. */
  Panel.prototype.tell = function (voxel, slice, inside) {
    var volume = this.volume, number = volume.first + volume.step * slice + 1;
    var across = cross(direction(volume.toMm, 0), direction(volume.toMm, 1));
    var axis = letterOf(across).axis;
    var shown = applied(volume.toMm, [voxel[0], voxel[1], slice]);
    var wanted = applied(volume.toMm, voxel);
    var off = Math.abs(dot(across, [0, 1, 2].map(function (n) { return shown[n] - wanted[n]; })));
    var text = inside ? app.say("volume.position", {
      slice: number, total: volume.of, mm: anatomical(axis, shown[axis])
    }) : app.say("volume.outside", { mm: anatomical(axis, wanted[axis]) });
    if (inside && off > FAR_MM) text += " · " + app.say("volume.off", { mm: off.toFixed(1) });
    if (this.scroller.severalFrames) {
      text += " · " + app.say("volume.frame", { n: this.facts.frame });
    }
    if (volume.step > 1) text += " · " + app.say("volume.every", { n: volume.step });
    if (volume.volumes > 1) {
      text += " · " + app.say("volume.which", { n: volume.volume, total: volume.volumes });
    }
    this.told.textContent = text;
    this.place.classList.toggle("outside", !inside);
    this.canvas.setAttribute(
      "aria-valuenow", String(Math.max(1, Math.min(volume.of, number))));
    this.canvas.setAttribute("aria-valuetext", text);
  };

  app.VolumePanel = Panel;
})();
