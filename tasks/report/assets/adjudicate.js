/* Blinded judgement of lesions: one case on the screen, a class for each, one form to download.
   The form is the clinical form `adjudication`; each row names the evidence it was made on. */
(function () {
  "use strict";

  var app = window.livercohort;
  var COLUMNS = [
    "subject_no", "lesion_no", "reader_id", "role", "reference_class", "decided_on",
    "evidence_digest"
  ];

  function Case(place, button) {
    this.place = place;
    this.button = button;
    this.viewer = null;
    this.classes = Array.prototype.slice.call(place.querySelectorAll("[data-key]"));
  }

  /* The viewer reads its pictures when the case is opened, not before. */
  Case.prototype.show = function (shown) {
    this.place.hidden = !shown;
    this.button.setAttribute("aria-pressed", String(shown));
    if (shown && !this.viewer && this.place.querySelector("[data-series]")) {
      this.viewer = new app.Viewer(this.place);
    }
  };

  Case.prototype.found = function () {
    var chosen = this.classes.filter(function (one) { return one.checked; })[0];
    return chosen ? chosen.value : "";
  };

  Case.prototype.choose = function (key) {
    var wanted = this.classes.filter(function (one) { return one.dataset.key === key; })[0];
    if (!wanted) return false;
    wanted.checked = true;
    return true;
  };

  function Session(place) {
    var self = this;
    this.role = place.dataset.role;
    this.form = document.querySelector("[data-save]");
    this.told = this.form.querySelector("[data-saved]");
    var buttons = place.querySelectorAll("[data-open]");
    this.cases = Array.prototype.map.call(
      document.querySelectorAll("[data-case]"),
      function (section, number) { return new Case(section, buttons[number]); });
    this.cases.forEach(function (one, number) {
      one.button.addEventListener("click", function () { self.open(number); });
      one.place.addEventListener("change", function () { self.tell(); });
    });
    document.addEventListener("keydown", function (event) { self.onKey(event); });
    this.form.addEventListener("submit", function (event) {
      event.preventDefault();
      self.save();
    });
    app.onLanguage.push(function () { self.tell(); });
    this.open(0);
  }

  Session.prototype.open = function (number) {
    if (number < 0 || number >= this.cases.length) return;
    this.now = number;
    this.cases.forEach(function (one, place) { one.show(place === number); });
  };

  Session.prototype.onKey = function (event) {
    var isText = event.target.type === "text";
    if (isText || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "j") this.open(this.now + 1);
    else if (event.key === "k") this.open(this.now - 1);
    else if (!this.cases[this.now].choose(event.key)) return;
    event.preventDefault();
    this.tell();
  };

  Session.prototype.tell = function () {
    this.cases.forEach(function (one) {
      one.button.querySelector("[data-decided]").textContent = one.found() ? "✓" : "";
    });
    this.told.textContent = "";
  };

  Session.prototype.save = function () {
    var reader = app.reviewerOf(this.form), role = this.role, today = app.today();
    var decided = this.cases.filter(function (one) { return one.found(); });
    if (!decided.length) { this.told.textContent = app.say("adjudicate.ui_choose"); return; }
    if (!reader) { this.told.textContent = app.say("sign.reviewer_bad"); return; }
    var rows = decided.map(function (one) {
      var facts = one.place.dataset;
      return [facts.subjectNo, facts.lesion, reader, role, one.found(), today, facts.evidence];
    });
    var text = "\ufeff# export_as_of: " + today + "\r\n# export_kind: incremental\r\n" +
      [COLUMNS].concat(rows).map(function (row) {
        return row.map(function (cell) { return '"' + cell.replace(/"/g, '""') + '"'; }).join(",");
      }).join("\r\n") + "\r\n";
    app.download("adjudication__" + today + ".csv", text, "text/csv");
    this.told.textContent = app.say(
      "adjudicate.ui_saved", { n: decided.length, total: this.cases.length });
  };

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-adjudicate]").forEach(function (place) {
      new Session(place);
    });
  });
})();
