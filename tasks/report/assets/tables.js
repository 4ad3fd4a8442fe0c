/* Long tables: filter, sort, page by page, CSV. Rows come from data/*.js, where every text
   stands once and rows hold its number. Cells are built as text, never as HTML. */
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

  function unpack(data) {
    return data.rows.map(function (numbers) {
      var row = {};
      data.columns.forEach(function (name, position) {
        row[name] = data.strings[numbers[position]];
      });
      return row;
    });
  }

  function grouped(number) {
    return number.toLocaleString("en");
  }

  function inLanguage(row, name) {
    return row[name + "_" + app.language];
  }

  function pageLink(header, row, value) {
    var link = element("a", "code", value);
    link.href = header.closest("table").dataset.root + "sites/" + value + ".html";
    link.setAttribute("data-page", "");
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
      if (value) cell.appendChild(pageLink(header, row, value));
    },
    object: function (cell, value, row) {
      cell.appendChild(element("span", "quiet", row.object_type));
      cell.appendChild(element("span", "code wrap block", value));
    },
    evidence: function (cell, value, row) {
      if (row.column_name) cell.appendChild(element("span", "code quiet block", row.column_name));
      if (value) cell.appendChild(element("span", "block", value));
      if (row.expected) {
        cell.appendChild(
          element("span", "quiet block", app.say("table.expected") + " " + row.expected));
      }
    },
    todo: function (cell, value, row) {
      cell.appendChild(element("span", "strong block", inLanguage(row, "message")));
      cell.appendChild(element("span", "block", inLanguage(row, "fix")));
    cell.appendChild(element("span", "code quiet wrap", row.rule_id));
    },
    shape: function (cell, value) {
      cell.className = "shape " + value;
      cell.textContent = SHAPES[value];
    },
    code: function (cell, value) { cell.appendChild(element("span", "code", value)); },
    codes: function (cell, value) { cell.appendChild(element("span", "code wrap", value)); },
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

  function csvOf(columns, rows) {
    var lines = [columns.map(csvField).join(",")];
    rows.forEach(function (row) {
      lines.push(columns.map(function (name) { return csvField(row[name]); }).join(","));
    });
    return "\ufeff" + lines.join("\r\n") + "\r\n";
  }

  function download(name, text) {
    var address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
    var link = element("a");
    link.href = address;
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
    window.setTimeout(function () { URL.revokeObjectURL(address); }, 1000);
  }

  function LongTable(table) {
    var data = app.tables[table.dataset.table];
    this.table = table;
    this.panel = table.closest("[data-panel]");
    this.columns = data.columns;
    this.rows = unpack(data);
    this.headers = Array.prototype.slice.call(table.querySelectorAll("th[data-column]"));
    this.filters = Array.prototype.slice.call(this.panel.querySelectorAll("[data-filter]"));
    this.search = this.panel.querySelector("[data-search]");
    this.kept = this.rows;
    this.pageRows = Number(table.dataset.pageRows) || 50;
    this.first = 0;
    this.listen();
    this.filter();
  }

  LongTable.prototype.listen = function () {
    var self = this;
    var query = new URLSearchParams(window.location.search);
    this.filters.forEach(function (select) {
      select.value = query.get(select.dataset.filter) || "";
      if (select.selectedIndex < 0) select.value = "";
      select.addEventListener("change", function () { self.filter(); });
    });
    if (this.search) {
      this.search.value = query.get("q") || "";
      this.search.addEventListener("input", function () { self.filter(); });
    }
    this.headers.forEach(function (header) {
      app.makeSorter(header, function (descending) { self.sort(header, descending); });
    });
    this.onClick("[data-reset]", function () { self.reset(); });
    this.onClick("[data-csv]", function () {
      download(self.table.dataset.table + ".csv", csvOf(self.columns, self.kept));
    });
    this.onClick("[data-previous]", function () { self.turn(-self.pageRows); });
    this.onClick("[data-next]", function () { self.turn(self.pageRows); });
    app.onLanguage.push(function () { self.draw(); });
  };

  LongTable.prototype.onClick = function (selector, act) {
    this.panel.querySelectorAll(selector).forEach(function (button) {
      button.addEventListener("click", act);
    });
  };

  LongTable.prototype.reset = function () {
    this.filters.forEach(function (select) { select.value = ""; });
    if (this.search) this.search.value = "";
    this.filter();
  };

  LongTable.prototype.matches = function (row, words) {
    var fits = this.filters.every(function (select) {
      return select.value === "" || row[select.dataset.filter] === select.value;
    });
    if (!fits || !words.length) return fits;
    var hay = this.columns.map(function (name) { return row[name]; }).join("\n").toLowerCase();
    return words.every(function (word) { return hay.indexOf(word) >= 0; });
  };

  LongTable.prototype.filter = function () {
    var self = this;
    var words = this.search ? this.search.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    this.kept = this.rows.filter(function (row) { return self.matches(row, words); });
    this.first = 0;
    this.draw();
  };

  LongTable.prototype.sort = function (header, descending) {
    var name = header.dataset.column, kind = header.dataset.kind;
    this.rows.sort(function (a, b) {
      var order = app.compare(sortValue(kind, a[name]), sortValue(kind, b[name]));
      return descending ? -order : order;
    });
    this.filter();
  };

  LongTable.prototype.turn = function (step) {
    this.first = Math.max(0, Math.min(this.first + step, Math.max(0, this.kept.length - 1)));
    this.draw();
    this.table.scrollIntoView({ block: "start" });
  };

  LongTable.prototype.draw = function () {
    var self = this;
    var body = this.table.tBodies[0];
    var page = this.kept.slice(this.first, this.first + this.pageRows);
    body.textContent = "";
    page.forEach(function (row) {
      var line = body.insertRow();
      self.headers.forEach(function (header) {
        SHOW[header.dataset.kind](line.insertCell(), row[header.dataset.column], row, header);
      });
    });
    if (!page.length) {
      var cell = body.insertRow().insertCell();
      cell.colSpan = this.headers.length;
      cell.className = "empty";
      cell.textContent = app.say("table.none");
    }
    app.carryLanguageIn(body);
    this.drawPager(page.length);
  };

  LongTable.prototype.drawPager = function (shown) {
    var text = app.say("table.showing", {
      from: grouped(shown ? this.first + 1 : 0),
      to: grouped(this.first + shown),
      total: grouped(this.kept.length)
    });
    this.panel.querySelectorAll("[data-showing]").forEach(function (place) {
      place.textContent = text;
    });
    var last = this.first + this.pageRows >= this.kept.length, start = this.first === 0;
    this.panel.querySelectorAll("[data-previous]").forEach(function (button) {
      button.disabled = start;
    });
    this.panel.querySelectorAll("[data-next]").forEach(function (button) {
      button.disabled = last;
    });
    this.panel.querySelectorAll("[data-pager]").forEach(function (pager) {
      pager.hidden = start && last;
    });
  };

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("table[data-table]").forEach(function (table) {
      new LongTable(table);
    });
  });
})();
