/* The review desk: go through what is held, look at every slice, decide by keyboard, download.
   Decisions stay in this page until they are downloaded; nothing is sent anywhere. */
(function () {
  "use strict";

  var REVIEWER = new RegExp("^(?:" + window.desk.reviewer + ")$");
  var STRIP = 520, TILE = 86, MARGIN = 0.35;
  var words = window.deskWords, reasons = window.deskReasons, cases = window.desk.cases;
  var LONGEST_RULE_DAYS = 365;

  function find(name) { return document.querySelector("[data-" + name + "]"); }
  function all(name) { return Array.prototype.slice.call(document.querySelectorAll("[data-" + name + "]")); }
  function number() { return document.documentElement.lang === "en" ? 0 : 1; }
  function say(key, facts) {
    return Object.keys(facts || {}).reduce(function (text, name) {
      return text.replace("{" + name + "}", facts[name]);
    }, words[key][number()]);
  }

  function Desk() {
    this.now = -1;
    this.answers = {};
    this.images = {};
    this.saved = true;
    this.board = new window.DeskBoard(find("canvas"), this.boxesChanged.bind(this));
    this.listen();
    this.language(/^zh/.test(navigator.language) ? "zh" : "en");
    if (cases.length) this.open(0);
    else this.empty();
  }

  Desk.prototype.listen = function () {
    var self = this;
    all("set-language").forEach(function (button) {
      button.addEventListener("click", function () { self.language(button.dataset.setLanguage); });
    });
    all("outcome").forEach(function (button) {
      button.addEventListener("click", function () { self.choose(button.dataset.outcome); });
    });
    all("see").forEach(function (button) {
      button.addEventListener("click", function () { self.see(button.dataset.see); });
    });
    all("window").forEach(function (button) {
      button.addEventListener("click", function () { self.grey(button); });
    });
    find("slider").addEventListener("input", function (event) { self.slice(Number(event.target.value)); });
    find("preset").addEventListener("change", function () { self.other(); });
    find("rule").addEventListener("change", function () { self.ruled(); });
    find("save").addEventListener("click", function () { self.save(); });
    find("undo").addEventListener("click", function () { self.undo(); });
    find("strip").addEventListener("click", function (event) { self.pick(event); });
    find("form").addEventListener("submit", function (event) { event.preventDefault(); self.confirm(); });
    find("canvas").addEventListener("wheel", function (event) {
      event.preventDefault();
      self.slice(self.at + (event.deltaY > 0 ? 1 : -1));
    }, { passive: false });
    document.addEventListener("keydown", function (event) { self.key(event); });
    window.addEventListener("beforeunload", function (event) { if (!self.saved) event.preventDefault(); });
  };

  Desk.prototype.language = function (name) {
    document.documentElement.lang = name === "zh" ? "zh-CN" : "en";
    document.title = say("title");
    all("w").forEach(function (place) { place.textContent = say(place.dataset.w); });
    all("label").forEach(function (place) { place.setAttribute("aria-label", say(place.dataset.label)); });
    all("set-language").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.setLanguage === name));
    });
    this.list();
    if (this.now >= 0) this.tell();
    else if (!cases.length) this.empty();
    this.progress();
  };

  /* The list: a heading for each thing that can be done, a sign beside what is decided. */
  Desk.prototype.list = function () {
    var list = find("cases"), self = this, group = "";
    list.textContent = "";
    cases.forEach(function (one, place) {
      if (one.group !== group) {
        group = one.group;
        var head = list.appendChild(document.createElement("li"));
        head.className = "head";
        head.textContent = say("group_" + group);
      }
      var button = list.appendChild(document.createElement("li")).appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = one.site + " · " + (one.subject || one.id);
      var answer = self.answers[place];
      if (answer) {
        var sign = button.appendChild(document.createElement("span"));
        sign.className = "sign " + answer.outcome;
        sign.textContent = say("state_" + answer.outcome);
      }
      var line = button.appendChild(document.createElement("div"));
      line.className = "quiet";
      line.textContent = one.reason.replace(/_/g, "_\u200b") + " · " + one.files;
      if (place === self.now) button.setAttribute("aria-current", "true");
      button.addEventListener("click", function () { self.open(place); });
    });
    var current = list.querySelector("[aria-current]");
    if (current) current.scrollIntoView({ block: "nearest" });
  };

  Desk.prototype.progress = function () {
    find("progress").textContent = say("progress", { done: Object.keys(this.answers).length, all: cases.length });
  };

  Desk.prototype.empty = function () {
    find("nothing").hidden = false;
    find("nothing").textContent = say("no_cases");
    [find("canvas"), find("under"), find("strip"), find("place-title"), find("form")].forEach(function (part) {
      part.hidden = true;
    });
    all("outcome").forEach(function (button) { button.disabled = true; });
  };

  Desk.prototype.open = function (place) {
    if (place < 0 || place >= cases.length) return;
    this.now = place;
    this.one = cases[place];
    this.at = 0;
    this.view = "slice";
    this.outcome = "";
    var answer = this.answers[place];
    this.board.open(this.one.columns, this.one.rows);
    this.board.seen = this.one.seen;
    this.board.chosen = 0;
    this.board.boxes = (answer && answer.boxes.length ? answer.boxes : this.one.mask).map(function (box) {
      return box.slice();
    });
    this.board.masking = false;
    find("rule").checked = Boolean(answer && answer.until);
    find("until").value = answer ? answer.until : "";
    find("other").value = "";
    this.told("");
    this.grey(all("window")[0]);
    this.one.slices.forEach(function (name) { this.load(name); }, this);
    this.tell();
    if (answer) {
      this.choose(answer.outcome);
      this.recall(answer.reason);
    }
    this.list();
    find("canvas").focus({ preventScroll: true });
  };

  /* Everything that is said of the case, in the language chosen. */
  Desk.prototype.tell = function () {
    var one = this.one, pictures = one.slices.length > 0;
    find("case-title").textContent = one.site + " · " + (one.subject || one.id);
    find("case-of").textContent = say("case_of", { n: this.now + 1, all: cases.length });
    find("reason").textContent = one.reason;
    find("meaning").textContent = number() ? "" : one.meaning;
    find("todo").textContent = (one.again ? say("masked_before") + " " : "") + (number() ? one.zh : one.en);
    find("accept").textContent = say(one.retry ? "again" : "accept");
    find("nothing").hidden = pictures;
    find("nothing").textContent = say(one.images ? "unread" : "nothing");
    ["canvas", "under", "strip", "place-title"].forEach(function (name) { find(name).hidden = !pictures; });
    all("see").forEach(function (button) {
      button.disabled = button.dataset.see !== "slice" && !one[button.dataset.see];
    });
    this.facts();
    this.see(this.view);
    all("outcome").forEach(function (button) {
      button.disabled = one.actions.indexOf(button.dataset.outcome) < 0;
    });
    this.choose(this.outcome, true);
    find("undo").hidden = !this.answers[this.now];
  };

  Desk.prototype.facts = function () {
    var list = find("facts"), one = this.one;
    list.textContent = "";
    [["f_id", one.id], ["f_site", one.site], ["f_subject", one.subject], ["f_kind", one.kind],
      ["f_files", String(one.files)]].forEach(function (pair) {
      if (!pair[1]) return;
      list.appendChild(document.createElement("dt")).textContent = say(pair[0]);
      list.appendChild(document.createElement("dd")).textContent = pair[1];
    });
  };

  Desk.prototype.load = function (name) {
    var self = this;
    if (!this.images[name]) {
      var image = new Image();
      image.onload = function () { if (self.one && self.one.slices.indexOf(name) >= 0) self.soon(); };
      image.src = name;
      this.images[name] = image;
    }
    return this.images[name];
  };

  /* Many pictures arrive at once: paint once for all of them. */
  Desk.prototype.soon = function () {
    var self = this;
    if (this.waiting) return;
    this.waiting = true;
    window.requestAnimationFrame(function () { self.waiting = false; self.paint(); self.strip(); });
  };

  Desk.prototype.see = function (view) {
    this.view = view;
    all("see").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.see === view));
    });
    this.slice(this.at);
    this.strip();
  };

  Desk.prototype.slice = function (at) {
    var one = this.one, count = one.slices.length;
    if (!count) return;
    this.at = Math.max(0, Math.min(at, count - 1));
    var slider = find("slider");
    slider.max = String(count - 1);
    slider.value = String(this.at);
    find("position").textContent = say(count < one.images ? "position_part" : "position",
      { n: this.at + 1, all: count, total: one.images });
    this.paint();
  };

  Desk.prototype.paint = function () {
    var self = this;
    if (!this.one || !this.one.slices.length) return;
    var name = this.view === "slice" ? this.one.slices[this.at] : this.one[this.view];
    var image = this.load(name);
    if (!image.complete) image.onload = function () { self.soon(); };
    this.board.image = image;
    this.board.paint();
    find("canvas").setAttribute("aria-label", say("alt_canvas", { view: say(this.view) }));
  };

  /* One place cut out of every slice: what stands there on some slices only shows at once. */
  Desk.prototype.strip = function () {
    var canvas = find("strip"), one = this.one, box = this.place(), self = this;
    if (!one || !one.slices.length) return;
    var shape = Math.min(1, Math.max(0.2, box[3] / box[2]));
    var across = Math.max(1, Math.floor(STRIP / TILE)), high = Math.round(TILE * shape);
    if (one.slices.length > across * 4) { across = Math.floor(STRIP / (TILE / 2)); high = Math.round(high / 2); }
    var wide = Math.floor(STRIP / across), lines = Math.ceil(one.slices.length / across);
    canvas.width = STRIP;
    canvas.height = lines * (high + 2);
    var c = canvas.getContext("2d");
    this.tiles = { wide: wide, high: high + 2, across: across };
    one.slices.forEach(function (name, place) {
      var image = self.images[name];
      if (!image || !image.complete || !image.naturalWidth) return;
      var s = image.naturalWidth / one.columns;
      c.filter = self.board.filter || "none";
      c.drawImage(image, box[0] * s, box[1] * s, box[2] * s, box[3] * s,
        place % across * wide, Math.floor(place / across) * (high + 2), wide - 2, high);
    });
    canvas.setAttribute("aria-label", say("alt_strip", { n: one.slices.length }));
  };

  /* The box at work, or all that was seen, a little larger; else the whole image. */
  Desk.prototype.place = function () {
    var one = this.one, boxes = this.board.masking && this.board.boxes.length
      ? [this.board.boxes[this.board.chosen]] : one.seen;
    if (!boxes.length) return [0, 0, one.columns, one.rows];
    var left = Math.min.apply(null, boxes.map(function (b) { return b[0]; }));
    var top = Math.min.apply(null, boxes.map(function (b) { return b[1]; }));
    var right = Math.max.apply(null, boxes.map(function (b) { return b[0] + b[2]; }));
    var bottom = Math.max.apply(null, boxes.map(function (b) { return b[1] + b[3]; }));
    var grow = MARGIN * Math.min(right - left, bottom - top) + 2;
    left = Math.max(0, left - grow);
    top = Math.max(0, top - grow);
    return [left, top, Math.min(one.columns, right + grow) - left, Math.min(one.rows, bottom + grow) - top];
  };

  Desk.prototype.pick = function (event) {
    var place = find("strip").getBoundingClientRect(), shown = place.width / STRIP;
    var column = Math.floor((event.clientX - place.left) / shown / this.tiles.wide);
    var line = Math.floor((event.clientY - place.top) / shown / this.tiles.high);
    this.view = "slice";
    this.at = line * this.tiles.across + column;
    this.see("slice");
  };

  Desk.prototype.grey = function (button) {
    var shares = button.dataset.window.split(" ").map(Number);
    var slope = 1 / (shares[1] - shares[0]), contrast = 1 + 2 * shares[0] * slope;
    all("window").forEach(function (other) {
      other.setAttribute("aria-pressed", String(other === button));
    });
    this.board.filter = slope === 1 ? "none"
      : "brightness(" + slope / contrast + ") contrast(" + contrast + ")";
    this.paint();
    this.strip();
  };

  Desk.prototype.step = function (buttons) {
    var open = buttons.filter(function (button) { return !button.disabled; });
    var on = open.findIndex(function (button) { return button.getAttribute("aria-pressed") === "true"; });
    open[(on + 1) % open.length].click();
  };

  Desk.prototype.choose = function (outcome, again) {
    if (outcome && this.one.actions.indexOf(outcome) < 0) return;
    this.outcome = outcome;
    all("outcome").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.outcome === outcome));
    });
    this.board.masking = outcome === "mask";
    document.body.classList.toggle("masking", this.board.masking);
    if (this.board.masking && !this.board.boxes.length) this.board.add();
    find("boxes-part").hidden = !this.board.masking;
    find("why-part").hidden = !outcome;
    find("rule-part").hidden = !(this.one.rule && outcome && outcome !== "reject");
    if (!again || !find("preset").options.length) this.told("");
    this.presets();
    this.boxesChanged();
  };

  /* What is kept is English; what shows is in the language chosen. */
  Desk.prototype.presets = function () {
    var select = find("preset"), before = select.value;
    var kind = this.outcome === "accept" && this.one.retry ? "again" : this.outcome;
    select.textContent = "";
    (reasons[kind] || []).forEach(function (pair) { select.add(new Option(pair[number()], pair[0])); });
    select.add(new Option(reasons.other[number()], ""));
    if (kind === "mask" && this.one.group === "face") select.selectedIndex = 1;
    if (kind === "accept" && this.one.group === "face") select.selectedIndex = 2;
    if (kind === "accept" && this.one.group === "person") select.selectedIndex = 3;
    if (before && Array.prototype.some.call(select.options, function (o) { return o.value === before; })) {
      select.value = before;
    }
    this.other();
  };

  Desk.prototype.recall = function (reason) {
    var select = find("preset");
    select.value = reason;
    if (select.value !== reason) { select.value = ""; find("other").value = reason; }
    this.other();
  };

  Desk.prototype.other = function () {
    find("other-part").hidden = find("preset").value !== "" || !this.outcome;
  };

  Desk.prototype.ruled = function () {
    if (!find("rule").checked || find("until").value) return;
    var day = new Date(window.desk.made_on + "T12:00:00Z");
    day.setUTCDate(day.getUTCDate() + LONGEST_RULE_DAYS);
    find("until").value = day.toISOString().slice(0, 10);
  };

  Desk.prototype.boxesChanged = function () {
    var list = find("boxes"), self = this, board = this.board;
    if (list.children.length !== board.boxes.length) {
      list.textContent = "";
      board.boxes.forEach(function (_, place) { self.line(list, place); });
    }
    board.boxes.forEach(function (box, place) {
      var line = list.children[place];
      line.className = place === board.chosen ? "on" : "";
      box.forEach(function (value, side) {
        if (document.activeElement !== line.children[side]) line.children[side].value = value;
        line.children[side].setAttribute("aria-label", say("box", { n: place + 1 }) + " " + "xywh"[side]);
      });
    });
    this.paint();
    this.strip();
  };

  Desk.prototype.line = function (list, place) {
    var line = list.appendChild(document.createElement("li")), board = this.board;
    [0, 1, 2, 3].forEach(function (side) {
      var field = line.appendChild(document.createElement("input"));
      field.type = "number";
      field.min = side < 2 ? "0" : "1";
      field.addEventListener("focus", function () { board.chosen = place; board.changed(); });
      field.addEventListener("change", function () {
        var box = board.boxes[place].slice();
        box[side] = Math.round(Number(field.value) || 0);
        board.put(place, box);
      });
    });
  };

  Desk.prototype.told = function (text, good) {
    find("told").textContent = text;
    find("told").className = good ? "told good" : "told";
  };

  Desk.prototype.confirm = function () {
    if (this.now < 0) return;
    var ruled = this.one.rule && this.outcome !== "reject" && find("rule").checked;
    var reason = (find("preset").value || find("other").value).trim();
    var boxes = this.outcome === "mask" ? this.board.boxes : [];
    if (!this.outcome) return this.told(say("told_outcome"));
    if (this.outcome === "mask" && !boxes.length) return this.told(say("told_box"));
    if (!reason) return this.told(say("told_why"));
    if (ruled && !find("until").value) return this.told(say("told_until"));
    this.answers[this.now] = {
      outcome: this.outcome,
      reason: reason,
      boxes: boxes.map(function (box) { return box.slice(); }),
      until: ruled ? find("until").value : ""
    };
    this.saved = false;
    this.progress();
    this.following();
  };

  /* To the next case that is not decided, from here on and then from the first. */
  Desk.prototype.following = function () {
    for (var step = 1; step <= cases.length; step += 1) {
      var place = (this.now + step) % cases.length;
      if (!this.answers[place]) return this.open(place);
    }
    this.open(this.now);
    this.told(say("told_all"), true);
  };

  Desk.prototype.undo = function () {
    delete this.answers[this.now];
    this.saved = !Object.keys(this.answers).length;
    this.progress();
    this.open(this.now);
  };

  Desk.prototype.save = function () {
    var reviewer = find("reviewer").value.trim(), answers = this.answers;
    if (!REVIEWER.test(reviewer)) {
      find("reviewer").focus();
      return this.told(say("told_reviewer"));
    }
    var rows = Object.keys(answers).map(function (place) {
      var one = cases[place], answer = answers[place];
      return { hold_id: one.id, hold_sha256: one.sha256, reason_code: one.reason, outcome: answer.outcome,
        boxes: answer.boxes, reason: answer.reason, until: answer.until };
    });
    if (!rows.length) return this.told(say("told_none"));
    var file = { format: window.desk.format, reviewer: reviewer, made_on: window.desk.made_on, decisions: rows };
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1) + "\n"], { type: "application/json" }));
    link.download = "quarantine_" + reviewer + "_" + window.desk.made_on + ".json";
    document.body.appendChild(link);
    link.click();
    link.remove();
    window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
    this.saved = true;
    this.told(say("told_saved"), true);
  };

  /* Keys of the whole page; a field that takes text keeps its own. */
  Desk.prototype.key = function (event) {
    var typing = /^(text|number|date)$/.test(event.target.type || "") || event.target.tagName === "SELECT";
    if (typing || event.altKey || event.metaKey || this.now < 0) return;
    if (event.key === "Enter") {
      if (event.target.tagName === "BUTTON") return;
      event.preventDefault();
      return this.confirm();
    }
    if (this.arrow(event)) { event.preventDefault(); return; }
    var doing = event.ctrlKey ? undefined : this.keys()[event.key];
    if (doing) { event.preventDefault(); doing.call(this); }
  };

  Desk.prototype.arrow = function (event) {
    var ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    var way = ways[event.key], far = event.ctrlKey ? 1 : Math.max(1, Math.round(this.one.columns / 128));
    if (event.key === "PageDown" || event.key === "PageUp") {
      this.slice(this.at + (event.key === "PageDown" ? 1 : -1));
      return true;
    }
    if (!way || event.target.type === "range") return false;
    if (this.board.masking) this.board.nudge(way[0] * far, way[1] * far, event.shiftKey);
    else if (way[1]) this.slice(this.at + way[1]);
    return true;
  };

  Desk.prototype.keys = function () {
    var board = this.board, masking = board.masking;
    return {
      "1": function () { this.choose("accept"); },
      "2": function () { this.choose("reject"); },
      "3": function () { this.choose("mask"); },
      n: function () { this.open(this.now + 1); },
      p: function () { this.open(this.now - 1); },
      v: function () { this.step(all("see")); },
      w: function () { this.step(all("window")); },
      s: this.save,
      u: function () { if (this.answers[this.now]) this.undo(); },
      r: function () {
        if (find("rule-part").hidden) return;
        find("rule").checked = !find("rule").checked;
        this.ruled();
      },
      b: masking ? function () { board.add(); } : null,
      x: masking ? function () { board.remove(); } : null,
      o: masking ? function () { board.next(); } : null
    };
  };

  document.addEventListener("DOMContentLoaded", function () { new Desk(); });
})();
