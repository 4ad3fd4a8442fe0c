/* The blinded rating of one exam: scroll through every series, rate, save. Which slices were
   on the screen is counted and saved with the rating. */
(function () {
  "use strict";

  var app = window.livercohort;
  var PER_ROW = 4, PER_SHEET = 16;

  function Viewer(place) {
    var self = this;
    this.place = place;
    this.canvas = place.querySelector("[data-canvas]");
    this.slider = place.querySelector("[data-slider]");
    this.form = place.querySelector("[data-form]");
    this.told = place.querySelector("[data-told]");
    this.images = {};
    this.series = Array.prototype.map.call(
      place.querySelectorAll("[data-series]"), function (button) {
        return {
          button: button,
          title: button.firstElementChild.textContent,
          id: button.dataset.series,
          frames: Number(button.dataset.frames),
          width: Number(button.dataset.width),
          height: Number(button.dataset.height),
          sheets: button.dataset.sheets.split(" "),
          at: 0,
          seen: {}
        };
      });
    this.windows = Array.prototype.slice.call(place.querySelectorAll("[data-window]"));
    this.now = this.series[0];
    this.listen();
    this.setWindow(0);
    app.onLanguage.push(function () { self.tell(); });
    this.open(0);
  }

  Viewer.prototype.listen = function () {
    var self = this;
    this.series.forEach(function (one, number) {
      one.button.addEventListener("click", function () { self.open(number); });
    });
    this.windows.forEach(function (button, number) {
      button.addEventListener("click", function () { self.setWindow(number); });
    });
    this.slider.addEventListener("input", function () { self.show(Number(self.slider.value)); });
    this.canvas.addEventListener("wheel", function (event) {
      event.preventDefault();
      self.show(self.now.at + (event.deltaY > 0 ? 1 : -1));
    }, { passive: false });
    document.addEventListener("keydown", function (event) { self.onKey(event); });
    if (this.form) this.form.addEventListener("submit", function (event) {
      event.preventDefault();
      self.save();
    });
  };

  Viewer.prototype.onKey = function (event) {
    var field = event.target, isText = field.type === "text" || field.nodeName === "TEXTAREA";
    if (this.place.hidden || isText || event.ctrlKey || event.altKey || event.metaKey) return;
    var place = this.series.indexOf(this.now);
    var act = {
      ArrowDown: function () { this.show(this.now.at + 1); },
      ArrowUp: function () { this.show(this.now.at - 1); },
      n: function () { this.open(place + 1); },
      p: function () { this.open(place - 1); },
      w: function () { this.setWindow((this.window + 1) % this.windows.length); },
      "1": this.form && function () { this.choose("yes"); },
      "2": this.form && function () { this.choose("no"); },
      // A button, a link or a field in focus has an Enter of its own.
      Enter: this.form && !field.closest("button, a, summary, form") && function () { this.save(); }
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act.call(this);
  };

  /* Grey values from `low` to `high` become black to white. A page opened from a file may not
     read the pixels it draws, so a filter does it: brightness scales, contrast turns about 0.5. */
  Viewer.prototype.setWindow = function (number) {
    var shares = this.windows[number].dataset.window.split(" ").map(Number);
    var slope = 1 / (shares[1] - shares[0]), contrast = 1 + 2 * shares[0] * slope;
    this.window = number;
    this.canvas.style.filter = "brightness(" + slope / contrast + ") contrast(" + contrast + ")";
    this.windows.forEach(function (button, place) {
      button.setAttribute("aria-pressed", String(place === number));
    });
  };

  Viewer.prototype.choose = function (answer) {
    this.form.elements.assessable.value = answer;
    this.told.textContent = "";
    this.form.elements.reviewer.focus();
  };

  Viewer.prototype.open = function (number) {
    if (number < 0 || number >= this.series.length) return;
    this.now = this.series[number];
    this.series.forEach(function (one) {
      one.button.setAttribute("aria-pressed", String(one === this.now));
    }, this);
    this.canvas.width = this.now.width;
    this.canvas.height = this.now.height;
    this.slider.max = String(this.now.frames - 1);
    this.now.sheets.forEach(function (sheet) { this.image(sheet); }, this);
    this.show(this.now.at);
  };

  Viewer.prototype.image = function (sheet) {
    var self = this;
    if (!this.images[sheet]) {
      var image = new Image();
      image.onload = function () { self.paint(); };
      image.onerror = function () { self.told.textContent = app.say("rate.missing"); };
      image.src = this.place.dataset.images + sheet;
      this.images[sheet] = image;
    }
    return this.images[sheet];
  };

  Viewer.prototype.show = function (slice) {
    this.now.at = Math.max(0, Math.min(slice, this.now.frames - 1));
    this.slider.value = String(this.now.at);
    this.paint();
    this.tell();
  };

  /* A slice counts as seen when it has been drawn, not when it was asked for. */
  Viewer.prototype.paint = function () {
    var one = this.now, image = this.image(one.sheets[Math.floor(one.at / PER_SHEET)]);
    if (!image.complete || !image.naturalWidth) return;
    var place = one.at % PER_SHEET;
    this.canvas.getContext("2d").drawImage(
      image,
      place % PER_ROW * one.width, Math.floor(place / PER_ROW) * one.height, one.width, one.height,
      0, 0, one.width, one.height);
    one.seen[one.at] = true;
    this.tell();
  };

  Viewer.prototype.tell = function () {
    this.place.querySelector("[data-position]").textContent = app.say("rate.position", {
      title: this.now.title, slice: this.now.at + 1, total: this.now.frames
    });
    this.series.forEach(function (one) {
      var n = Object.keys(one.seen).length, count = one.button.querySelector("[data-seen]");
      count.textContent = n + "/" + one.frames;
      count.className = "seen" + (n === one.frames ? " all" : "");
    });
  };

  Viewer.prototype.save = function () {
    var reviewer = app.reviewerOf(this.form), answer = this.form.elements.assessable.value;
    if (!answer) { this.told.textContent = app.say("rate.choose"); return; }
    if (!reviewer) { this.told.textContent = app.say("sign.reviewer_bad"); return; }
    var seen = this.series.map(function (one) {
      return { series: one.id, n_frames: one.frames, n_seen: Object.keys(one.seen).length };
    });
    var facts = this.place.dataset;
    app.saveReview("image_quality", reviewer, {
      subject_id: facts.subject,
      exam: facts.exam,
      exam_sha256: facts.examSha256,
      assessable: answer === "yes",
      reasons: checked(this.form),
      comment: this.form.elements.comment.value.trim(),
      series: seen
    }, "rating_" + facts.subject + "_" + facts.exam + "_" + reviewer);
    var total = seen.reduce(function (sum, one) { return sum + one.n_frames; }, 0);
    var n = seen.reduce(function (sum, one) { return sum + one.n_seen; }, 0);
    this.told.textContent = app.say(
      n === total ? "rate.saved_full" : "rate.saved_part", { seen: n, total: total });
    this.offerNext();
  };

  function checked(form) {
    return Array.prototype.map.call(
      form.querySelectorAll("[name=reason]:checked"), function (one) { return one.value; }).sort();
  }

  /* The next Enter goes on to the next exam. */
  Viewer.prototype.offerNext = function () {
    var after = this.form.querySelector("[data-after]");
    if (!after) return;
    after.hidden = false;
    after.querySelector("a").focus();
  };

  app.Viewer = Viewer; // the page of adjudication shows exams too, and rates none

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-rate]").forEach(function (place) { new Viewer(place); });
  });
})();
