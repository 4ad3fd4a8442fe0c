/* The volumes of one exam: which are shown, what links them, their window and their keys. */
(function () {
  "use strict";

  var app = window.livercohort;
  var PAGE_SLICES = 5, IN_A_ROW = 6;

  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function Scroller(place) {
    var self = this;
    this.place = place;
    this.root = place.dataset.volumes;
    this.opener = place.querySelector("[data-open-volumes]");
    this.body = place.querySelector("[data-volume-body]");
    this.grid = place.querySelector("[data-volume-grid]");
    this.windows = Array.prototype.slice.call(place.querySelectorAll("[data-low]"));
    this.choices = Array.prototype.slice.call(place.querySelectorAll("[data-volume]"));
    this.panels = [];
    this.linked = this.crossed = true;
    this.active = this.large = null;
    this.at = {}; // by frame of reference: millimetres of another one are another place
    this.leading = {}; // by frame: the choice that says where it begins, and not which file came first
    this.severalFrames = new Set(this.choices.map(function (one) {
      return one.dataset.frame;
    })).size > 1;
    this.window = 0;
    this.listen();
    app.onLanguage.push(function () { self.draw(); });
  }

  Scroller.prototype.listen = function () {
    var self = this;
    this.opener.addEventListener("click", function () { self.open(self.body.hidden); });
    this.windows.forEach(function (one, number) {
      one.addEventListener("click", function () { self.setWindow(number); });
    });
    this.choices.forEach(function (one) {
      one.addEventListener("click", function () { self.toggle(one); });
    });
    this.place.querySelectorAll("[data-switch]").forEach(function (one) {
      one.addEventListener("click", function () { self.turn(one.dataset.switch); });
    });
    this.grid.addEventListener("keydown", function (event) { self.onKey(event); });
  };

  Scroller.prototype.open = function (shown) {
    var self = this;
    this.body.hidden = !shown;
    this.opener.setAttribute("aria-expanded", String(shown));
    if (!shown || this.panels.length) return;
    var chosen = this.choices.filter(function (one) {
      return one.getAttribute("aria-pressed") === "true";
    });
    chosen.forEach(function (one) {
      if (!self.leading[one.dataset.frame]) self.leading[one.dataset.frame] = one;
    });
    chosen.forEach(function (one) { self.add(one); });
    this.lay();
    this.draw();
  };

  Scroller.prototype.add = function (choice) {
    var facts = {
      address: choice.dataset.volume, title: choice.dataset.title,
      scale: choice.dataset.scale, frame: choice.dataset.frame
    };
    var panel = new app.VolumePanel(this, facts);
    panel.choice = choice;
    this.panels.push(panel);
  };

  /* In the order of the exam, whatever order they were chosen in. */
  Scroller.prototype.lay = function () {
    var self = this, order = this.choices;
    this.panels.sort(function (a, b) { return order.indexOf(a.choice) - order.indexOf(b.choice); });
    this.panels.forEach(function (one) {
      self.grid.appendChild(one.place);
      one.place.classList.toggle("large", one === self.large);
      one.place.hidden = self.large !== null && one !== self.large;
    });
    var n = this.large ? 1 : this.panels.length;
    this.grid.style.setProperty("--columns", String(n > IN_A_ROW ? Math.ceil(n / 2) : Math.max(1, n)));
  };

  Scroller.prototype.toggle = function (choice) {
    var shown = choice.getAttribute("aria-pressed") !== "true";
    choice.setAttribute("aria-pressed", String(shown));
    if (shown) this.add(choice);
    else this.panels = this.panels.filter(function (one) {
      if (one.choice === choice) one.place.remove();
      return one.choice !== choice;
    });
    this.large = null;
    this.lay();
    this.draw();
  };

  /* A panel whose volume has come; the first of a frame says where its series are opened. */
  Scroller.prototype.join = function (panel) {
    var frame = panel.facts.frame, leads = panel.choice && this.leading[frame] === panel.choice;
    if (leads || !this.at[frame]) this.at[frame] = panel.at;
    this.draw();
  };

  Scroller.prototype.moved = function (panel) {
    if (!this.linked) { panel.draw(); return; }
    this.at[panel.facts.frame] = panel.at;
    this.leading[panel.facts.frame] = null;
    this.draw();
  };

  Scroller.prototype.draw = function () {
    this.panels.forEach(function (one) { one.draw(); });
  };

  Scroller.prototype.turn = function (name) {
    var self = this;
    this[name] = !this[name];
    this.place.querySelectorAll("[data-switch=" + name + "]").forEach(function (one) {
      one.setAttribute("aria-pressed", String(self[name]));
    });
    // Unlinked, each stays where it is; linked again, all of its frame go where the last one
    // used is.
    if (name === "linked" && !this.linked) {
      this.panels.forEach(function (one) { one.at = self.at[one.facts.frame]; });
    } else if (name === "linked" && this.active && this.active.volume) {
      this.at[this.active.facts.frame] = this.active.at;
    }
    this.draw();
  };

  Scroller.prototype.enlarge = function (panel) {
    this.large = this.large === panel ? null : panel;
    this.lay();
    panel.canvas.focus({ preventScroll: true });
    this.grid.scrollIntoView({ block: this.large ? "start" : "nearest" });
  };

  Scroller.prototype.setWindow = function (number) {
    this.window = number;
    this.windows.forEach(function (one, place) {
      one.setAttribute("aria-pressed", String(place === number));
    });
    this.draw();
  };

  /* CT in Hounsfield units; MR by percentiles over all shown series of one grey scale, so that
     enhancement from phase to phase stays to be seen. */
  Scroller.prototype.shadesOf = function (panel) {
    var low = Number(this.windows[this.window].dataset.low);
    var high = Number(this.windows[this.window].dataset.high);
    var same = this.panels.filter(function (one) {
      return one.volume && one.facts.scale === panel.facts.scale;
    });
    var key = [low, high].concat(same.map(function (one) { return one.facts.address; })).join(" ");
    if (panel.shadesKey === key) return panel.shades;
    panel.shadesKey = key;
    panel.shades = app.shadesOf(panel.volume, this.limits(same, low, high));
    return panel.shades;
  };

  Scroller.prototype.limits = function (same, low, high) {
    if (this.place.dataset.unit === "HU") return [low, high];
    function of(percent) {
      return same.map(function (one) { return one.volume.percentiles[percent.toFixed(1)]; })
        .filter(function (value) { return value !== undefined; });
    }
    var lows = of(low), highs = of(high);
    if (!lows.length) return [0, 1];
    return [Math.min.apply(null, lows), Math.max.apply(null, highs)];
  };

  Scroller.prototype.onKey = function (event) {
    var panel = this.panels.find(function (one) { return one.canvas === event.target; });
    if (!panel || event.ctrlKey || event.altKey || event.metaKey) return;
    var self = this, shown = this.large ? [this.large] : this.panels;
    function step(n) { return function () { panel.scroll(n); }; }
    function focus(n) {
      return function () {
        var next = shown[shown.indexOf(panel) + n];
        if (next) next.canvas.focus();
      };
    }
    var act = {
      ArrowDown: step(1), ArrowUp: step(-1), PageDown: step(PAGE_SLICES), PageUp: step(-PAGE_SLICES),
      Home: step(-Infinity), End: step(Infinity), ArrowRight: focus(1), ArrowLeft: focus(-1),
      w: function () { self.setWindow((self.window + 1) % self.windows.length); },
      x: function () { self.turn("crossed"); },
      l: function () { self.turn("linked"); },
      e: function () { self.enlarge(panel); },
      Escape: this.large && function () { self.enlarge(self.large); }
    }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // the rating page has keys of its own
    act();
  };

  /* From a picture of a series: its volume alone, large. */
  Scroller.prototype.show = function (address) {
    var choice = this.choices.find(function (one) { return one.dataset.volume === address; });
    this.open(true);
    if (choice.getAttribute("aria-pressed") !== "true") this.toggle(choice);
    this.large = this.panels.find(function (one) { return one.choice === choice; });
    this.lay();
    this.large.canvas.focus({ preventScroll: true });
    this.grid.scrollIntoView({ block: "start" });
  };

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-volumes]").forEach(function (place) {
      var scroller = new Scroller(place);
      var exam = place.closest("[data-exam-card]");
      if (!exam) return;
      exam.querySelectorAll("[data-enlarge]").forEach(function (one) {
        one.addEventListener("click", function () { scroller.show(one.dataset.enlarge); });
      });
    });
  });
})();
