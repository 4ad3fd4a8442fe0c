/* Long tables: filter, sort, page by page, CSV. A table comes in parts (data/*.js), in which
   every text stands once and rows hold its number; the contents count the rows of each part,
   so that only the parts shown are loaded. Cells are built as text, never as HTML. */
(function () {
  "use strict";

  var app = window.livercohort;
  var SEVERITIES = ["blocker", "major", "minor", "info"];
  var SHAPES = { ok: "●", thick: "▲", gaps: "◐", unknown: "?", absent: "–" };

  function element(name, className, text) {
    var made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function unpack(columns, part) {
    return part.rows.map(function (numbers) {
      var row = {};
      columns.forEach(function (name, position) {
        row[name] = part.strings[numbers[position]];
      });
      return row;
    });
  }

  /* A classic script, because fetch is refused from a file share. */
  function loadScript(address, done) {
    var script = element("script");
    script.src = address;
    script.onload = function () { done(true); };
    script.onerror = function () { done(false); };
    document.head.appendChild(script);
  }

  function grouped(number) {
    return number.toLocaleString("en");
  }

  function inLanguage(row, name) {
    return row[name + "_" + app.language];
  }

  function pageLink(header, folder, value) {
    var link = element("a", "code", value);
    link.href = header.closest("table").dataset.root + folder + "/" + value + ".html";
    link.setAttribute("data-page", "");
    return link;
  }

  function seriesLink(header, row) {
    var link = element("a", "series-link strong"), root = header.closest("table").dataset.root;
    link.href = root + "subjects/" + row.subject + ".html#series-" + row.place;
    link.setAttribute("data-page", "");
    if (row.picture) {
      var picture = element("img");
      picture.src = root + "img/" + row.picture;
      picture.alt = "";
      picture.loading = "lazy";
      picture.width = 62;
      picture.height = 70;
      link.appendChild(picture);
    }
    link.appendChild(element("span", "block", row.series));
    return link;
  }

  /* How a column shows its value; `data-kind` of the header names the way. */
  var SHOW = {
    severity: function (cell, value) {
      cell.appendChild(element("span", "severity " + value, app.say("severity." + value)));
    },
    status: function (cell, value) {
      if (value) cell.appendChild(element("span", "status " + value, app.say("status." + value)));
    },
    site: function (cell, value, row, header) {
      if (value) cell.appendChild(pageLink(header, "sites", value));
    },
    subject: function (cell, value, row, header) {
      if (value) cell.appendChild(pageLink(header, "subjects", value));
    },
    rate: function (cell, value, row, header) {
      if (value) cell.appendChild(pageLink(header, "rating", value));
    },
    received: function (cell, value) {
      var n = app.state && app.state.ratings[value];
      cell.textContent = n ? app.say("state_of.ratings", { n: n }) : "–";
    },
    /* A series by its picture and title; its key below, for who looks it up in the tables. */
    object: function (cell, value, row, header) {
      if (row.series) cell.appendChild(seriesLink(header, row));
      cell.appendChild(element("span", "quiet block", app.word("object." + row.object_type)));
      cell.appendChild(element("span", "code quiet wrap block", value));
    },
    evidence: function (cell, value, row) {
      if (row.column_name) cell.appendChild(element("span", "code quiet block", row.column_name));
      var observed = inLanguage(row, "observed"), expected = inLanguage(row, "expected");
      if (observed) cell.appendChild(element("span", "block", observed));
      if (expected) {
        cell.appendChild(
          element("span", "quiet block", app.say("table.expected") + " " + expected));
      }
    },
    todo: function (cell, value, row) {
      cell.appendChild(element("span", "strong block", inLanguage(row, "message")));
      cell.appendChild(element("span", "block", inLanguage(row, "fix")));
      cell.appendChild(element("span", "code quiet wrap", row.rule_id));
    },
    who: function (cell, value, row) {
      cell.appendChild(element("span", "block", app.say("owner." + value)));
      if (row.query) {
        cell.appendChild(element("span", "quiet block",
          app.say("query.about") + " " + app.say("query." + row.query)));
      }
    },
    /* Release and day: `1.0.0 · 2026-11-20`. */
    since: function (cell, value) {
      value.split(" · ").reverse().forEach(function (part, place) {
        cell.appendChild(element("span", "nowrap block" + (place ? " quiet" : ""), part));
      });
    },
    /* To the finding itself, while it stands. */
    query_link: function (cell, value, row, header) {
      var link = element(row.message_en ? "a" : "span", "code", value);
      if (row.message_en) {
        link.href = header.closest("table").dataset.root + "worklist.html?q=" +
          encodeURIComponent(value.replace(/^Q-/, ""));
        link.setAttribute("data-page", "");
      }
      cell.appendChild(link);
    },
    about: function (cell, value, row) {
      var text = inLanguage(row, "message");
      cell.appendChild(element("span", "block", text || app.say("query.gone")));
      cell.appendChild(element("span", "code quiet wrap", row.rule_id));
    },
    shape: function (cell, value) {
      cell.className = "shape " + value;
      cell.textContent = SHAPES[value];
    },
    /* Code and words. */
    criterion: function (cell, value) {
      if (!value) return;
      cell.appendChild(element("span", "code", value + " "));
      cell.appendChild(element("span", "quiet", app.word("criterion." + value)));
    },
    evidence_names: function (cell, value, row) {
      inLanguage(row, "missing").split("; ").forEach(function (name) {
        if (name) cell.appendChild(element("span", "block", name));
      });
    },
    word: function (cell, value, row, header) {
      cell.textContent = value && app.say(header.dataset.column + "." + value);
    },
    number: function (cell, value) { cell.className = "number"; cell.textContent = value; },
    text: function (cell, value) { cell.textContent = value; }
  };

  function sortValue(kind, value) {
    return kind === "severity" ? String(SEVERITIES.indexOf(value)) : value;
  }

  /* A spreadsheet must not run what a cell holds; UTF-8 with BOM, so Excel reads Chinese. */
  function csvField(value) {
    var safe = /^[=+\-@\t\r]/.test(value) && isNaN(Number(value)) ? "'" + value : value;
    return '"' + safe.replace(/"/g, '""') + '"';
  }

  function csvOf(listed, rows) {
    var columns = listed.filter(function (name) { return name !== "picture" && name !== "place"; });
    var lines = [columns.map(csvField).join(",")];
    rows.forEach(function (row) {
      lines.push(columns.map(function (name) { return csvField(row[name]); }).join(","));
    });
    return "\ufeff" + lines.join("\r\n") + "\r\n";
  }

  function LongTable(table) {
    var name = table.dataset.table;
    var contents = app.tables[name];
    this.table = table;
    this.name = name;
    this.panel = table.closest("[data-panel]");
    this.columns = contents.columns;
    this.groups = contents.groups;
    this.parts = contents.parts;
    this.headers = Array.prototype.slice.call(table.querySelectorAll("th[data-column]"));
    this.filters = Array.prototype.slice.call(this.panel.querySelectorAll("[data-filter]"));
    this.search = this.panel.querySelector("[data-search]");
    this.pageRows = Number(table.dataset.pageRows) || 50;
    this.first = 0;
    this.order = null;
    this.turnNumber = 0;
    this.listen();
    this.refresh();
  }

  LongTable.prototype.listen = function () {
    var self = this;
    var query = new URLSearchParams(window.location.search);
    function again() { self.first = 0; self.refresh(); }
    this.filters.forEach(function (select) {
      select.value = query.get(select.dataset.filter) || "";
      if (select.selectedIndex < 0) select.value = "";
      select.addEventListener("change", again);
    });
    if (this.search) {
      this.search.value = query.get("q") || "";
      this.search.addEventListener("input", again);
    }
    this.headers.forEach(function (header) {
      if (header.hasAttribute("data-unsorted")) return;
      app.makeSorter(header, function (descending) {
        self.order = { header: header, descending: descending };
        again();
      });
    });
    this.onClick("[data-reset]", function () { self.reset(); });
    this.onClick("[data-csv]", function () {
      self.withRows(self.candidates(), function (rows) {
        app.download(
          self.name + ".csv", csvOf(self.columns, self.kept(rows)), "text/csv;charset=utf-8");
      });
    });
    this.onClick("[data-previous]", function () { self.goTo(self.first - self.pageRows); });
    this.onClick("[data-next]", function () { self.goTo(self.first + self.pageRows); });
    this.panel.querySelectorAll("[data-goto]").forEach(function (select) {
      select.addEventListener("change", function () {
        self.goTo(Number(select.value) * self.pageRows);
      });
    });
    app.onLanguage.push(function () { self.refresh(); });
  };

  LongTable.prototype.onClick = function (selector, act) {
    this.panel.querySelectorAll(selector).forEach(function (button) {
      button.addEventListener("click", act);
    });
  };

  LongTable.prototype.reset = function () {
    this.filters.forEach(function (select) { select.value = ""; });
    if (this.search) this.search.value = "";
    this.first = 0;
    this.refresh();
  };

  LongTable.prototype.words = function () {
    return this.search ? this.search.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
  };

  LongTable.prototype.matches = function (row, words) {
    var fits = this.filters.every(function (select) {
      return select.value === "" || row[select.dataset.filter] === select.value;
    });
    if (!fits || !words.length) return fits;
    var hay = this.columns.map(function (name) { return row[name]; }).join("\n").toLowerCase();
    return words.every(function (word) { return hay.indexOf(word) >= 0; });
  };

  LongTable.prototype.kept = function (rows) {
    var self = this, words = this.words();
    return rows.filter(function (row) { return self.matches(row, words); });
  };

  /* How many rows of a part the filters on counted columns let through. */
  LongTable.prototype.countIn = function (part) {
    var self = this;
    return part.counts.reduce(function (sum, entry) {
      var fits = self.filters.every(function (select) {
        var place = self.groups.indexOf(select.dataset.filter);
        return select.value === "" || place < 0 || entry[place] === select.value;
      });
      return fits ? sum + entry[entry.length - 1] : sum;
    }, 0);
  };

  LongTable.prototype.candidates = function () {
    var self = this;
    return this.parts.map(function (part, number) {
      return { number: number, n: self.countIn(part) };
    }).filter(function (one) { return one.n > 0; });
  };

  /* Whether the counts alone say how many rows match, and where a page of them lies. */
  LongTable.prototype.isCounted = function () {
    var self = this;
    return !this.order && !this.words().length && this.filters.every(function (select) {
      return select.value === "" || self.groups.indexOf(select.dataset.filter) >= 0;
    });
  };

  LongTable.prototype.withRows = function (wanted, act) {
    var self = this, waiting = 0, failed = false, started = false;
    function finish() {
      if (failed) { self.say("table.failed"); return; }
      var rows = [];
      wanted.forEach(function (one) {
        var part = app.parts[self.name + "/" + one.number];
        if (!part.unpacked) part.unpacked = unpack(self.columns, part);
        rows = rows.concat(part.unpacked);
      });
      act(rows);
    }
    wanted.forEach(function (one) {
      if (app.parts[self.name + "/" + one.number]) return;
      waiting += 1;
      loadScript(self.table.dataset.root + "data/" + self.parts[one.number].file, function (ok) {
        failed = failed || !ok;
        waiting -= 1;
        if (started && !waiting) finish();
      });
    });
    started = true;
    if (!waiting) finish();
  };

  LongTable.prototype.refresh = function () {
    var self = this, turn = (this.turnNumber += 1), candidates = this.candidates();
    this.table.setAttribute("aria-busy", "true");
    var total = candidates.reduce(function (sum, one) { return sum + one.n; }, 0);
    if (this.isCounted()) {
      var before = 0, skipped = 0;
      var wanted = candidates.filter(function (one) {
        var ends = before + one.n, starts = before;
        before = ends;
        if (ends <= self.first) skipped = ends;
        return ends > self.first && starts < self.first + self.pageRows;
      });
      this.withRows(wanted, function (rows) {
        if (turn !== self.turnNumber) return;
        var at = self.first - skipped;
        self.draw(self.kept(rows).slice(at, at + self.pageRows), total);
      });
      return;
    }
    this.withRows(candidates, function (rows) {
      if (turn !== self.turnNumber) return;
      var kept = self.sorted(self.kept(rows));
      self.draw(kept.slice(self.first, self.first + self.pageRows), kept.length);
    });
  };

  LongTable.prototype.sorted = function (rows) {
    if (!this.order) return rows;
    var name = this.order.header.dataset.column, kind = this.order.header.dataset.kind;
    var sign = this.order.descending ? -1 : 1;
    return rows.slice().sort(function (a, b) {
      return sign * app.compare(sortValue(kind, a[name]), sortValue(kind, b[name]));
    });
  };

  LongTable.prototype.goTo = function (first) {
    this.first = Math.max(0, first);
    this.refresh();
    this.table.scrollIntoView({ block: "start" });
  };

  LongTable.prototype.say = function (key) {
    this.table.setAttribute("aria-busy", "false");
    var body = this.table.tBodies[0];
    body.textContent = "";
    var cell = body.insertRow().insertCell();
    cell.colSpan = this.headers.length;
    cell.className = "empty";
    cell.textContent = app.say(key);
  };

  LongTable.prototype.draw = function (page, total) {
    var self = this;
    this.table.setAttribute("aria-busy", "false");
    var body = this.table.tBodies[0];
    body.textContent = "";
    page.forEach(function (row) {
      var line = body.insertRow();
      self.headers.forEach(function (header) {
        SHOW[header.dataset.kind](line.insertCell(), row[header.dataset.column], row, header);
      });
    });
    if (!page.length) this.say("table.none");
    app.carryLanguageIn(body);
    this.drawPager(page.length, total);
  };

  LongTable.prototype.drawPager = function (shown, total) {
    var self = this;
    var text = app.say("table.showing", {
      from: grouped(shown ? this.first + 1 : 0),
      to: grouped(this.first + shown),
      total: grouped(total)
    });
    var last = this.first + this.pageRows >= total, start = this.first === 0;
    function each(selector, act) { self.panel.querySelectorAll(selector).forEach(act); }
    each("[data-showing]", function (place) { place.textContent = text; });
    each("[data-previous]", function (button) { button.disabled = start; });
    each("[data-next]", function (button) { button.disabled = last; });
    each("[data-pager]", function (pager) { pager.hidden = start && last; });
    each("[data-goto]", function (select) {
      select.textContent = "";
      for (var number = 0; number * self.pageRows < total; number += 1) {
        var option = element("option", "", String(number + 1));
        option.value = String(number);
        option.selected = number * self.pageRows === self.first;
        select.appendChild(option);
      }
    });
  };

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("table[data-table]").forEach(function (table) {
      if (app.tables[table.dataset.table]) new LongTable(table);
    });
  });
})();
